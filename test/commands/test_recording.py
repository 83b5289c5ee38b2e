import re
import sys

import cv2
import numpy as np
import pytest
from small_disk import file_size_limit, small_disk

from jetson_perception.commands import recording
from jetson_perception.commands.recording import write_video
from jetson_perception.commands.video_codecs import CODECS, has_h264
from jetson_perception.errors import ImageError, ParameterError


def pictures_in(path):
    capture = cv2.VideoCapture(str(path))
    assert capture.isOpened()
    pictures = []
    while (result := capture.read())[0]:
        pictures.append(result[1])
    return pictures, capture.get(cv2.CAP_PROP_FPS)


def gray(level, size_wh):
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def use(monkeypatch, *names):
    """Have these codecs alone."""
    chosen = tuple(codec for codec in CODECS if codec.name in names)
    monkeypatch.setattr(recording, 'CODECS', chosen)


WITH_OR_WITHOUT_AV = pytest.mark.parametrize(
    'names', [('libx264',), ('libvpx-vp9',), ('mp4v',), ('MJPG',)], ids=lambda names: names[0]
)


@WITH_OR_WITHOUT_AV
@pytest.mark.parametrize('size_wh', [(64, 48), (65, 49)], ids=['even', 'odd'])
def test_what_was_written_can_be_read(tmp_path, monkeypatch, names, size_wh):
    use(monkeypatch, *names)
    levels = range(0, 200, 20)
    with write_video(tmp_path / 'demo.mp4', size_wh, 15.0) as video:
        for level in levels:
            video.write(gray(level, size_wh))
    assert video.frames == 10
    assert list(tmp_path.iterdir()) == [video.path]
    pictures, rate = pictures_in(video.path)
    assert [round(float(picture.mean()) / 20) for picture in pictures] == list(range(10))
    assert pictures[0].shape == (48, 64, 3)
    assert rate == pytest.approx(15.0)


@WITH_OR_WITHOUT_AV
@pytest.mark.parametrize('stem', ['12:30:00', 'file:x', '-i', 'a%03d', 'concat:a|b'])
def test_any_name_in_the_working_folder(tmp_path, monkeypatch, names, stem):
    """FFmpeg takes what is before a colon for a protocol, and OpenCV a pattern for many files."""
    use(monkeypatch, *names)
    monkeypatch.chdir(tmp_path)
    with write_video(f'{stem}.mp4', (64, 48), 15.0) as video:
        video.write(gray(100, (64, 48)))
    assert [path.name for path in tmp_path.iterdir()] == [video.path.name]
    assert video.path.stem == stem
    assert not video.path.is_absolute()
    assert len(pictures_in(video.path.rename('a.mkv').absolute())[0]) == 1


def test_a_video_is_one_that_browsers_play(tmp_path):
    """PyAV is there in tests; a codec of OpenCV's that browsers play would do."""
    with write_video(tmp_path / 'demo.xyz', (64, 48), 30.0) as video:
        video.write(gray(100, (64, 48)))
    assert video.path == tmp_path / 'demo.mp4'
    capture = cv2.VideoCapture(str(video.path))
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little') in (b'avc1', b'h264')


@pytest.mark.parametrize('threads', [1, 2])
def test_a_picture_is_encoded_by_so_many_threads(tmp_path, threads):
    with write_video(tmp_path / 'demo.mp4', (640, 480), 30.0, threads=threads) as video:
        video.write(gray(100, (640, 480)))
    said = video.path.read_bytes()  # x264 writes into the stream how it was asked
    assert f' threads={threads} '.encode() in said
    assert b' subme=0 ' in said
    assert b' me=dia ' in said


@pytest.mark.parametrize(
    ('name', 'file'),
    [
        ('libx264', 'demo.mp4'),
        ('libvpx-vp9', 'demo.webm'),
        ('mp4v', 'demo.mp4'),
        ('MJPG', 'demo.avi'),
    ],
)
def test_suffix_is_the_codecs(tmp_path, monkeypatch, name, file):
    use(monkeypatch, name)
    with write_video(tmp_path / 'demo.xyz', (64, 48), 30.0) as video:
        pass
    assert (video.codec, video.path) == (name, tmp_path / file)


def times_in(path):
    """Times of the frames, milliseconds."""
    capture = cv2.VideoCapture(str(path))
    times = []
    while capture.read()[0]:
        times.append(round(capture.get(cv2.CAP_PROP_POS_MSEC)))
    return times


@pytest.mark.parametrize('name', ['libx264', 'libvpx-vp9'])
@pytest.mark.parametrize(
    ('times_s', 'expected'),
    [
        pytest.param((None, None, None), [0, 100, 200], id='none'),
        pytest.param((5.0, 5.04, 5.44, 5.5), [0, 40, 440, 500], id='uneven'),
        pytest.param((1.7e9, 1.7e9 + 0.25, 1.7e9 + 2), [0, 250, 2000], id='of_a_clock'),
        pytest.param((5.0, 5.2, 1.0, 1.2), [0, 200, 300, 500], id='a_recording_that_begins_anew'),
        pytest.param((5.0, 5.0, 5.0), [0, 100, 200], id='a_clock_that_stands_still'),
        pytest.param((0.0, 94608000.0, 94608000.5), [0, 100, 600], id='a_clock_that_was_set'),
        pytest.param((5.0, None, 7.0), [0, 100, 200], id='one_without'),
    ],
)
def test_frames_keep_their_own_times(tmp_path, monkeypatch, name, times_s, expected):
    use(monkeypatch, name)
    with write_video(tmp_path / 'demo.mp4', (64, 48), 10.0) as video:
        for index, time_s in enumerate(times_s):
            video.write(gray(20 * index, (64, 48)), time_s)
    assert times_in(video.path) == pytest.approx(expected, abs=1)


def test_without_pyav_a_line_says_what_browsers_need(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, 'av', None)
    use(monkeypatch, 'libx264', 'libvpx-vp9', 'mp4v')
    recording.warn_of_browsers.cache_clear()
    for name in ('a', 'b'):
        with write_video(tmp_path / f'{name}.mp4', (64, 48), 30.0) as video:
            video.write(gray(100, (64, 48)))
    assert video.codec == 'mp4v'
    assert caplog.text.count('pip install av') == 1


def test_who_has_pyav_is_not_told_to_install_it(tmp_path, monkeypatch, caplog):
    use(monkeypatch, 'mp4v')
    recording.warn_of_browsers.cache_clear()
    with write_video(tmp_path / 'a.mp4', (64, 48), 30.0) as video:
        video.write(gray(100, (64, 48)))
    assert 'the installed PyAV can encode neither' in caplog.text
    assert 'pip install' not in caplog.text


def test_no_codec(tmp_path, monkeypatch):
    use(monkeypatch)
    with (
        pytest.raises(ParameterError, match='neither PyAV nor OpenCV has any of the codecs'),
        write_video(tmp_path / 'demo.mp4', (64, 48), 30.0),
    ):
        pass


def test_looking_for_h264_prints_nothing(capfd):
    has_h264.cache_clear()
    assert has_h264() in (True, False)
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize(
    'pixels',
    [
        pytest.param(np.zeros((48, 32, 3), np.uint8), id='width'),
        pytest.param(np.zeros((48, 64), np.uint8), id='gray'),
        pytest.param(np.zeros((48, 64, 3), np.float32), id='float'),
    ],
)
def test_pictures_that_do_not_fit(tmp_path, pixels):
    with (
        write_video(tmp_path / 'demo.mp4', (64, 48), 30.0) as video,
        pytest.raises(ImageError, match=r'does not fit the video demo.*; expected \(48, 64, 3\)'),
    ):
        video.write(pixels)
    assert video.frames == 0


@pytest.mark.parametrize(
    ('path', 'size_wh', 'rate', 'match'),
    [
        pytest.param('no/demo.mp4', (64, 48), 30.0, 'there is no folder .*no to write', id='dir'),
        pytest.param('demo.mp4', (1, 48), 30.0, 'a video of 1x48 at 30 Hz', id='size'),
        pytest.param('demo.mp4', (64, 48), 0.0, 'at 0 Hz cannot be written', id='rate'),
        pytest.param('demo.mp4', (64, 48), float('nan'), 'at nan Hz', id='nan'),
    ],
)
def test_refused(tmp_path, path, size_wh, rate, match):
    with (
        pytest.raises(ParameterError, match=match),
        write_video(tmp_path / path, size_wh, rate),
    ):
        pass


def test_an_error_in_the_block_leaves_what_was_written(tmp_path):
    def write_and_fail():
        with write_video(tmp_path / 'demo.mp4', (64, 48), 30.0) as video:
            for _ in range(5):
                video.write(gray(100, (64, 48)))
            raise KeyError(video.path)

    with pytest.raises(KeyError) as caught:
        write_and_fail()
    assert len(pictures_in(caught.value.args[0])[0]) == 5


def noise(size_wh, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)


def fill(path, count=300, size_wh=(320, 240)):
    """Write a video of noise; the error, and the frames written."""
    picture = noise(size_wh)
    with write_video(path, size_wh, 30.0) as video:
        try:
            for index in range(count):
                video.write(noise(size_wh, index))
        except ParameterError as error:
            with pytest.raises(ParameterError, match='writing ended after'):
                video.write(picture)
            return video, str(error)
    return video, ''


@WITH_OR_WITHOUT_AV
def test_a_full_disk_is_reported_and_earlier_frames_can_be_read(tmp_path, monkeypatch, names):
    use(monkeypatch, *names)
    with small_disk(tmp_path, 4):
        video, error = fill(tmp_path / 'demo.mp4')
        assert 10 < video.frames < 290
        assert f'writing ended after {video.frames} frames, which can be read' in error
        assert 'the disk is full; make room, or write elsewhere' in error
        assert len(pictures_in(video.path)[0]) == video.frames


def test_a_disk_that_is_full_from_the_start(tmp_path):
    with small_disk(tmp_path, 1):
        video, error = fill(tmp_path / 'demo.mp4')
        assert video.frames == 0
        assert 'writing ended after 0 frames' in error


@WITH_OR_WITHOUT_AV
def test_a_file_that_cannot_be_completed_is_reported(tmp_path, monkeypatch, names):
    use(monkeypatch, *names)
    with file_size_limit(60_000):
        try:
            _, error = fill(tmp_path / 'demo.mp4', 100)
        except ParameterError as err:  # at the end, where OpenCV does not tell before
            error = str(err)
    assert re.search(r'demo\.\w+: writing ended after \d+ frames, and the file is cut off', error)
