"""What happens to one running node when the machine around it fails, and how it goes on after.

Each fault is real: a limit that Linux sets, a file that changes, a process that stops. The table
of all faults is in docs/faults.md.
"""

import os
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nodes.support import (
    EVERY_RESULT,
    Peer,
    log_lines,
    newest_status,
    node_process,
    unique_header,
    with_stamp_of,
)
from onnx_models import color_segmentation
from rcl_interfaces.msg import Log
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.dds.fast_dds import PROFILE_VARIABLES
from jetson_perception.ros.processes import running

pytestmark = pytest.mark.alone

#: What users are promised.
TOLD_S = 5.0
#: Hears what a node has logged before it was discovered, too.
ALL_SAID = QoSProfile(depth=1000, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


def png(pixels):
    return cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


SMALL = png(np.zeros((48, 64, 3), np.uint8))


PROFILE = """<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
  <data_writer profile_name="{topic}"><topic>{writers}</topic></data_writer>
</profiles>
"""


class Robot:
    """A seg_node of a camera that sends 20 compressed images a second, and what it answers."""

    def __init__(self, peer, model, process):
        self.peer, self.model, self.process = peer, model, process
        self.masks = peer.collect('mask', Image)
        self.images = peer.image_publisher('image/compressed', CompressedImage, EVERY_RESULT)
        self._sending = peer.node.create_timer(0.05, lambda: self.send(SMALL))

    def send(self, data):
        """Send an image; returns the message."""
        msg = CompressedImage(header=unique_header(), format='png', data=data)
        self.images.publish(msg)
        return msg

    def answers(self):
        """Wait for masks of images that are sent from now on."""
        self.masks.clear()
        self.peer.wait_for(lambda: len(self.masks) > 3, 'masks')

    def told(self, line, text, level):
        """Wait until a line of diagnostics has a text, at this level."""
        return self.peer.wait_for_status(
            f'seg_node{line}',
            lambda status: text in status.message and status.level == level,
            f'{text!r} in the line {line!r}',
        )

    def is_well(self):
        """Wait until it answers, and its lines say so, but for an error that is over."""
        self.answers()
        name = f'/{self.peer.namespace}/seg_node'
        heard = self.peer.collect('/diagnostics', DiagnosticArray)
        self.peer.wait_for(
            lambda: all(
                (status := newest_status(heard, f'{name}{line}')) and status.level in levels
                for line, levels in (
                    ('', (DiagnosticStatus.OK, DiagnosticStatus.WARN)),
                    (': segmentation', (DiagnosticStatus.OK,)),
                )
            ),
            'lines that are well',
        )

    @contextmanager
    def camera_silent(self):
        self._sending.cancel()
        try:
            yield
        finally:
            self._sending.reset()

    @contextmanager
    def limited(self, kind, most):
        """Let the node have no more of something, of which it may have as much again later."""
        before = resource.prlimit(self.process.pid, kind)
        resource.prlimit(self.process.pid, kind, (most, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.process.pid, kind, before)


@contextmanager
def running_robot(folder, writers=''):
    """A robot; `writers` is what its node's profile of Fast DDS says of the writer of masks."""
    with closing(Peer()) as peer, ExitStack() as stack:
        model = color_segmentation(folder / 'colors.onnx')
        settings = {'model': str(model), 'threads': 1, 'image_transport': 'compressed'}
        process = node_process('seg_node', peer.namespace, **settings)
        if writers:
            profile = folder / 'profile.xml'
            profile.write_text(PROFILE.format(topic=f'/{peer.namespace}/mask', writers=writers))
            process = replace(process, environment=dict.fromkeys(PROFILE_VARIABLES, str(profile)))
        node = stack.enter_context(running(process, folder / 'seg_node.log'))
        peer.watched.append(node)
        robot = Robot(peer, model, node)
        robot.answers()
        yield robot
        peer.watched.clear()


@pytest.fixture(scope='module')
def robot(tmp_path_factory):
    with running_robot(tmp_path_factory.mktemp('faults')) as robot:
        yield robot


def test_no_file_handle_is_left(robot):
    handles = len(os.listdir(f'/proc/{robot.process.pid}/fd'))
    with robot.limited(resource.RLIMIT_NOFILE, handles):
        pictures = robot.peer.collect('annotated', Image)
        begun = time.monotonic()
        robot.peer.wait_for_log(robot.process, f'no file handle of {handles} is left')
        robot.told('', 'no file handle of', DiagnosticStatus.ERROR)
        assert time.monotonic() - begun < TOLD_S
        robot.answers()
    robot.peer.wait_for(lambda: pictures, 'pictures')
    # What failed is told of for some time, but no more as an error.
    robot.told('', '', DiagnosticStatus.WARN)
    robot.peer.stop_collecting('annotated')


@pytest.mark.slow
def test_memory_runs_out_for_an_image(robot):
    large = png(np.zeros((4000, 6000), np.uint8))
    pages = int(Path(f'/proc/{robot.process.pid}/statm').read_text().split()[0])
    most = pages * os.sysconf('SC_PAGE_SIZE') + (32 << 20)
    with robot.limited(resource.RLIMIT_AS, most):
        begun = time.monotonic()
        robot.send(large)
        robot.told(': segmentation', 'memory ran out (', DiagnosticStatus.WARN)
        robot.peer.wait_for_log(robot.process, '6000×4000 pixels, and memory ran out')
        assert time.monotonic() - begun < TOLD_S
        robot.answers()
    robot.is_well()


@pytest.mark.slow
def test_what_is_logged_cannot_be_written(robot):
    """As on a full disk: the log of ROS, and what the process prints."""
    heard = robot.peer.collect('/rosout', Log, ALL_SAID)
    with robot.limited(resource.RLIMIT_FSIZE, 0):
        begun = time.monotonic()
        robot.send(b'not a picture')
        robot.told(': segmentation', 'damaged or not a picture', DiagnosticStatus.WARN)
        robot.peer.wait_for(
            lambda: [each for each in heard if 'not a picture' in each.msg], 'the line on /rosout'
        )
        assert time.monotonic() - begun < TOLD_S
        robot.answers()
    assert not log_lines(robot.process, 'not a picture')
    robot.is_well()


def test_the_model_file_is_cut_off_and_gone_under_a_running_node(robot):
    os.truncate(robot.model, 10)
    robot.answers()
    assert robot.peer.change_state('seg_node', 'deactivate')
    assert robot.peer.change_state('seg_node', 'activate')
    robot.answers()
    os.remove(robot.model)
    robot.answers()
    for step in ('deactivate', 'cleanup'):
        assert robot.peer.change_state('seg_node', step)
    begun = time.monotonic()
    assert not robot.peer.change_state('seg_node', 'configure')
    robot.told('', f'there is no model file {robot.model}', DiagnosticStatus.ERROR)
    assert log_lines(robot.process, f'not configured: there is no model file {robot.model}')
    assert time.monotonic() - begun < TOLD_S
    color_segmentation(robot.model)
    for step in ('configure', 'activate'):
        assert robot.peer.change_state('seg_node', step)
    robot.is_well()


@pytest.mark.slow
def test_the_camera_falls_silent(robot):
    with robot.camera_silent():
        begun = time.monotonic()
        what = 'no image any more'
        robot.peer.wait_for_log(robot.process, f'WARN.*{what}.*it sends nothing any more')
        heard = robot.peer.collect('/diagnostics', DiagnosticArray)
        lines = {
            f': input /{robot.peer.namespace}/image/compressed': DiagnosticStatus.ERROR,
            ': segmentation': DiagnosticStatus.STALE,
        }
        for line, level in lines.items():
            name = f'/{robot.peer.namespace}/seg_node{line}'
            status = robot.peer.wait_for(lambda n=name: newest_status(heard, n), name)
            assert what in status.message
            assert status.level == level
        assert time.monotonic() - begun < TOLD_S
    robot.is_well()


def test_the_process_stands_still_for_a_while(robot):
    """As a machine that is suspended: what waits then is not worked off."""
    os.kill(robot.process.pid, signal.SIGSTOP)
    try:
        late = robot.send(SMALL)
        for _ in range(20):
            robot.send(SMALL)
        robot.masks.clear()
    finally:
        os.kill(robot.process.pid, signal.SIGCONT)
    robot.peer.wait_for(lambda: len(robot.masks) > 3, 'masks')
    assert not with_stamp_of(robot.masks, late)
    robot.is_well()


#: Subscribes reliably, and stands still once it has heard one mask.
LISTENER = """
import os, signal, sys
import rclpy
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node('listener')
heard = []
node.create_subscription(Image, sys.argv[1], heard.append, 10)
while not heard:
    rclpy.spin_once(node)
print('heard', flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


#: Fast DDS keeps 5000 masks for who does not take them, which is 20 s of 250 a second: then it
#: forgets who says nothing. With fewer, the first of those that cannot be kept is there at once.
FEW_KEPT = """<resourceLimitsQos>
  <max_samples>20</max_samples><allocated_samples>20</allocated_samples>
</resourceLimitsQos>"""


@pytest.mark.slow
@pytest.mark.parametrize('writers', ['', FEW_KEPT], ids=['as_usual', 'few_kept'])
def test_a_subscriber_stands_still(tmp_path, writers):
    with running_robot(tmp_path, writers) as robot, stopped_listener(robot):
        for _ in range(10):  # more than any queue holds
            robot.answers()
        robot.is_well()


@contextmanager
def stopped_listener(robot):
    """Somebody who has heard a mask, and stands still since."""
    command = [sys.executable, '-c', LISTENER, f'/{robot.peer.namespace}/mask']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        try:
            robot.peer.wait_for(
                lambda: select.select([listener.stdout], [], [], 0)[0], 'a mask at the listener'
            )
            yield
        finally:
            listener.kill()
