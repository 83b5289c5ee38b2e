"""nvJPEG on a real GPU: JPEGs of every kind, damaged and hostile ones, beside the CPU's pixels.

Skipped with the reason if there is no GPU, or no nvJPEG. `-s` shows what each way of decoding
recognizes. What is refused here is decoded, or refused, on the CPU: wrong pixels are what must not
happen, and a GPU that is lost.
"""

import io
import random

import cv2
import numpy as np
import pytest
from PIL import Image

from jetson_perception.cuda import CudaDevice, DeviceBuffer, PinnedBuffer, Resources, cuda_problem
from jetson_perception.cuda.jpeg_decoder import JpegDecoder
from jetson_perception.cuda.nvjpeg import BACKENDS, Nvjpeg, NvjpegError, libraries
from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.plain_jpeg import PlainJpeg, plain_jpeg

pytestmark = pytest.mark.gpu

_problem = cuda_problem()
if _problem:
    pytest.skip(_problem, allow_module_level=True)
_library = next(libraries(), None)
if _library is None:
    pytest.skip('there is no libnvjpeg on this machine', allow_module_level=True)

MOST = 1 << 26
#: Where colors are stored for every second pixel, each library spreads them in its own way.
MEAN_LEVELS = {'4:4:4': 1.0, '4:2:2': 3.0, '4:2:0': 4.0, 'gray': 1.0}


def textured(width, height):
    """A picture with about as much detail as photographs have."""
    rng = np.random.default_rng(1)
    coarse = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (width, height))
    fine = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (9, 9), 0)
    return cv2.addWeighted(coarse, 0.7, fine, 0.5, -30)


def jpeg(bgr, **options):
    file = io.BytesIO()
    Image.fromarray(bgr[..., ::-1] if bgr.ndim == 3 else bgr).save(file, 'JPEG', **options)
    return file.getvalue()


class Decoding:
    """One way of decoding, with memory for 1920×1080."""

    def __init__(self, device, backend):
        self.device, self._resources = device, Resources()
        with device.pushed(), self._resources.closed_on_error():
            self.stream = self._resources.add(device.new_stream())
            self.buffer = self._resources.add(DeviceBuffer(device, (1920 * 1080 * 3,), np.uint8))
            self.host = self._resources.add(PinnedBuffer(device, (1920 * 1080 * 3,), np.uint8))
            self.nvjpeg = self._resources.add(Nvjpeg(device, _library, backend))

    def decode(self, plain):
        with self.device.pushed():
            self.nvjpeg.decode(plain, self.buffer.address, self.stream)
            shape = plain.height, plain.width, plain.channels
            self.buffer.copy_to_host(self.host, self.stream, int(np.prod(shape)))
            self.stream.synchronize()
        return self.host.bytes[: np.prod(shape)].reshape(shape).copy()

    def refuses(self, plain):
        try:
            self.decode(plain)
        except NvjpegError:
            return True
        return False

    def close(self):
        with self.device.pushed():
            self._resources.close()


@pytest.fixture(scope='module')
def device():
    device = CudaDevice.get(0)
    yield device
    device.close()


@pytest.fixture(scope='module', params=list(BACKENDS), ids=['engine', 'kernels'])
def decoding(request, device):
    try:
        made = Decoding(device, request.param)
    except NvjpegError as err:
        pytest.skip(str(err))
    print(made.nvjpeg.description)  # noqa: T201
    yield made
    made.close()


@pytest.mark.parametrize('sampling', ['4:4:4', '4:2:2', '4:2:0', 'gray'])
@pytest.mark.parametrize('size_wh', [(1280, 720), (1919, 1079), (131, 97), (64, 64)])
@pytest.mark.parametrize('restarts', [0, 1], ids=['', 'restarts'])
def test_pixels_are_nearly_those_of_the_cpu(decoding, sampling, size_wh, restarts):
    bgr = textured(*size_wh)
    options = {} if sampling == 'gray' else {'subsampling': sampling}
    data = jpeg(
        bgr[..., 0] if sampling == 'gray' else bgr, restart_marker_rows=restarts, **options
    )
    found = decoding.decode(plain_jpeg(data, MOST))
    apart = np.abs(found.astype(int) - decode_compressed(data))
    print(  # noqa: T201
        f'{sampling} {size_wh}: apart by {apart.mean():.2f} levels, at most {apart.max()}'
    )
    assert apart.mean() < MEAN_LEVELS[sampling]


@pytest.mark.parametrize('size_wh', [(1, 1), (7, 9), (16, 16), (1920, 1), (1, 1080)])
def test_tiny_and_narrow_pictures_are_right_or_refused(decoding, size_wh):
    data = jpeg(np.full((size_wh[1], size_wh[0], 3), (50, 100, 200), np.uint8))
    try:
        found = decoding.decode(plain_jpeg(data, MOST))
    except NvjpegError as err:
        print(f'{size_wh}: {err}')  # noqa: T201
        return
    assert np.abs(found.astype(int) - decode_compressed(data)).max() <= 4


def test_sizes_and_kinds_may_change_from_frame_to_frame(decoding):
    rng = random.Random(1)
    files = [
        jpeg(textured(*size_wh), subsampling=sampling)
        for size_wh in ((640, 480), (1280, 720), (322, 241))
        for sampling in ('4:2:0', '4:4:4')
    ]
    files.append(jpeg(textured(640, 480)[..., 0]))
    first = {data: decoding.decode(plain_jpeg(data, MOST)) for data in files}
    for _ in range(100):
        data = rng.choice(files)
        assert np.array_equal(decoding.decode(plain_jpeg(data, MOST)), first[data])


def damaged(rng, data):
    """A JPEG with bytes overwritten or missing in its compressed data."""
    at = rng.randrange(data.rindex(b'\xff\xda') + 20, len(data) - 700)
    count = rng.choice((1, 4, 100, 512))
    if rng.random() < 0.5:
        return data[:at] + data[at + count :]
    return data[:at] + rng.randbytes(count) + data[at + count :]


def test_damage_is_refused_or_decoded_and_the_next_picture_is_right(decoding):
    rng = random.Random(2)
    counts = dict.fromkeys(('by markers', 'by nvJPEG', 'by the CPU', 'both miss'), 0)
    missed = 0
    for restarts in (0, 1):
        whole = jpeg(textured(640, 480), quality=90, restart_marker_rows=restarts)
        expected = decoding.decode(plain_jpeg(whole, MOST))
        for number in range(150):
            data = damaged(rng, whole)
            plain = plain_jpeg(data, MOST)
            by_gpu = plain is not None and decoding.refuses(plain)
            counts['by markers'] += plain is None
            counts['by nvJPEG'] += by_gpu
            try:
                decode_compressed(data)
                counts['both miss'] += plain is not None and not by_gpu
            except ImageError:
                counts['by the CPU'] += 1
                missed += plain is not None and not by_gpu
            if number % 10 == 0:
                assert np.array_equal(decoding.decode(plain_jpeg(whole, MOST)), expected)
    print(f'recognized of 300: {counts}; the CPU alone: {missed}')  # noqa: T201


def test_hostile_bytes_leave_the_gpu_as_it_was(decoding):
    """Headers and tables changed at random, past what is held against the format before."""
    rng = random.Random(3)
    whole = jpeg(textured(320, 240), quality=90)
    expected = decoding.decode(plain_jpeg(whole, MOST))
    for number in range(300):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(2, len(data) - 2)] = rng.randrange(256)
        plain = plain_jpeg(bytes(data), 1920 * 1080)
        if plain is not None:
            decoding.refuses(plain)
        if number % 20 == 0:
            assert np.array_equal(decoding.decode(plain_jpeg(whole, MOST)), expected)


def test_what_is_no_jpeg_at_all_is_refused(decoding):
    for data in (b'', b'\xff\xd8\xff\xd9', bytes(1000)):
        assert decoding.refuses(PlainJpeg(data, 64, 64, 3))
    assert decoding.decode(plain_jpeg(jpeg(textured(64, 64)), MOST)).shape == (64, 64, 3)


@pytest.mark.parametrize('wanted', ['auto', 'gpu'])
def test_a_decoder_that_a_node_would_have(device, caplog, wanted):
    caplog.set_level('INFO')
    data = jpeg(textured(1280, 720))
    plain = plain_jpeg(data, MOST)
    decoder = JpegDecoder(device, wanted)
    with device.pushed():
        stream = device.new_stream()
        buffer = DeviceBuffer(device, (720, 1280, 3), np.uint8)
        is_decoded = decoder.decode(plain, buffer.address, stream)
        stream.synchronize()
        decoder.close()
        stream.close()
        buffer.close()
    print(caplog.messages)  # noqa: T201
    assert is_decoded or wanted == 'auto'
    assert len(caplog.messages) == 1
