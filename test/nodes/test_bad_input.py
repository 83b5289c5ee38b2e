"""Errors are reported in one line and counted, and the node continues."""

import struct

import cv2
import numpy as np
import pytest
from jetson_perception.msg import PipelineStats
from nodes.support import (
    complaints,
    image_message,
    log_lines,
    node_process,
    pixels_of,
    qos_overrides,
    value_of,
    with_stamp_of,
)
from onnx_models import color_segmentation, detector, unknown_output
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image

HEIGHT, WIDTH = 48, 64
BAD_FRAMES = 20


@pytest.fixture
def model(tmp_path):
    return color_segmentation(tmp_path / 'colors.onnx')


def red():
    """A picture that the model calls class 1 everywhere."""
    return np.full((HEIGHT, WIDTH, 3), (0, 0, 250), np.uint8)


def assert_answered(peer, images, masks, msg=None):
    """See that the node handles a good frame."""
    mask = peer.ask(images, msg or image_message(red()), masks)
    assert (mask.height, mask.width) == (HEIGHT, WIDTH)
    assert (pixels_of(mask) == 1).all()


def wait_for_error(peer, *texts):
    """Listen until diagnostics say ERROR with these texts; returns the message."""
    return peer.wait_for_status(
        'seg_node',
        lambda status: (
            status.level == status.ERROR and all(text in status.message for text in texts)
        ),
        f'diagnostics with {texts}',
    ).message


@pytest.mark.parametrize(
    ('wrong', 'told'),
    [
        pytest.param({'height': 2 * HEIGHT}, 'takes 18432 bytes of data and has 9216', id='short'),
        pytest.param({'data': b''}, 'takes 9216 bytes of data and has 0', id='no_data'),
        pytest.param({'step': 3 * WIDTH - 1}, 'a row takes at least 192', id='step_below_width'),
        pytest.param({'height': 0, 'width': 0}, '0×0, bgr8: it has no pixels', id='zero_size'),
        pytest.param({'encoding': 'rgb8sum'}, "'rgb8sum', an unknown encoding", id='unknown'),
        pytest.param(
            {'encoding': '16UC1'}, '16UC1, 16 bits per pixel, but its range', id='16_bit'
        ),
    ],
)
def test_bad_frames_are_logged_once_and_counted_and_the_next_good_one_is_handled(
    peer, start, model, wrong, told
):
    parameters = qos_overrides(peer, 'image', depth=100)  # so that none is lost on the way
    process = node_process('seg_node', peer.namespace, model=str(model))
    process.parameters.update(parameters)
    node = start(process)
    masks, stats = peer.collect('mask', Image), peer.collect('stats', PipelineStats)
    images = peer.image_publisher('image', qos=QoSProfile(depth=100))
    assert_answered(peer, images, masks)
    for _ in range(BAD_FRAMES):
        msg = image_message(red())
        for field, value in wrong.items():
            setattr(msg, field, value)
        images.publish(msg)
    line = peer.wait_for_log(node, told)
    assert f'image on /{peer.namespace}/image: image is ' in line
    good = image_message(red())
    assert_answered(peer, images, masks, good)
    counted = peer.wait_for(
        lambda: [each for each in with_stamp_of(stats, good) if each.frames_processed >= 2],
        'stats after the good frame',
    )[0]
    assert counted.frames_failed == BAD_FRAMES
    assert counted.frames_received == counted.frames_processed + counted.frames_skipped + 20
    status = peer.wait_for_status(
        'seg_node: segmentation',
        lambda status: value_of(status, 'frames failed') == str(BAD_FRAMES),
        'diagnostics that count the bad frames',
    )
    assert told in value_of(status, 'last error')
    assert 1 <= len(complaints(node)) <= 2  # a second after 5 s, on a slow machine


def test_bad_frames_are_a_warning_in_diagnostics_while_they_come(peer, start, model):
    start(node_process('seg_node', peer.namespace, model=str(model)))
    masks, images = peer.collect('mask', Image), peer.image_publisher()
    assert_answered(peer, images, masks)
    bad = image_message(red())
    bad.encoding = 'mono16'

    def warned(status):
        images.publish(bad)
        return status.level == status.WARN and 'frames failed, the last: image' in status.message

    peer.wait_for_status('seg_node: segmentation', warned, 'a warning about the frames')
    peer.wait_for_status(
        'seg_node: segmentation',
        lambda status: images.publish(image_message(red())) is None and status.level == status.OK,
        'diagnostics being OK again',
    )


def test_a_network_that_overflows_gives_failed_frames_and_no_mask(peer, start, model):
    """Bright pixels become infinite; a picture without any is handled."""
    told = 'the network gave NaN or infinite scores for 3072 of 3072 grid points'
    node = start(node_process('seg_node', peer.namespace, model=str(model), std=[1e-38] * 3))
    masks, images = peer.collect('mask', Image), peer.image_publisher()
    dark = np.zeros_like(red())
    peer.ask(images, image_message(dark), masks)
    # What neither the model nor a parameter says is told, once.
    (line,) = log_lines(node, 'does not specify output, resize, scale, mean, color_order; assumed')
    assert 'colors.yaml' in line
    bad = image_message(red())
    peer.send_until(images, lambda: bad, lambda: log_lines(node, told), 'a line about the frame')
    peer.wait_for_status(
        'seg_node: segmentation',
        lambda status: status.level == status.WARN and told in value_of(status, 'last error'),
        'a warning about the frames',
    )
    good = image_message(dark)
    mask = peer.ask(images, good, masks)
    assert not pixels_of(mask).any()
    assert not with_stamp_of(masks, bad)


def jpeg_claiming(width, height):
    """A JPEG of some hundred bytes that would take gigabytes to decode."""
    data = bytearray(cv2.imencode('.jpg', red())[1].tobytes())
    struct.pack_into('>HH', data, data.index(b'\xff\xc0') + 5, height, width)
    return bytes(data)


def jpeg_with_a_gap():
    """A JPEG of which a piece was lost on the way, which libjpeg decodes into a wrong picture."""
    bgr = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    data = cv2.imencode('.jpg', bgr)[1].tobytes()
    return data[:1000] + data[1500:]


def test_invalid_compressed_images_are_reported_and_counted(peer, start, model):
    node = start(
        node_process(
            'seg_node',
            peer.namespace,
            model=str(model),
            image_transport='compressed',
            max_image_pixels=100_000,
        )
    )
    masks = peer.collect('mask', Image)
    images = peer.image_publisher('image/compressed', CompressedImage)
    peer.wait_for_subscriber(images)
    for data, told in (
        (b'', 'has no data'),
        (b'not a picture', 'damaged or not a picture'),
        (jpeg_claiming(65500, 65500), '65500×65500 pixels; max_image_pixels is 100000'),
        (b'GIF89a\xff\xff\x80\x3e\x80\0\0' + bytes(16), 'is GIF, which is not supported'),
        (jpeg_with_a_gap(), 'is JPEG that is damaged: '),
    ):
        bad = CompressedImage(header=image_message(red()).header, format='jpeg', data=data)
        images.publish(bad)
        peer.wait_for_status(
            'seg_node: segmentation',
            lambda status, bad=bad, told=told: (
                told in value_of(status, 'last error') or images.publish(bad)
            ),
            f'diagnostics that say {told!r}',
        )
    good = CompressedImage(header=image_message(red()).header, format='png')
    good.data = cv2.imencode('.png', red())[1].tobytes()
    assert_answered(peer, images, masks, good)
    peer.wait_for_status(
        'seg_node: segmentation',
        lambda status: int(value_of(status, 'frames failed')) >= 5,
        'diagnostics that count the bad frames',
    )
    assert log_lines(node, '^Corrupt JPEG') == []  # libjpeg's own words


def make_text_file(path):
    path.write_text('This is no model.\n' * 20)
    return path


@pytest.mark.parametrize(
    ('make', 'told'),
    [
        pytest.param(lambda path: path, 'there is no model file', id='missing'),
        pytest.param(make_text_file, 'is not an ONNX model', id='not_onnx'),
        pytest.param(lambda path: path.touch() or path, 'is empty', id='empty'),
        pytest.param(unknown_output, '(1, 7, 5, 3, 2)', id='unknown_output'),
        pytest.param(detector, 'use yolo_node', id='another_task'),
    ],
)
def test_a_node_with_an_unusable_model_says_so_and_accepts_a_good_one(
    peer, start, model, tmp_path, make, told
):
    bad = make(tmp_path / 'bad.onnx')
    process = node_process('seg_node', peer.namespace, model=str(bad), allow_source_changes=True)
    node = start(process)
    line = peer.wait_for_log(node, 'not configured: ')
    assert str(bad) in line
    assert told in line
    assert f'ros2 lifecycle set /{peer.namespace}/seg_node configure' in line
    assert len(complaints(node)) == 1
    assert str(bad) in wait_for_error(peer, told)
    assert peer.state('seg_node') == 'unconfigured'
    assert not peer.change_state('seg_node', 'configure')
    assert peer.state('seg_node') == 'unconfigured'
    assert peer.set_parameter('seg_node', 'model', str(model)).successful
    assert peer.change_state('seg_node', 'configure')
    assert peer.change_state('seg_node', 'activate')
    assert_answered(peer, peer.image_publisher(), peer.collect('mask', Image))
    peer.wait_for_status(
        'seg_node', lambda status: status.level == status.OK, 'diagnostics being OK'
    )


@pytest.mark.parametrize(
    ("yaml", "told", "level"),
    [
        pytest.param(
            "blent: 0.5", "seg_node has no parameter blent; did you mean blend?", "WARN", id="typo"
        ),
        pytest.param(
            "frobnicate: {deeply: 1}", "no parameter frobnicate.deeply", "WARN", id="unknown"
        ),
        pytest.param(
            "blend: 1.5", "blend is 1.5; expected a value of type double from 0.0 to 1.0; using "
            "0.6", "ERROR", id="out_of_range",
        ),
        pytest.param("blend: .nan", "blend is nan", "ERROR", id="nan"),
        pytest.param("blend: half", "blend is 'half'", "ERROR", id="text_for_a_number"),
        pytest.param(
            "mask_size: tiny", "mask_size is 'tiny'; expected one of image, network", "ERROR",
            id="no_choice",
        ),
        pytest.param("mean: [0.5]", "mean has 1 value; expected 3", "ERROR", id="too_few"),
    ],
)  # fmt: skip
def test_a_file_with_a_bad_parameter_is_reported_and_the_node_runs(
    peer, start, model, tmp_path, yaml, told, level
):
    file = tmp_path / 'seg.yaml'
    file.write_text(f'/**:\n  ros__parameters:\n    model: {model}\n    {yaml}\n')
    node = start(node_process('seg_node', peer.namespace, parameter_file=file))
    assert_answered(peer, peer.image_publisher(), peer.collect('mask', Image))
    (line,) = complaints(node)
    assert told in line
    assert f'[{level}]' in line
    peer.wait_for_status(
        'seg_node',
        lambda status: status.level == status.WARN and told in status.message,
        'diagnostics that say so',
    )
