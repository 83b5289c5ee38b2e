from pathlib import Path

import cv2
import numpy as np
import pytest
from camera.timed_videos import set_mp4_times, write_matroska
from standin_fixtures import standin, standin_options

from jetson_perception.cuda import CudaDevice

__all__ = ['standin', 'standin_options']

STEP = 20


@pytest.fixture
def library(monkeypatch, standin):
    """The stand-in for PyNvVideoCodec, installed."""
    import standin_pynvvideocodec  # takes PyAV, which most tests here do without

    return standin_pynvvideocodec.install(monkeypatch, standin)


@pytest.fixture
def engine(standin):
    """As if an engine of this process ran on the GPU."""
    device = CudaDevice.get(0)
    yield device
    device.close()


@pytest.fixture
def make_video(tmp_path):
    """A function that writes a video whose frame i is gray of level i * STEP."""

    def make(name='drive.avi', *, count=10, size_wh=(64, 48), rate=30.0, codec='MJPG') -> Path:
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, size_wh)
        assert writer.isOpened()
        for level in range(0, count * STEP, STEP):
            writer.write(np.full((size_wh[1], size_wh[0], 3), level, np.uint8))
        writer.release()
        return path

    return make


@pytest.fixture
def frame_number():
    """A function that says which frame of such a video it is given."""

    def number(pixels: np.ndarray) -> int:
        return round(float(pixels.mean()) / STEP)

    return number


@pytest.fixture
def make_timed_video(tmp_path, make_video):
    """A function that writes such a video with a frame at each of the times given, ms."""

    def make(name, times_ms, **more) -> Path:
        if name.endswith('.mp4'):
            return set_mp4_times(make_video(name, count=len(times_ms), codec='mp4v'), times_ms)
        pictures = [np.full((48, 64, 3), i * STEP, np.uint8) for i in range(len(times_ms))]
        return write_matroska(tmp_path / name, pictures, times_ms, **more)

    return make
