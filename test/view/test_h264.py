"""H.264 as the live view sends it, decoded by FFmpeg."""

import numpy as np
import pytest

from jetson_perception.view.h264 import (
    HEADER,
    EncodingError,
    H264Encoder,
    found_encoder,
    profile_in,
)

av = pytest.importorskip('av', reason='PyAV is not installed: pip install av')

pytestmark = pytest.mark.skipif(not found_encoder(), reason='this PyAV has no encoder for H.264')

COLORS = [(0, 0, 0), (200, 60, 20), (20, 60, 200), (255, 255, 255)]


def plain(color, size_wh):
    return np.full((*size_wh[::-1], 3), color, np.uint8)


def decoded(messages):
    """Pictures (height, width, 3) of what was sent."""
    decoder = av.CodecContext.create('h264', 'r')
    packets = [av.Packet(message[HEADER.size :]) for message in messages]
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [frame.to_ndarray(format='bgr24') for frame in frames]


@pytest.mark.parametrize(
    'size_wh',
    [
        pytest.param((64, 48), id='even'),
        pytest.param((321, 241), id='odd'),
        pytest.param((16, 16), id='smallest'),
        pytest.param((4096, 16), id='widest'),
    ],
)
def test_pictures_come_back(size_wh):
    encoder = H264Encoder(found_encoder(), size_wh)
    made = [
        each
        for number, color in enumerate(COLORS)
        for each in encoder.encode(plain(color, size_wh), 1_000_000 * number)
    ]
    heads = [HEADER.unpack_from(each.data) for each in made]
    assert [is_key for is_key, _, _ in heads] == [1, 0, 0, 0]
    assert {profile for _, profile, _ in heads} == {profile_in(made[0].data[HEADER.size :])}
    assert [stamp for _, _, stamp in heads] == [0, 1000, 2000, 3000]
    assert [each.stamp_ns for each in made] == [0, 1_000_000, 2_000_000, 3_000_000]
    pictures = decoded([each.data for each in made])
    for picture, color in zip(pictures, COLORS, strict=True):
        assert picture.shape[1::-1] == tuple(side // 2 * 2 for side in size_wh)
        assert np.abs(picture.mean((0, 1)) - color).max() < 6


def test_stamps_that_go_back_are_kept():
    encoder = H264Encoder(found_encoder(), (64, 48))
    stamps = [5_000_000, 5_000_000, 1_000_000, -1_000_000]
    made = [encoder.encode(plain((1, 2, 3), (64, 48)), stamp)[0] for stamp in stamps]
    assert [each.stamp_ns for each in made] == stamps


def test_worse_quality_is_smaller():
    noise = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)
    sizes = [
        len(H264Encoder(found_encoder(), (128, 96), quality).encode(noise, 0)[0].data)
        for quality in (23, 29, 40)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 2 * sizes[2]


@pytest.mark.parametrize('size_wh', [(0, 0), (15, 100), (4097, 100), (100, 100_000)])
def test_sizes_that_browsers_do_not_take(size_wh):
    with pytest.raises(EncodingError, match='16 to 4096 pixels'):
        H264Encoder(found_encoder(), size_wh)


@pytest.mark.parametrize('name', ['no_such_encoder', 'mjpeg', ''])
def test_what_is_no_encoder_of_it(name):
    with pytest.raises(EncodingError):
        H264Encoder(name, (64, 48)).encode(plain((0, 0, 0), (64, 48)), 0)


@pytest.mark.parametrize('shape', [(0, 0, 3), (48, 64), (10, 10, 3)])
def test_a_picture_of_another_shape(shape):
    with pytest.raises(EncodingError):
        H264Encoder(found_encoder(), (64, 48)).encode(np.zeros(shape, np.uint8), 0)


@pytest.mark.parametrize(
    ('data', 'found'),
    [
        pytest.param(b'', None, id='empty'),
        pytest.param(b'\0\0\1', None, id='nothing_behind'),
        pytest.param(b'\0\0\1\x67\x42', None, id='cut_off'),
        pytest.param(b'\0\0\1\x09\xf0\0\0\0\1\x67\x42\xc0\x1f\xff', b'\x42\xc0\x1f', id='second'),
        pytest.param(b'\0\0\1\x65\x42\xc0\x1f\xff\xff', None, id='only_a_picture'),
    ],
)
def test_what_a_stream_says_of_itself(data, found):
    assert profile_in(data) == found
