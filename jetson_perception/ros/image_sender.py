"""Images sent without the interpreter's lock, so that results are not kept waiting meanwhile.

rclpy holds the lock while it converts and sends a message: 2 ms for an image of 1280×720, and more
than 20 ms for one of 3840×2160, in which no other thread of the node gets on. rcl itself needs no
lock, and takes pixels from where they are. Where it cannot be called, rclpy sends.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from jetson_perception.images.encodings import image_height
from jetson_perception.printable import printable
from jetson_perception.ros.image_messages import ImageMessage
from jetson_perception.ros.image_struct import ImageStruct, Sequence, rcl_of_images

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rclpy.publisher import Publisher
    from sensor_msgs.msg import Image

log = logging.getLogger(__name__)


class ImageSender(Protocol):
    """Sends images on a topic; one thread at a time may use it."""

    def send(
        self, pixels: NDArray[np.uint8] | NDArray[np.uint16], encoding: str, header: Any
    ) -> None:
        """Send an image.

        Parameters
        ----------
        pixels : ndarray, shape (rows, w) or (rows, w, c), uint8 or uint16
            Any strides; must not change until the return. nv12 and nv21 have rows of chroma below
            those of the image.
        encoding : str
            ROS encoding that goes with shape and type.
        header : std_msgs Header
            The image's.
        """
        ...


def image_sender(publisher: Publisher[Image]) -> ImageSender:
    """What sends on this publisher's topic: without the interpreter's lock, where that works."""
    try:
        rcl = rcl_of_images()
    except (AttributeError, OSError, ValueError) as error:
        log.info('images are sent with the interpreter locked: %s', printable(error))
        return LockedSender(publisher)
    if not hasattr(publisher.handle, 'pointer'):
        return LockedSender(publisher)
    return UnlockedSender(publisher, rcl)


class LockedSender:
    """Sends as rclpy does."""

    def __init__(self, publisher: Publisher[Image]) -> None:
        self._publisher = publisher
        self._message = ImageMessage()

    def send(
        self, pixels: NDArray[np.uint8] | NDArray[np.uint16], encoding: str, header: Any
    ) -> None:
        """Send an image, with the lock."""
        self._publisher.publish(self._message.fill(pixels, encoding, header))


class UnlockedSender:
    """Sends without the interpreter's lock.

    Parameters
    ----------
    publisher : rclpy Publisher
        Of sensor_msgs/Image.
    rcl : ctypes library
        As `rcl_of_images` gives it.
    """

    def __init__(self, publisher: Publisher[Image], rcl: Any) -> None:
        self._publisher = publisher
        self._rcl = rcl

    def send(
        self, pixels: NDArray[np.uint8] | NDArray[np.uint16], encoding: str, header: Any
    ) -> None:
        """Send an image, without the lock."""
        packed: NDArray[Any] = np.ascontiguousarray(pixels)
        # Kept until the return, as what is sent only points to them.
        texts = header.frame_id.encode(), encoding.encode()
        message = image_struct(packed, texts, header.stamp)
        handle = self._publisher.handle
        with handle:  # it is not destroyed meanwhile
            code = self._rcl.rcl_publish(handle.pointer, ctypes.addressof(message), None)
        if code:  # have rclpy say why
            self._rcl.rcutils_reset_error()
            LockedSender(self._publisher).send(pixels, encoding, header)


def image_struct(pixels: NDArray[Any], texts: tuple[bytes, bytes], stamp: Any) -> ImageStruct:
    """An image that points to pixels and texts, which must be kept as long as it is used.

    Parameters
    ----------
    pixels : ndarray, shape (h, w) or (h, w, c), uint8 or uint16
        C-contiguous.
    texts : tuple of bytes
        frame_id and encoding, in UTF-8.
    stamp : builtin_interfaces Time
        Its time.
    """
    frame_id, encoding = map(Sequence.of_text, texts)
    rows, width = pixels.shape[:2]
    return ImageStruct(
        sec=stamp.sec,
        nanosec=stamp.nanosec,
        frame_id=frame_id,
        height=image_height(rows, texts[1].decode()),
        width=width,
        encoding=encoding,
        is_bigendian=int(pixels.itemsize > 1 and sys.byteorder == 'big'),
        step=pixels.nbytes // max(rows, 1),
        data=Sequence(pixels.ctypes.data, pixels.nbytes, pixels.nbytes),
    )
