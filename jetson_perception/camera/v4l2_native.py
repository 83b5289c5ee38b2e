"""Frames of a Video4Linux2 camera that OpenCV hands over as the camera gives them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import JPEG, array_shape, size_wh

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Formats of V4L2 whose frames can stay as they are, and ROS's names.
_ENCODINGS = {
    'YUYV': 'yuv422_yuy2',
    'UYVY': 'uyvy',
    'NV12': 'nv12',
    'NV21': 'nv21',
    'GREY': 'mono8',
    'MJPG': JPEG,
}
_END_OF_JPEG = b'\xff\xd9'


class NativeFrames:
    """Checks frames that are not converted: backends of OpenCV differ in what they leave.

    Parameters
    ----------
    pixel_format : str
        Four characters of V4L2.
    size_wh : tuple of int
        Width and height that the camera says.

    Attributes
    ----------
    encoding : str
        Of the frames; empty where they have to be converted.
    """

    def __init__(self, pixel_format: str, size_wh: tuple[int, int]) -> None:
        self.encoding = _ENCODINGS.get(pixel_format, '')
        self._size_wh = width, height = size_wh
        if self.encoding in ('', JPEG):
            return
        if width % 2 or height % 2:
            self.encoding = ''
            return
        self._shape = array_shape(height, width, self.encoding)

    def checked(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """A frame as `CapturedFrame` has it; None where it is not what it should be."""
        if pixels.dtype != np.uint8:
            return None
        if self.encoding == JPEG:
            return self._checked_jpeg(pixels.reshape(-1))
        return pixels.reshape(self._shape) if pixels.size == math.prod(self._shape) else None

    def _checked_jpeg(self, data: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        # A driver's buffer may be longer than the picture.
        end = data.tobytes().rfind(_END_OF_JPEG)
        if end < 0:
            return None
        data = data[: end + len(_END_OF_JPEG)]
        try:
            return data if size_wh(data, JPEG) == self._size_wh else None
        except ImageError:
            return None
