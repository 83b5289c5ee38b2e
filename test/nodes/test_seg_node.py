"""seg_node as users run it: a process that gets images and publishes masks."""

import re
from contextlib import closing

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from jetson_perception.msg import PipelineStats, SegmentationSummary
from nodes.support import (
    LATCHED,
    Peer,
    image_message,
    log_lines,
    node_process,
    pixels_of,
    qos_overrides,
    starter,
    unique_header,
    value_of,
    with_stamp_of,
)
from onnx_models import COLOR_CLASSES, color_segmentation, detector, slow_segmentation
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from ros.encoded import encode, equivalent_bgr, padded
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from jetson_perception.images.encodings import ENCODINGS
from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.palette import palette

# Twice the network's, so that the quarters' edges are edges of the network's pixels too.
HEIGHT, WIDTH = 96, 128
COLORS = ((30, 30, 30), (20, 20, 220), (20, 220, 20), (220, 20, 20))  # BGR of COLOR_CLASSES


def quarters(height=HEIGHT, width=WIDTH, order=(0, 1, 2, 3)):
    """A picture with one class per quarter, and its mask."""
    ids = np.zeros((height, width), np.uint8)
    ids[: height // 2, : width // 2], ids[: height // 2, width // 2 :] = order[:2]
    ids[height // 2 :, : width // 2], ids[height // 2 :, width // 2 :] = order[2:]
    return np.array(COLORS, np.uint8)[ids], ids


def away_from_seams():
    """The pixels of such a picture that are not near where two colors meet."""
    inside = np.ones((HEIGHT, WIDTH), bool)
    inside[HEIGHT // 2 - 4 : HEIGHT // 2 + 4] = False
    inside[:, WIDTH // 2 - 4 : WIDTH // 2 + 4] = False
    return inside


class Seg:
    """A running seg_node, what it publishes, and its input."""

    def __init__(self, peer, process):
        self.peer = peer
        self.process = process
        self.masks = peer.collect('mask', Image)
        self.summaries = peer.collect('summary', SegmentationSummary)
        self.stats = peer.collect('stats', PipelineStats)
        self.images = peer.image_publisher()

    def mask_of(self, bgr, encoding='bgr8'):
        """Mask of a picture, sent in an encoding."""
        rows = padded(encode(bgr, encoding), 0 if encoding == 'bgr8' else 6)
        msg = image_message(np.zeros((1, 1), np.uint8), 'mono8')
        msg.height, msg.width, msg.step = *bgr.shape[:2], rows.shape[1]
        msg.encoding, msg.data = encoding, rows.tobytes()
        return pixels_of(self.peer.ask(self.images, msg, self.masks))


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return color_segmentation(tmp_path_factory.mktemp('model') / 'colors.onnx')


@pytest.fixture(scope='module')
def seg(model, tmp_path_factory):
    """One seg_node for all tests that leave it as it is."""
    with closing(Peer()) as peer, starter(peer, tmp_path_factory.mktemp('log')) as start:
        yield Seg(peer, start(node_process('seg_node', peer.namespace, model=str(model))))


@pytest.fixture
def start_seg(peer, start, model):
    """Starts a seg_node of a test's own."""

    def make(**parameters):
        return Seg(
            peer,
            start(
                node_process('seg_node', peer.namespace, **({'model': str(model)} | parameters))
            ),
        )

    return make


@pytest.mark.parametrize(
    'order', [(0, 1, 2, 3), (3, 2, 1, 0), (1, 1, 1, 1), (0, 0, 0, 0)], ids=str
)
def test_the_mask_has_the_class_of_every_pixel_of_the_image(seg, order):
    bgr, ids = quarters(order=order)
    msg = image_message(bgr)
    mask, summary = seg.peer.ask(seg.images, msg, seg.masks, seg.summaries)
    assert mask.encoding == 'mono8'
    assert (mask.height, mask.width, mask.step) == (HEIGHT, WIDTH, WIDTH)
    assert np.array_equal(pixels_of(mask), ids)
    assert [area.class_name for area in summary.classes] == list(COLOR_CLASSES)
    assert [area.class_id for area in summary.classes] == [0, 1, 2, 3]
    assert [area.pixels for area in summary.classes] == np.bincount(
        ids.ravel(), minlength=4
    ).tolist()
    assert sum(area.ratio for area in summary.classes) == pytest.approx(1.0)


@pytest.mark.parametrize(
    'header',
    [
        pytest.param(Header(stamp=Time(sec=1, nanosec=999_999_999), frame_id='a'), id='early'),
        pytest.param(
            Header(stamp=Time(sec=2**31 - 1, nanosec=1), frame_id='left/eye opticäl'), id='late'
        ),
        pytest.param(Header(stamp=Time(sec=77, nanosec=7)), id='without_frame_id'),
    ],
)
def test_every_output_has_the_header_of_its_image(seg, header):
    topics = {
        'mask/color': Image,
        'annotated': Image,
        'annotated/compressed': CompressedImage,
    }
    collected = [seg.peer.collect(topic, kind) for topic, kind in topics.items()]
    msg = image_message(quarters()[0], header=header)
    try:
        answers = seg.peer.ask(seg.images, msg, seg.masks, seg.summaries, *collected)
        seg.peer.wait_for(lambda: with_stamp_of(seg.stats, msg), 'stats of this image')
    finally:
        for topic in topics:
            seg.peer.stop_collecting(topic)
    assert [answer.header for answer in answers] == [header] * 5
    assert with_stamp_of(seg.stats, msg)[0].header == header


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_gives_the_mask_of_its_bgr8_equivalent(seg, encoding):
    bgr, _ = quarters()
    expected = seg.mask_of(equivalent_bgr(bgr, encoding))
    mask = seg.mask_of(bgr, encoding)
    assert mask.shape == expected.shape
    if encoding.startswith('bayer'):
        mask, expected = mask[away_from_seams()], expected[away_from_seams()]
    assert np.array_equal(mask, expected)
    assert len(np.unique(expected)) == (2 if encoding == 'mono8' else 4)


def test_a_frame_may_change_size_midway(seg):
    for height, width in ((96, 128), (48, 64), (144, 192), (96, 128), (2, 2), (1, 1)):
        bgr, ids = quarters(height, width)
        assert np.array_equal(seg.mask_of(bgr), ids), f'{width}×{height}'


def test_class_names_reach_a_subscriber_that_comes_late(seg):
    seg.mask_of(quarters()[0])
    labels = seg.peer.collect('label_info', LabelInfo, LATCHED)
    seg.peer.wait_for(lambda: labels, 'label_info')
    assert [(entry.class_id, entry.class_name) for entry in labels[0].class_map] == list(
        enumerate(COLOR_CLASSES)
    )


def test_an_image_without_a_stamp_is_answered_and_logged_once(seg):
    for _ in range(2):
        seg.masks.clear()
        msg = image_message(quarters()[0], header=Header(frame_id='unstamped'))
        assert seg.peer.ask(seg.images, msg, seg.masks).header == msg.header
    seg.peer.wait_for_log(seg.process, 'have no stamp')
    assert len(log_lines(seg.process, 'have no stamp')) == 1


def test_the_color_mask_has_the_palettes_color_of_every_class(seg):
    bgr, ids = quarters()
    colors = seg.peer.collect('mask/color', Image)
    answer = seg.peer.ask(seg.images, image_message(bgr), colors)
    seg.peer.stop_collecting('mask/color')
    assert answer.encoding == 'bgr8'
    assert np.array_equal(pixels_of(answer), palette(4)[ids])


def test_blend_set_at_run_time_changes_the_next_annotated_image(start_seg):
    seg = start_seg(draw_frame_rate=False, blend=1.0)
    annotated = seg.peer.collect('annotated', Image)
    bgr, ids = quarters(240, 320)
    at = (200, 300)  # in the blue quarter, far from the legend

    def pixel():
        answer = seg.peer.ask(seg.images, image_message(bgr), annotated)
        assert (answer.height, answer.width, answer.encoding) == (240, 320, 'bgr8')
        return pixels_of(answer)[at].tolist()

    assert pixel() == bgr[at].tolist()
    assert seg.peer.set_parameter('seg_node', 'blend', 0.0).successful
    assert pixel() == palette(4)[ids[at]].tolist()
    assert seg.peer.set_parameter('seg_node', 'blend', 0.5).successful
    halfway = (bgr[at].astype(int) + palette(4)[ids[at]]) / 2
    assert np.abs(pixel() - halfway).max() <= 1


def test_mask_size_set_at_run_time_changes_the_next_mask(start_seg):
    seg = start_seg()
    bgr, ids = quarters()
    assert np.array_equal(seg.mask_of(bgr), ids)
    assert seg.peer.set_parameter('seg_node', 'mask_size', 'network').successful
    mask, summary = seg.peer.ask(seg.images, image_message(bgr), seg.masks, seg.summaries)
    assert np.array_equal(pixels_of(mask), quarters(48, 64)[1])
    assert sum(area.pixels for area in summary.classes) == 48 * 64
    assert seg.peer.set_parameter('seg_node', 'interpolation', 'logits').successful
    assert seg.peer.set_parameter('seg_node', 'mask_size', 'image').successful
    # Classes whose logits differ in size meet elsewhere than where their shares are equal.
    inside = away_from_seams()
    mask = seg.mask_of(bgr)
    assert np.array_equal(mask[inside], ids[inside])
    assert not np.array_equal(mask, ids)


@pytest.mark.parametrize('kind', ['logits', 'probabilities', 'class_ids'])
def test_the_output_of_a_network_is_recognized(peer, start, tmp_path, kind):
    model = color_segmentation(
        tmp_path / f'{kind}.onnx', argmax=kind == 'class_ids', probabilities=kind != 'logits'
    )
    seg = Seg(peer, start(node_process('seg_node', peer.namespace, model=str(model))))
    bgr, ids = quarters()
    assert np.array_equal(seg.mask_of(bgr), ids)


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_compressed_images(start_seg, suffix):
    seg = start_seg(image_transport='compressed')
    images = seg.peer.image_publisher('image/compressed', CompressedImage)
    bgr, ids = quarters()
    msg = CompressedImage(header=unique_header(), format=f'bgr8; {suffix[1:]} compressed bgr8')
    msg.data = cv2.imencode(suffix, bgr)[1].tobytes()
    mask = seg.peer.ask(images, msg, seg.masks)
    assert mask.header == msg.header
    assert np.array_equal(pixels_of(mask), ids)


def test_with_a_slow_engine_the_newest_frame_wins_and_the_others_are_counted(
    peer, start, tmp_path
):
    model = slow_segmentation(tmp_path / 'slow.onnx', 60)
    # So that the middleware loses none, and every frame is either answered or counted.
    process = node_process('seg_node', peer.namespace, model=str(model), threads=1)
    process.parameters.update(qos_overrides(peer, 'image', depth=100))
    seg = Seg(peer, start(process))
    images = peer.image_publisher('image', qos=QoSProfile(depth=100))
    first = image_message(quarters()[0])
    peer.wait_for_subscriber(images)
    sent = [first, *(image_message(quarters()[0]) for _ in range(39))]
    for msg in sent:
        images.publish(msg)
    peer.wait_for(lambda: with_stamp_of(seg.masks, sent[-1]), 'the answer to the last image')

    def settled():
        return [
            stats
            for stats in with_stamp_of(seg.stats, sent[-1])
            if stats.frames_processed + stats.frames_skipped == len(sent)
        ]

    stats = peer.wait_for(settled, 'stats that account for every frame')[0]
    assert stats.engine == 'segmentation'
    assert stats.frames_received == len(sent)
    assert stats.frames_failed == 0
    assert stats.frames_skipped > 0
    assert stats.frames_processed == len(seg.masks) == len(seg.summaries)
    answered = [mask.header.stamp.sec for mask in seg.masks]
    assert answered == sorted(answered)
    status = peer.wait_for_status(
        'seg_node: segmentation',
        lambda status: value_of(status, 'frames received') == str(len(sent)),
        'diagnostics that count every frame',
    )
    assert value_of(status, 'frames skipped (a newer one came)') == str(stats.frames_skipped)
    assert value_of(status, 'frames processed') == str(stats.frames_processed)


def test_stats_have_every_stage_and_a_rate(seg):
    msg = image_message(quarters()[0])
    for _ in range(3):
        seg.mask_of(quarters()[0])
    seg.peer.ask(seg.images, msg, seg.masks)
    stats = seg.peer.wait_for(lambda: with_stamp_of(seg.stats, msg), 'stats of this image')[0]
    stages = {stage.name: stage for stage in stats.stages}
    assert list(stages) == [
        'transport',
        'wait',
        'preprocess',
        'inference',
        'postprocess',
        'publish',
        'total',
    ]
    assert all(stage.samples > 0 for stage in stages.values())
    assert all(stage.p99_ms >= stage.median_ms for stage in stages.values())
    assert stages['inference'].median_ms > 0


class CountingSegNode(SegNode):
    """Counts the pictures that it is asked to draw, and keeps what tells how likely masks are."""

    drawn = 0

    def __init__(self, **options):
        self.confidences = []
        super().__init__(**options)

    def _publish(self, *arguments):
        self.confidences.append(arguments[-1].confidence)
        super()._publish(*arguments)

    def draw(self, frame, publisher):
        self.drawn += 1
        super().draw(frame, publisher)

    def draw_color(self, frame):
        self.drawn += 1
        super().draw_color(frame)


@pytest.fixture
def seg_here(peer, model):
    """A seg_node in this process, to look inside; and a function that ends it."""
    node = CountingSegNode(
        namespace=peer.namespace,
        context=peer.node.context,
        parameter_overrides=[Parameter('model', value=str(model))],
    )
    peer.add(node)
    node.bring_up()
    yield node
    peer.remove(node)
    node.destroy_node()


@pytest.mark.parametrize(
    ('topic', 'kind'),
    [
        pytest.param('annotated', Image, id='annotated'),
        pytest.param('annotated/compressed', CompressedImage, id='compressed'),
        pytest.param('mask/color', Image, id='color'),
    ],
)
def test_nothing_is_drawn_without_subscribers(peer, seg_here, topic, kind):
    masks, images = peer.collect('mask', Image), peer.image_publisher()
    for _ in range(3):
        peer.ask(images, image_message(quarters()[0]), masks)
    assert seg_here.drawn == 0
    pictures = peer.collect(topic, kind)
    peer.ask(images, image_message(quarters()[0]), pictures)
    assert seg_here.drawn > 0
    peer.stop_collecting(topic)
    name = peer.node.resolve_topic_name(topic)
    publisher = next(each for each in seg_here.publishers if each.topic_name == name)
    peer.wait_for(lambda: not publisher.get_subscription_count(), 'the subscriber being gone')
    # What was taken before may still be in the drawing thread; what comes from now on must not.
    peer.ask(images, image_message(quarters()[0]), masks)
    drawn = seg_here.drawn
    for _ in range(3):
        peer.ask(images, image_message(quarters()[0]), masks)
    assert seg_here.drawn == drawn


def test_confidence_is_computed_and_published_while_somebody_subscribes(peer, seg_here):
    """As nav2's semantic segmentation layer takes it: mono8, of the mask's size and stamp."""
    masks, images = peer.collect('mask', Image), peer.image_publisher()
    bgr = quarters()[0]
    peer.ask(images, image_message(bgr), masks)
    assert seg_here.confidences
    assert all(each is None for each in seg_here.confidences)
    likely = peer.collect('confidence', Image)
    msg = image_message(bgr, header=unique_header())
    mask, confidence = peer.ask(images, msg, masks, likely)
    assert confidence.encoding == 'mono8'
    assert confidence.header == mask.header == msg.header
    values = pixels_of(confidence)
    assert values.shape == pixels_of(mask).shape
    assert values[away_from_seams()].min() > 255 / 4


@pytest.mark.parametrize(
    ('topic', 'kind', 'reason'),
    [
        pytest.param(
            'camera/image_raw',
            Image,
            r'nobody publishes it; such images are on .*{ns}/camera/image_raw.*: remap image to '
            r'one of them',
            id='elsewhere',
        ),
        pytest.param(
            'image',
            Header,
            r'1 publisher \({ns}/driver as std_msgs/msg/Header, best_effort, volatile\); '
            r'{ns}/driver sends another type: .*remap image to ',
            id='other_type',
        ),
    ],
)
def test_a_warning_says_why_no_image_comes(peer, start, model, topic, kind, reason):
    ns = f'/{peer.namespace}'
    begin = rf'no image yet on {ns}/image \(sensor_msgs/msg/Image\) for 3 s: '
    with closing(Peer(peer.namespace, 'driver')) as camera:
        camera.image_publisher(topic, kind)
        process = start(node_process('seg_node', peer.namespace, model=str(model)))
        peer.wait_for_log(process, begin)
        # The line is written once, on a busy machine before the publisher is discovered;
        # diagnostics say how things stand.
        peer.wait_for_status(
            f'seg_node: input {ns}/image',
            lambda status: (
                status.level == status.ERROR
                and re.search(begin + reason.format(ns=ns), status.message)
            ),
            'diagnostics with the reason',
        )
        assert len(log_lines(process, 'no image yet')) == 1
    seg = Seg(peer, process)
    bgr, ids = quarters()
    assert np.array_equal(seg.mask_of(bgr), ids)
    peer.wait_for_status(
        'seg_node: segmentation', lambda status: status.level == status.OK, 'diagnostics being OK'
    )


def test_a_model_for_another_node_is_refused_with_that_nodes_name(peer, run, tmp_path):
    node = run(SegNode, model=str(detector(tmp_path / 'my.onnx')))
    assert 'which seg_node does not run; use yolo_node' in node.problem
