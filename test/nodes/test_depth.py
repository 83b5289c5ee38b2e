"""yolo_node with depth images beside the images: objects in space, over DDS."""

import math

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from jetson_perception.msg import KeypointDetection3DArray
from nodes.support import (
    BEST_EFFORT,
    LATCHED,
    image_message,
    log_lines,
    newest_status,
    node_process,
    unique_header,
    value_of,
    with_stamp_of,
)
from onnx_models import detector, instance_segmenter, pose_detector
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray

from jetson_perception.ros import diagnostics

#: Pixels of a 640×640 input; a 320×240 image lies in rows 80 to 560 of it, doubled: in the image
#: the box is from (110, 80) to (210, 160).
BOX = (320, 320, 200, 160, 0, 0.9)
FOCAL = 250.0
SIZE_WH = (320, 240)
NEAR_MM, FAR_MM = 2000, 5000
#: 100 and 80 pixels wide and high, 2 m away.
WIDTH_M, HEIGHT_M = 0.8, 0.64


def depth_pixels(near_mm=NEAR_MM):
    """A wall, and what is in the box before it."""
    depth = np.full(SIZE_WH[::-1], FAR_MM, np.uint16)
    depth[80:160, 110:210] = near_mm
    return depth


def picture(header):
    return image_message(np.full((*SIZE_WH[::-1], 3), 90, np.uint8), header=header)


def calibration(header):
    """Of a camera whose axis goes through the middle of the image, between pixels."""
    cx, cy = (SIZE_WH[0] - 1) / 2, (SIZE_WH[1] - 1) / 2
    k = [FOCAL, 0.0, cx, 0.0, FOCAL, cy, 0.0, 0.0, 1.0]
    width, height = SIZE_WH
    model = {'distortion_model': 'plumb_bob', 'd': [0.0] * 5, 'k': k}
    return CameraInfo(header=header, width=width, height=height, **model)


class Camera:
    """A depth camera, as its driver publishes: each part of a shot under the same stamp."""

    def __init__(
        self,
        peer,
        prefix='',
        depth_type=Image,
        depth_topic='depth/image_raw',
        *,
        calibrates_once=False,
    ):
        self._peer = peer
        self._calibrates_once = calibrates_once
        self._image = peer.image_publisher(
            f'{prefix}image' if not prefix else f'{prefix}image_raw'
        )
        self._depth = peer.node.create_publisher(depth_type, f'{prefix}{depth_topic}', BEST_EFFORT)
        self._info = peer.node.create_publisher(
            CameraInfo, f'{prefix}camera_info', LATCHED if calibrates_once else BEST_EFFORT
        )
        if calibrates_once:
            self._info.publish(calibration(unique_header()))

    def shoot(self, make_depth, header=None):
        """Publish a shot; `make_depth(header)` gives the depth, or None."""
        header = header or unique_header()
        depth = make_depth(header)
        if not self._calibrates_once:
            self._info.publish(calibration(header))
        if depth is not None:
            self._depth.publish(depth)
        self._image.publish(picture(header))
        return header

    def shoot_until(self, predicate, make_depth, what):
        """Publish shots until the predicate holds."""
        for _ in range(120):
            self.shoot(make_depth)
            try:
                return self._peer.wait_for(predicate, what, 0.3)
            except AssertionError:
                continue
        return self._peer.wait_for(predicate, what, 0.3)


def in_millimeters(header):
    return image_message(depth_pixels(), '16UC1', header)


def in_meters(header):
    pixels = (depth_pixels() / 1000).astype('<f4')
    message = image_message(pixels.view(np.uint8).reshape(240, -1), 'mono8', header)
    message.encoding, message.width = '32FC1', 320
    return message


def at_half_the_resolution(header):
    return image_message(np.ascontiguousarray(depth_pixels()[::2, ::2]), '16UC1', header)


def compressed(header):
    _, png = cv2.imencode('.png', depth_pixels())
    data = bytes(12) + png.tobytes()
    return CompressedImage(header=header, format='16UC1; compressedDepth png', data=data)


def is_the_box(found):
    """Whether a message has the object where it is."""
    (one,) = found.detections
    box, hypothesis = one.bbox, one.results[0].hypothesis
    assert (hypothesis.class_id, hypothesis.score) == ('name_0', pytest.approx(0.9))
    at = one.results[0].pose.pose.position
    assert (at.x, at.y, at.z) == pytest.approx((0, 0, 2), abs=0.01)
    assert (box.size.x, box.size.y) == pytest.approx((WIDTH_M, HEIGHT_M), rel=0.02)
    assert box.size.z == pytest.approx(0, abs=0.01)
    assert box.center.position == at
    assert box.center.orientation.w == 1.0
    assert one.header == found.header
    return True


def test_objects_in_space(peer, start, tmp_path):
    """All that is needed only while somebody subscribes; and what comes of each kind of depth."""
    model = str(detector(tmp_path / 'my.onnx', [BOX]))
    topic = 'depth/image_raw'
    engines = {'engines': ['det', 'other'], 'det__model': model, 'other__model': model}
    node = start(node_process('yolo_node', peer.namespace, **engines, depth__image_topics=[topic]))
    flat = peer.collect('det/detections', Detection2DArray)
    camera = Camera(peer)
    camera.shoot_until(lambda: flat, in_millimeters, 'boxes')
    name = f'/{peer.namespace}/{topic}'
    assert peer.node.count_subscribers(name) == 0
    status = peer.wait_for_status('yolo_node: depth', lambda each: True, 'a line of depth')
    assert (status.level, status.message) == (diagnostics.OK, 'nobody subscribes')

    found = peer.collect('det/detections_3d', Detection3DArray)
    for make_depth in (in_millimeters, in_meters, at_half_the_resolution):
        found.clear()
        camera.shoot_until(lambda: found, make_depth, f'objects in space with {make_depth}')
        assert is_the_box(found[0])
    assert found[0].header.frame_id == 'camera_optical'
    peer.wait_for(lambda: with_stamp_of(flat, found[0]), 'the same objects in the image')
    assert peer.node.count_subscribers(name) == 1

    def nothing_measured(header):
        return image_message(depth_pixels(near_mm=0), '16UC1', header)

    camera.shoot_until(
        lambda: found[-1].detections == [], nothing_measured, 'a result without objects'
    )
    peer.wait_for_log(node, 'some objects have no depth, and are left out')

    for step in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert peer.change_state('yolo_node', step)
    found.clear()
    camera.shoot_until(lambda: found, in_millimeters, 'objects in space again')
    assert is_the_box(found[0])
    peer.stop_collecting('det/detections_3d')
    peer.wait_for(lambda: peer.node.count_subscribers(name) == 0, 'the end of the subscription')
    assert not log_lines(node, 'Traceback')


def test_keypoints_in_space_by_compressed_depth(peer, start, tmp_path):
    """One on the object, one on the wall behind it, one outside of the image.

    The calibration was latched before the node started.
    """
    points = ((320, 320, 0.8), (100, 100, 0.6), (-50, 320, 0.4))
    model = pose_detector(tmp_path / 'my.onnx', [BOX], points)
    topic = 'depth/image_raw/compressedDepth'
    process = node_process(
        'yolo_node', peer.namespace, det__model=str(model), depth__image_topics=[topic]
    )
    camera = Camera(peer, depth_type=CompressedImage, depth_topic=topic, calibrates_once=True)
    node = start(process)
    found = peer.collect('det/keypoints_3d', KeypointDetection3DArray)
    camera.shoot_until(lambda: found, compressed, 'keypoints in space')
    (one,) = found[0].detections
    assert [each.name for each in one.keypoints] == ['keypoint_0', 'keypoint_1', 'keypoint_2']
    assert [each.score for each in one.keypoints] == pytest.approx([0.8, 0.6, 0.4])
    here, behind, outside = one.keypoints
    assert (here.x, here.y, here.z) == pytest.approx((0, 0, 2), abs=0.01)
    for each in (behind, outside):
        assert all(map(math.isnan, (each.x, each.y, each.z)))
    assert one.bbox.size.x == pytest.approx(WIDTH_M, rel=0.02)
    assert not log_lines(node, 'QoS')


def test_each_camera_has_its_own_depth(peer, start, tmp_path):
    """A mask leaves out what is nearer beside the object."""
    model = instance_segmenter(tmp_path / 'my.onnx', [BOX])
    names = ('front', 'rear')
    process = node_process(
        'yolo_node',
        peer.namespace,
        det__model=str(model),
        image_topics=[f'{name}/image_raw' for name in names],
        depth__image_topics=[f'{name}/depth/image_raw' for name in names],
    )
    start(process)
    distances = {'front': 2000, 'rear': 3000}
    for name in names:
        found = peer.collect(f'{name}/det/detections_3d', Detection3DArray)

        def make_depth(header, name=name):
            return image_message(depth_pixels(distances[name]), '16UC1', header)

        Camera(peer, f'{name}/').shoot_until(lambda f=found: f, make_depth, 'objects in space')
        at = found[0].detections[0].bbox.center.position
        assert at.z == pytest.approx(distances[name] / 1000, abs=0.01)


def with_another_stamp(header):
    other = unique_header()
    other.stamp.sec, other.stamp.nanosec = header.stamp.sec, header.stamp.nanosec + 8_000_000
    return image_message(depth_pixels(), '16UC1', other)


def without_stamp(header):
    return image_message(depth_pixels(), '16UC1', Header(frame_id=header.frame_id))


def of_before(header):
    stamp = Time(sec=header.stamp.sec - 5, nanosec=header.stamp.nanosec)
    other = Header(frame_id=header.frame_id, stamp=stamp)
    return image_message(depth_pixels(), '16UC1', other)


def in_another_frame(header):
    other = Header(stamp=header.stamp, frame_id='depth_optical')
    return image_message(depth_pixels(), '16UC1', other)


def of_another_view(header):
    return image_message(np.full((240, 240), NEAR_MM, np.uint16), '16UC1', header)


def a_picture(header):
    return image_message(np.zeros((240, 320, 3), np.uint8), 'bgr8', header)


def test_what_is_published_without_depth(peer, start, tmp_path):
    """Nothing in space, all in the image; diagnostics always say why, and the log once."""
    model = detector(tmp_path / 'my.onnx', [BOX])
    process = node_process(
        'yolo_node',
        peer.namespace,
        det__model=str(model),
        depth__image_topics=['depth/image_raw'],
        depth__tolerance_ms=0,
    )
    node = start(process)
    found = peer.collect('det/detections_3d', Detection3DArray)
    flat = peer.collect('det/detections', Detection2DArray)
    lines = peer.collect('/diagnostics', DiagnosticArray)
    name = f'/{peer.namespace}/yolo_node: depth'
    camera = Camera(peer)
    for make_depth, reason in (
        (lambda header: None, 'no depth image has come on'),
        (without_stamp, 'has no stamp, so its image is not known'),
        (with_another_stamp, 'is within 0 ms of the image; the nearest is 8.0 ms away'),
        (
            in_another_frame,
            'is in the frame depth_optical, the image in camera_optical: it is not',
        ),
        (of_another_view, 'the depth image is 240×240, the image 320×240'),
        (a_picture, "image is 'bgr8', which is no depth"),
        # How much older depends on how many came since.
        (of_before, 'ms older. Depth has stopped, or comes too late'),
    ):
        lines.clear()

        def is_said(reason=reason):
            status = newest_status(lines, name)
            return status and reason in value_of(status, 'last problem')

        camera.shoot_until(is_said, make_depth, reason)
        assert newest_status(lines, name).level == diagnostics.WARN
    assert flat
    assert not found
    assert len(log_lines(node, "image is 'bgr8'")) == 1

    assert peer.set_parameter('yolo_node', 'depth.tolerance_ms', 10.0).successful
    camera.shoot_until(lambda: found, with_another_stamp, 'objects with the nearest depth')
    assert is_the_box(found[0])
