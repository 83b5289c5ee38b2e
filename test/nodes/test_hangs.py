"""Real nodes in which something never returns: they say so, obey, and end when told to."""

import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from jetson_perception.msg import PipelineStats
from nodes.support import (
    image_message,
    log_lines,
    node_process,
    value_of,
    wait_for_exit,
)
from onnx_models import color_segmentation, endless_segmentation
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from jetson_perception.bringup import NodeProcess
from jetson_perception.ros.processes import running

# What users are promised.
TOLD_S, DEACTIVATED_S, ENDED_S = 5.0, 2.0, 3.0
DARK, BRIGHT = (np.full((48, 64, 3), value, np.uint8) for value in (0, 255))


@dataclass(frozen=True)
class HangingProcess(NodeProcess):
    """A seg_node in which a call never returns; see hanging_seg_node.py."""

    where: str = 'infer'

    def command(self, prefix):
        script = Path(__file__).with_name('hanging_seg_node.py')
        return [sys.executable, str(script), self.where, *super().command(prefix)[1:]]


@pytest.fixture
def start_any(peer, tmp_path):
    """Starts a NodeProcess that the test itself ends, with whatever exit code."""
    with ExitStack() as stack:
        numbers = iter(range(100))

        def start(process):
            started = stack.enter_context(running(process, tmp_path / f'{next(numbers)}.log'))
            peer.watched.append(started)
            return started

        yield start
        peer.watched.clear()


def hanging(peer, where, name='seg_node', **parameters):
    made = node_process('seg_node', peer.namespace, **parameters)
    return HangingProcess(
        'seg_node',
        peer.namespace,
        name,
        parameters=made.parameters,
        environment=made.environment,
        where=where,
    )


def is_error(status):
    return status.level == DiagnosticStatus.ERROR


def end(peer, process):
    """Send SIGINT; the exit code and the seconds until then."""
    peer.watched.remove(process)
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    return wait_for_exit(process), time.monotonic() - begun


def seconds_of(call):
    begun = time.monotonic()
    assert call()
    return time.monotonic() - begun


class Images:
    """A camera whose images can be dark or bright."""

    def __init__(self, peer):
        self.pixels = DARK
        self.publisher = peer.image_publisher()
        self._timer = peer.node.create_timer(0.05, self._publish)

    def _publish(self):
        self.publisher.publish(image_message(self.pixels))


def let_hang(peer, images):
    """Have the node get stuck in a bright image; the seconds until diagnostics say so."""
    masks = peer.collect('mask', Image)
    peer.wait_for(lambda: masks, 'a mask')
    images.pixels = BRIGHT
    begun = time.monotonic()
    status = peer.wait_for_status('seg_node: segmentation', is_error, 'an error of the lane')
    told_s = time.monotonic() - begun
    assert 'engine segmentation: an inference has not returned since' in status.message
    return told_s


def test_an_endless_run_is_told_of_and_ended_by_deactivate_and_by_sigint(
    peer, start_any, tmp_path
):
    model = endless_segmentation(tmp_path / 'endless.onnx')
    node = start_any(node_process('seg_node', peer.namespace, model=str(model)))
    images, stats = Images(peer), peer.collect('stats', PipelineStats)
    assert let_hang(peer, images) < TOLD_S
    begun = stats[-1].frames_skipped
    peer.wait_for(lambda: stats[-1].frames_skipped > begun + 20, 'skipped frames in stats')
    own = peer.wait_for_status('seg_node', is_error, 'an error of the node')
    assert 'engine segmentation: an inference has not returned since' in own.message
    assert seconds_of(lambda: peer.change_state('seg_node', 'deactivate')) < DEACTIVATED_S
    # The runtime ended the run as asked, so the engine is fit for use.
    images.pixels = DARK
    assert peer.change_state('seg_node', 'activate')
    status = peer.wait_for_status(
        'seg_node: segmentation', lambda status: not is_error(status), 'a lane without error'
    )
    assert int(value_of(status, 'frames failed')) == 0
    images.pixels = BRIGHT
    peer.wait_for_status('seg_node', is_error, 'the second hang')
    code, elapsed_s = end(peer, node)
    assert (code, elapsed_s < ENDED_S) == (0, True), node.log.read_text()
    assert not log_lines(node, 'Traceback')


def test_after_a_driver_hung_only_a_restart_helps(peer, start_any, tmp_path):
    model = color_segmentation(tmp_path / 'colors.onnx')
    node = start_any(hanging(peer, 'infer', model=str(model)))
    assert let_hang(peer, Images(peer)) < TOLD_S
    assert seconds_of(lambda: peer.change_state('seg_node', 'deactivate')) < DEACTIVATED_S
    assert log_lines(node, 'segmentation: an inference .* it is left behind')
    assert not peer.change_state('seg_node', 'activate')
    assert log_lines(node, 'not activated: engine segmentation.* restart this node')
    answer = peer.call(Trigger, 'seg_node/retry', Trigger.Request())
    assert not answer.success
    assert 'engine segmentation: an inference' in answer.message
    assert 'restart this node' in answer.message
    assert peer.change_state('seg_node', 'cleanup')
    assert not peer.change_state('seg_node', 'configure')
    status = peer.wait_for_status('seg_node', is_error, 'an error of the unconfigured node')
    assert 'engine segmentation: an inference has not returned since' in status.message
    code, elapsed_s = end(peer, node)
    assert (code, elapsed_s < ENDED_S) == (70, True), node.log.read_text()
    assert not log_lines(node, 'Traceback')


def test_what_never_ends_at_the_beginning_holds_up_neither_states_nor_the_end(
    peer, start_any, tmp_path
):
    model = str(color_segmentation(tmp_path / 'colors.onnx'))
    bound = start_any(hanging(peer, 'bind', 'bind', model=model))
    opened = start_any(hanging(peer, 'open', 'open', model=model))
    killed = start_any(hanging(peer, 'open', 'killed', model=model))
    for name, what in (('bind', 'the first run'), ('open', 'opening its model')):
        status = peer.wait_for_status(
            name, lambda status, what=what: what in status.message, f'{name} telling of it'
        )
        assert status.level == DiagnosticStatus.WARN
    code, elapsed_s = end(peer, killed)
    assert (code, elapsed_s < ENDED_S) == (0, True), killed.log.read_text()
    peer.wait_for_state('bind', 'active')
    assert seconds_of(lambda: peer.change_state('bind', 'deactivate')) < DEACTIVATED_S
    assert not peer.change_state('bind', 'activate')
    assert log_lines(bound, 'not activated: engine segmentation: the first run has not returned')
    peer.wait_for_state('open', 'active')
    assert seconds_of(lambda: peer.change_state('open', 'deactivate')) < DEACTIVATED_S
    assert peer.change_state('open', 'cleanup')
    assert not peer.change_state('open', 'configure')
    assert log_lines(opened, 'not configured: the engine: opening its model has not returned')
    for process in (bound, opened):
        code, elapsed_s = end(peer, process)
        assert (code, elapsed_s < ENDED_S) == (0, True), process.log.read_text()
        assert not log_lines(process, 'Traceback')


def test_a_drawing_that_hangs_keeps_no_result_back(peer, start_any, tmp_path):
    model = color_segmentation(tmp_path / 'colors.onnx')
    node = start_any(hanging(peer, 'draw', model=str(model)))
    images, masks = Images(peer), peer.collect('mask', Image)
    assert images.publisher
    peer.collect('annotated', Image)
    status = peer.wait_for_status('seg_node', is_error, 'an error of the drawing')
    assert 'drawing: the newest picture has not returned since' in status.message
    masks.clear()
    peer.wait_for(lambda: len(masks) > 5, 'masks meanwhile')
    assert seconds_of(lambda: peer.change_state('seg_node', 'deactivate')) < DEACTIVATED_S
    code, elapsed_s = end(peer, node)
    assert (code, elapsed_s < ENDED_S) == (70, True), node.log.read_text()
