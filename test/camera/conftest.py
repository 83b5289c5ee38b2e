from pathlib import Path

import cv2
import numpy as np
import pytest

STEP = 20


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
