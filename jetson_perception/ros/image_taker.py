"""Takes raw images from a subscription without the interpreter's lock, and without copies.

rclpy holds the lock while it takes a message and copies its pixels once more than this: half of a
millisecond for an image of 1280×720.
"""

from __future__ import annotations

import ctypes
import logging
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from jetson_perception.printable import printable
from jetson_perception.ros.image_struct import ImageStruct, rcl_of_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

_NOTHING_THERE = 401  # RCL_RET_SUBSCRIPTION_TAKE_FAILED
_NO_NUMBER = 2**64 - 1  # RMW_MESSAGE_INFO_SEQUENCE_NUMBER_UNSUPPORTED
_NO_PIXELS = np.empty(0, np.uint8)

_free = ctypes.CDLL(None).free
_free.argtypes = (ctypes.c_void_p,)
_free.restype = None


class TakenImage:
    """An image that was taken, with the fields of sensor_msgs/Image; its pixels are not copied.

    Attributes
    ----------
    header, height, width, encoding, is_bigendian, step
        As in sensor_msgs/Image.
    data : ndarray, uint8
        The pixels.
    size_bytes : int
        How many bytes of pixels it had.
    number : int or None
        Its publication sequence number; None where the middleware gives none.
    sent_ns : int
        When it was sent, by its publisher's clock; 0 where the middleware does not say.
    gid : bytes or None
        The middleware's id of its publisher; None where it gives none.
    """

    def __init__(self, found: ImageStruct, info: _MessageInfo) -> None:
        """Take a struct that rcl has filled over, with its memory."""
        stamp = Time(sec=found.sec, nanosec=found.nanosec)
        self.data = _owned(found.data.data, found.data.size)
        self.header = Header(stamp=stamp, frame_id=found.frame_id.text())
        self.height: int = found.height
        self.width: int = found.width
        self.encoding = found.encoding.text()
        self.is_bigendian: int = found.is_bigendian
        self.step: int = found.step
        self.size_bytes = self.data.size
        self.number: int | None = None if info.number == _NO_NUMBER else info.number
        self.sent_ns: int = info.sent_ns
        self.gid = bytes(info.gid) if any(info.gid) else None
        _free(found.frame_id.data)
        _free(found.encoding.data)

    def without_pixels(self) -> TakenImage:
        """A copy with all that is said about the pixels, but without them."""
        made = copy(self)
        made.data = _NO_PIXELS
        return made


class ImageTaker:
    """Takes images from subscriptions to sensor_msgs/Image.

    Parameters
    ----------
    rcl : ctypes library
        As `rcl_of_images` gives it.
    """

    def __init__(self, rcl: Any) -> None:
        self._rcl = rcl

    def take(self, handle: Any) -> TakenImage | None:
        """The next image, without the lock; None if none is there.

        Parameters
        ----------
        handle : rclpy's handle of a subscription
            In use, so that it is not destroyed meanwhile.

        Raises
        ------
        RuntimeError
            When rcl fails.
        """
        found, info = ImageStruct(), _MessageInfo()
        code = self._rcl.rcl_take(
            handle.pointer, ctypes.addressof(found), ctypes.addressof(info), None
        )
        if not code:
            return TakenImage(found, info)
        for each in (found.data, found.frame_id, found.encoding):
            _free(each.data)
        self._rcl.rcutils_reset_error()
        if code == _NOTHING_THERE:
            return None
        raise RuntimeError(f'rcl_take returned {code}')


def image_taker() -> ImageTaker | None:
    """What takes images without the lock; None where that does not work."""
    try:
        return ImageTaker(rcl_of_images())
    except (AttributeError, OSError, ValueError) as error:
        log.info('images are taken with the interpreter locked: %s', printable(error))
        return None


class _MessageInfo(ctypes.Structure):
    """rmw_message_info_t. ROS 2 Humble's ids are longer, and have zeros behind so many bytes."""

    _fields_ = (
        ('sent_ns', ctypes.c_int64),
        ('received_ns', ctypes.c_int64),
        ('number', ctypes.c_uint64),
        ('reception_number', ctypes.c_uint64),
        ('gid_of_middleware', ctypes.c_void_p),
        ('gid', ctypes.c_uint8 * 16),
        ('others', ctypes.c_uint8 * 200),
    )


class _Memory:
    """Memory from C that is released with the last array over it."""

    def __init__(self, address: int, size: int) -> None:
        self._address = address
        self.__array_interface__ = {
            'data': (address, False),
            'shape': (size,),
            'typestr': '|u1',
            'version': 3,
        }

    def __del__(self, free: Any = _free) -> None:
        free(self._address)


def _owned(address: int | None, size: int) -> NDArray[np.uint8]:
    """An array over memory from C, which it owns."""
    return np.asarray(_Memory(address, size)) if address else np.empty(0, np.uint8)
