"""Image messages of every encoding to frames, and arrays back to messages."""

import array

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.clock import Clock
from rclpy.serialization import deserialize_message, serialize_message
from ros.encoded import encode, equivalent_bgr, padded
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import ENCODINGS, UNNAMED
from jetson_perception.ros.image_messages import (
    ImageMessage,
    frame_from_compressed,
    frame_from_image,
    jpeg_message,
    stamp_ns,
)

HEIGHT, WIDTH = 24, 32
HEADER = Header(stamp=Time(sec=5, nanosec=7), frame_id='left eye')


def picture(height=HEIGHT, width=WIDTH):
    """Four flat colors in quarters."""
    bgr = np.empty((height, width, 3), np.uint8)
    for rows, columns, color in (
        (slice(None, height // 2), slice(None, width // 2), (30, 60, 200)),
        (slice(None, height // 2), slice(width // 2, None), (200, 80, 40)),
        (slice(height // 2, None), slice(None, width // 2), (50, 190, 60)),
        (slice(height // 2, None), slice(width // 2, None), (120, 120, 120)),
    ):
        bgr[rows, columns] = color
    return bgr


def image(rows, encoding, height=HEIGHT, width=WIDTH, data=None):
    """As a driver fills it, and as it arrives: through the middleware's bytes."""
    msg = Image(header=HEADER, height=height, width=width, encoding=encoding, step=rows.shape[1])
    msg.data = array.array('B', rows.tobytes() if data is None else data)
    return deserialize_message(serialize_message(msg), Image)


def off_the_seams(bgr):
    """The pixels more than 2 away from where the colors meet; Bayer patterns blur those."""
    height, width = bgr.shape[:2]
    keep = np.ones((height, width), bool)
    keep[height // 2 - 2 : height // 2 + 2] = False
    keep[:, width // 2 - 2 : width // 2 + 2] = False
    return bgr[keep]


@pytest.mark.parametrize('padding', [0, 3, 32], ids=['tight', 'odd_padding', 'padded'])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_gives_the_same_picture_as_bgr8(encoding, padding):
    msg = image(padded(encode(picture(), encoding), padding), encoding)
    assert isinstance(msg.data, array.array)
    frame = frame_from_image(msg, Clock())
    got, expected = frame.bgr(), equivalent_bgr(picture(), encoding)
    assert got.shape == (HEIGHT, WIDTH, 3)
    assert got.dtype == np.uint8
    if encoding.startswith('bayer'):
        got, expected = off_the_seams(got), off_the_seams(expected)
    # Limited range has 219 steps of luma for 256 values, and as few of chroma.
    rounding = 3 if encoding.startswith(('yu', 'uy', 'nv')) else 0
    assert np.abs(got.astype(int) - expected).max() <= rounding
    assert frame.header == HEADER


@pytest.mark.parametrize(('encoding', 'taken'), UNNAMED.items())
def test_an_encoding_that_names_no_channels_is_taken_as_opencv_has_it(encoding, taken):
    msg = image(padded(encode(picture(), taken), 3), encoding)
    frame = frame_from_image(msg, Clock())
    np.testing.assert_array_equal(frame.bgr(), equivalent_bgr(picture(), taken))
    assert frame.raw().encoding == taken


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
@pytest.mark.parametrize('is_bigendian', [False, True], ids=['little', 'big'])
@pytest.mark.parametrize('padding', [0, 3])
def test_a_range_of_16_bits_becomes_gray(encoding, is_bigendian, padding):
    values = np.linspace(20000, 40000, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    rows = values.astype('>u2' if is_bigendian else '<u2').view(np.uint8)
    msg = image(padded(rows, padding), encoding)
    msg.is_bigendian = int(is_bigendian)
    frame = frame_from_image(msg, Clock(), intensity_range=(25000, 35000))
    expected = np.clip((values.astype(np.uint16) - 25000.0) / 10000 * 255, 0, 255)
    bgr = frame.bgr()
    assert bgr.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(bgr - expected[..., None]).max() <= 0.501
    assert frame.raw().encoding == 'bgr8'


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_the_bytes_are_there_unconverted_and_not_copied(encoding):
    msg = image(padded(encode(picture(), encoding), 3), encoding)
    raw = frame_from_image(msg, Clock()).raw()
    assert (raw.encoding, raw.width, raw.height) == (encoding, WIDTH, HEIGHT)
    assert np.array_equal(raw.pixels.reshape(len(raw.pixels), -1), encode(picture(), encoding))
    assert np.shares_memory(raw.pixels, np.frombuffer(msg.data, np.uint8))


def test_a_compressed_image_is_bgr8_for_everyone():
    done, jpeg = cv2.imencode('.jpg', picture())
    assert done
    frame = frame_from_compressed(
        CompressedImage(header=HEADER, format='jpeg', data=array.array('B', jpeg.tobytes())),
        Clock(),
    )
    raw = frame.raw()
    assert (raw.encoding, raw.width, raw.height) == ('bgr8', WIDTH, HEIGHT)
    assert raw.pixels is frame.bgr()


def test_bgr8_is_not_copied():
    msg = image(encode(picture(), 'bgr8'), 'bgr8')
    assert np.shares_memory(
        frame_from_image(msg, Clock()).bgr(), np.frombuffer(msg.data, np.uint8)
    )


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        pytest.param({'height': 0, 'width': 0}, '0×0, bgr8: it has no pixels', id='zero_size'),
        pytest.param({'data': array.array('B')}, 'has 0', id='no_data'),
        pytest.param({'step': WIDTH * 3 - 1}, 'at least 96', id='step_below_the_width'),
        pytest.param({'step': 0}, 'step of 0 bytes', id='no_step'),
        pytest.param({'height': HEIGHT + 1}, 'takes 2400 bytes of data and has 2304', id='short'),
        pytest.param({'encoding': 'rgb8sum'}, 'an unknown encoding', id='unknown_encoding'),
        pytest.param({'encoding': ''}, 'an unknown encoding', id='no_encoding'),
        pytest.param({'encoding': '16UC1'}, 'set intensity_range to', id='depth'),
        pytest.param({'encoding': 'mono16'}, 'set intensity_range to', id='mono16'),
        pytest.param({'encoding': 'rgb16'}, 'more than 8 bits', id='rgb16'),
        pytest.param({'encoding': '8UC2'}, 'an unknown encoding', id='two_channels'),
        pytest.param({'encoding': '8UC4'}, 'at least 128', id='channels_of_others'),
        pytest.param({'height': 2**32 - 1}, 'max_image_pixels is', id='absurd_height'),
    ],
)
def test_a_message_that_is_not_an_image_is_refused_at_once(change, told):
    msg = image(encode(picture(), 'bgr8'), 'bgr8')
    for field, value in change.items():
        setattr(msg, field, value)
    with pytest.raises(ImageError, match=told):
        frame_from_image(msg, Clock())


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_a_compressed_image_is_decoded_by_the_first_who_needs_it(suffix):
    expected = np.full((HEIGHT, WIDTH, 3), (40, 80, 160), np.uint8)
    msg = CompressedImage(header=HEADER, format=suffix[1:])
    msg.data = array.array('B', cv2.imencode(suffix, expected)[1].tobytes())
    frame = frame_from_compressed(deserialize_message(serialize_message(msg), type(msg)), Clock())
    assert frame.header == HEADER
    assert np.abs(frame.bgr().astype(int) - expected).max() <= (0 if suffix == '.png' else 3)


@pytest.mark.parametrize(
    'data', [pytest.param(b'', id='empty'), pytest.param(b'not a jpeg', id='garbage')]
)
def test_an_invalid_compressed_image_is_refused_when_it_is_needed(data):
    msg = CompressedImage(header=HEADER, format='jpeg')
    msg.data = array.array('B', data)
    frame = frame_from_compressed(msg, Clock())
    with pytest.raises(ImageError, match='jpeg'):
        frame.bgr()


def test_an_image_with_too_many_pixels_is_refused_at_once():
    msg = image(encode(picture(), 'bgr8'), 'bgr8')
    pixels = msg.width * msg.height
    assert frame_from_image(msg, Clock(), pixels).bgr().size == 3 * pixels
    with pytest.raises(ImageError, match=rf'pixels; max_image_pixels is {pixels - 1}'):
        frame_from_image(msg, Clock(), pixels - 1)


def test_the_age_of_an_image_is_from_its_stamp_to_now():
    msg = image(encode(picture(), 'bgr8'), 'bgr8')
    clock = Clock()
    before = clock.now().nanoseconds
    msg.header.stamp = Time(sec=before // 10**9 - 2, nanosec=before % 10**9)
    age_ms = frame_from_image(msg, clock).age_ms
    after = clock.now().nanoseconds
    assert 2000 <= age_ms <= 2000 + (after - before) / 1e6


def test_an_image_without_a_stamp_has_no_age():
    msg = image(encode(picture(), 'bgr8'), 'bgr8')
    msg.header.stamp = Time()
    assert frame_from_image(msg, Clock()).age_ms is None


@pytest.mark.parametrize(
    ('stamp', 'expected_ns'),
    [
        pytest.param(Time(), 0, id='none'),
        pytest.param(Time(sec=1, nanosec=2), 1_000_000_002, id='small'),
        pytest.param(Time(sec=2**31 - 1, nanosec=999_999_999), (2**31) * 10**9 - 1, id='last'),
        pytest.param(Time(sec=-1, nanosec=1), -999_999_999, id='before_the_epoch'),
    ],
)
def test_stamps_in_nanoseconds(stamp, expected_ns):
    assert stamp_ns(Header(stamp=stamp)) == expected_ns


@pytest.mark.parametrize(
    ('pixels', 'encoding', 'step'),
    [
        pytest.param(picture(), 'bgr8', WIDTH * 3, id='color'),
        pytest.param(picture()[..., 0], 'mono8', WIDTH, id='strided_channel'),
        pytest.param(picture()[4:20:2, 6:18], 'bgr8', 12 * 3, id='strided_window'),
        pytest.param(picture()[:, ::-1], 'bgr8', WIDTH * 3, id='mirrored'),
        pytest.param(picture()[:1, :1], 'bgr8', 3, id='one_pixel'),
        pytest.param(encode(picture(), 'rgba8').reshape(HEIGHT, WIDTH, 4), 'rgba8', 128, id='4'),
    ],
)
def test_a_message_carries_the_pixels_that_it_was_filled_with(pixels, encoding, step):
    # Through the bytes of the middleware: what a subscriber gets, not what we hold.
    msg = deserialize_message(
        serialize_message(ImageMessage().fill(pixels, encoding, HEADER)), Image
    )
    assert (msg.height, msg.width, msg.encoding, msg.step) == (*pixels.shape[:2], encoding, step)
    assert msg.header == HEADER
    assert not msg.is_bigendian
    assert np.array_equal(np.frombuffer(msg.data, np.uint8).reshape(pixels.shape), pixels)


def test_sixteen_bits():
    pixels = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) + 1000
    message = ImageMessage()
    message.fill(np.zeros((HEIGHT, 2 * WIDTH), np.uint8), 'mono8', HEADER)  # of as many bytes
    msg = deserialize_message(
        serialize_message(message.fill(pixels[:, ::-1], '16UC1', HEADER)), Image
    )
    assert (msg.height, msg.width, msg.encoding) == (HEIGHT, WIDTH, '16UC1')
    assert msg.step == 2 * WIDTH
    order = '>u2' if msg.is_bigendian else '<u2'
    got = np.frombuffer(msg.data, order).reshape(HEIGHT, WIDTH)
    assert np.array_equal(got, pixels[:, ::-1])
    assert message.fill(pixels.astype(np.uint8), 'mono8', HEADER).is_bigendian == 0


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_rows_of_chroma_are_not_of_the_height(encoding):
    pixels = np.arange(9 * 8, dtype=np.uint8).reshape(9, 8)
    msg = ImageMessage().fill(pixels, encoding, HEADER)
    assert (msg.width, msg.height, msg.step) == (8, 6, 8)
    raw = frame_from_image(msg, Clock()).raw()
    assert (raw.width, raw.height, raw.encoding) == (8, 6, encoding)
    assert np.array_equal(raw.pixels, pixels)


def test_a_message_can_be_refilled_at_any_size():
    message = ImageMessage()
    sizes = [(HEIGHT, WIDTH), (HEIGHT, WIDTH), (8, 10), (40, 50), (WIDTH, HEIGHT), (8, 10)]
    for number, (height, width) in enumerate(sizes, start=1):
        pixels = np.full((height, width, 3), number, np.uint8)
        msg = message.fill(pixels, 'bgr8', HEADER)
        assert (msg.height, msg.width, msg.step) == (height, width, 3 * width)
        assert len(msg.data) == height * width * 3
        assert set(msg.data) == {number}


def test_equal_sizes_are_written_into_the_same_memory():
    message = ImageMessage()
    first = np.frombuffer(message.fill(picture(), 'bgr8', HEADER).data, np.uint8)
    second = np.frombuffer(message.fill(picture(), 'bgr8', HEADER).data, np.uint8)
    assert np.shares_memory(first, second)


def test_a_jpeg_message_is_read_back_as_the_picture():
    # Smooth, as photographs are: JPEG halves the resolution of color.
    row = np.linspace(0, 255, WIDTH, dtype=np.uint8)
    pixels = np.repeat(np.tile(row, (HEIGHT, 1))[..., None], 3, axis=2)
    msg = jpeg_message(pixels, HEADER)
    assert msg.header == HEADER
    assert 'jpeg' in msg.format
    decoded = frame_from_compressed(msg, Clock()).bgr()
    assert np.abs(decoded.astype(int) - pixels).max() <= 6
