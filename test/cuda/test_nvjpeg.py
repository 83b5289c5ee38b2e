"""nvJPEG's stand-in on the GPU's: opened if it can be relied upon, and never needed."""

import logging
import threading
import time

import cv2
import numpy as np
import pytest
import standin_nvjpeg

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.cuda.jpeg_decoder import JpegDecoder
from jetson_perception.cuda.nvjpeg import DEFAULT, HARDWARE, Nvjpeg, NvjpegError, libraries
from jetson_perception.errors import CudaError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.plain_jpeg import plain_jpeg

PICTURE = cv2.GaussianBlur(
    np.random.default_rng(1).integers(0, 256, (96, 130, 3), np.uint8), (5, 5), 0
)
STRICT_AND_SMOOTH = 0b100100


def encoded(bgr=PICTURE):
    return cv2.imencode('.jpg', bgr)[1].tobytes()


class Decoding:
    """A decoder, and memory for its pictures."""

    def __init__(self, standin, device, wanted='auto'):
        self.standin, self.device = standin, device
        self.decoder = JpegDecoder(device, wanted)
        self.stream = device.new_stream()
        self.buffer = DeviceBuffer(device, (PICTURE.nbytes,), np.uint8)

    def decode(self, data):
        """The pixels; None where it says that the CPU has to decode."""
        jpeg = plain_jpeg(data, 1 << 20)
        with self.device.pushed():
            if not self.decoder.decode(jpeg, self.buffer.address, self.stream):
                return None
            self.stream.synchronize()
        shape = (jpeg.height, jpeg.width, jpeg.channels)
        return self.standin.view(self.buffer.address, shape, np.uint8).copy()

    def close(self):
        with self.device.pushed():
            self.decoder.close()
            self.decoder.close()
        self.stream.close()
        self.buffer.close()


@pytest.fixture
def decoding(standin, device, caplog):
    caplog.set_level(logging.INFO)
    made = []

    def make(wanted='auto'):
        made.append(Decoding(standin, device, wanted))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def nvjpeg(monkeypatch, standin):
    return lambda **options: standin_nvjpeg.install(monkeypatch, standin, **options)


@pytest.mark.parametrize('wanted', ['auto', 'gpu'])
def test_without_the_library_the_cpu_decodes_and_it_is_said_once(decoding, caplog, wanted):
    each = decoding(wanted)
    assert each.decoder.takes(0)
    assert each.decode(encoded()) is None
    assert each.decode(encoded()) is None
    assert not each.decoder.takes(0)
    (record,) = caplog.records
    assert 'decoded on the CPU: nvJPEG (libnvjpeg, a part of CUDA) is not there' in caplog.text
    assert record.levelname == ('INFO' if wanted == 'auto' else 'WARNING')


def test_cpu_means_that_the_library_is_not_touched(decoding, nvjpeg, caplog):
    library = nvjpeg()
    each = decoding('cpu')
    assert not each.decoder.takes(0)
    assert each.decode(encoded()) is None
    assert not library.opened
    assert not caplog.records


@pytest.mark.parametrize('backends', [(HARDWARE, DEFAULT), (DEFAULT,)], ids=['engine', 'kernels'])
def test_pixels_are_those_of_the_cpu(decoding, nvjpeg, caplog, backends):
    library = nvjpeg(backends=backends)
    each = decoding()
    for bgr in (PICTURE, PICTURE[:33, :31], PICTURE[..., 0], PICTURE[:1, :1]):
        data = encoded(bgr)
        found, expected = each.decode(data), decode_compressed(data)
        assert np.array_equal(np.broadcast_to(found, expected.shape), expected)
    (opened,) = library.opened
    assert opened == (backends[0], STRICT_AND_SMOOTH)
    by = "the GPU's JPEG engine" if HARDWARE in backends else 'kernels'
    assert caplog.messages == [f'JPEGs are decoded on the GPU: nvJPEG 13.0.1, {by}']


def test_a_library_that_knows_no_flags_is_opened_without(decoding, nvjpeg):
    library = nvjpeg(flags=0)
    assert decoding().decode(encoded()) is not None
    assert library.opened == [(HARDWARE, 0)]


def test_one_that_cannot_be_opened_is_left(decoding, nvjpeg, caplog):
    nvjpeg(backends=())
    each = decoding()
    assert each.decode(encoded()) is None
    assert not each.decoder.takes(0)
    assert 'architecture mismatch (status 7)' in caplog.text


@pytest.mark.parametrize('wanted', ['auto', 'gpu'])
def test_pixels_that_are_far_from_the_cpus_are_never_used(decoding, nvjpeg, caplog, wanted):
    nvjpeg(levels=20)
    each = decoding(wanted)
    assert each.decode(encoded()) is None
    assert 'differ from those of the CPU by up to' in caplog.text
    assert not each.decoder.takes(0)


def test_a_few_levels_are_no_difference(decoding, nvjpeg):
    nvjpeg(levels=2)
    assert decoding().decode(encoded()) is not None


def test_one_that_decodes_damaged_images_is_used_only_if_told_to(decoding, nvjpeg, caplog):
    nvjpeg(recognizes_damage=False)
    assert decoding('auto').decode(encoded()) is None
    assert 'damaged JPEGs that the CPU recognizes' in caplog.text
    assert 'jpeg_decoder: gpu uses it' in caplog.text
    assert decoding('gpu').decode(encoded()) is not None


@pytest.mark.parametrize('recognizes', [True, False])
def test_what_was_found_out_is_known_to_the_next_one(decoding, nvjpeg, caplog, recognizes):
    library = nvjpeg(recognizes_damage=recognizes)
    first = decoding().decode(encoded())
    opened, taken = len(library.opened), len(library.decoded)
    assert (decoding().decode(encoded()) is None) == (first is None) == (not recognizes)
    assert len(library.opened) == opened + recognizes
    assert len(library.decoded) == taken + recognizes
    assert caplog.messages[0] == caplog.messages[1]


def test_what_it_refuses_goes_to_the_cpu_and_the_next_image_is_decoded(decoding, nvjpeg, caplog):
    library = nvjpeg()
    each = decoding()
    assert each.decode(encoded()) is not None
    library.status = standin_nvjpeg.NOT_SUPPORTED
    assert each.decode(encoded()) is None
    library.status = 0
    assert each.decode(encoded()) is not None
    assert len(caplog.records) == 1


def test_an_input_that_it_refuses_goes_without_it_for_a_while(
    decoding, nvjpeg, caplog, monkeypatch
):
    library = nvjpeg()
    each = decoding()
    assert each.decode(encoded()) is not None
    library.status = standin_nvjpeg.ALLOCATOR
    assert [each.decode(encoded()) for _ in range(30)] == [None] * 30
    assert not each.decoder.takes(0)
    assert each.decoder.takes(1)
    assert caplog.messages[-1] == (
        'JPEGs of input 0 are decoded on the CPU for 30 s: nvjpegDecodeBatched: allocator failure '
        '(status 5), for 30 images in a row'
    )
    library.status = 0
    later_s = time.monotonic() + 31
    monkeypatch.setattr('time.monotonic', lambda: later_s)
    assert each.decoder.takes(0)
    assert each.decode(encoded()) is not None


def test_a_gpu_that_is_lost_is_told_of(standin, decoding, nvjpeg):
    nvjpeg()
    each = decoding()
    assert each.decode(encoded()) is not None
    standin.failure = RuntimeError('an illegal address')
    said, is_fatal = '', False
    try:
        each.decode(encoded())
    except CudaError as err:  # kept for longer, its traceback would keep an event
        said, is_fatal = str(err), err.fatal
    assert 'cannot be used again' in said
    assert is_fatal
    standin.failure = None
    standin.faults.clear()


def test_many_threads_share_it(standin, device, decoding, nvjpeg):
    library = nvjpeg()
    each = decoding()
    expected = decode_compressed(encoded())
    wrong = []

    def work():
        stream = device.new_stream()
        buffer = DeviceBuffer(device, PICTURE.shape, np.uint8)
        for _ in range(10):
            with device.pushed():
                each.decoder.decode(plain_jpeg(encoded(), 1 << 20), buffer.address, stream)
                stream.synchronize()
            if not np.array_equal(standin.view(buffer.address, buffer.shape, np.uint8), expected):
                wrong.append(1)
        stream.close()
        buffer.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(library.opened) == 1


def test_a_picture_that_it_cannot_open_a_batch_for_leaves_nothing(standin, device, nvjpeg):
    library = nvjpeg()
    (loaded,) = libraries()
    assert loaded is library
    buffer, stream = DeviceBuffer(device, PICTURE.shape, np.uint8), device.new_stream()
    jpeg = plain_jpeg(encoded(), 1 << 20)
    with device.pushed():
        opened = Nvjpeg(device, loaded, HARDWARE)
        library.status = standin_nvjpeg.BAD_JPEG
        with pytest.raises(NvjpegError, match=r'bad JPEG \(status 3\)'):
            opened.decode(jpeg, buffer.address, stream)
        library.status = 0
        opened.decode(jpeg, buffer.address, stream)
        opened.close()
        opened.close()
    stream.close()
    buffer.close()
