import os
import re
import threading
import time

import numpy as np
import pytest

from jetson_perception.camera import file as file_module
from jetson_perception.camera.file import FileSource
from jetson_perception.camera.opening import open_source
from jetson_perception.errors import EndOfStream, SourceError


def read_all(source, limit=100):
    """Every frame's picture and the text of the end."""
    pictures = []
    try:
        for _ in range(limit):
            pictures.append(source.read().pixels.copy())
    except EndOfStream as end:
        return pictures, str(end)
    return pictures, 'no end'


def empty_frames(path, damaged):
    """Fill frames of an AVI of ten with zeros."""
    content = bytearray(path.read_bytes())
    place, chunks = content.index(b'movi'), []
    while (place := content.find(b'00dc', place + 1)) >= 0 and len(chunks) < 10:
        chunks.append(place)
    for index in damaged:
        begin = chunks[index] + 8
        size = int.from_bytes(content[begin - 4 : begin], 'little')
        content[begin : begin + size] = bytes(size)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ('name', 'codec'), [('drive.avi', 'MJPG'), ('drive.mp4', 'mp4v'), ('frame_007.avi', 'MJPG')]
)
def test_every_frame_in_order(make_video, frame_number, name, codec):
    path = make_video(name, codec=codec)
    source = FileSource(f'file://{path}', frame_rate=0)
    source.open()
    pictures, end = read_all(source)
    assert [frame_number(picture) for picture in pictures] == list(range(10))
    assert {picture.shape for picture in pictures} == {(48, 64, 3)}
    assert pictures[0].dtype == np.uint8
    assert end == f'file://{path} ended after 10 frames'
    assert not source.live


def test_frames_say_when_they_were_read(make_video):
    source = FileSource(f'file://{make_video()}', frame_rate=0)
    source.open()
    before_ns = time.time_ns()
    frame = source.read()
    assert before_ns <= frame.captured_ns <= time.time_ns()
    assert frame.encoding == 'bgr8'
    assert frame.truth_mask is None


def test_loops(make_video, frame_number):
    source = FileSource(f'file://{make_video(count=3)}', frame_rate=0, loop=True)
    source.open()
    assert [frame_number(source.read().pixels) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_scales(make_video, frame_number):
    source = FileSource(f'file://{make_video()}', size_wh=(32, 20), frame_rate=0)
    source.open()
    pictures, _ = read_all(source)
    assert {picture.shape for picture in pictures} == {(20, 32, 3)}
    assert [frame_number(picture) for picture in pictures] == list(range(10))


@pytest.mark.parametrize(
    ('asked', 'expected'),
    [
        pytest.param(None, 12.5, id='its_own'),
        pytest.param(5.0, 5.0, id='another'),
        pytest.param(0, 0, id='as_fast_as_possible'),
    ],
)
def test_rate(make_video, monkeypatch, asked, expected):
    rates = []
    pacer = file_module.Pacer
    monkeypatch.setattr(file_module, 'Pacer', lambda rate: (rates.append(rate), pacer(0))[1])
    source = FileSource(f'file://{make_video(rate=12.5)}', frame_rate=asked)
    rates.clear()
    source.open()
    assert rates == [pytest.approx(expected)]


#: As cameras of phones and browsers give them: uneven, some at once, a long one.
TIMES_MS = [0, 33, 70, 75, 80, 200, 210, 230, 280, 300]


@pytest.mark.parametrize('name', ['browser.webm', 'variable.mkv', 'phone.mp4'])
def test_frames_are_shown_at_their_own_times(make_timed_video, frame_number, caplog, name):
    source = FileSource(f'file://{make_timed_video(name, TIMES_MS)}')
    source.open()
    assert 25 < source.rate_hz < 40
    begun_s = time.monotonic()
    frames = [source.read() for _ in TIMES_MS]
    assert time.monotonic() - begun_s > 0.29
    assert [frame.index for frame in frames] == list(range(10))
    assert frame_number(frames[-1].pixels) == 9
    assert [frame.offset_ns / 1e6 for frame in frames] == pytest.approx(TIMES_MS, abs=0.1)
    stamps_ms = np.array([frame.captured_ns for frame in frames]) / 1e6
    # Further apart only where this machine was late.
    assert (np.diff(stamps_ms) > np.diff(TIMES_MS) - 2.0).all()
    with pytest.raises(EndOfStream, match='ended after 10 frames'):
        source.read()
    assert caplog.messages == []


def test_a_rate_without_any_frames_is_not_used(make_video):
    path = make_video('drive.avi', codec='MJPG')
    content = bytearray(path.read_bytes())
    scale = content.index(b'strh') + 28
    content[scale : scale + 8] = (0x7FFFFFFF).to_bytes(4, 'little') + (1).to_bytes(4, 'little')
    path.write_bytes(content)
    source = FileSource(f'file://{path}')
    source.open()
    assert source.rate_hz >= 1e-3


def test_a_rate_that_was_asked_for_replaces_the_times(make_timed_video):
    source = FileSource(f'file://{make_timed_video("a.webm", TIMES_MS)}', frame_rate=500.0)
    source.open()
    frames = [source.read() for _ in TIMES_MS]
    assert source.rate_hz == 500.0
    stamps_ms = np.array([frame.captured_ns for frame in frames]) / 1e6
    assert np.diff(stamps_ms).min() > 1.0
    assert [frame.offset_ns / 1e6 for frame in frames] == pytest.approx(TIMES_MS, abs=0.1)


@pytest.mark.parametrize(
    ('name', 'more'),
    [
        pytest.param('browser.webm', {'lasts_ms': 320}, id='webm'),
        pytest.param('screen.mkv', {'lasts_ms': 9000}, id='last_frame_stands_long'),
        pytest.param('stream.webm', {'size_known': False}, id='without_a_duration'),
        pytest.param('phone.mp4', {}, id='mp4'),
    ],
)
def test_whole_files_are_not_called_damaged(make_timed_video, caplog, name, more):
    source = FileSource(
        f'file://{make_timed_video(name, TIMES_MS, **more)}', frame_rate=0, loop=True
    )
    source.open()
    assert [source.read().index for _ in range(30)] == list(range(10)) * 3
    assert caplog.messages == []


def test_an_edit_list_that_skips_frames_is_not_damage(make_timed_video, caplog):
    """That of OpenCV lasts 10 frames at 30 Hz; those behind are not shown."""
    path = make_timed_video('trimmed.mp4', [100 * i for i in range(10)])
    source = FileSource(f'file://{path}', frame_rate=0)
    source.open()
    pictures, _ = read_all(source)
    assert 2 < len(pictures) < 6
    assert caplog.messages == []


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        pytest.param('drive.avi', r'ended after \d of 10 frames; it is damaged', id='avi'),
        pytest.param('drive.mkv', r'ended after \d frames; it is damaged', id='mkv'),
    ],
)
def test_a_file_that_was_cut_off_is_logged_once(make_video, make_timed_video, caplog, name, text):
    if name.endswith('.avi'):
        path = make_video(name, size_wh=(640, 480))
    else:
        path = make_timed_video(name, TIMES_MS, lasts_ms=330)
    os.truncate(path, path.stat().st_size * 2 // 3)
    source = FileSource(f'file://{path}', frame_rate=0, loop=True)
    source.open()
    assert [source.read().index for _ in range(30)].count(0) > 2
    assert len(caplog.messages) == 1
    assert re.search(text, caplog.text)


def test_frames_that_cannot_be_decoded_are_logged_once(make_video, caplog):
    path = make_video()
    empty_frames(path, [1])
    source = FileSource(f'file://{path}', frame_rate=0, loop=True)
    source.open()
    assert [source.read().index for _ in range(27)].count(2) == 3
    assert len(caplog.messages) == 1
    assert '1 frame from number 1 on cannot be decoded; left out' in caplog.text


def test_a_stream_without_a_duration_continues_after_a_damaged_frame(make_timed_video):
    path = make_timed_video('stream.webm', TIMES_MS, size_known=False)
    content = bytearray(path.read_bytes())
    begin = [match.start() for match in re.finditer(b'\xff\xd8\xff\xe0', content)][4]
    content[begin : begin + 200] = bytes(200)
    path.write_bytes(content)
    source = FileSource(f'file://{path}', frame_rate=0)
    source.open()
    assert [source.read().index for _ in range(9)] == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_opening_again_begins_again(make_video, frame_number):
    source = FileSource(f'file://{make_video()}', frame_rate=0)
    source.open()
    source.read()
    source.read()
    source.open()
    assert frame_number(source.read().pixels) == 0


def test_a_cut_off_avi_gives_the_frames_it_has(make_video, caplog):
    path = make_video(size_wh=(640, 480))
    os.truncate(path, path.stat().st_size // 2)
    source = FileSource(f'file://{path}', frame_rate=0)
    source.open()
    pictures, _ = read_all(source)
    assert 0 < len(pictures) < 10
    assert f'ended after {len(pictures)} of 10 frames; it is damaged' in caplog.text


@pytest.mark.parametrize(
    ('damaged', 'left'),
    [
        pytest.param([4], [0, 1, 2, 3, 5, 6, 7, 8, 9], id='one'),
        pytest.param([0, 1], [2, 3, 4, 5, 6, 7, 8, 9], id='first'),
        pytest.param([3, 4, 5, 8], [0, 1, 2, 6, 7, 9], id='several'),
        pytest.param([9], [0, 1, 2, 3, 4, 5, 6, 7, 8], id='last'),
    ],
)
def test_frames_that_cannot_be_decoded_are_left_out(
    make_video, frame_number, caplog, damaged, left
):
    path = make_video()
    empty_frames(path, damaged)
    source = FileSource(f'file://{path}', frame_rate=0)
    source.open()
    frames = []
    with pytest.raises(EndOfStream, match=f'ended after {len(left)} frames'):  # noqa: PT012
        while True:
            frame = source.read()
            frames.append((frame.index, frame_number(frame.pixels)))
    assert frames == [(index, index) for index in left]
    assert 'cannot be decoded; left out' in caplog.text or damaged == [9]


def test_video_without_a_frame(make_video):
    path = make_video(count=10, size_wh=(640, 480))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b'movi') + 4])
    source = FileSource(f'file://{path}', frame_rate=0, loop=True)
    source.open()
    with pytest.raises(
        SourceError, match='opens as a video but has no frames; it is da'
    ) as caught:
        source.read()
    assert not isinstance(caught.value, EndOfStream)


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        pytest.param(b'', 'is empty; expected a video', id='empty'),
        pytest.param(b'not a video\n' * 50, 'drive.mp4 is a text, not a picture or', id='text'),
        pytest.param(bytes(range(256)), 'is not a video that this OpenCV can read', id='binary'),
        pytest.param(None, 'there is no .*drive.mp4', id='missing'),
    ],
)
def test_unusable(tmp_path, content, text):
    path = tmp_path / 'drive.mp4'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=text):
        FileSource(f'file://{path}').open()


@pytest.mark.parametrize(
    'ending', ['', 'txt', 'nfo', 'asc', 'bin', 'md', 'csv', 'json', 'srt', 'xml', 'svg', 'log']
)
def test_a_text_is_not_drawn(tmp_path, ending):
    """As FFmpeg does for some endings: five frames of letters."""
    path = tmp_path / f'notes.{ending}'
    path.write_bytes(b'{"one": 1}, two,\n' * 400)
    with pytest.raises(SourceError, match=r'is a text, not a picture or video$'):
        FileSource(f'file://{path}').open()


def test_binary_data_is_not_drawn_as_letters(tmp_path):
    path = tmp_path / 'noise.txt'
    path.write_bytes(np.random.default_rng(0).bytes(9000))
    with pytest.raises(SourceError):
        FileSource(f'file://{path}').open()


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        pytest.param('a.pnm', b'P3\n4 2\n255\n' + b'255 0 7 ' * 8, id='ppm_of_text'),
        pytest.param('a.txt', b'P3\n4 2\n255\n' + b'255 0 7 ' * 8, id='ppm_called_a_text'),
        pytest.param('a.pnm', b'P2\n4 2\n255\n' + b'255 ' * 8, id='pgm_of_text'),
        pytest.param('a.pnm', b'P6\n4 2\n255\n' + b'abc' * 8, id='ppm_of_letters'),
        pytest.param(
            'a.y4m', b'YUV4MPEG2 W4 H2 F25:1 C420\n' + (b'FRAME\n' + b'a' * 12) * 5, id='y4m'
        ),
    ],
)
def test_pictures_and_videos_that_are_text_throughout(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    source = FileSource(f'file://{tmp_path}/{name}')
    source.open()
    assert source.read().pixels.shape == (2, 4, 3)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        pytest.param(
            'a.m3u8',
            '#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n',
            id='hls',
        ),
        pytest.param('a.ffconcat', 'ffconcat version 1.0\nfile {}\n', id='ffconcat'),
    ],
)
def test_playlists_are_played(make_video, tmp_path, name, text):
    video = make_video('v.ts', codec='mp4v', rate=25)
    (tmp_path / name).write_text(text.format(video.name))
    source = FileSource(f'file://{tmp_path}/{name}', frame_rate=0)
    source.open()
    assert source.read().pixels.ndim == 3


def test_mp4_without_its_index(make_video):
    path = make_video('drive.mp4', codec='mp4v')
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(SourceError, match='cut off while it was written'):
        FileSource(f'file://{path}').open()


def test_a_missing_file_gives_an_error_with_existing_names(make_video, tmp_path):
    make_video('b.avi')
    make_video('a.mp4', codec='mp4v')
    with pytest.raises(SourceError, match=r'; videos in .* are a\.mp4, b\.avi$'):
        FileSource(f'file://{tmp_path}/c.mp4').open()
    with pytest.raises(SourceError, match=r'there is no folder .*/nope either$'):
        FileSource(f'file://{tmp_path}/nope/c.mp4').open()


def test_folder(tmp_path):
    with pytest.raises(SourceError, match=f'is a folder; its pictures are images://{tmp_path}$'):
        FileSource(f'file://{tmp_path}').open()


@pytest.mark.parametrize('scheme', ['', 'file://'])
def test_anything_but_a_file_is_refused_at_once(tmp_path, scheme):
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'link.mp4').symlink_to('/dev/zero')
    for name, text in (
        ('fifo', r'video .*/fifo is a pipe \(FIFO\); .*; a pipe comes in .* by gst://fdsrc'),
        ('link.mp4', 'is a device; expected a regular file'),
    ):
        source = open_source(f'{scheme}{tmp_path}/{name}')
        with pytest.raises(SourceError, match=text):
            source.open()


@pytest.mark.parametrize(
    'name',
    [
        pytest.param('gone', id='link_to_nothing'),
        pytest.param('n' * 256, id='long_name'),
        pytest.param('n/' * 2500, id='long_path'),
    ],
)
def test_paths_to_nothing(tmp_path, name):
    (tmp_path / 'gone').symlink_to('elsewhere')
    with pytest.raises(SourceError, match=r'there is no|cannot be read: No such file'):
        FileSource(f'file://{tmp_path}/{name}').open()


def test_read_needs_open(make_video):
    source = FileSource(f'file://{make_video()}')
    with pytest.raises(SourceError, match=r'is not open; call open\(\) first'):
        source.read()
    source.close()


def test_close_ends_a_read_that_waits(make_video):
    source = FileSource(f'file://{make_video()}', frame_rate=0.001)
    source.open()
    source.read()  # the first is due at once, the next in 1000 s
    errors = []

    def read():
        try:
            source.read()
        except SourceError as err:
            errors.append(str(err))

    reader = threading.Thread(target=read)
    reader.start()
    source.close()
    source.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(errors) == 1


HEIC = b'\0\0\0\x18ftypheic\0\0\0\0mif1heic'


@pytest.mark.parametrize(
    ('brand', 'name'), [(b'heic', 'HEIC'), (b'heix', 'HEIC'), (b'mif1', 'HEIF'), (b'avif', 'AVIF')]
)
@pytest.mark.parametrize('rest', [b'', bytes(500)])
def test_a_picture_of_a_phone(tmp_path, brand, name, rest):
    path = tmp_path / 'a.heic'
    path.write_bytes(b'\0\0\0\x14ftyp' + brand + bytes(4) + brand + rest)
    source = FileSource(f'file://{path}')
    with pytest.raises(SourceError, match=f'is {name}, which cannot be read here; convert it'):
        source.open()


def test_a_picture_that_opens_as_a_video_without_frames(make_video):
    """As AVIF does, where FFmpeg has no decoder for it."""
    path = make_video()
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b'movi') + 4])
    source = FileSource(f'file://{path}', frame_rate=0)
    source.open()
    path.write_bytes(HEIC + bytes(500))
    with pytest.raises(SourceError, match='is HEIC, which cannot be read here; convert it'):
        source.read()
