"""Videos that are read back frame by frame."""

import cv2
import numpy as np
import pytest

from jetson_perception import recording
from jetson_perception.errors import SourceError
from jetson_perception.recording import write_video


def gray(level, size_wh=(64, 48)):
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = capture.read()
        if not there:
            return capture.get(cv2.CAP_PROP_FPS), frames
        frames.append(frame)


def test_no_folder(tmp_path):
    with (
        pytest.raises(SourceError, match='missing is no folder'),
        write_video(tmp_path / 'missing' / 'a.mp4', (64, 48), 30.0),
    ):
        pass


def test_no_codec(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, 'CODECS', (('zzzz', '.mp4'),))
    with (
        pytest.raises(SourceError, match='opens none of zzzz'),
        write_video(tmp_path / 'a.mp4', (64, 48), 30.0),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('size_wh', 'video_wh'),
    [
        pytest.param((64, 48), (64, 48), id='even'),
        pytest.param((65, 49), (64, 48), id='odd'),
    ],
)
def test_frames_come_back(tmp_path, size_wh, video_wh):
    levels = (20, 120, 220)
    with write_video(tmp_path / 'a.webm', size_wh, 12.5) as video:
        for level in levels:
            video.write(gray(level, size_wh))
    rate, frames = frames_of(video.path)
    assert video.path.suffix == '.mp4'
    assert rate == pytest.approx(12.5)
    assert [frame.shape for frame in frames] == [(video_wh[1], video_wh[0], 3)] * 3
    assert [frame.mean() for frame in frames] == pytest.approx(levels, abs=4)


def test_frame_of_another_size_is_resized(tmp_path):
    with write_video(tmp_path / 'a.mp4', (64, 48), 30.0) as video:
        video.write(gray(50))
        video.write(gray(200, (128, 96)))
    assert [frame.mean() for frame in frames_of(video.path)[1]] == pytest.approx([50, 200], abs=4)
