"""Pictures of class masks on the emulator, compared with `drawing`: equal to the last bit."""

import logging

import numpy as np
import pytest
from emulated_gpu import register_kernels
from preprocess_cases import Case, image_bytes
from tint_cases import mask_of, on_device

from jetson_perception.cuda import Resources, compiler, pictures
from jetson_perception.cuda.pictures import CudaPictures
from jetson_perception.cuda.preprocess import DeviceImage
from jetson_perception.drawing import color_mask, draw_segmentation
from jetson_perception.errors import CudaError
from jetson_perception.images.encodings import ENCODINGS, to_bgr, view
from jetson_perception.palette import color
from jetson_perception.tasks.results import Segmentation
from jetson_perception.tasks.segmentation import PictureOptions

COLORS = tuple(color(index) for index in range(21))
BOTH = PictureOptions(colored=True, tinted=True, colors=COLORS)


@pytest.fixture(autouse=True)
def kernels(standin):
    register_kernels(standin, 'tint')


class Shop:
    """Where pictures are made: images and masks on the GPU, and a stream."""

    def __init__(self, standin, device):
        self.standin, self.device = standin, device
        self.held = Resources()
        with device.pushed():
            self.stream = self.held.add(device.new_stream())
            self.pictures = self.held.add(CudaPictures(device, 'model'))

    def begin(self, size_wh, wanted, block=0, encoding='bgr8', number=0):
        """Begin and enqueue a frame; returns its BGR and mask."""
        data, step = image_bytes(Case(size_wh, encoding=encoding, padding=5))
        data = np.roll(data, number)
        mask = np.roll(mask_of(size_wh, 25), number)
        with self.device.pushed():
            image = on_device(self.device, self.held, self.stream, data)
            mask_address = on_device(self.device, self.held, self.stream, mask).address
            there = DeviceImage(image.address, *size_wh, step, encoding)
            self.pictures.begin(there, wanted, self.stream, block)
            image.clear(self.stream)  # the slot has another frame
            self.pictures.enqueue(mask_address, self.stream, block)
        pixels = view(data, size_wh[1], size_wh[0], encoding, step)
        return np.array(to_bgr(pixels, encoding)), mask

    def wait(self):
        with self.device.pushed():
            self.stream.synchronize()

    def close(self):
        self.held.close()


@pytest.fixture
def shop(standin, device):
    shop = Shop(standin, device)
    yield shop
    shop.close()


def assert_drawn(found, source, wanted):
    """Fail unless the pictures are those that `drawing` makes."""
    bgr, mask = source
    colors = np.array(wanted.colors, np.uint8)
    assert (found.colored is not None) == wanted.colored
    if wanted.colored:
        np.testing.assert_array_equal(found.colored, color_mask(mask, colors))
    assert (found.tinted is not None) == wanted.tinted
    if wanted.tinted:
        expected = bgr.copy()
        draw_segmentation(expected, Segmentation(mask, np.zeros(25)), colors, wanted.blend)
        np.testing.assert_array_equal(found.tinted, expected)


@pytest.mark.parametrize('size_wh', [(2, 2), (34, 10), (66, 50)])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_pictures_of_every_encoding(shop, encoding, size_wh):
    source = shop.begin(size_wh, BOTH, encoding=encoding)
    shop.wait()
    assert_drawn(shop.pictures.collect(), source, BOTH)


@pytest.mark.parametrize('encoding', ['bgr8', 'rgba8', 'mono8'])
@pytest.mark.parametrize('size_wh', [(1, 1), (33, 9), (65, 31)])
def test_odd_sizes(shop, encoding, size_wh):
    source = shop.begin(size_wh, BOTH, encoding=encoding)
    shop.wait()
    assert_drawn(shop.pictures.collect(), source, BOTH)


def test_only_what_is_wanted_is_made(standin, shop):
    for colored, tinted, launches in (
        (True, False, ['color_classes']),
        (False, True, ['tint_interleaved3']),
        (True, True, ['color_classes', 'tint_interleaved3']),
        (False, False, []),
    ):
        standin.launches.clear()
        wanted = PictureOptions(colored, tinted, COLORS)
        source = shop.begin((34, 10), wanted)
        shop.wait()
        assert_drawn(shop.pictures.collect(), source, wanted)
        assert standin.launches == launches


def test_unwanted_pictures_take_no_memory(standin, device):
    held = Resources()
    with held.closed_on_error(), device.pushed():
        stream = held.add(device.new_stream())
        before = standin.allocations
        made = held.add(CudaPictures(device, 'model'))
        for wanted in (None, PictureOptions(colors=COLORS)):
            made.begin(DeviceImage(0, 640, 480, 1920, 'bgr8'), wanted, stream)
            made.enqueue(0, stream)
            assert made.collect() == (None, None)
        assert standin.allocations == before
    held.close()


def test_two_frames_under_way_keep_apart(shop):
    """Two frames of other sizes, colors and shares, each in its block."""
    turned = PictureOptions(True, True, COLORS[::-1], blend=0.2)
    for number in range(4):
        sources = [
            shop.begin((66, 50), BOTH, 0, number=number),
            shop.begin((34, 10 + 2 * number), turned, 1, 'nv12', number),
        ]
        shop.wait()
        assert_drawn(shop.pictures.collect(0), sources[0], BOTH)
        assert_drawn(shop.pictures.collect(1), sources[1], turned)


def test_a_picture_is_its_readers_to_keep(shop):
    kept = []
    for number in range(3):
        source = shop.begin((34, 10), BOTH, number=number)
        shop.wait()
        kept.append((shop.pictures.collect(), source))
    for found, source in kept:
        assert_drawn(found, source, BOTH)


def test_memory_is_kept_while_sizes_and_wants_come_and_go(standin, shop):
    wants = [BOTH, None, PictureOptions(tinted=True, colors=COLORS), BOTH]
    sizes = [(66, 50), (34, 10), (66, 50), (2, 2)]
    allocations = []
    for number in range(12):
        wanted, size_wh = wants[number % 4], sizes[number % 4]
        before = standin.allocations
        source = shop.begin(size_wh, wanted, number=number)
        allocations.append(standin.allocations - before)
        shop.wait()
        assert_drawn(shop.pictures.collect(), source, wanted or PictureOptions())
    own = 4  # of `Shop.begin` itself
    assert allocations[0] > own
    assert set(allocations[1:]) == {own}


def test_pictures_of_one_frame_do_not_appear_in_the_next(shop):
    shop.begin((34, 10), BOTH)
    shop.wait()
    assert shop.pictures.collect().tinted is not None
    shop.begin((34, 10), None)
    shop.wait()
    assert shop.pictures.collect() == (None, None)


def test_another_blend_or_other_colors_hold_from_the_next_frame_on(shop):
    for wanted in (
        BOTH,
        PictureOptions(True, True, COLORS, blend=0.0),
        PictureOptions(True, True, COLORS, blend=1.0),
        PictureOptions(True, True, COLORS[:3], blend=1.0),
        PictureOptions(True, True, (), blend=0.3),
        BOTH,
    ):
        colors = wanted.colors or ((0, 0, 0),)
        source = shop.begin((34, 10), wanted)
        shop.wait()
        assert_drawn(
            shop.pictures.collect(), source, PictureOptions(True, True, colors, wanted.blend)
        )


def told(caplog):
    return [each.message for each in caplog.records if 'drawn on the CPU' in each.message]


def test_without_compiled_kernels_there_are_no_pictures(standin, device, monkeypatch, caplog):
    def no_compiler(*_, **__):
        raise CudaError('there is no CUDA compiler (nvcc)')

    monkeypatch.setattr(compiler, 'compile_kernels', no_compiler)
    shop = Shop(standin, device)
    for _ in range(3):
        shop.begin((34, 10), BOTH)
        shop.wait()
        assert shop.pictures.collect() == (None, None)
    shop.close()
    assert told(caplog) == [
        'model: pictures are drawn on the CPU from now on: there is no CUDA compiler (nvcc)'
    ]


@pytest.mark.parametrize('kernel', ['color_classes', 'tint_interleaved3'])
def test_a_failed_launch_ends_the_pictures_and_is_logged_once(standin, shop, caplog, kernel):
    with caplog.at_level(logging.WARNING):
        before = shop.begin((34, 10), BOTH, 0)
        del standin.kernels[kernel]
        shop.pictures._tinter._kernels.clear()
        shop.begin((34, 10), BOTH, 1)
        shop.wait()
        assert_drawn(shop.pictures.collect(0), before, BOTH)
        assert shop.pictures.collect(1).tinted is None
        for block in (0, 1, 0):
            shop.begin((34, 10), BOTH, block)
            shop.wait()
            assert shop.pictures.collect(block) == (None, None)
    assert len(told(caplog)) == 1


def test_a_fatal_gpu_error_is_raised(shop, monkeypatch):
    def fail(*_):
        raise CudaError('an illegal memory access', fatal=True)

    monkeypatch.setattr(pictures._Block, 'begin', fail)
    with pytest.raises(CudaError, match='illegal memory access'):
        shop.begin((34, 10), BOTH)
    shop.wait()


class TestFullMemory:
    @pytest.fixture
    def standin_options(self):
        return {'total_memory': 700_000}

    def test_pictures_that_do_not_fit_are_logged_once(self, shop, caplog):
        for wh in ((300, 200), (34, 10)):
            shop.begin(wh, BOTH)
            shop.wait()
            assert shop.pictures.collect() == (None, None)
        (text,) = told(caplog)
        assert 'the GPU is full' in text
