"""Video packets to pictures: from keyframe to keyframe, whatever is lost or damaged between."""

from fractions import Fraction

import av
import numpy as np
import pytest
from moving_scene import encoded, packets, pictures, psnr

from jetson_perception.errors import ImageError
from jetson_perception.images.video_stream import (
    VideoPacket,
    VideoStream,
    codec_of,
    is_keyframe,
)
from jetson_perception.images.video_units import units

MOST_PIXELS = 1920 * 1080
CODECS = ['h264', 'hevc']


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd):
    yield
    assert capfd.readouterr().err == ''


def decoded(stream, given):
    """Tags and pictures of all that comes of packets; None for one that is refused."""
    found = []
    for packet in given:
        try:
            found += [(tag, bgr) for bgr, tag in stream.decode(packet)]
        except ImageError:
            found.append((packet.tag, None))
    return found


def tags(found):
    return [tag for tag, bgr in found if bgr is not None]


@pytest.mark.parametrize(
    ('codec', 'options'),
    [
        pytest.param('h264', {}, id='h264'),
        pytest.param('hevc', {}, id='hevc'),
        pytest.param('h264', {'b_frames': 3}, id='h264_reordered'),
        pytest.param('h264', {'pix_fmt': 'yuv444p'}, id='h264_444'),
        pytest.param('h264', {'options': {'intra-refresh': '1'}}, id='h264_intra_refresh'),
    ],
)
def test_every_picture_is_what_was_encoded(codec, options):
    originals = list(pictures(30))
    found = decoded(VideoStream(codec, MOST_PIXELS), packets(originals, codec, **options))
    assert tags(found) == list(range(len(found)))
    assert len(found) >= 30 - options.get('b_frames', 0)  # the rest is held back, in order
    assert min(psnr(bgr, originals[tag]) for tag, bgr in found) > 28
    for _, bgr in found:
        assert (bgr.shape, bgr.dtype) == ((240, 320, 3), np.uint8)


@pytest.mark.parametrize('full_range', [False, True], ids=['limited', 'full'])
@pytest.mark.parametrize('space', ['bt709', 'bt470bg'])
def test_colors_are_those_of_the_space_that_the_stream_names(space, full_range):
    (original,) = pictures(1)
    context = av.CodecContext.create('libx264', 'w')
    context.height, context.width = original.shape[:2]
    context.pix_fmt, context.time_base = 'yuv420p', Fraction(1, 30)
    color_range = 'pc' if full_range else 'tv'
    context.options = {
        'tune': 'zerolatency',
        'crf': '10',
        'colorspace': space,
        'color_range': color_range,
    }
    yuv = av.VideoFrame.from_ndarray(original, format='bgr24').reformat(
        format='yuv420p',
        dst_colorspace='ITU709' if space == 'bt709' else 'ITU601',
        dst_color_range=2 if full_range else 1,
    )
    yuv.pts = 0
    (data,) = map(bytes, [*context.encode(yuv), *context.encode(None)])
    ((bgr, _),) = VideoStream('h264', MOST_PIXELS).decode(VideoPacket(data, 'h264', 0))
    assert psnr(bgr, original) > 33


@pytest.mark.parametrize('codec', CODECS)
def test_it_begins_with_a_keyframe(codec):
    given = packets(pictures(25), codec)
    stream = VideoStream(codec, MOST_PIXELS)
    assert tags(decoded(stream, given[3:10])) == []
    assert stream.waiting
    assert tags(decoded(stream, given[10:])) == list(range(10, 25))
    assert stream.waiting == ''


@pytest.mark.parametrize('codec', CODECS)
@pytest.mark.parametrize('lost', [[3], [10], [12, 13, 14], [18, 19, 20, 21]], ids=str)
def test_after_a_lost_packet_it_waits_for_the_next_keyframe(codec, lost):
    given = packets(pictures(40), codec)
    arriving = [packet for packet in given if packet.tag not in lost]
    found = tags(decoded(VideoStream(codec, MOST_PIXELS), arriving))
    again = -(-(lost[-1] + 1) // 10) * 10
    assert found == [*range(lost[0]), *range(again, 40)]


@pytest.mark.parametrize('codec', CODECS)
def test_a_packet_that_is_cut_off_fails_and_so_do_those_that_refer_to_it(codec):
    given = packets(pictures(25), codec)
    given[4] = VideoPacket(given[4].data[: len(given[4].data) // 3], codec, 4)
    stream = VideoStream(codec, MOST_PIXELS)
    found = decoded(stream, given[:10])
    assert tags(found)[:4] == [0, 1, 2, 3]
    if codec == 'h264':
        assert tags(found) == [0, 1, 2, 3]
        assert stream.waiting
    assert tags(decoded(stream, given[10:])) == list(range(10, 25))


@pytest.mark.parametrize(
    ('data', 'match'),
    [
        pytest.param(b'', 'Annex B', id='empty'),
        pytest.param(b'\x00\x00\x00\x10length-prefixed!', 'Annex B', id='avcc'),
        pytest.param(b'\x00\x00\x01', 'Annex B', id='start_code_alone'),
        pytest.param(b'\x00\x00\x01\x65' + bytes(range(200)), 'damaged', id='slice_of_nothing'),
    ],
)
def test_what_is_no_packet_is_refused(data, match):
    stream = VideoStream('h264', MOST_PIXELS)
    with pytest.raises(ImageError, match=match):
        stream.decode(VideoPacket(data, 'h264', 0))
    given = packets(pictures(3))
    assert tags(decoded(stream, given)) == [0, 1, 2]


def test_packets_left_out_on_purpose():
    given = packets(pictures(25))
    given[20].after_gap = True
    stream = VideoStream('h264', MOST_PIXELS)
    assert tags(decoded(stream, given[:5] + given[20:])) == [*range(5), *range(20, 25)]


@pytest.mark.parametrize('codec', CODECS)
def test_the_size_may_change_at_a_keyframe(codec):
    small, large = packets(pictures(5), codec), packets(pictures(5, 640, 480), codec)
    found = decoded(VideoStream(codec, MOST_PIXELS), [*small, *large, *small])
    assert [bgr.shape[1] for _, bgr in found] == [320] * 5 + [640] * 5 + [320] * 5


@pytest.mark.parametrize('codec', CODECS)
def test_a_picture_of_more_pixels_is_refused(codec):
    stream = VideoStream(codec, 320 * 240)
    first = packets(pictures(1, 640, 480), codec)[0]
    with pytest.raises(ImageError, match='more than 76800 pixels'):
        stream.decode(first)
    assert len(decoded(stream, packets(pictures(3), codec))) == 3


@pytest.mark.parametrize('codec', CODECS)
def test_parameter_sets_may_come_by_themselves(codec):
    """Some encoders send them once, apart from the keyframe."""
    given = packets(pictures(12), codec)
    data = given[0].data
    found = units(data, h265=codec == 'hevc')
    starts = [at for at in range(len(data) - 3) if data[at : at + 3] == b'\x00\x00\x01']
    pictures_begin = starts[3 if codec == 'hevc' else 2]
    assert len(found) == len(starts)
    sets, picture = data[:pictures_begin], data[pictures_begin:]
    stream = VideoStream(codec, MOST_PIXELS)
    assert stream.decode(VideoPacket(sets, codec)) == []
    assert tags(decoded(stream, [VideoPacket(picture, codec, 0), *given[1:]])) == list(range(12))


@pytest.mark.parametrize('codec', CODECS)
def test_keyframes_are_those_of_the_encoder(codec):
    for data, is_key, _ in encoded(pictures(25), codec):
        assert is_keyframe(VideoPacket(data, codec)) == is_key


@pytest.mark.parametrize(
    ('named', 'codec'),
    [
        ('h264', 'h264'),
        ('libx264', 'h264'),
        ('h264_nvenc', 'h264'),
        ('h265', 'hevc'),
        ('hevc', 'hevc'),
        ('libx265', 'hevc'),
        ('HEVC_NVENC', 'hevc'),
    ],
)
def test_codecs_by_the_names_of_encoders(named, codec):
    assert codec_of(named) == codec


@pytest.mark.parametrize('named', ['', 'mjpeg', 'av1', 'vp9', 'x' * 500, '\x1b[2J'])
def test_another_codec_is_refused(named):
    with pytest.raises(ImageError, match=r'H\.264 and H\.265 are supported'):
        codec_of(named)
