import re

import cv2
import numpy as np
import pytest
from small_disk import file_size_limit, small_disk

from jetson_perception.commands import recording
from jetson_perception.commands.recording import write_video
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


@pytest.mark.parametrize('for_browsers', [False, True])
@pytest.mark.parametrize('size_wh', [(64, 48), (65, 49)], ids=['even', 'odd'])
def test_what_was_written_can_be_read(tmp_path, for_browsers, size_wh):
    levels = range(0, 200, 20)
    with write_video(tmp_path / 'demo.mp4', size_wh, 15.0, for_browsers=for_browsers) as video:
        for level in levels:
            video.write(gray(level, size_wh))
    assert video.frames == 10
    assert list(tmp_path.iterdir()) == [video.path]
    pictures, rate = pictures_in(video.path)
    assert [round(float(picture.mean()) / 20) for picture in pictures] == list(range(10))
    assert pictures[0].shape == (48, 64, 3)
    assert rate == pytest.approx(15.0)


@pytest.mark.parametrize(
    ('for_browsers', 'codecs'),
    [(False, {'avc1', 'mp4v', 'MJPG'}), (True, {'avc1', 'VP80', 'mp4v', 'MJPG'})],
)
def test_suffix_is_the_codecs(tmp_path, for_browsers, codecs):
    with write_video(tmp_path / 'demo.xyz', (64, 48), 30.0, for_browsers=for_browsers) as video:
        pass
    assert video.codec in codecs
    suffix = {'avc1': '.mp4', 'mp4v': '.mp4', 'VP80': '.webm', 'MJPG': '.avi'}[video.codec]
    assert video.path == tmp_path / f'demo{suffix}'


def test_falls_back(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, 'CODECS', (('none', '.mp4'), ('MJPG', '.avi')))
    with write_video(tmp_path / 'demo.mp4', (64, 48), 30.0) as video:
        video.write(gray(100, (64, 48)))
    assert video.path.name == 'demo.avi'
    assert len(pictures_in(video.path)[0]) == 1


def test_no_codec(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, 'CODECS', (('none', '.mp4'),))
    with (
        pytest.raises(ParameterError, match='cannot be written: this OpenCV has none of the co'),
        write_video(tmp_path / 'demo.mp4', (64, 48), 30.0),
    ):
        pass


def test_looking_for_h264_prints_nothing(capfd):
    recording.has_h264.cache_clear()
    assert recording.has_h264() in (True, False)
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
                video.write(np.roll(picture, 7 * index, axis=1))
        except ParameterError as error:
            with pytest.raises(ParameterError, match='writing ended after'):
                video.write(picture)
            return video, str(error)
    return video, ''


def test_a_full_disk_is_told_and_the_frames_before_can_be_read(tmp_path):
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


@pytest.mark.parametrize('codecs', [None, (('MJPG', '.avi'),)], ids=['first', 'mjpeg'])
def test_a_file_that_cannot_be_completed_is_told(tmp_path, monkeypatch, codecs):
    monkeypatch.setattr(recording, 'CODECS', codecs or recording.CODECS)
    recording.has_h264()  # in a process of its own, without the limit
    with file_size_limit(60_000):
        try:
            _, error = fill(tmp_path / 'demo.mp4', 100)
        except ParameterError as err:  # at the end, where OpenCV does not tell before
            error = str(err)
    assert re.search(r'demo\.\w+: writing ended after \d+ frames, and the file is cut off', error)
