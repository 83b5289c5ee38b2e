"""Image messages to arrays and back. Access to an image's bytes stays behind this one module."""

from __future__ import annotations

import array
import sys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.errors import ImageError
from jetson_perception.images import encodings, sixteen_bit
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.pipeline import Frame, JpegBytes, RawImage
from jetson_perception.printable import quoted
from jetson_perception.ros.cv_bridge_images import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from rclpy.clock import Clock

    from jetson_perception.ros.cv_bridge_images import CvBridgeImages


MOST_FRAME_ID_CHARACTERS = 1000
"""Longest frame_id that an image may have; names of frames in tf have some twenty characters."""


def stamp_ns(header: Any) -> int:
    """A header's stamp in nanoseconds; 0 when the sender set none."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def check_frame_id(header: Any) -> None:
    """Refuse an absurd frame_id: every result of every frame would carry it.

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


def frame_from_image(
    msg: Image,
    clock: Clock,
    max_image_pixels: int = MAX_IMAGE_PIXELS,
    intensity_range: tuple[int, ...] = (),
    cv_bridge: CvBridgeImages | None = None,
) -> Frame:
    """A frame that shares the message's bytes.

    Parameters
    ----------
    msg : Image
        An encoding without names for its channels (8UC3) is taken as OpenCV's images are.
    clock : Clock
        Tells how old the image is.
    max_image_pixels : int
        The most pixels that are taken.
    intensity_range : tuple of int
        Lowest and highest value of 16 bits that matter; empty where nobody says it.
    cv_bridge : CvBridgeImages, optional
        For the encodings of 16-bit colors.

    Raises
    ------
    ImageError
        When size, step, encoding or data do not fit together, it has more pixels, or a frame_id
        without measure.
    """
    check_frame_id(msg.header)
    encodings.require_pixels(msg.height, msg.width, max_image_pixels)
    age_ms = age_of(msg.header, clock)
    if msg.encoding in sixteen_bit.INTENSITIES:
        return Frame(_load_intensities(msg, intensity_range), msg.header, age_ms)
    if msg.encoding in sixteen_bit.COLORS and cv_bridge is not None:
        if cv_bridge.problem:
            raise refusal(msg.encoding, cv_bridge.problem)
        return Frame(lambda: cv_bridge.to_bgr(msg), msg.header, age_ms)
    encoding = encodings.UNNAMED.get(msg.encoding, msg.encoding)
    pixels = encodings.view(msg.data, msg.height, msg.width, encoding, msg.step)
    return Frame(
        lambda: encodings.to_bgr(pixels, encoding),
        msg.header,
        age_ms,
        RawImage(pixels, encoding, msg.width, msg.height),
    )


def _load_intensities(
    msg: Image, intensity_range: tuple[int, ...]
) -> Callable[[], NDArray[np.uint8]]:
    """What makes a gray image of one with 16 bits a pixel."""
    low, high = sixteen_bit.require_range(msg.encoding, intensity_range)
    size = msg.height, msg.width
    pixels = sixteen_bit.view_deep(msg.data, *size, msg.encoding, msg.step, bool(msg.is_bigendian))
    return lambda: sixteen_bit.intensities_to_bytes(pixels, low, high)


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
        lambda: encodings.decode_compressed(msg.data, msg.format, max_image_pixels),
        msg.header,
        age_of(msg.header, clock),
        jpeg=JpegBytes(msg.data, max_image_pixels),
    )


def age_of(header: Any, clock: Clock) -> float | None:
    """How old an image is, milliseconds; None where its sender set no stamp."""
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
        self,
        pixels: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32],
        encoding: str,
        header: Any,
    ) -> Image:
        """The message with a copy of `pixels`; valid until the next call.

        Parameters
        ----------
        pixels : ndarray, shape (rows, w) or (rows, w, c), uint8, uint16 or float32
            Any strides. nv12 and nv21 have rows of chroma below those of the image.
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
        rows, msg.width = pixels.shape[:2]
        msg.height = encodings.image_height(rows, encoding)
        msg.is_bigendian = int(pixels.itemsize > 1 and sys.byteorder == 'big')
        msg.step = pixels.nbytes // max(rows, 1)
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
    return jpeg_file_message(data, header)


def jpeg_file_message(data: NDArray[np.uint8], header: Any) -> CompressedImage:
    """A CompressedImage of a JPEG file's bytes."""
    msg = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    msg.data = array.array('B', data.tobytes())
    return msg
