"""sensor_msgs/Image as rcl takes and gives it: a struct of C, whose pixels are not copied.

rclpy converts a message with the interpreter's lock held, and copies its pixels twice. rcl, called
by ctypes with this struct, needs no lock, and reads and writes pixels where they are.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header


class Sequence(ctypes.Structure):
    """A text or a sequence of bytes: where it is, and how long."""

    _fields_ = (
        ('data', ctypes.c_void_p),
        ('size', ctypes.c_size_t),
        ('capacity', ctypes.c_size_t),
    )

    @classmethod
    def of_text(cls, text: bytes) -> Sequence:
        """A text in place; it must be kept as long as this is used."""
        # A bytes object ends with a zero that it does not count.
        return cls(ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p), len(text), len(text) + 1)

    def text(self) -> str:
        """What a text says; what is not UTF-8 is replaced, as rclpy does."""
        return ctypes.string_at(self.data).decode(errors='replace') if self.data else ''


class ImageStruct(ctypes.Structure):
    """sensor_msgs__msg__Image."""

    _fields_ = (
        ('sec', ctypes.c_int32),
        ('nanosec', ctypes.c_uint32),
        ('frame_id', Sequence),
        ('height', ctypes.c_uint32),
        ('width', ctypes.c_uint32),
        ('encoding', Sequence),
        ('is_bigendian', ctypes.c_uint8),
        ('step', ctypes.c_uint32),
        ('data', Sequence),
    )

    def to_message(self) -> Image:
        """What ROS reads from it, with a copy of the pixels."""
        convert = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(_function('_CONVERT_TO_PY'))
        message: Image = convert(ctypes.addressof(self))
        return message


@lru_cache(maxsize=1)
def rcl_of_images() -> Any:
    """The rcl in use, with `rcl_publish` and `rcl_take` ready to be called with an ImageStruct.

    Raises
    ------
    OSError, AttributeError, ValueError
        When it cannot be called so: another library, or images that are arranged in another way.
    """
    _check_arrangement()
    rcl = ctypes.CDLL('librcl.so', mode=os.RTLD_NOLOAD)
    for function, arguments in ((rcl.rcl_publish, 3), (rcl.rcl_take, 4)):
        function.argtypes = (ctypes.c_void_p,) * arguments
        function.restype = ctypes.c_int
    rcl.rcutils_reset_error.argtypes = ()  # found among what rcl is linked to
    rcl.rcutils_reset_error.restype = None
    return rcl


def _check_arrangement() -> None:
    """Raise ValueError unless an image that ROS fills is read from an ImageStruct."""
    stamp = Time(sec=-1, nanosec=2)
    message = Image(
        header=Header(stamp=stamp, frame_id='camera'),
        height=3,
        width=4,
        encoding='mono8',
        is_bigendian=5,
        step=6,
        data=bytes(range(7)),
    )
    create = ctypes.PYFUNCTYPE(ctypes.c_void_p)(_function('_CREATE_ROS_MESSAGE'))
    destroy = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(_function('_DESTROY_ROS_MESSAGE'))
    fill = ctypes.PYFUNCTYPE(ctypes.c_bool, ctypes.py_object, ctypes.c_void_p)(
        _function('_CONVERT_FROM_PY')
    )
    pointer = create()
    if not pointer:
        raise ValueError('ROS makes no image')
    try:
        if not fill(message, pointer) or not _reads(ImageStruct.from_address(pointer), message):
            raise ValueError('images are arranged in another way')
    finally:
        destroy(pointer)


def _reads(found: ImageStruct, message: Image) -> bool:
    """Whether a struct has the fields of a message; sizes first, else its addresses are none."""
    sizes = found.frame_id.size, found.encoding.size, found.data.size
    if sizes != (len(message.header.frame_id), len(message.encoding), len(message.data)):
        return False
    stamp = message.header.stamp
    numbers = message.height, message.width, message.is_bigendian, message.step
    return bool(
        (found.sec, found.nanosec) == (stamp.sec, stamp.nanosec)
        and (found.height, found.width, found.is_bigendian, found.step) == numbers
        and (found.frame_id.text(), found.encoding.text())
        == (message.header.frame_id, message.encoding)
        and ctypes.string_at(found.data.data, found.data.size) == np.array(message.data).tobytes()
    )


def _function(name: str) -> int:
    """Address of one of the functions by which rclpy converts images."""
    kind = type(Image)
    kind.__import_type_support__()
    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.argtypes = (ctypes.py_object, ctypes.c_char_p)
    address.restype = ctypes.c_void_p
    return int(address(getattr(kind, name), None))
