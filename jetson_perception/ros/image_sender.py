"""Images sent without the interpreter's lock, so that results are not kept waiting meanwhile.

rclpy holds the lock while it converts and sends a message: 2 ms for an image of 1280×720, and more
than 20 ms for one of 3840×2160, in which no other thread of the node gets on. rcl itself needs no
lock. So the bytes that go over the wire are made here, and given to rcl by ctypes, which lets the
lock go. Where that cannot be done, rclpy sends.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from jetson_perception.images.encodings import image_height
from jetson_perception.printable import printable
from jetson_perception.ros.image_messages import ImageMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from rclpy.publisher import Publisher

log = logging.getLogger(__name__)

_ENCAPSULATION = b'\x00\x01\x00\x00'  # CDR, little-endian


class ImageSender(Protocol):
    """Sends images on a topic; one thread at a time may use it."""

    def send(
        self, pixels: NDArray[np.uint8] | NDArray[np.uint16], encoding: str, header: Any
    ) -> None:
        """Send an image.

        Parameters
        ----------
        pixels : ndarray, shape (rows, w) or (rows, w, c), uint8 or uint16
            Any strides; copied. nv12 and nv21 have rows of chroma below those of the image.
        encoding : str
            ROS encoding that goes with shape and type.
        header : std_msgs Header
            The image's.
        """
        ...


def image_sender(publisher: Publisher[Image]) -> ImageSender:
    """What sends on this publisher's topic: without the interpreter's lock, where that works."""
    publish = rcl_publish()
    if publish is None or not hasattr(publisher.handle, 'pointer'):
        return LockedSender(publisher)
    return UnlockedSender(publisher, publish)


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
    publish : callable
        As `rcl_publish` gives it.
    """

    def __init__(self, publisher: Publisher[Image], publish: Callable[..., int]) -> None:
        self._publisher = publisher
        self._publish = publish
        self._bytes = ImageBytes()

    def send(
        self, pixels: NDArray[np.uint8] | NDArray[np.uint16], encoding: str, header: Any
    ) -> None:
        """Send an image, without the lock."""
        data = self._bytes.fill(pixels, encoding, header)
        message = _SerializedMessage(data.ctypes.data, data.nbytes, data.nbytes)
        handle = self._publisher.handle
        with handle:  # it is not destroyed meanwhile
            code = self._publish(handle.pointer, ctypes.byref(message), None)
        if code:  # have rclpy say why
            LockedSender(self._publisher).send(pixels, encoding, header)


class ImageBytes:
    """A serialized sensor_msgs/Image that is filled again and again."""

    def __init__(self) -> None:
        self._buffer: NDArray[np.uint8] = np.empty(0, np.uint8)

    def fill(
        self, pixels: NDArray[np.uint8] | NDArray[np.uint16], encoding: str, header: Any
    ) -> NDArray[np.uint8]:
        """The bytes with a copy of `pixels`; valid until the next call."""
        start = _before_pixels(pixels, encoding, header)
        size = len(start) + pixels.nbytes
        if self._buffer.size != size:
            self._buffer = np.empty(size, np.uint8)
        self._buffer[: len(start)] = np.frombuffer(start, np.uint8)
        # As bytes: where the pixels begin depends on the header, and 16 bits may lie across.
        flat = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
        self._buffer[len(start) :] = flat
        return self._buffer


class _SerializedMessage(ctypes.Structure):
    """rcl_serialized_message_t; its allocator is not used to publish."""

    _fields_ = (
        ('buffer', ctypes.c_void_p),
        ('length', ctypes.c_size_t),
        ('capacity', ctypes.c_size_t),
        ('allocator', ctypes.c_void_p * 5),
    )


@lru_cache(maxsize=1)
def rcl_publish() -> Callable[..., int] | None:
    """rcl_publish_serialized_message of the rcl in use; None where it cannot be called.

    Called as f(address of the publisher, message, None); returns 0, or a code of rcl.
    """
    try:
        _check_bytes()
        rcl = ctypes.CDLL('librcl.so', mode=os.RTLD_NOLOAD)
        publish = rcl.rcl_publish_serialized_message
    except (AttributeError, OSError, ValueError, RuntimeError) as error:
        log.info('images are sent with the interpreter locked: %s', printable(error))
        return None
    publish.argtypes = (ctypes.c_void_p, ctypes.POINTER(_SerializedMessage), ctypes.c_void_p)
    publish.restype = ctypes.c_int
    return publish


def _check_bytes() -> None:
    """Raise ValueError unless ROS reads from the bytes what was written."""
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    header = Header(stamp=Time(sec=-1, nanosec=2), frame_id='camera')
    data = ImageBytes().fill(pixels, 'bgr8', header).tobytes()
    expected = ImageMessage().fill(pixels, 'bgr8', header)
    if deserialize_message(data, Image) != expected:
        raise ValueError('serialized images are arranged in another way')


def _before_pixels(pixels: NDArray[Any], encoding: str, header: Any) -> bytes:
    """All bytes but those of the pixels."""
    data = bytearray()

    def number(value: int, size: int = 4, *, signed: bool = False) -> None:
        data.extend(bytes(-len(data) % size))
        data.extend(int(value).to_bytes(size, 'little', signed=signed))

    def text(value: str) -> None:
        encoded = value.encode()
        number(len(encoded) + 1)
        data.extend(encoded + b'\x00')

    rows, width = pixels.shape[:2]
    number(header.stamp.sec, signed=True)
    number(header.stamp.nanosec)
    text(header.frame_id)
    number(image_height(rows, encoding))
    number(width)
    text(encoding)
    number(pixels.itemsize > 1 and sys.byteorder == 'big', 1)
    number(pixels.nbytes // max(rows, 1))
    number(pixels.nbytes)
    return _ENCAPSULATION + bytes(data)
