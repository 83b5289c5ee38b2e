import struct

import cv2
import numpy as np
import pytest

from jetson_perception.errors import ImageError
from jetson_perception.images.picture_header import FORMATS, picture_format, read_picture_header


def picture(width=24, height=16, channels=3, dtype=np.uint8):
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype)


def encoded(suffix, pixels=None, *parameters):
    done, data = cv2.imencode(suffix, picture() if pixels is None else pixels, parameters)
    assert done
    return data.tobytes()


def read(data):
    header = read_picture_header(data)
    return header.format, header.width, header.height, header.channels, header.bits


@pytest.mark.parametrize(
    ('data', 'expected'),
    [
        pytest.param(encoded('.jpg'), ('JPEG', 24, 16, 3, 8), id='jpeg'),
        pytest.param(encoded('.jpg', picture(channels=1)), ('JPEG', 24, 16, 1, 8), id='grey_jpeg'),
        pytest.param(
            encoded('.jpg', None, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
            ('JPEG', 24, 16, 3, 8),
            id='progressive_jpeg',
        ),
        pytest.param(encoded('.png'), ('PNG', 24, 16, 3, 8), id='png'),
        pytest.param(encoded('.png', picture(channels=4)), ('PNG', 24, 16, 4, 8), id='png_alpha'),
        pytest.param(
            encoded('.png', picture(channels=1, dtype=np.uint16)),
            ('PNG', 24, 16, 1, 16),
            id='png_of_16_bits',
        ),
        pytest.param(encoded('.bmp'), ('BMP', 24, 16, 3, 8), id='bmp'),
        pytest.param(encoded('.ppm'), ('PNM', 24, 16, 3, 8), id='ppm'),
        pytest.param(encoded('.pgm', picture(channels=1)), ('PNM', 24, 16, 1, 8), id='pgm'),
        pytest.param(
            encoded('.pgm', picture(channels=1, dtype=np.uint16)),
            ('PNM', 24, 16, 1, 16),
            id='pgm_of_16_bits',
        ),
        pytest.param(encoded('.tiff'), ('TIFF', 24, 16, 3, 8), id='tiff'),
        pytest.param(encoded('.webp'), ('WebP', 24, 16, 3, 8), id='webp_lossless'),
        pytest.param(
            encoded('.webp', None, cv2.IMWRITE_WEBP_QUALITY, 50),
            ('WebP', 24, 16, 3, 8),
            id='webp_lossy',
        ),
    ],
)
def test_what_opencv_writes(data, expected):
    assert read(data) == expected
    assert picture_format(data) == expected[0] in FORMATS


JPEG = encoded('.jpg')
SOF = JPEG.index(b'\xff\xc0')
PNG = encoded('.png')
LARGE_SOF = (
    b'\xff\xc0\0\x11\x08' + struct.pack('>HH', 60000, 60000) + b'\3\1\x22\0\2\x11\1\3\x11\1'
)


@pytest.mark.parametrize(
    'inserted',
    [
        pytest.param(b'\xff\xe1\0\x17Exif\0\0' + LARGE_SOF[:15], id='thumbnail_in_exif'),
        pytest.param(b'\xff\xfe\0\x15' + LARGE_SOF, id='frame_in_a_comment'),
        pytest.param(b'\xff' * 9, id='fill_bytes'),
        pytest.param(b'garbage\xff\0garbage', id='garbage'),
        pytest.param(b'\xff\x01\xff\xd0', id='markers_without_length'),
    ],
)
def test_jpeg_header_is_found_where_libjpeg_finds_it(inserted):
    data = JPEG[:SOF] + inserted + JPEG[SOF:]
    assert read(data) == ('JPEG', 24, 16, 3, 8)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (16, 24, 3)


def test_first_jpeg_frame_counts():
    assert read(JPEG[:SOF] + LARGE_SOF + JPEG[SOF:])[1:3] == (60000, 60000)


def tiff(order, *entries, big=False):
    """A TIFF of entries (tag, type, value)."""
    head = {'<': b'II', '>': b'MM'}[order]
    if big:
        body = b''.join(struct.pack(f'{order}HHQQ', *entry[:2], 1, entry[2]) for entry in entries)
        return head + struct.pack(f'{order}HHHQQ', 43, 8, 0, 16, len(entries)) + body + bytes(8)
    body = b''.join(
        struct.pack(f'{order}HHI', *entry[:2], 1)
        + (struct.pack(f'{order}HH', entry[2], 0) if entry[1] == 3 else b'')
        + (struct.pack(f'{order}I', entry[2]) if entry[1] == 4 else b'')
        for entry in entries
    )
    return head + struct.pack(f'{order}HIH', 42, 8, len(entries)) + body + bytes(4)


SIZE = ((256, 3, 24), (257, 4, 16), (258, 3, 8), (277, 3, 3))


@pytest.mark.parametrize('order', ['<', '>'])
def test_tiff_of_either_byte_order(order):
    assert read(tiff(order, *SIZE)) == ('TIFF', 24, 16, 3, 8)


def test_big_tiff():
    entries = [(tag, 16, value) for tag, _, value in SIZE]
    assert read(tiff('<', *entries, big=True)) == ('TIFF', 24, 16, 3, 8)


@pytest.mark.parametrize(
    ('entries', 'pixels'),
    [
        pytest.param(((322, 4, 1 << 15), (323, 4, 1 << 15)), 1 << 30, id='tiles'),
        pytest.param(((278, 4, 1 << 24),), 24 << 24, id='strips'),
        pytest.param(((278, 4, 0xFFFFFFFF),), 24 * 16, id='one_strip'),
    ],
)
def test_buffers_of_a_tiff_count(entries, pixels):
    assert read_picture_header(tiff('<', *SIZE, *entries)).pixels == pixels


@pytest.mark.parametrize(
    ('data', 'size'),
    [
        pytest.param(b'P5 24 16 255\n', (24, 16), id='one_line'),
        pytest.param(b'P6\n# by hand\n24 # wide\n\t16\n255\n', (24, 16), id='comments'),
        pytest.param(b'P4\n24 16\n', (24, 16), id='bitmap'),
        pytest.param(b'P2\n999999999 999999999 1\n', (999999999, 999999999), id='absurd'),
    ],
)
def test_pnm(data, size):
    assert read(data)[1:3] == size


@pytest.mark.parametrize(
    ('data', 'match'),
    [
        pytest.param(b'', 'it begins with ', id='empty'),
        pytest.param(b'hello', 'damaged or not a picture: it begins with 68 65', id='text'),
        pytest.param(b'GIF89a\xff\xff\x80\x3e', '^GIF, which is not supported', id='gif'),
        pytest.param(b'PF\n9 9\n-1.0\n', '^PFM, which', id='pfm'),
        pytest.param(b'P7\nWIDTH 9\n', '^PAM, which', id='pam'),
        pytest.param(b'\x76\x2f\x31\x01', '^OpenEXR, which', id='exr'),
        pytest.param(b'#?RADIANCE\n', '^Radiance HDR, which', id='hdr'),
        pytest.param(b'\0\0\0\x20ftypavif', '^AVIF, which cannot be read here', id='avif'),
        pytest.param(
            b'\0\0\0\x18ftypheic\0\0\0\0mif1heic', '^HEIC, which cannot .*; convert it', id='heic'
        ),
        pytest.param(
            b'\0\0\0\x18ftypmif1\0\0\0\0mif1heix', '^HEIC, which', id='heic_by_another_brand'
        ),
        pytest.param(b'\0\0\0\x14ftypmif1\0\0\0\0mif1', '^HEIF, which', id='heif'),
        pytest.param(
            b'\0\0\0\x14ftypmif1\0\0\0\0mif1avif', '^HEIF, which', id='no_brand_beyond_the_box'
        ),
        pytest.param(
            b'\0\0\0\x18ftypisom\0\0\0\0isomavif', '^MP4 or MOV, which is not', id='video'
        ),
        pytest.param(JPEG[:SOF], 'JPEG whose header is cut off', id='cut_jpeg'),
        pytest.param(b'\xff\xd8\xff\xda\0\2', 'without a frame header', id='scan_first'),
        pytest.param(b'\xff\xd8\xff\xe0\0\1', 'impossible length', id='short_segment'),
        pytest.param(b'\xff\xd8' + b'\xff\xe0\0\2' * 5000, 'more than 4096', id='segments'),
        pytest.param(JPEG + b'\xff\xda' * 64, 'JPEG of more than 64 scans', id='scans'),
        pytest.param(PNG[:20], 'PNG whose header is cut off', id='cut_png'),
        pytest.param(PNG[:8] + PNG[33:], 'does not begin with its header', id='png_without'),
        pytest.param(PNG[:16] + bytes(8) + PNG[24:], 'of 0×0: no pixels', id='no_pixels'),
        pytest.param(PNG[:25] + b'\7' + PNG[26:], 'color type 7', id='color_type'),
        pytest.param(b'BM' + bytes(30), 'of unknown length', id='bmp'),
        pytest.param(b'P5 24 x', 'PNM whose header is cut off', id='pnm'),
        pytest.param(b'RIFF\0\0\0\0WEBPVP9 ' + bytes(20), 'without a picture', id='webp'),
        pytest.param(tiff('<', *SIZE, SIZE[0]), 'the tag 256 twice', id='tiff_tag_twice'),
        pytest.param(tiff('<', (256, 12, 0)), 'unknown type 12', id='tiff_type'),
        pytest.param(tiff('<', *SIZE[:3], (277, 3, 900)), '900 channels', id='tiff_channels'),
        pytest.param(b'II*\0\xff\xff\xff\xff', 'TIFF whose header is cut', id='tiff_offset'),
    ],
)
def test_refused(data, match):
    with pytest.raises(ImageError, match=match):
        read_picture_header(data)


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.ppm', '.tiff', '.webp'])
def test_damaged_bytes_are_an_image_error_at_most(suffix):
    data = encoded(suffix, picture(8, 8))
    chance = np.random.default_rng(3)
    changed = []
    for end in range(min(len(data), 200)):
        changed.append(data[:end])
        copy = bytearray(data)
        for place in chance.integers(0, min(len(data), 200), 3):
            copy[place] = chance.integers(256)
        changed.append(bytes(copy))
    for each in changed:
        try:
            assert read_picture_header(each).pixels > 0
        except ImageError:
            continue
