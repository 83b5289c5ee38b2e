import cv2
import numpy as np
import pytest

from jetson_perception import recording
from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.recording import write_video


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
    monkeypatch.setattr(recording, '_CODECS', (('none', '.mp4'), ('MJPG', '.avi')))
    with write_video(tmp_path / 'demo.mp4', (64, 48), 30.0) as video:
        video.write(gray(100, (64, 48)))
    assert video.path.name == 'demo.avi'
    assert len(pictures_in(video.path)[0]) == 1


def test_no_codec(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, '_CODECS', (('none', '.mp4'),))
    with (
        pytest.raises(ParameterError, match='cannot be written: this OpenCV has none of the co'),
        write_video(tmp_path / 'demo.mp4', (64, 48), 30.0),
    ):
        pass


def test_looking_for_h264_prints_nothing(capfd):
    recording._has_h264.cache_clear()
    assert recording._has_h264() in (True, False)
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
