"""JPEGs for a decoder on a GPU: plain and whole ones are taken, all others are not."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.plain_jpeg import plain_jpeg

PICTURE = cv2.GaussianBlur(
    np.random.default_rng(1).integers(0, 256, (97, 131, 3), np.uint8), (5, 5), 0
)
MOST = 1 << 20
END = b'\xff\xd9'


def jpeg(bgr=PICTURE, mode='', **options):
    """As Pillow writes it: restart_marker_blocks, progressive, subsampling, keep_rgb."""
    file = io.BytesIO()
    picture = Image.fromarray(bgr[..., ::-1] if bgr.ndim == 3 else bgr)
    (picture.convert(mode) if mode else picture).save(file, 'JPEG', **options)
    return file.getvalue()


def sampled_as_411():
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411]
    return cv2.imencode('.jpg', PICTURE, options)[1].tobytes()


def others():
    """Kinds that this OpenCV can write: that of Ubuntu 22.04 cannot choose the sampling."""
    if hasattr(cv2, 'IMWRITE_JPEG_SAMPLING_FACTOR'):
        yield pytest.param(sampled_as_411(), id='411')


def segment(marker, content):
    return bytes((0xFF, marker)) + struct.pack('>H', len(content) + 2) + content


def without(data, marker):
    """The JPEG without its segments of one kind."""
    while (at := data.find(bytes((0xFF, marker)))) > 0:
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], 'big') :]
    return data


def with_changed(data, marker, offset, value):
    """The JPEG with one byte of a segment's content changed."""
    at = data.index(bytes((0xFF, marker))) + 4 + offset
    return data[:at] + bytes((value,)) + data[at + 1 :]


def with_segment(data, marker, content):
    return data[:2] + segment(marker, content) + data[2:]


ORIENTED = segment(0xE1, b'Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0')


@pytest.mark.parametrize(
    'data',
    [
        pytest.param(jpeg(subsampling='4:4:4'), id='444'),
        pytest.param(jpeg(subsampling='4:2:2'), id='422'),
        pytest.param(jpeg(subsampling='4:2:0'), id='420'),
        pytest.param(jpeg(PICTURE[..., 0]), id='gray'),
        pytest.param(jpeg(optimize=True), id='tables_of_its_own'),
        pytest.param(jpeg(restart_marker_blocks=1), id='restart'),
        pytest.param(jpeg(restart_marker_rows=1), id='restart_a_row'),
        pytest.param(jpeg(PICTURE[:1, :1]), id='one_pixel'),
        pytest.param(jpeg(np.full((480, 640, 3), 9, np.uint8)), id='all_blocks_are_short'),
        pytest.param(jpeg(comment=b'x' * 60000), id='comment'),
        pytest.param(jpeg()[:2] + ORIENTED + jpeg()[2:], id='oriented'),
        pytest.param(jpeg() + bytes(5000), id='filled_up'),
        pytest.param(without(jpeg(), 0xE0), id='no_jfif'),
    ],
)
def test_what_cameras_send_is_taken_and_says_the_same_picture(data):
    found = plain_jpeg(data, MOST)
    expected = decode_compressed(data)
    assert (found.height, found.width) == expected.shape[:2]
    assert found.channels == (1 if Image.open(io.BytesIO(data)).mode == 'L' else 3)
    assert np.array_equal(decode_compressed(found.data), expected)
    assert len(found.data) < 40_000
    assert b'Exif' not in found.data


@pytest.mark.parametrize(
    'data',
    [
        pytest.param(b'', id='nothing'),
        pytest.param(b'\xff\xd8', id='start_alone'),
        pytest.param(b'\xff\xd8\xff', id='three_bytes'),
        pytest.param(cv2.imencode('.png', PICTURE)[1].tobytes(), id='png'),
        pytest.param(jpeg(progressive=True), id='progressive'),
        pytest.param(jpeg().replace(b'\xff\xc0', b'\xff\xc1', 1), id='extended'),
        pytest.param(jpeg().replace(b'\xff\xc0', b'\xff\xc9', 1), id='arithmetic'),
        pytest.param(jpeg(mode='CMYK'), id='cmyk'),
        pytest.param(jpeg(keep_rgb=True), id='rgb'),
        *others(),
        pytest.param(without(jpeg(), 0xC4), id='motion_jpeg'),
        pytest.param(without(jpeg(), 0xDB), id='no_quantization'),
        pytest.param(with_changed(jpeg(), 0xC0, 0, 12), id='twelve_bits'),
        pytest.param(with_changed(jpeg(), 0xC0, 7, 0x41), id='sampling'),
        pytest.param(with_changed(jpeg(), 0xC0, 7, 0x00), id='no_sampling'),
        pytest.param(with_changed(jpeg(), 0xC0, 8, 3), id='unknown_quantization'),
        pytest.param(with_changed(jpeg(), 0xC0, 9, 1), id='components_alike'),
        pytest.param(with_changed(jpeg(), 0xC0, 5, 9), id='nine_components'),
        pytest.param(with_changed(jpeg(), 0xDA, 2, 0x33), id='unknown_tables'),
        pytest.param(with_changed(jpeg(), 0xDA, 1, 2), id='components_in_another_order'),
        pytest.param(with_changed(jpeg(), 0xDA, 8, 5), id='part_of_the_spectrum'),
        pytest.param(with_changed(jpeg(), 0xDA, 0, 1), id='scan_of_one'),
        pytest.param(with_changed(jpeg(), 0xC4, 1, 3), id='more_codes_than_there_can_be'),
        pytest.param(with_changed(jpeg(), 0xC4, 17, 12), id='impossible_category'),
        pytest.param(with_changed(jpeg(), 0xC4, 0, 0x02), id='table_that_is_not_baseline'),
        pytest.param(with_changed(jpeg(), 0xC4, 16, 200), id='table_that_is_cut_off'),
        pytest.param(with_changed(jpeg(), 0xDB, 0, 0x10), id='quantization_of_16_bits'),
        pytest.param(with_changed(jpeg(), 0xC0, 1, 0xFF), id='higher_than_its_data'),
        pytest.param(with_segment(jpeg(), 0xC4, b'\0'), id='table_of_a_byte'),
        pytest.param(with_segment(jpeg(), 0xDB, bytes(65) * 130), id='tables_without_end'),
        pytest.param(with_segment(jpeg(), 0xCC, b'\0\0'), id='arithmetic_conditioning'),
        pytest.param(with_segment(jpeg(), 0xEE, b'Adobe\0d\0\0\0\0\0'), id='adobe_rgb'),
        pytest.param(with_segment(jpeg(), 0xEE, b'Adobe'), id='adobe_cut_off'),
        pytest.param(with_segment(jpeg(), 0xC0, b'\x08\0\x61\0\x83\x01\x01\x11\0'), id='frames'),
        pytest.param(jpeg()[:-2], id='no_end_mark'),
        pytest.param(jpeg()[:-200], id='cut_off'),
        pytest.param(jpeg()[:200] + END, id='cut_off_in_the_header'),
        pytest.param(jpeg() + b'x', id='more_behind_the_end'),
        pytest.param(jpeg()[:-2] + b'\xff' * 200_000 + END, id='more_than_pixels_take'),
        pytest.param(jpeg() + jpeg(), id='twice'),
        pytest.param(jpeg()[:-40] + b'\xff\xc4' + jpeg()[-40:], id='marker_in_the_data'),
        pytest.param(jpeg(restart_marker_blocks=1).replace(b'\xff\xd1', b'', 1), id='restart'),
    ],
)
def test_all_else_is_left_to_the_cpu(data):
    assert plain_jpeg(data, MOST) is None


def test_the_limit_of_pixels_and_a_file_that_claims_more_than_it_can_hold():
    data = jpeg()
    assert plain_jpeg(data, 97 * 131) is not None
    assert plain_jpeg(data, 97 * 131 - 1) is None
    claiming = with_changed(with_changed(data, 0xC0, 1, 0x3F), 0xC0, 3, 0x3F)
    assert plain_jpeg(claiming, 1 << 30) is None
