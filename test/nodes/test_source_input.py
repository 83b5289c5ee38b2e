"""seg_node and yolo_node that read a source themselves: results, topics, ends and losses."""

import os
import shutil
import signal
import time
from contextlib import closing

import cv2
import numpy as np
import pytest
from camera.standin_rtsp import StandInRtspServer
from jetson_perception.msg import PipelineStats
from nodes.support import (
    BEST_EFFORT,
    LATCHED,
    log_lines,
    node_process,
    pixels_of,
    value_of,
    wait_for_exit,
)
from nodes.test_camera_node import ENDED_S, write_calibration
from nodes.test_every_frame import Listener
from onnx_models import color_segmentation, detector, slow_segmentation
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from sensor_msgs.srv import SetCameraInfo
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray, LabelInfo

from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.ros import diagnostics
from jetson_perception.ros.image_messages import stamp_ns

WIDTH, HEIGHT = SIZE_WH = (64, 48)
#: The color of each class of the network, BGR.
COLORS = ((0, 0, 0), (0, 0, 250), (0, 250, 0), (250, 0, 0))
COUNT = 24


def plain(class_id):
    return np.full((HEIGHT, WIDTH, 3), COLORS[class_id], np.uint8)


def write_video(path, count):
    """A video whose frames show the classes 1, 2, 3, 1, 2, 3, …, each a frame alone."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 30, SIZE_WH)
    for index in range(count):
        writer.write(plain(1 + index % 3))
    writer.release()
    return f'file://{path}'


@pytest.fixture
def pictures(tmp_path):
    """A folder with a picture of each class."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for class_id in range(4):
        cv2.imwrite(str(folder / f'{class_id}.png'), plain(class_id))
    return f'images://{folder}'


@pytest.fixture
def model(tmp_path):
    return str(color_segmentation(tmp_path / 'colors.onnx', size_wh=SIZE_WH))


def stamps(messages):
    return [stamp_ns(msg.header) for msg in messages]


def of_one_stamp(peer, count, *collected):
    """As many tuples of messages of one stamp as asked for, from each of the lists one."""

    def together():
        by_stamp = [{stamp_ns(msg.header): msg for msg in messages} for messages in collected]
        common = sorted(set.intersection(*map(set, by_stamp)))
        found = [tuple(each[stamp] for each in by_stamp) for stamp in common]
        return found if len(found) >= count else None

    return peer.wait_for(together, f'{count} messages of one stamp on each topic')


def test_results_images_and_camera_info_are_of_one_frame(peer, start, pictures, model, tmp_path):
    """Under one header; and topics and frame are those of a camera_node that a launch started."""
    calibration = write_calibration(tmp_path / 'front.yaml', (128, 96))
    node = start(
        node_process(
            'seg_node',
            peer.namespace,
            model=model,
            source=pictures,
            loop=True,
            calibration=str(calibration),
        )
    )
    masks = peer.collect('mask', Image)
    images = peer.collect('camera/image_raw', Image, BEST_EFFORT)
    infos = peer.collect('camera/camera_info', CameraInfo, BEST_EFFORT)
    found = of_one_stamp(peer, 12, masks, images, infos)
    assert time.time_ns() - stamp_ns(found[-1][0].header) < 60e9
    classes = set()
    for mask, image, info in found:
        assert mask.header == image.header == info.header
        assert image.header.frame_id == f'{peer.namespace}_camera'
        assert (image.encoding, image.width, image.height) == ('bgr8', *SIZE_WH)
        assert (info.width, info.height, info.k[0]) == (*SIZE_WH, 50.0)
        class_id = int(pixels_of(mask)[0, 0])
        assert np.array_equal(pixels_of(mask), np.full((HEIGHT, WIDTH), class_id))
        assert np.array_equal(pixels_of(image), plain(class_id))
        classes.add(class_id)
    assert classes == {0, 1, 2, 3}
    jpegs = peer.collect('camera/image_raw/compressed', CompressedImage, BEST_EFFORT)
    of_camera = peer.collect('camera/stats', PipelineStats)
    of_engine = peer.collect('stats', PipelineStats)
    peer.wait_for(lambda: jpegs and of_camera and of_engine, 'a JPEG, and stats of both')
    assert (of_camera[-1].engine, of_camera[-1].input) == ('camera', pictures)
    assert (of_engine[-1].engine, of_engine[-1].input) == ('segmentation', pictures)
    assert {stage.name for stage in of_engine[-1].stages} >= {'transport', 'inference', 'total'}
    status = peer.wait_for_status(
        'seg_node: source', lambda status: value_of(status, 'state') == 'playing', 'the source'
    )
    assert (status.level, value_of(status, 'source')) == (diagnostics.OK, pictures)
    status = peer.wait_for_status('seg_node', lambda status: True, 'the node')
    assert value_of(status, 'image topic') == f'/{peer.namespace}/camera/image_raw'
    request = SetCameraInfo.Request()
    answer = peer.call(SetCameraInfo, 'camera/set_camera_info', request)
    assert 'start it with calibration_output:=' in answer.status_message
    assert not log_lines(node, 'waiting for images|WARN')


@pytest.mark.skipif(shutil.which('gst-launch-1.0') is None, reason='no gst-launch-1.0')
@pytest.mark.parametrize('encoding', ['bgr8', 'native'])
def test_engines_take_frames_as_a_pipeline_gives_them(peer, start, model, encoding):
    """And the topic has them as bgr8, or as they are."""
    caps = f'video/x-raw,format=NV12,width={WIDTH},height={HEIGHT}'
    source = f'gst://videotestsrc pattern=green ! {caps}'
    settings = {'model': model, 'source': source, 'encoding': encoding}
    node = start(node_process('seg_node', peer.namespace, **settings))
    masks = peer.collect('mask', Image)
    images = peer.collect('camera/image_raw', Image, BEST_EFFORT)
    mask, image = of_one_stamp(peer, 1, masks, images)[0]
    assert np.array_equal(pixels_of(mask), np.full((HEIGHT, WIDTH), 2))
    assert (image.width, image.height) == SIZE_WH
    assert image.encoding == ('bgr8' if encoding == 'bgr8' else 'nv12')
    assert len(image.data) == WIDTH * HEIGHT * (3 if encoding == 'bgr8' else 1.5)
    peer.wait_for_log(node, f'segmentation: first image {WIDTH}×{HEIGHT} nv12, first result')


def test_with_every_frame_all_engines_handle_all_frames_in_order(peer, start, tmp_path):
    """Those of the node that reads, and those of a node that subscribes to its images."""
    source = write_video(tmp_path / 'drive.avi', COUNT)
    masks = peer.collect('mask', Image)
    found = peer.collect('det/detections', Detection2DArray)
    stats = peer.collect('stats', PipelineStats)
    slow = slow_segmentation(tmp_path / 'slow.onnx', 15, size_wh=SIZE_WH)
    reads = {'source': source, 'every_frame': True, 'wait_for_subscribers': 3}
    seg = start(node_process('seg_node', peer.namespace, model=str(slow), **reads))
    boxes = [(32, 24, 20, 16, 0, 0.9)]
    other = node_process(
        'yolo_node',
        peer.namespace,
        det__model=str(detector(tmp_path / 'det.onnx', boxes, size_wh=(64, 64))),
        every_frame=True,
    )
    other.remappings['image'] = 'camera/image_raw'
    start(other)
    status = peer.wait_for_status(
        'seg_node: source',
        lambda status: f'there: /{peer.namespace}/yolo_node' in status.message,
        'the wait for one more',
    )
    assert 'waits for 2 nodes with every_frame: true' in status.message
    # Results are not kept: who hears what is kept hears them too.
    labels = [peer.collect(f'{name}label_info', LabelInfo, LATCHED) for name in ('', 'det/')]
    peer.wait_for(lambda: all(labels), 'the classes of both')
    Listener(peer, 'camera/image_raw')
    peer.wait_for_log(seg, f'came to its end after {COUNT} frames')
    peer.wait_for(lambda: len(masks) >= COUNT and len(found) >= COUNT, 'every result')
    shown = [int(np.median(pixels_of(mask))) for mask in masks]
    assert shown == [1 + index % 3 for index in range(COUNT)]
    assert stamps(masks) == sorted(set(stamps(masks)))
    assert stamps(found) == stamps(masks)
    of_seg = peer.wait_for(
        lambda: [each for each in stats if each.frames_processed == COUNT], 'the last stats'
    )
    assert of_seg[-1].frames_skipped == of_seg[-1].frames_failed == of_seg[-1].frames_lost == 0


def test_with_every_frame_a_file_waits_for_a_slow_engine(peer, run, tmp_path):
    """Of many more frames than may wait, read as fast as can be, none is lost."""
    source = write_video(tmp_path / 'long.avi', 300)
    slow = slow_segmentation(tmp_path / 'slow.onnx', 5, size_wh=SIZE_WH)
    reads = {'source': source, 'every_frame': True, 'frame_rate': 1000.0}
    run(SegNode, model=str(slow), **reads)
    status = peer.wait_for_status(
        'seg_node: segmentation', lambda status: 'came to its end' in status.message, 'the end'
    )
    assert value_of(status, 'frames processed') == '300'
    assert value_of(status, 'frames skipped (a newer one came)') == '0'


def test_the_end_of_a_file_is_no_fault_and_each_activation_reads_it_anew(
    peer, run, model, tmp_path
):
    """And who subscribes later gets no image of before: none is sent to nobody."""
    source = write_video(tmp_path / 'short.avi', 3)
    topic = f'/{peer.namespace}/camera/image_raw'
    durability = f'qos_overrides.{topic}.publisher.durability'
    run(SegNode, model=model, source=source, **{durability: 'transient_local'})
    for name in ('seg_node: source', 'seg_node: segmentation'):
        status = peer.wait_for_status(
            name, lambda status: 'came to its end after 3 frames' in status.message, 'the end'
        )
        assert status.level == diagnostics.OK
    images = peer.collect(topic, Image, LATCHED)
    publishers = peer.wait_for(
        lambda: peer.node.get_publishers_info_by_topic(topic), 'the publisher'
    )
    assert publishers[0].qos_profile.durability == LATCHED.durability
    peer.wait_for_status('seg_node', lambda status: True, 'a later message of the node')
    assert images == []
    assert peer.change_state('seg_node', 'deactivate')
    assert peer.change_state('seg_node', 'activate')
    peer.wait_for(lambda: images, 'an image of the next activation')


class TestLosses:
    def test_a_camera_that_dies_is_opened_again(self, peer, start, model):
        """The engines stay; until then diagnostics say what is missing."""
        settings = {'model': model, 'source': ''}
        with closing(StandInRtspServer()) as server:
            settings['source'], port = server.url, server.port
            node = start(node_process('seg_node', peer.namespace, **settings))
            masks = peer.collect('mask', Image)
            peer.wait_for(lambda: len(masks) > 2, 'masks')
        status = peer.wait_for_status(
            'seg_node: source', lambda status: value_of(status, 'state') == 'lost', 'the loss'
        )
        assert status.level == diagnostics.ERROR
        status = peer.wait_for_status(
            'seg_node: segmentation', lambda status: status.level == diagnostics.STALE, 'silence'
        )
        assert f'127.0.0.1:{port}' in status.message or f'port {port}' in status.message
        answer = peer.call(Trigger, 'seg_node/retry', Trigger.Request())
        assert 'the source is opened again by itself; at present: ' in answer.message
        before = len(masks)
        with closing(StandInRtspServer(port=port)):
            peer.wait_for(lambda: len(masks) > before + 2, 'masks again')
            peer.wait_for_status(
                'seg_node: source',
                lambda status: value_of(status, 'times lost') > '0',
                'the count',
            )
        assert peer.state('seg_node') == 'active'
        assert not log_lines(node, 'no image yet|no image any more')

    def test_a_camera_that_hangs_keeps_the_node_neither_from_pausing_nor_from_ending(
        self, peer, start, model
    ):
        with closing(StandInRtspServer()) as server:
            node = start(node_process('seg_node', peer.namespace, model=model, source=server.url))
            masks = peer.collect('mask', Image)
            peer.wait_for(lambda: masks, 'a mask')
            server.freeze()
            assert peer.change_state('seg_node', 'deactivate')
            assert peer.change_state('seg_node', 'activate')
            peer.watched.remove(node)
            begun = time.monotonic()
            os.kill(node.pid, signal.SIGINT)
            assert wait_for_exit(node) == 0
            assert time.monotonic() - begun < ENDED_S
            peer.watched.append(node)

    def test_a_file_that_is_not_there_makes_the_node_inactive_until_it_is(
        self, peer, run, model, tmp_path
    ):
        path = tmp_path / 'later.avi'
        node = run(SegNode, model=model, source=f'file://{path}')
        peer.wait_for(lambda: not node.active, 'the failure')
        assert f'there is no {path}' in node.problem
        write_video(path, 3)
        answer = peer.call(Trigger, 'seg_node/retry', Trigger.Request())
        assert (answer.success, answer.message) == (True, 'active')


@pytest.mark.parametrize(
    ('given', 'told'),
    [
        pytest.param({'source': 'webcam://0'}, 'webcam://', id='unknown_scheme'),
        pytest.param({'source': 'scene://nothing'}, 'nothing', id='unknown_scene'),
        pytest.param(
            {'source': 'gst://--gst-plugin-load=/tmp/x.so identity'},
            'a pipeline has no options',
            id='pipeline_with_options',
        ),
        pytest.param(
            {'source': 'csi://0', 'calibration': '/no/such/camera.yaml'},
            '/no/such/camera.yaml',
            id='calibration_missing',
        ),
        pytest.param(
            {'source': 'csi://0', 'pixel_format': 'MJPG', 'width': 9, 'height': 9, 'fps': 3},
            'did you mean frame_rate?',
            id='name_of_another_package',
        ),
    ],
)
def test_what_is_wrong_with_a_source_is_told_as_the_node_configures(
    peer, run, model, given, told, capfd
):
    node = run(SegNode, model='/no/model.onnx', **given)
    assert not node.configured
    assert told in node.problem


def test_a_source_beside_a_remapped_image_is_an_error(peer, model, pictures):
    line = ['--ros-args', '-r', 'image:=/front/image_raw', '-p', f'source:={pictures}']
    node = SegNode(context=peer.context, namespace=peer.namespace, cli_args=line)
    try:
        node.bring_up()
        assert not node.configured
        told = f'source is {pictures}, and image is remapped to /front/image_raw; give one of them'
        assert told in node.problem
    finally:
        node.destroy_node()
