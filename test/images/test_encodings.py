"""Image bytes of every encoding, as arrays and as BGR."""

from array import array

import cv2
import numpy as np
import pytest

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import (
    ENCODINGS,
    JPEG,
    byte_count,
    decode_compressed,
    image_height,
    memory_layout,
    size_wh,
    to_bgr,
    view,
)

WIDTH, HEIGHT = 16, 8
BYTES_PER_PIXEL = {'bgr8': 3, 'rgb8': 3, 'bgra8': 4, 'rgba8': 4} | dict.fromkeys(
    ('yuv422_yuy2', 'yuyv', 'uyvy', 'yuv422'), 2
)
BAYER_PATTERNS = {  # the first two rows, as the ROS names spell them
    'bayer_rggb8': ('RG', 'GB'),
    'bayer_bggr8': ('BG', 'GR'),
    'bayer_gbrg8': ('GB', 'RG'),
    'bayer_grbg8': ('GR', 'BG'),
}


def limited_range_yuv(bgr):
    """BT.601 with luma 16 to 235 and chroma 16 to 240, from the standard's own coefficients."""
    blue, green, red = (int(channel) / 255 for channel in bgr)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    u = (blue - luma) / 1.772
    v = (red - luma) / 1.402
    return round(16 + 219 * luma), round(128 + 224 * u), round(128 + 224 * v)


def encode_flat(bgr, encoding, width=WIDTH, height=HEIGHT):
    """Rows of an image of one color, as bytes of the encoding, (rows, bytes)."""
    blue, green, red = bgr
    y, u, v = limited_range_yuv(bgr)
    pixels = {
        'bgr8': (blue, green, red),
        'rgb8': (red, green, blue),
        'bgra8': (blue, green, red, 7),
        'rgba8': (red, green, blue, 7),
        'yuv422_yuy2': (y, u, y, v),
        'yuyv': (y, u, y, v),
        'uyvy': (u, y, v, y),
        'yuv422': (u, y, v, y),
    }
    if encoding in pixels:
        row = np.resize(pixels[encoding], width * BYTES_PER_PIXEL[encoding])
        return np.tile(row, (height, 1)).astype(np.uint8)
    if encoding == 'mono8':
        return np.full((height, width), blue, np.uint8)
    if encoding in ('nv12', 'nv21'):
        chroma = np.resize((u, v) if encoding == 'nv12' else (v, u), width)
        rows = [np.full((height, width), y), np.tile(chroma, (height // 2, 1))]
        return np.concatenate(rows).astype(np.uint8)
    values = {'R': red, 'G': green, 'B': blue}
    pattern = [[values[name] for name in row] for row in BAYER_PATTERNS[encoding]]
    return np.tile(np.array(pattern, np.uint8), (height // 2, width // 2))


def padded(rows, padding):
    """The rows with `padding` bytes of garbage after each, and their step."""
    filler = np.full((len(rows), padding), 99, np.uint8)
    return np.ascontiguousarray(np.concatenate((rows, filler), axis=1)), rows.shape[1] + padding


@pytest.mark.parametrize('padding', [0, 5, 64], ids=['tight', 'odd_padding', 'padded'])
@pytest.mark.parametrize('color', [(200, 120, 40), (10, 90, 220), (60, 60, 60)], ids=str)
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_shows_the_color_of_its_bgr8_equivalent(encoding, color, padding):
    if encoding == 'mono8':
        color = (color[0],) * 3
    data, step = padded(encode_flat(color, encoding), padding)
    bgr = to_bgr(view(data.tobytes(), HEIGHT, WIDTH, encoding, step), encoding)
    assert bgr.shape == (HEIGHT, WIDTH, 3)
    assert bgr.dtype == np.uint8
    expected = np.full_like(bgr, color)
    rounding = 3 if encoding in ('nv12', 'nv21') or 'yu' in encoding or 'uy' in encoding else 0
    assert np.abs(bgr.astype(int) - expected).max() <= rounding


@pytest.mark.parametrize('encoding', ['yuv422_yuy2', 'uyvy', 'nv12'])
@pytest.mark.parametrize(
    ('luma', 'gray'), [(16, 0), (235, 255), (126, 128)], ids=['black', 'white', 'middle']
)
def test_yuv_is_limited_range(encoding, luma, gray):
    rows = {
        'yuv422_yuy2': np.tile(np.array([luma, 128], np.uint8), (2, 4)),
        'uyvy': np.tile(np.array([128, luma], np.uint8), (2, 4)),
        'nv12': np.array([[luma] * 4, [luma] * 4, [128] * 4], np.uint8),
    }[encoding]
    bgr = to_bgr(view(rows.tobytes(), 2, 4, encoding, rows.shape[1]), encoding)
    assert np.abs(bgr.astype(int) - gray).max() <= 1


@pytest.mark.parametrize('encoding', ['rgb8', 'bgra8', 'rgba8', 'mono8'])
def test_pixels_stay_where_they_are(encoding):
    bgr = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    conversion = {
        'rgb8': cv2.COLOR_BGR2RGB,
        'bgra8': cv2.COLOR_BGR2BGRA,
        'rgba8': cv2.COLOR_BGR2RGBA,
        'mono8': cv2.COLOR_BGR2GRAY,
    }[encoding]
    encoded = cv2.cvtColor(bgr, conversion)
    step = encoded.strides[0]
    found = to_bgr(view(encoded.tobytes(), HEIGHT, WIDTH, encoding, step), encoding)
    expected = np.repeat(encoded[..., None], 3, axis=2) if encoding == 'mono8' else bgr
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    'wrap',
    [
        pytest.param(lambda data: array('B', data.tobytes()), id='array'),
        pytest.param(lambda data: data.tobytes(), id='bytes'),
        pytest.param(lambda data: memoryview(bytearray(data.tobytes())), id='memoryview'),
        pytest.param(lambda data: data.reshape(-1).copy(), id='ndarray'),
    ],
)
def test_view_copies_nothing(wrap):
    data = wrap(padded(encode_flat((1, 2, 3), 'bgr8'), 4)[0])
    pixels = view(data, HEIGHT, WIDTH, 'bgr8', WIDTH * 3 + 4)
    assert np.shares_memory(pixels, np.frombuffer(data, np.uint8))
    assert to_bgr(pixels, 'bgr8') is pixels


def test_a_padded_read_only_view_converts():
    data, step = padded(encode_flat((200, 100, 50), 'rgb8'), 3)
    pixels = view(data.tobytes(), HEIGHT, WIDTH, 'rgb8', step)
    assert not pixels.flags.writeable
    assert (to_bgr(pixels, 'rgb8') == (200, 100, 50)).all()


def test_to_bgr_writes_into_out():
    out = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels = view(encode_flat((9, 8, 7), 'rgb8').tobytes(), HEIGHT, WIDTH, 'rgb8', WIDTH * 3)
    assert to_bgr(pixels, 'rgb8', out) is out
    assert (out == (9, 8, 7)).all()


@pytest.mark.parametrize(
    ('encoding', 'shape'),
    [
        ('bgr8', (HEIGHT, WIDTH, 3)),
        ('rgba8', (HEIGHT, WIDTH, 4)),
        ('mono8', (HEIGHT, WIDTH)),
        ('bayer_rggb8', (HEIGHT, WIDTH)),
        ('uyvy', (HEIGHT, WIDTH, 2)),
        ('nv12', (HEIGHT * 3 // 2, WIDTH)),
    ],
)
def test_shape_of_a_view(encoding, shape):
    rows = encode_flat((1, 2, 3), encoding)
    assert view(rows.tobytes(), HEIGHT, WIDTH, encoding, rows.shape[1]).shape == shape


def test_the_last_row_may_end_without_its_padding():
    data, step = padded(encode_flat((5, 6, 7), 'bgr8'), 8)
    cut = data.tobytes()[:-8]
    assert byte_count(HEIGHT, WIDTH, 'bgr8', step) == len(cut)
    assert (view(cut, HEIGHT, WIDTH, 'bgr8', step) == (5, 6, 7)).all()
    with pytest.raises(ImageError, match=f'takes {len(cut)} bytes of data and has {len(cut) - 1}'):
        view(cut[:-1], HEIGHT, WIDTH, 'bgr8', step)


@pytest.mark.parametrize(
    ('size_hw', 'encoding', 'step', 'length', 'text'),
    [
        pytest.param((0, 4), 'bgr8', 12, 0, r'4×0, bgr8: it has no pixels', id='no_rows'),
        pytest.param((4, 0), 'mono8', 0, 0, r'0×4, mono8: it has no pixels', id='no_columns'),
        pytest.param((4, 4), 'bgr8', 12, 0, r'takes 48 bytes of data and has 0', id='no_data'),
        pytest.param((4, 4), 'bgr8', 12, 47, r'takes 48 bytes of data and has 47', id='short'),
        pytest.param((4, 4), 'nv12', 4, 16, r'takes 24 bytes', id='nv12_without_chroma'),
        pytest.param((4, 4), 'bgr8', 11, 48, r'step of 11 bytes: .* at least 12', id='step'),
        pytest.param((4, 4), 'rgba8', 12, 48, r'at least 16', id='step_of_another_encoding'),
        pytest.param((4, 3), 'uyvy', 6, 24, r'needs an even width', id='odd_yuv'),
        pytest.param((3, 4), 'nv12', 4, 24, r'even width and height', id='odd_nv12'),
        pytest.param((3, 4), 'bayer_rggb8', 4, 12, r'even width and height', id='odd_bayer'),
        pytest.param((4, 4), '', 12, 48, r"image is '', an unknown encoding", id='no_name'),
        pytest.param((4, 4), 'BGR8', 12, 48, r"'BGR8'.*supported are bgr8, rgb8", id='upper_case'),
        pytest.param((4, 4), 'jpeg', 12, 48, r"set the driver's pixel format", id='jpeg'),
    ],
)
def test_unusable_images(size_hw, encoding, step, length, text):
    with pytest.raises(ImageError, match=text):
        view(bytes(length), *size_hw, encoding, step)


@pytest.mark.parametrize(
    'encoding', ['mono16', '16UC1', '16SC1', 'rgb16', 'bgra16', 'bayer_rggb16', '32FC1', '64FC1']
)
def test_deeper_encodings_are_refused_with_the_way_out(encoding):
    text = rf'{encoding}, which has more than 8 bits per channel.*are bgr8.*use a color topic'
    with pytest.raises(ImageError, match=text):
        view(bytes(64), 2, 2, encoding, 16)


@pytest.mark.parametrize(
    ('extension', 'channels'), [('.png', 1), ('.png', 3), ('.png', 4), ('.jpg', 1), ('.jpg', 3)]
)
def test_decode_compressed(extension, channels):
    image = np.full((6, 9) if channels == 1 else (6, 9, channels), 80, np.uint8)
    data = array('B', cv2.imencode(extension, image)[1].tobytes())
    bgr = decode_compressed(data, extension[1:])
    assert bgr.shape == (6, 9, 3)
    assert np.abs(bgr.astype(int) - 80).max() <= 1


def test_decode_compressed_gives_bgr():
    image = np.full((8, 8, 3), (250, 100, 10), np.uint8)
    assert (decode_compressed(cv2.imencode('.png', image)[1].tobytes()) == (250, 100, 10)).all()


def png_of_16_bits():
    return cv2.imencode('.png', np.full((4, 4), 4000, np.uint16))[1].tobytes()


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        pytest.param(b'', r"\(format 'jpeg'\) has no data", id='empty'),
        pytest.param(
            b'no picture',
            r'10 bytes is damaged or not a picture: it begins with 6e 6f 20',
            id='garbage',
        ),
        pytest.param(
            b'\xff\xd8\xff\xe0', r'4 bytes is JPEG whose header is cut off', id='cut_jpeg'
        ),
        pytest.param(png_of_16_bits(), r'16 bits per channel', id='depth_png'),
    ],
)
def test_undecodable_data(data, text):
    with pytest.raises(ImageError, match=text):
        decode_compressed(data, 'jpeg')


class TestJpeg:
    """The bytes of a file in place of pixels."""

    PICTURE = np.full((48, 64, 3), (200, 100, 50), np.uint8)

    def data(self):
        return cv2.imencode('.jpg', self.PICTURE)[1].reshape(-1)

    def test_is_decoded(self):
        assert size_wh(self.data(), JPEG) == (64, 48)
        assert np.abs(to_bgr(self.data(), JPEG).astype(int) - self.PICTURE).max() <= 3

    @pytest.mark.parametrize(
        'data',
        [
            pytest.param(np.zeros(0, np.uint8), id='empty'),
            pytest.param(np.zeros(99, np.uint8), id='zeros'),
        ],
    )
    def test_that_is_none_is_an_error(self, data):
        with pytest.raises(ImageError):
            size_wh(data, JPEG)
        with pytest.raises(ImageError):
            to_bgr(data, JPEG)

    def test_a_damaged_one_is_an_error(self):
        with pytest.raises(ImageError):
            to_bgr(self.data()[:-30], JPEG)

    def test_has_no_layout_in_a_message(self):
        with pytest.raises(ImageError):
            view(self.data(), 48, 64, JPEG, 64)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_size_of_pixels(encoding):
    rows, row_bytes = memory_layout(48, 64, encoding)
    pixels = view(np.zeros(rows * row_bytes, np.uint8), 48, 64, encoding, row_bytes)
    assert size_wh(pixels, encoding) == (64, 48)
    assert image_height(rows, encoding) == 48


def test_height_of_an_encoding_that_is_not_taken():
    assert image_height(48, '16UC1') == 48
