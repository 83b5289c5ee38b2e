"""What seg_node shows where its model runs on a GPU: the pictures that the CPU would draw.

GPU and CUDA provider are stand-ins, and an emulator runs the kernels; node and topics are real.
"""

from dataclasses import replace

import numpy as np
import pytest
from nodes.support import image_message, pixels_of
from onnx_models import color_segmentation
from ros.encoded import encode, padded
from sensor_msgs.msg import CompressedImage, Image
from standin_fixtures import gpu_with_engines

from jetson_perception import drawing
from jetson_perception.images import encodings
from jetson_perception.models import segmentation
from jetson_perception.nodes import seg_node
from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.palette import palette
from jetson_perception.tasks.results import Segmentation

COLORS = palette(256)
TOPICS = ('mask', 'mask/color', 'annotated')


@pytest.fixture
def standin(monkeypatch):
    with gpu_with_engines(monkeypatch, 'preprocess', 'segmentation', 'tint') as standin:
        yield standin


class Seen:
    """A seg_node, and what a peer sees of it."""

    def __init__(self, peer, node):
        self.peer, self.node = peer, node
        self.images = peer.image_publisher()
        self._heard = {}

    def look(self, *topics):
        """Subscribe, and wait until the node knows."""
        for topic in topics:
            self._heard[topic] = self.peer.collect(topic, Image)
        pictures = [topic for topic in topics if topic != 'mask']
        self.peer.wait_for(
            lambda: all(self._publisher(topic).get_subscription_count() for topic in pictures),
            'the subscriptions',
        )

    def look_away(self, topic):
        """Unsubscribe, and wait until the node knows."""
        del self._heard[topic]
        self.peer.stop_collecting(topic)
        publisher = self._publisher(topic)
        self.peer.wait_for(
            lambda: not publisher.get_subscription_count(), 'the end of a subscription'
        )

    def _publisher(self, topic):
        name = self.peer.node.resolve_topic_name(topic)
        return next(each for each in self.node.publishers if each.topic_name == name)

    def of(self, bgr, encoding='bgr8'):
        """What is seen of a picture that is sent in an encoding: arrays by topic."""
        rows = padded(encode(bgr, encoding), 6)
        msg = image_message(np.zeros((1, 1), np.uint8), 'mono8')
        msg.height, msg.width, msg.step = *bgr.shape[:2], rows.shape[1]
        msg.encoding, msg.data = encoding, rows.tobytes()
        for heard in self._heard.values():
            heard.clear()
        answers = self.peer.ask(self.images, msg, *self._heard.values())
        answers = answers if isinstance(answers, tuple) else (answers,)
        return {
            topic: pixels_of(answer) for topic, answer in zip(self._heard, answers, strict=True)
        }

    def drawn(self, bgr, mask, blend=0.6):
        """What the CPU would draw, by topic."""
        result = Segmentation(mask, np.bincount(mask.ravel(), minlength=4))
        annotated = bgr.copy()
        names = self.node._model.class_names
        drawing.draw_segmentation(annotated, result, COLORS, blend, names)
        return {'mask/color': drawing.color_mask(mask, COLORS), 'annotated': annotated}


@pytest.fixture
def seen(peer, standin, run, tmp_path):
    model = str(color_segmentation(tmp_path / 'colors.onnx'))
    return Seen(peer, run(SegNode, model=model, runtime='onnxruntime_cuda', draw_frame_rate=False))


def blocks(height, width, seed=1):
    """A picture with areas of all classes, (h, w, 3)."""
    colors = np.array([(30, 30, 30), (20, 20, 220), (20, 220, 20), (220, 20, 20)], np.uint8)
    ids = np.random.default_rng(seed).permutation(np.arange(20) % 4).reshape(4, 5)
    return colors[ids[np.arange(height) * 4 // height][:, np.arange(width) * 5 // width]]


def tints(standin):
    """Kernels of pictures that ran since the list was cleared."""
    return {name for name in standin.launches if name.startswith(('tint', 'color'))}


@pytest.mark.parametrize(
    ('encoding', 'height', 'width'),
    [
        ('bgr8', 241, 319),
        ('rgba8', 97, 131),
        ('mono8', 97, 131),
        ('uyvy', 240, 322),
        ('nv12', 240, 322),
        ('bayer_rggb8', 240, 322),
    ],
)
def test_pictures_are_the_cpus_and_made_without_it(seen, monkeypatch, encoding, height, width):
    def on_cpu(*_, **__):
        raise AssertionError('the CPU was asked')

    bgr = blocks(height, width)
    rows = padded(encode(bgr, encoding), 6)
    pixels = encodings.view(rows.ravel(), height, width, encoding, rows.shape[1])
    as_seen = np.array(encodings.to_bgr(pixels, encoding))
    seen.look(*TOPICS)
    with monkeypatch.context() as patches:
        patches.setattr(encodings, 'to_bgr', on_cpu)
        patches.setattr(seg_node, 'color_mask', on_cpu)
        patches.setattr(segmentation, 'draw_segmentation', on_cpu)
        found = seen.of(bgr, encoding)
    assert len(np.unique(found['mask'])) >= (1 if encoding == 'mono8' else 4)
    for topic, expected in seen.drawn(as_seen, found['mask']).items():
        assert np.array_equal(found[topic], expected), topic


def test_a_picture_is_made_while_somebody_subscribes_to_it(seen, standin):
    bgr = blocks(96, 128)

    def kernels():
        standin.launches.clear()
        found = seen.of(bgr)
        for topic, expected in seen.drawn(bgr, found['mask']).items():
            assert topic not in found or np.array_equal(found[topic], expected)
        return tints(standin)

    seen.look('mask')
    assert kernels() == set()
    seen.look('mask/color')
    assert kernels() == {'color_classes'}
    seen.look_away('mask/color')
    for _ in range(2):  # a frame may have begun before the node knew
        last = kernels()
    assert last == set()
    seen.look('annotated')
    assert kernels() == {'tint_interleaved3'}
    seen.look('mask/color')
    assert kernels() == {'color_classes', 'tint_interleaved3'}


def test_a_subscriber_of_the_compressed_image_has_it_made_too(seen, standin):
    compressed = seen.peer.collect('annotated/compressed', CompressedImage)
    seen.peer.wait_for(lambda: seen.node.annotated_wanted(), 'the subscription')
    bgr = blocks(96, 128)
    answer = seen.peer.ask(seen.images, image_message(bgr), compressed)
    assert encodings.decode_compressed(answer.data).shape == bgr.shape
    assert tints(standin) == {'tint_interleaved3'}


def test_blend_is_set_at_run_time(seen):
    seen.look(*TOPICS)
    bgr = blocks(96, 128)
    for blend in (0.6, 0.0, 1.0, 0.25):
        assert seen.peer.set_parameter('seg_node', 'blend', blend).successful
        found = seen.of(bgr)
        expected = seen.drawn(bgr, found['mask'], blend)
        assert np.array_equal(found['annotated'], expected['annotated']), blend


def test_a_mask_of_the_networks_size_is_laid_over_the_image_by_the_cpu(seen, standin):
    seen.look(*TOPICS)
    assert seen.peer.set_parameter('seg_node', 'mask_size', 'network').successful
    bgr = blocks(96, 128)
    found = seen.of(bgr)
    assert found['mask'].shape == (48, 64)
    for topic, expected in seen.drawn(bgr, found['mask']).items():
        assert np.array_equal(found[topic], expected), topic
    assert tints(standin) == set()


class WithoutRed(SegNode):
    """Makes the background of what is red; keeps what else the result holds."""

    def refiner(self, lane):
        def refine(frame, result):
            mask = np.where(result.mask == 1, 0, result.mask).astype(np.uint8)
            return replace(result, mask=mask, pixels=np.bincount(mask.ravel(), minlength=4))

        return refine


def test_pictures_show_what_refine_made_of_the_mask(peer, standin, run, tmp_path):
    model = str(color_segmentation(tmp_path / 'colors.onnx'))
    node = run(WithoutRed, model=model, runtime='onnxruntime_cuda', draw_frame_rate=False)
    seen = Seen(peer, node)
    seen.look(*TOPICS)
    bgr = blocks(96, 128)
    found = seen.of(bgr)
    assert set(np.unique(found['mask'])) == {0, 2, 3}
    for topic, expected in seen.drawn(bgr, found['mask']).items():
        assert np.array_equal(found[topic], expected), topic
    assert tints(standin) == set()


def test_where_tinting_fails_the_cpu_draws(seen, standin, caplog):
    for name in [name for name in standin.kernels if name.startswith(('tint', 'color'))]:
        del standin.kernels[name]
    seen.look(*TOPICS)
    for seed in range(4):
        bgr = blocks(96, 128, seed)
        found = seen.of(bgr)
        for topic, expected in seen.drawn(bgr, found['mask']).items():
            assert np.array_equal(found[topic], expected), topic
    assert seen.node._pipeline.lanes[0].counts.failed == 0
    assert caplog.text.count('pictures are drawn on the CPU') == 1
