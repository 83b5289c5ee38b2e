"""Image messages to arrays and back. Access to an image's bytes stays behind this one module."""

from __future__ import annotations

import array
import sys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception import images
from jetson_perception.errors import ImageError
from jetson_perception.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.pipeline import Frame, RawImage
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rclpy.clock import Clock


MOST_FRAME_ID_CHARACTERS = 1000
"""Of the frame_id of an image; names of frames in tf have some twenty."""


def stamp_ns(header: Any) -> int:
    """A header's stamp in nanoseconds; 0 when the sender set none."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def check_frame_id(header: Any) -> None:
    """Refuse a frame_id that nobody means: every result carries it, at every frame.

    Raises
    ------
    ImageError
        When it is longer than `MOST_FRAME_ID_CHARACTERS`.
    """
    length = len(header.frame_id)
    if length > MOST_FRAME_ID_CHARACTERS:
        raise ImageError(
            f'header.frame_id has {length} characters and begins with '
            f'{quoted(header.frame_id, 40)}; at most {MOST_FRAME_ID_CHARACTERS} are taken: '
            'correct it in the camera driver'
        )


def frame_from_image(msg: Image, clock: Clock, max_image_pixels: int = MAX_IMAGE_PIXELS) -> Frame:
    """A frame that shares the message's bytes.

    Raises
    ------
    ImageError
        When size, step, encoding or data do not fit together, it has more pixels, or a frame_id
        without measure.
    """
    check_frame_id(msg.header)
    pixels = images.view(msg.data, msg.height, msg.width, msg.encoding, msg.step)
    if msg.height * msg.width > max_image_pixels:
        raise ImageError(
            f'image is {msg.width}×{msg.height} pixels; max_image_pixels is {max_image_pixels}'
        )
    return Frame(
        lambda: images.to_bgr(pixels, msg.encoding),
        msg.header,
        _age_ms(msg.header, clock),
        RawImage(pixels, msg.encoding, msg.width, msg.height),
    )


def frame_from_compressed(
    msg: CompressedImage, clock: Clock, max_image_pixels: int = MAX_IMAGE_PIXELS
) -> Frame:
    """A frame that is decoded by the first lane that needs it, not here.

    What has more pixels is an ImageError then.

    Raises
    ------
    ImageError
        For a frame_id without measure.
    """
    check_frame_id(msg.header)
    return Frame(
        lambda: images.decode_compressed(msg.data, msg.format, max_image_pixels),
        msg.header,
        _age_ms(msg.header, clock),
    )


def _age_ms(header: Any, clock: Clock) -> float | None:
    stamp = stamp_ns(header)
    return (clock.now().nanoseconds - stamp) / 1e6 if stamp else None


class ImageMessage:
    """An Image message that is filled again and again.

    rclpy takes `array.array` without looking at each byte, and a kept one costs no page faults.
    """

    def __init__(self) -> None:
        self._msg = Image()
        self._pixels: NDArray[np.uint8] = np.empty(0, np.uint8)

    def fill(
        self, pixels: NDArray[np.uint8] | NDArray[np.uint16], encoding: str, header: Any
    ) -> Image:
        """The message with a copy of `pixels`; valid until the next call.

        Parameters
        ----------
        pixels : ndarray, shape (h, w) or (h, w, c), uint8 or uint16
            Any strides.
        encoding : str
            ROS encoding that goes with shape and type.
        header : std_msgs Header
            The input's; it is not copied.
        """
        if self._pixels.size != pixels.nbytes:
            self._msg.data = array.array('B', bytes(pixels.nbytes))
            # What the message kept: Humble's setter keeps the array given, Jazzy's a copy of it.
            self._pixels = np.frombuffer(self._msg.data, np.uint8)
        self._pixels.view(pixels.dtype).reshape(pixels.shape)[...] = pixels
        msg = self._msg
        msg.header = header
        msg.encoding = encoding
        msg.height, msg.width = pixels.shape[:2]
        msg.is_bigendian = int(pixels.itemsize > 1 and sys.byteorder == 'big')
        msg.step = pixels.nbytes // max(pixels.shape[0], 1)
        return msg


def jpeg_message(bgr: NDArray[np.uint8], header: Any, quality: int = 85) -> CompressedImage:
    """A CompressedImage with `bgr` as JPEG.

    Raises
    ------
    ImageError
        When OpenCV cannot encode it.
    """
    done, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageError(f'an image of shape {bgr.shape} could not be encoded as JPEG')
    msg = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    msg.data = array.array('B', data.tobytes())
    return msg
