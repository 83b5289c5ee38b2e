"""JPEGs of messages, with simplejpeg and without: decoded right, or refused with a reason."""

import base64
import io
import random
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.turbo_jpeg import turbo_decode

END = b'\xff\xd9'
#: 8 by 8 pixels of (50, 100, 200) in BGR, by `cjpeg -arithmetic`.
ARITHMETIC = base64.b64decode(
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwg'
    'JC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4zNDL/2wBDAQkJCQwLDBgNDRgyIRwhMjIyMjIyMjIyMjIy'
    'MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjL/yQARCAAIAAgDASIAAhEBAxEB/8wA'
    'CgAQEAUBEBEF/9oADAMBAAIRAxEAPwD5cYXvToD/2Q=='
)


@pytest.fixture(params=['simplejpeg', 'without'], autouse=True)
def way(request, monkeypatch):
    """Decoding as on a machine that has simplejpeg, and as on one that has not."""
    if request.param == 'without':
        monkeypatch.setitem(sys.modules, 'simplejpeg', None)
    turbo_decode.cache_clear()
    assert (turbo_decode() is not None) == (request.param == 'simplejpeg')
    yield request.param
    turbo_decode.cache_clear()


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd):
    """What is wrong is in the error alone: libjpeg's own lines don't reach anybody's log."""
    yield
    assert capfd.readouterr().err == ''


def textured(width=640, height=480):
    """A picture with as much detail as photographs have."""
    rng = np.random.default_rng(1)
    coarse = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (width, height))
    fine = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (5, 5), 0)
    return cv2.addWeighted(coarse, 0.7, fine, 0.6, -40)


PICTURE = textured()
SMALL = np.ascontiguousarray(PICTURE[:97, :131])


def jpeg(bgr=SMALL, **options):
    """As Pillow writes it: restart_marker_blocks, progressive, subsampling, keep_rgb."""
    file = io.BytesIO()
    Image.fromarray(bgr[..., ::-1] if bgr.ndim == 3 else bgr).save(file, 'JPEG', **options)
    return file.getvalue()


def cmyk():
    file = io.BytesIO()
    Image.fromarray(SMALL[..., ::-1]).convert('CMYK').save(file, 'JPEG')
    return file.getvalue()


def without_tables(data):
    """As UVC cameras send frames: Motion JPEG has always the same Huffman tables."""
    while (at := data.find(b'\xff\xc4')) > 0:
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], 'big') :]
    return data


def with_surplus(data, count):
    """Bytes that the decoder does not need, before the end mark; many webcams have some."""
    return data[:-2] + b'\x12\x34' * (count // 2) + data[-2:]


def scan_of(data):
    """Where the compressed data of a JPEG begin."""
    at = data.rindex(b'\xff\xda')
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], 'big')


def with_coding(data, marker):
    return data.replace(b'\xff\xc0', bytes((0xFF, marker)), 1)


def reference(data):
    """What OpenCV makes of it, which needs the end mark."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)


@pytest.mark.parametrize(
    'data',
    [
        pytest.param(jpeg(subsampling='4:4:4'), id='444'),
        pytest.param(jpeg(subsampling='4:2:2'), id='422'),
        pytest.param(jpeg(subsampling='4:2:0'), id='420'),
        pytest.param(jpeg(subsampling='4:1:1'), id='411'),
        pytest.param(jpeg(keep_rgb=True), id='rgb'),
        pytest.param(jpeg(SMALL[..., 0]), id='gray'),
        pytest.param(cmyk(), id='cmyk'),
        pytest.param(jpeg(optimize=True), id='tables_of_its_own'),
        pytest.param(jpeg(progressive=True), id='progressive'),
        pytest.param(jpeg(restart_marker_blocks=1), id='restart'),
        pytest.param(jpeg(restart_marker_rows=1), id='restart_a_row'),
        pytest.param(jpeg(SMALL[..., 0], restart_marker_blocks=3), id='gray_restart'),
        pytest.param(jpeg(progressive=True, restart_marker_blocks=5), id='progressive_restart'),
        pytest.param(without_tables(jpeg()), id='motion_jpeg'),
        pytest.param(jpeg(SMALL[:1, :1]), id='one_pixel'),
        pytest.param(jpeg(SMALL[:9, :7]), id='tiny'),
        pytest.param(jpeg(SMALL[:70, :1]), id='one_column'),
        pytest.param(jpeg(comment=b'x' * 60000), id='comment'),
        pytest.param(ARITHMETIC, id='arithmetic'),
    ],
)
def test_kinds_are_decoded_as_opencv_does(data):
    expected = reference(data)
    for each in (data, data + bytes(5000), data + b'behind the end'):
        assert np.array_equal(decode_compressed(each, 'jpeg'), expected)


@pytest.mark.parametrize(
    'data',
    [
        pytest.param(jpeg(), id='baseline'),
        pytest.param(jpeg(SMALL[:1, :1]), id='one_pixel'),
        pytest.param(without_tables(jpeg()), id='motion_jpeg'),
        pytest.param(jpeg(restart_marker_blocks=4), id='restart'),
        pytest.param(jpeg(progressive=True), id='progressive'),
    ],
)
@pytest.mark.parametrize('padding', [b'', bytes(3), bytes(5000)], ids=['', 'zeros', 'many_zeros'])
def test_a_missing_end_mark_is_no_damage(data, padding):
    assert np.array_equal(decode_compressed(data[:-2] + padding), reference(data))


@pytest.mark.parametrize('count', [2, 8])
@pytest.mark.parametrize('blocks', [0, 4], ids=['plain', 'restart'])
def test_a_few_bytes_too_many_are_no_damage(count, blocks):
    data = jpeg(restart_marker_blocks=blocks)
    assert np.array_equal(decode_compressed(with_surplus(data, count)), reference(data))


def test_headers_that_cameras_get_wrong():
    data = bytearray(jpeg())
    data[data.index(b'JFIF\0') + 5] = 7  # the revision; libjpeg knows 1 and 2
    assert np.array_equal(decode_compressed(bytes(data)), reference(jpeg()))


def cut_in_half(data):
    begin = scan_of(data)
    return data[: begin + (len(data) - begin) // 2]


def overwritten(data, count=1000):
    at = scan_of(data) + 2000
    return data[:at] + random.Random(1).randbytes(count) + data[at + count :]


def without_an_interval(data):
    first, second = data.find(b'\xff\xd1'), data.find(b'\xff\xd2')
    return data[:first] + data[second:]


WITH_RESTARTS = pytest.mark.skipif(
    b'\xff\xd2' not in jpeg(restart_marker_blocks=4), reason='Pillow is older than 10.2'
)


@pytest.mark.parametrize(
    'data',
    [
        pytest.param(cut_in_half(jpeg()), id='cut_off'),
        pytest.param(cut_in_half(jpeg()) + END, id='cut_off_and_ended'),
        pytest.param(cut_in_half(jpeg()) + bytes(3000), id='cut_off_and_filled_up'),
        pytest.param(cut_in_half(jpeg(SMALL[..., 0])), id='gray_cut_off'),
        pytest.param(cut_in_half(cmyk()) + END, id='cmyk_cut_off'),
        pytest.param(cut_in_half(without_tables(jpeg())), id='motion_jpeg_cut_off'),
        pytest.param(jpeg()[: scan_of(jpeg())], id='no_compressed_data'),
        pytest.param(overwritten(jpeg(PICTURE)), id='overwritten'),
        pytest.param(overwritten(jpeg(PICTURE, restart_marker_blocks=40)), id='restart'),
        pytest.param(overwritten(jpeg(PICTURE[..., 0])), id='gray_overwritten'),
        pytest.param(overwritten(without_tables(jpeg(PICTURE))), id='motion_jpeg_overwritten'),
        pytest.param(jpeg(PICTURE).replace(END, bytes(2000) + END), id='much_too_much'),
        pytest.param(
            without_an_interval(jpeg(restart_marker_blocks=4)),
            id='an_interval_missing',
            marks=WITH_RESTARTS,
        ),
        pytest.param(
            jpeg(restart_marker_blocks=4).replace(b'\xff\xd2', b'\xff\xd5'),
            id='restart_order',
            marks=WITH_RESTARTS,
        ),
    ],
)
def test_damaged_data_are_refused(data):
    with pytest.raises(
        ImageError, match=r"\(format 'jpeg'\) of \d+ bytes is JPEG that is damaged"
    ):
        decode_compressed(data, 'jpeg')


@pytest.mark.parametrize(
    'options',
    [
        pytest.param({'subsampling': '4:2:0', 'quality': 80}, id='420'),
        pytest.param({'subsampling': '4:2:2', 'quality': 90}, id='422'),
    ],
)
def test_most_packets_of_a_camera_that_are_missing_are_noticed(options):
    """A piece lost on the USB; the rest decodes into a picture that is shifted from there on."""
    data, rng = jpeg(PICTURE, **options), random.Random(2)
    noticed = 0
    for _ in range(20):
        at = rng.randrange(scan_of(data), len(data) - 600)
        try:
            decode_compressed(data[:at] + data[at + 512 :])
        except ImageError:
            noticed += 1
    assert noticed >= 17


@pytest.mark.parametrize(
    ('data', 'match'),
    [
        pytest.param(
            jpeg().replace(b'\xff\xc0\0\x11\x08', b'\xff\xc0\0\x11\x0c'),
            '12 bits per channel',
            id='12_bit',
        ),
        pytest.param(with_coding(jpeg(), 0xC3), 'lossless coding, which is not', id='lossless'),
        pytest.param(with_coding(jpeg(), 0xC5), 'hierarchical coding', id='hierarchical'),
        pytest.param(with_coding(jpeg(), 0xCB), 'arithmetic coding', id='lossless_arithmetic'),
        pytest.param(
            jpeg().replace(struct.pack('>HH', 97, 131), struct.pack('>HH', 65500, 65500)),
            '65500×65500 pixels; max_image_pixels',
            id='claims_to_be_huge',
        ),
        pytest.param(
            jpeg().replace(struct.pack('>HH', 97, 131), struct.pack('>HH', 970, 131)),
            'damaged',
            id='claims_to_be_larger',
        ),
        pytest.param(
            jpeg().replace(struct.pack('>HH', 97, 131), struct.pack('>HH', 17, 131)),
            'damaged',
            id='claims_to_be_smaller',
        ),
        pytest.param(
            jpeg().replace(struct.pack('>HH', 97, 131), struct.pack('>HH', 0, 131)),
            '131×0: no pixels',
            id='no_rows',
        ),
    ],
)
def test_what_is_not_supported_is_said(data, match):
    with pytest.raises(ImageError, match=match):
        decode_compressed(data)


def test_a_picture_that_pillow_would_warn_of_is_decoded(monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    assert np.array_equal(decode_compressed(jpeg()), reference(jpeg()))


def test_threads_decode_beside_each_other():
    """Lanes of several nodes in a process share nothing."""
    good, bad = jpeg(PICTURE), overwritten(jpeg(PICTURE))
    expected = reference(good)

    def decode(data):
        try:
            return decode_compressed(data)
        except ImageError:
            return None

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(decode, [good, bad] * 10))
    assert all(np.array_equal(each, expected) for each in results[::2])
    assert all(each is None for each in results[1::2])
