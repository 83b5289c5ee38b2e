"""An engine that is built for minutes: the node is up meanwhile, and a failed build is retried.

The build itself is a stand-in, as no TensorRT runs here; the node, its topics and the model that
comes out are real.
"""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from nodes.support import image_message, pixels_of
from onnx_models import color_segmentation, detector, pose_detector
from pipeline.waiting import wait_until
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from jetson_perception.errors import BuildCanceled, ModelError
from jetson_perception.models import model_file
from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.nodes.yolo_node import YoloNode

DEADLINE_S = 60.0


class StandInBuilder:
    """Stands for `open_engine` with an engine to build: gets stuck at 43 % until it is told.

    Strict: whoever builds without progress and cancel, or builds twice at once, fails the test.
    """

    def __init__(self, only=''):
        self.only = only
        self.finish = threading.Event()
        self.error = None
        self.builds = 0
        self.cancelled = 0
        self._open = model_file.open_engine
        self._busy = threading.Lock()

    def __call__(self, path, *, progress, cancel, **options):
        if self.only not in path.name:
            return self._open(path, **options)
        assert self._busy.acquire(blocking=False), 'two builds at once'
        try:
            self.builds += 1
            progress(None, 'reading the network')
            progress(0.43, 'timing tactics')
            while not self.finish.wait(0.005):
                if cancel.is_set():
                    self.cancelled += 1
                    raise BuildCanceled('canceled')
            if self.error is not None:
                raise self.error
            return self._open(path, **options)
        finally:
            self._busy.release()


@pytest.fixture
def builder(monkeypatch):
    stand_in = StandInBuilder()
    monkeypatch.setattr(model_file, 'open_engine', stand_in)
    yield stand_in
    stand_in.finish.set()


@pytest.fixture
def run_seg(run, tmp_path):
    return lambda **more: run(
        SegNode, model=str(color_segmentation(tmp_path / 'colors.onnx')), **more
    )


def red():
    return image_message(np.full((48, 64, 3), (0, 0, 250), np.uint8))


def retry(peer, name='seg_node'):
    return peer.call(Trigger, f'{name}/retry', Trigger.Request())


def wait_until_failed(peer, builder, text):
    """Let the build under way fail; returns the status that tells of it."""
    builder.error = ModelError(text)
    builder.finish.set()
    status = peer.wait_for_status(
        'seg_node', lambda status: status.level == status.ERROR, 'the reason in diagnostics'
    )
    builder.finish.clear()
    builder.error = None
    return status


def test_while_building_the_node_reports_progress_and_takes_no_image(peer, builder, run_seg):
    run_seg()
    assert peer.state('seg_node') == 'active'
    images, masks = peer.image_publisher(), peer.collect('mask', Image)
    status = peer.wait_for_status('seg_node', lambda status: True, 'its progress')
    assert status.level == status.WARN
    assert status.message == 'building engine 43 %: timing tactics'
    # Who is subscribed is ready: what sends a file waits for that.
    assert images.get_subscription_count() == 0
    builder.finish.set()
    msg = red()
    answer = peer.ask(images, msg, masks)
    assert (pixels_of(answer) == 1).all()
    assert answer.header == msg.header
    peer.wait_for_status('seg_node', lambda status: status.message == 'active', 'being active')


def test_a_failed_build_leaves_the_node_inactive_until_retry(peer, builder, run_seg):
    run_seg()
    status = wait_until_failed(peer, builder, 'not enough memory for a tactic')
    assert status.message == 'not enough memory for a tactic'
    assert peer.state('seg_node') == 'inactive'
    assert not peer.change_state('seg_node', 'activate')
    peer.wait_for_status(
        'seg_node', lambda status: 'not enough memory' in status.message, 'the same reason'
    )

    answer = retry(peer)
    assert answer.success, answer.message
    assert answer.message.startswith('building engine')
    assert peer.state('seg_node') == 'active'
    wait_until_failed(peer, builder, 'again')
    assert peer.state('seg_node') == 'inactive'

    retry(peer)
    builder.finish.set()
    masks = peer.collect('mask', Image)
    assert (pixels_of(peer.ask(peer.image_publisher(), red(), masks)) == 1).all()
    assert builder.builds == 3


def test_a_manager_that_only_configured_hears_of_the_failure_when_it_activates(
    peer, builder, run_seg
):
    run_seg(autostart=False)
    assert peer.change_state('seg_node', 'configure')
    peer.wait_for_status(
        'seg_node', lambda status: status.message.startswith('building'), 'the progress'
    )
    wait_until_failed(peer, builder, 'no tactic')
    assert peer.state('seg_node') == 'inactive'
    assert not peer.change_state('seg_node', 'activate')
    assert retry(peer).success
    assert peer.state('seg_node') == 'active', 'the manager had asked for that'


@pytest.mark.parametrize('error', [None, ModelError('no tactic')])
def test_a_build_that_is_over_before_the_node_is_spun(builder, run_seg, error):
    """Whoever activates is told how it ended, and does not wait for the executor."""
    node = run_seg(autostart=False)
    builder.error = error
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    builder.finish.set()
    wait_until(lambda: not node._models.opening)
    activated = node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert activated == (error is None)
    assert node.problem == ('no tactic' if error else '')


def test_a_build_that_is_no_longer_wanted_is_cancelled(peer, builder, run_seg):
    run_seg()
    assert peer.change_state('seg_node', 'deactivate')
    assert builder.cancelled == 0, 'it may be activated again'
    assert peer.change_state('seg_node', 'activate')
    assert peer.change_state('seg_node', 'deactivate')
    assert peer.change_state('seg_node', 'cleanup')
    assert builder.cancelled == 1
    peer.wait_for_status(
        'seg_node', lambda status: status.message == 'unconfigured', 'being unconfigured'
    )
    builder.finish.set()
    assert peer.change_state('seg_node', 'configure')
    assert peer.change_state('seg_node', 'activate')
    masks = peer.collect('mask', Image)
    peer.ask(peer.image_publisher(), red(), masks)


def test_a_node_that_is_destroyed_while_it_builds_leaves_no_thread(peer, builder, run_seg):
    node = run_seg()
    before = {thread.name for thread in threading.enumerate()}
    assert 'opening models' in before
    node.destroy_node()
    assert builder.cancelled == 1
    assert 'opening models' not in {thread.name for thread in threading.enumerate()}


def test_with_several_engines_the_one_being_built_is_named(peer, builder, run, tmp_path):
    builder.only = 'pose'
    size = (64, 64)
    run(
        YoloNode,
        engines=['det', 'pose'],
        det__model=str(detector(tmp_path / 'det.onnx', size_wh=size)),
        pose__model=str(pose_detector(tmp_path / 'pose.onnx', size_wh=size)),
    )
    status = peer.wait_for_status(
        'yolo_node', lambda status: status.level == status.WARN, 'the progress'
    )
    assert status.message == 'building engine pose 43 %: timing tactics'
    builder.error = ModelError('no plugin for node /head/NMS')
    builder.finish.set()
    status = peer.wait_for_status(
        'yolo_node', lambda status: status.level == status.ERROR, 'the reason'
    )
    assert status.message == 'engine pose: no plugin for node /head/NMS'


class TestRetry:
    def test_of_a_node_that_is_well(self, peer, run_seg):
        run_seg()
        answer = retry(peer)
        assert not answer.success
        assert answer.message == 'nothing to try again: the node is active'

    def test_of_a_model_that_was_missing(self, peer, run, tmp_path):
        path = tmp_path / 'late.onnx'
        run(SegNode, model=str(path))
        assert peer.state('seg_node') == 'unconfigured'
        answer = retry(peer)
        assert not answer.success
        assert str(path) in answer.message
        color_segmentation(path)
        assert retry(peer).success
        assert peer.state('seg_node') == 'active'


INTERRUPTED = """
import threading
from jetson_perception.models import model_file
from jetson_perception.errors import BuildCanceled
from jetson_perception.nodes.seg_node import main

def build(path, *, progress, cancel, **_):
    progress(0.43, 'timing tactics')
    cancel.wait()
    raise BuildCanceled('canceled')

model_file.open_engine = build
main()
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_node_that_builds(tmp_path, number):
    log = tmp_path / 'log'
    with (
        log.open('w') as output,
        subprocess.Popen(
            [sys.executable, '-c', INTERRUPTED, '--ros-args', '-p', 'model:=any.onnx'],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, 'RCUTILS_LOGGING_BUFFERED_STREAM': '0'},
        ) as process,
    ):
        for line in process.stdout:
            output.write(line)
            if 'no image is taken until then' in line:
                break
        process.send_signal(number)
        rest = process.stdout.read()
    assert process.wait(DEADLINE_S) == 0, log.read_text() + rest
    assert 'building engine 43 %' in log.read_text()
    assert 'Traceback' not in rest
    assert 'ERROR' not in rest
