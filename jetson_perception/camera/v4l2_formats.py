"""Formats, sizes and rates of a V4L2 camera, queried from the kernel without a tool.

Structures and numbers are those of <linux/videodev2.h>, the same on every architecture.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ioctl = Callable[[int, int, bytearray], Any]

# struct v4l2_capability: driver, card, bus_info, version, capabilities, device_caps, reserved.
_QUERYCAP, _CAPABILITY = 0x80685600, struct.Struct('=16s32s32sIII12x')
# struct v4l2_fmtdesc: index, type, flags, description, pixelformat, mbus_code, reserved.
_ENUM_FMT, _FORMAT = 0xC0405602, struct.Struct('=III32sII12x')
# struct v4l2_frmsizeenum: index, pixel_format, type, six numbers that type explains, reserved.
_ENUM_FRAMESIZES, _SIZE = 0xC02C564A, struct.Struct('=III6I8x')
# struct v4l2_frmivalenum: index, pixel_format, width, height, type, three fractions, reserved.
_ENUM_FRAMEINTERVALS, _INTERVAL = 0xC034564B, struct.Struct('=IIIII6I8x')

_VIDEO_CAPTURE, _VIDEO_CAPTURE_MPLANE = 1, 9  # enum v4l2_buf_type
_CAN_CAPTURE, _CAN_CAPTURE_MPLANE, _HAS_DEVICE_CAPS = 0x1, 0x1000, 0x80000000
_DISCRETE = 1
_MOST = 200  # of formats, sizes and rates: a driver that never says "no more" is not waited for


def describe_device(device: str, ioctl: Ioctl = fcntl.ioctl) -> dict[str, Any]:
    """Name, driver and formats of a video device.

    Parameters
    ----------
    device : str
        As /dev/video0.
    ioctl : callable
        Asks the kernel; for tests.

    Returns
    -------
    dict
        `device`, `name`, `driver`, `captures` (False for the second device of many cameras, which
        gives metadata, and for outputs), and `formats`: a list of dicts with `format` (four
        characters), `size` (width, height; the largest where a driver gives a range) and `rates`
        (Hz, the highest first; empty where the driver does not say).

    Raises
    ------
    OSError
        When it cannot be opened, or is no video device.
    """
    file = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        buffer = bytearray(_CAPABILITY.size)
        ioctl(file, _QUERYCAP, buffer)
        driver, card, _, _, all_caps, device_caps = _CAPABILITY.unpack(buffer)
        caps = device_caps if all_caps & _HAS_DEVICE_CAPS else all_caps
        kind = _VIDEO_CAPTURE if caps & _CAN_CAPTURE else _VIDEO_CAPTURE_MPLANE
        captures = bool(caps & (_CAN_CAPTURE | _CAN_CAPTURE_MPLANE))
        return {
            'device': device,
            'name': _text(card),
            'driver': _text(driver),
            'captures': captures,
            'formats': list(_formats(ioctl, file, kind)) if captures else [],
        }
    finally:
        os.close(file)


def _formats(ioctl: Ioctl, file: int, kind: int) -> Iterator[dict[str, Any]]:
    asked = ((index, kind, 0, b'', 0, 0) for index in itertools.count())
    for _, _, _, _, pixel_format, _ in _enumerate(ioctl, file, _ENUM_FMT, _FORMAT, asked):
        name = pixel_format.to_bytes(4, 'little').decode('ascii', 'replace').rstrip()
        for width, height in _sizes(ioctl, file, pixel_format):
            rates = sorted(set(_rates(ioctl, file, pixel_format, width, height)), reverse=True)
            yield {'format': name, 'size': (width, height), 'rates': rates}


def _sizes(ioctl: Ioctl, file: int, pixel_format: int) -> Iterator[tuple[int, int]]:
    asked = ((index, pixel_format, *[0] * 7) for index in itertools.count())
    for answer in _enumerate(ioctl, file, _ENUM_FRAMESIZES, _SIZE, asked):
        kind, numbers = answer[2], answer[3:]
        if kind != _DISCRETE:  # a range: least and most width, step, then the same of height
            yield numbers[1], numbers[4]
            return
        yield numbers[0], numbers[1]


def _rates(ioctl: Ioctl, file: int, pixel_format: int, width: int, height: int) -> Iterator[float]:
    asked = ((index, pixel_format, width, height, *[0] * 7) for index in itertools.count())
    for answer in _enumerate(ioctl, file, _ENUM_FRAMEINTERVALS, _INTERVAL, asked):
        kind, seconds, parts = answer[4], answer[5], answer[6]
        if seconds:
            yield round(parts / seconds, 2)
        if kind != _DISCRETE:  # a range, whose shortest interval comes first
            return


def _enumerate(
    ioctl: Ioctl, file: int, request: int, layout: struct.Struct, asked: Iterator[tuple[Any, ...]]
) -> Iterator[tuple[Any, ...]]:
    """Answers until the driver says that there are no more, or that it cannot say."""
    for values in itertools.islice(asked, _MOST):
        buffer = bytearray(layout.pack(*values))
        try:
            ioctl(file, request, buffer)
        except OSError as err:
            if err.errno in (errno.EINVAL, errno.ENOTTY):
                return
            raise
        yield layout.unpack(buffer)


def _text(raw: bytes) -> str:
    return raw.partition(b'\0')[0].decode('utf-8', 'replace')
