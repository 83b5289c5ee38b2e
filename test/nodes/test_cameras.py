"""Several cameras in one node: results of each under its namespace, and none touches another."""

import os
import signal
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from jetson_perception.msg import PipelineStats
from nodes.support import (
    EVERY_RESULT,
    LATCHED,
    image_message,
    log_lines,
    newest_status,
    node_process,
    pixels_of,
    value_of,
)
from onnx_models import color_segmentation, detector, pose_detector
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from jetson_perception.ros import diagnostics
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.processes import running

CAMERAS = ('front', 'rear')
TOPICS = [f'{name}/image_raw' for name in CAMERAS]
#: Of one colour, and the class of that colour.
PICTURES = {'front': ((0, 0, 255), 1), 'rear': ((255, 0, 0), 3), 'left': ((0, 255, 0), 2)}


def picture(name, size_wh=(64, 48)):
    return image_message(np.full((size_wh[1], size_wh[0], 3), PICTURES[name][0], np.uint8))


def seg(peer, tmp_path, topics=TOPICS, **parameters):
    """A seg_node with a model that takes batches."""
    model = color_segmentation(tmp_path / 'colors.onnx', dynamic=True)
    settings = {'model': str(model), 'input_size': [64, 48], 'image_topics': topics}
    return node_process('seg_node', peer.namespace, **settings, **parameters)


def test_each_camera_has_its_own_results_whatever_its_size(peer, start, tmp_path):
    node = start(seg(peer, tmp_path))
    peer.wait_for_log(node, r'up to 2 images of different cameras run together')
    masks = {name: peer.collect(f'{name}/mask', Image) for name in CAMERAS}
    pictures = {name: peer.collect(f'{name}/annotated', Image) for name in CAMERAS}
    colored = {name: peer.collect(f'{name}/mask/color', Image) for name in CAMERAS}
    stats = {name: peer.collect(f'{name}/stats', PipelineStats) for name in CAMERAS}
    labels = {name: peer.collect(f'{name}/label_info', LabelInfo, LATCHED) for name in CAMERAS}
    images = {name: peer.image_publisher(f'{name}/image_raw') for name in CAMERAS}
    for size_wh in ((64, 48), (320, 200), (33, 21)):
        for name in CAMERAS:
            msg = picture(name, size_wh if name == 'rear' else (64, 48))
            mask = peer.ask(images[name], msg, masks[name])
            assert (mask.header, mask.width, mask.height) == (msg.header, msg.width, msg.height)
            assert (pixels_of(mask) == PICTURES[name][1]).all()
    for name in CAMERAS:
        peer.ask(images[name], picture(name), pictures[name], colored[name])
        peer.wait_for(lambda n=name: labels[n], 'the classes')
        newest = peer.wait_for(lambda n=name: [s for s in stats[n] if s.frames_processed], 'stats')
        assert newest[-1].input == f'/{peer.namespace}/{name}/image_raw'
        assert 'transport' in {stage.name for stage in newest[-1].stages}
    # What one camera sends is on no topic of the other.
    sent = {name: {stamp_ns(msg.header) for msg in masks[name]} for name in CAMERAS}
    assert not sent['front'] & sent['rear']


def test_one_camera_that_sends_rubbish_is_told_of_alone(peer, start, tmp_path):
    start(seg(peer, tmp_path))
    images = {name: peer.image_publisher(f'{name}/image_raw') for name in CAMERAS}
    masks = peer.collect('rear/mask', Image)
    peer.ask(images['rear'], picture('rear'), masks)
    broken = picture('front')
    broken.step = 1

    def lines():
        name = f'/{peer.namespace}/seg_node: segmentation'
        return {
            camera: newest_status(collected, f'{name} /{peer.namespace}/{camera}')
            for camera in CAMERAS
        }

    collected = peer.collect('/diagnostics', diagnostics.DiagnosticArray)
    peer.send_until(
        images['front'],
        lambda: broken,
        lambda: lines()['front'] is not None and 'failed' in lines()['front'].message,
        'the failure',
    )
    peer.ask(images['rear'], picture('rear'), masks)
    collected.clear()
    both = peer.wait_for(lambda: all(lines().values()) and lines(), 'both lines')
    assert value_of(both['front'], 'frames failed') != '0'
    assert value_of(both['rear'], 'frames failed') == '0'
    assert both['rear'].level == diagnostics.OK


def test_engines_of_several_cameras(peer, start, tmp_path):
    """Each engine takes every camera; a model that cannot batch serves them in turn."""
    models = {
        # Its output is constant, so it is that of one image, whatever its batch says.
        'det__model': str(detector(tmp_path / 'det.onnx', dynamic=True)),
        'pose__model': str(pose_detector(tmp_path / 'pose.onnx')),
    }
    settings = {'engines': ['det', 'pose'], 'det__input_size': [640, 640], **models}
    node = start(node_process('yolo_node', peer.namespace, image_topics=TOPICS, **settings))
    peer.wait_for_log(node, 'det.onnx: cameras take turns, as a batch does not work: output 0')
    found = {
        (name, engine): peer.collect(f'{name}/{engine}/detections', Detection2DArray)
        for name in CAMERAS
        for engine in ('det', 'pose')
    }
    pictures = {name: peer.collect(f'{name}/annotated', Image) for name in CAMERAS}
    for name in CAMERAS:
        images = peer.image_publisher(f'{name}/image_raw')
        topics = [found[name, engine] for engine in ('det', 'pose')]
        peer.ask(images, picture(name), *topics, pictures[name])
    for key, messages in found.items():
        assert {len(msg.detections) for msg in messages} == {1}, key


def test_two_names_in_one_namespace_are_refused_and_remapped_ones_are_not(peer, start, tmp_path):
    process = seg(peer, tmp_path, ['cam/left', 'cam/right'])
    node = start(process)
    line = peer.wait_for_log(node, 'the results of both would go to')
    assert f'/{peer.namespace}/cam' in line
    process = seg(peer, tmp_path, ['left/image', 'rear/image'])
    process.remappings.update({'left/image': 'cam/left', 'rear/image': 'cam/right'})
    other = peer.namespace
    start(process)
    masks = peer.collect(f'/{other}/left/mask', Image)
    peer.ask(peer.image_publisher('cam/left'), picture('left'), masks)


@pytest.fixture
def camera(peer, tmp_path):
    """Starts a camera_node in a namespace, with a process of its own; to be ended by the test."""

    def make(namespace, name, **parameters):
        source = {'source': 'scene://oranges', 'width': 64, 'height': 64}
        process = node_process(
            'camera_node', f'{peer.namespace}/{namespace}', **source, **parameters
        )
        named = replace(process, name=name)
        return running(named, tmp_path / f'{namespace}_{name}.log')

    return make


@pytest.mark.alone
@pytest.mark.parametrize('rate', [10.0, pytest.param(30.0, marks=pytest.mark.slow)])
def test_cameras_that_die_and_come_back_cost_another_one_no_frame(
    peer, start, tmp_path, camera, rate
):
    """The processes that come later are there already: their start would take the processor."""
    names = ('left', *CAMERAS)
    node = start(seg(peer, tmp_path, [f'{name}/image_raw' for name in names]))
    masks = {name: peer.collect(f'{name}/mask', Image, EVERY_RESULT) for name in names}
    collected = peer.collect('left/stats', PipelineStats)

    def wait_for_more(*cameras):
        before = {name: len(masks[name]) for name in cameras}
        peer.wait_for(
            lambda: all(len(masks[name]) > before[name] + rate for name in cameras), 'more masks'
        )

    def newest_stats():
        collected.clear()
        of_node = lambda: [msg for msg in collected if msg.engine == 'segmentation']  # noqa: E731
        return peer.wait_for(of_node, 'stats')[-1]

    with ExitStack() as later:
        for name in CAMERAS:
            later.enter_context(camera(name, 'again', autostart=False, frame_rate=rate))
        with camera('left', 'first', frame_rate=rate):
            with (
                camera('front', 'first', frame_rate=rate) as front,
                camera('rear', 'first', frame_rate=rate) as rear,
            ):
                wait_for_more(*names)
                before = newest_stats()
                for process in (front, rear):
                    os.kill(process.pid, signal.SIGKILL)
            wait_for_more('left')
            for name in CAMERAS:
                peer.wait_for_status(
                    f'seg_node: segmentation /{peer.namespace}/{name}',
                    lambda status: 'no image any more' in status.message,
                    'diagnostics that say so',
                )
            for name in CAMERAS:
                assert peer.change_state(f'{name}/again', 'configure')
                assert peer.change_state(f'{name}/again', 'activate')
            wait_for_more(*names)
            after = newest_stats()
    assert after.frames_received > before.frames_received + 2 * rate
    for count in ('frames_lost', 'frames_skipped', 'frames_failed'):
        assert getattr(after, count) == getattr(before, count), count
    assert log_lines(node, 'Traceback') == []
