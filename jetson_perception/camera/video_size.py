"""A limit to the size of a video's frames, held before any of them is decoded."""

from __future__ import annotations

from typing import Any

import cv2

from jetson_perception.errors import SourceError
from jetson_perception.images.pixel_limit import limit_in_words


def check_video_size(capture: Any, shown: str, max_image_pixels: int) -> None:
    """Refuse a video whose frames are too large, before the first is decoded.

    Parameters
    ----------
    capture : cv2.VideoCapture
        Opened.
    shown : str
        What it is, for the error.
    max_image_pixels : int
        The most that a frame may have.

    Raises
    ------
    SourceError
        When the frames that it announces have more.
    """
    width, height = (
        int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    require_frame_size(shown, (width, height), max_image_pixels)


def require_frame_size(shown: str, size_wh: tuple[int, int], max_image_pixels: int) -> None:
    """Refuse frames of a width and height that are too large; see `check_video_size`."""
    width, height = size_wh
    if width * height > max_image_pixels:
        raise SourceError(
            f'{shown}: frames of {width}×{height} pixels; {limit_in_words(max_image_pixels)}'
        )
