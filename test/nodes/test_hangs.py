"""Real nodes in which a call never returns: they report it, obey, and end on request."""

import os
import signal
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from jetson_perception.msg import PipelineStats
from nodes.support import (
    Peer,
    image_message,
    log_lines,
    newest_status,
    node_process,
    value_of,
    wait_for_exit,
)
from onnx_models import color_segmentation, endless_segmentation
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from jetson_perception.bringup import NodeProcess
from jetson_perception.ros.processes import running

pytestmark = pytest.mark.alone

# What users are promised.
TOLD_S, DEACTIVATED_S, ENDED_S = 5.0, 2.0, 3.0
#: What diagnostics say of each node that hangs.
HANGS = {
    'infer': 'an inference has not returned',
    'draw': 'the newest picture has not returned',
    'bind': 'the first run has not returned',
    'open': 'opening its model has not returned',
}
DARK, BRIGHT = (np.full((48, 64, 3), value, np.uint8) for value in (0, 255))


@dataclass(frozen=True)
class HangingProcess(NodeProcess):
    """A seg_node in which a call never returns; see hanging_seg_node.py."""

    where: str = 'infer'

    def command(self, prefix):
        script = Path(__file__).with_name('hanging_seg_node.py')
        return [sys.executable, str(script), self.where, *super().command(prefix)[1:]]


class Robot:
    """Nodes of one camera that hang, each in its own way, and a peer that watches them."""

    def __init__(self, peer, folder, stack):
        self.peer = peer
        self.pixels = DARK
        self._folder, self._stack = folder, stack
        self.nodes = {}
        self.deactivated = set()
        self.publisher = peer.image_publisher()
        peer.node.create_timer(0.05, self._publish)

    def start(self, name, where, model, **parameters):
        """Start a seg_node of that name; see hanging_seg_node.py, or '' for one without."""
        parameters |= {'model': str(model), 'threads': 1}
        made = node_process('seg_node', self.peer.namespace, **parameters)
        process = (HangingProcess if where else NodeProcess)(
            'seg_node',
            self.peer.namespace,
            name,
            parameters=made.parameters,
            environment=made.environment,
            remappings={topic: f'{name}/{topic}' for topic in ('mask', 'stats', 'annotated')},
            **({'where': where} if where else {}),
        )
        node = self._stack.enter_context(running(process, self._folder / f'{name}.log'))
        self.peer.watched.append(node)
        self.nodes[name] = node

    def _publish(self):
        self.publisher.publish(image_message(self.pixels))

    def deactivate(self, name):
        """Seconds that it takes."""
        assert not self.peer.change_state(name, 'cleanup')  # so that the service is known
        begun = time.monotonic()
        assert self.peer.change_state(name, 'deactivate')
        self.deactivated.add(name)
        return time.monotonic() - begun

    def leave_thread_behind(self, name):
        """Have a node hang and deactivate it, unless that was done."""
        if name in self.deactivated:
            return
        self.peer.wait_for_state(name, 'active')
        if name == 'infer':
            self.pixels = BRIGHT
        self.peer.wait_for_status(name, lambda status: HANGS[name] in status.message, 'the hang')
        self.deactivate(name)
        self.pixels = DARK

    def interrupt(self, name):
        """Send SIGINT; the exit code and the seconds until then."""
        node = self.nodes[name]
        self.peer.watched.remove(node)
        begun = time.monotonic()
        os.kill(node.pid, signal.SIGINT)
        code = wait_for_exit(node)
        assert not log_lines(node, 'Traceback')
        return code, time.monotonic() - begun

    def logged(self, name, pattern):
        return log_lines(self.nodes[name], pattern)


def is_error(status):
    return status.level == DiagnosticStatus.ERROR


@pytest.fixture(scope='module')
def robot(tmp_path_factory):
    folder = tmp_path_factory.mktemp('hangs')
    model = color_segmentation(folder / 'colors.onnx')
    with closing(Peer()) as peer, ExitStack() as stack:
        robot = Robot(peer, folder, stack)
        robot.start('endless', '', endless_segmentation(folder / 'endless.onnx'))
        for name in ('infer', 'draw', 'bind', 'open', 'loading'):
            robot.start(name, 'open' if name == 'loading' else name, model)
        peer.collect('draw/annotated', Image)
        yield robot
        peer.watched.clear()


def test_a_sigint_while_a_model_loads_ends_the_process(robot):
    robot.peer.wait_for_status(
        'loading', lambda status: 'opening its model' in status.message, 'the loading'
    )
    code, elapsed_s = robot.interrupt('loading')
    assert (code, elapsed_s < ENDED_S) == (0, True)


def test_a_first_run_that_never_ends_holds_up_no_state(robot):
    peer = robot.peer
    peer.wait_for_state('bind', 'active')
    status = peer.wait_for_status('bind', lambda status: 'first run' in status.message, 'it')
    assert status.level == DiagnosticStatus.WARN
    assert robot.deactivate('bind') < DEACTIVATED_S
    assert not peer.change_state('bind', 'activate')
    assert robot.logged('bind', 'not activated: engine segmentation: the first run has not')


def test_a_hanging_drawing_is_reported_and_delays_no_result(robot):
    peer = robot.peer
    status = peer.wait_for_status('draw', is_error, 'an error of the drawing')
    assert 'drawing: the newest picture has not returned since' in status.message
    masks = peer.collect('draw/mask', Image)
    peer.wait_for(lambda: len(masks) > 5, 'masks meanwhile')
    assert robot.deactivate('draw') < DEACTIVATED_S


def test_hanging_inferences_are_reported_and_only_a_run_that_can_be_ended_allows_recovery(
    robot,
):
    peer = robot.peer
    stats = {name: peer.collect(f'{name}/stats', PipelineStats) for name in ('endless', 'infer')}
    for name, heard in stats.items():
        peer.wait_for(lambda heard=heard: heard and heard[-1].frames_processed, f'{name} at work')
    robot.pixels = BRIGHT
    begun = time.monotonic()
    told = peer.collect('/diagnostics', DiagnosticArray)
    names = [f'/{peer.namespace}/{name}' for name in stats]
    names += [f'{name}: segmentation' for name in names]

    def errors():
        statuses = [newest_status(told, name) for name in names]
        return all(statuses) and all(map(is_error, statuses)) and statuses

    statuses = peer.wait_for(errors, 'errors of the nodes and their lanes')
    assert time.monotonic() - begun < TOLD_S
    for status in statuses:
        assert 'engine segmentation: an inference has not returned since' in status.message
    for heard in stats.values():
        skipped = heard[-1].frames_skipped
        peer.wait_for(lambda h=heard, s=skipped: h[-1].frames_skipped > s + 10, 'skipped frames')
        assert heard[-1].frames_failed == 0

    # The runtime ends the run as asked, so the engine is fit for use.
    assert robot.deactivate('endless') < DEACTIVATED_S
    robot.pixels = DARK
    assert peer.change_state('endless', 'activate')
    status = peer.wait_for_status(
        'endless: segmentation', lambda status: not is_error(status), 'a lane without error'
    )
    assert int(value_of(status, 'frames failed')) == 0

    # A driver that hangs is done for.
    assert robot.deactivate('infer') < DEACTIVATED_S
    assert robot.logged('infer', 'segmentation: an inference .* it is left behind')
    assert not peer.change_state('infer', 'activate')
    assert robot.logged('infer', 'not activated: engine segmentation.* restart this node')
    answer = peer.call(Trigger, 'infer/retry', Trigger.Request())
    assert not answer.success
    assert 'engine segmentation: an inference' in answer.message
    assert 'restart this node' in answer.message
    assert peer.change_state('infer', 'cleanup')
    assert not peer.change_state('infer', 'configure')
    status = peer.wait_for_status('infer', is_error, 'an error of the unconfigured node')
    assert 'engine segmentation: an inference has not returned since' in status.message


def test_a_model_that_is_never_open_holds_up_no_state(robot):
    peer = robot.peer
    peer.wait_for_state('open', 'active')
    status = peer.wait_for_status('open', lambda status: 'opening' in status.message, 'it')
    assert status.level == DiagnosticStatus.WARN
    assert robot.deactivate('open') < DEACTIVATED_S
    assert peer.change_state('open', 'cleanup')
    assert not peer.change_state('open', 'configure')
    assert robot.logged('open', 'not configured: the engine: opening its model has not returned')


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        pytest.param('infer', 70, id='a_stuck_inference_that_was_left_behind'),
        pytest.param('draw', 70, id='a_stuck_drawing_that_was_left_behind'),
        pytest.param('bind', 0, id='a_first_run_under_way'),
        pytest.param('open', 0, id='an_opening_under_way'),
    ],
)
def test_sigint_ends_the_process_with_threads_left_behind(robot, name, expected):
    robot.leave_thread_behind(name)
    code, elapsed_s = robot.interrupt(name)
    assert (code, elapsed_s < ENDED_S) == (expected, True)


def test_sigint_ends_a_process_in_an_endless_run(robot):
    stats = robot.peer.collect('endless/stats', PipelineStats)
    robot.peer.wait_for(lambda: stats and stats[-1].frames_processed, 'results')
    robot.pixels = BRIGHT
    robot.peer.wait_for(
        lambda: len(stats) > 1 and stats[-1].frames_processed == stats[-2].frames_processed,
        'a second without a result',
    )
    code, elapsed_s = robot.interrupt('endless')
    assert (code, elapsed_s < ENDED_S) == (0, True)


@pytest.mark.slow
def test_an_engine_in_a_process_of_its_own_is_ended_and_the_node_goes_on(tmp_path):
    """No transition is needed, nor a new node."""
    model = endless_segmentation(tmp_path / 'endless.onnx')
    with closing(Peer()) as peer, ExitStack() as stack:
        robot = Robot(peer, tmp_path, stack)
        robot.start('isolated', '', model, isolation='process', inference_limit_s=1.0)
        masks = peer.collect('isolated/mask', Image)
        peer.wait_for(lambda: masks, 'masks')
        begun = time.monotonic()
        robot.pixels = BRIGHT
        status = peer.wait_for_status(
            'isolated: segmentation',
            lambda status: 'process of the engine' in status.message,
            'the engine that hangs',
        )
        assert status.level == DiagnosticStatus.WARN
        assert robot.logged('isolated', 'did not answer within 1 s; it is started again')
        assert time.monotonic() - begun < TOLD_S
        robot.pixels = DARK
        masks.clear()
        peer.wait_for(lambda: len(masks) > 5, 'masks again')
        peer.wait_for_status(
            'isolated: segmentation',
            lambda status: status.level == DiagnosticStatus.OK,
            'a lane that is well',
        )
        assert peer.state('isolated') == 'active'
        code, elapsed_s = robot.interrupt('isolated')
        assert (code, elapsed_s < ENDED_S) == (0, True)
