"""How much the kernel lets a socket hold that nobody has read yet.

An image over UDP comes in datagrams of 64 kB. What does not fit into the receiver's socket before
its thread reads it is lost, and with it the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.dds.proc import PROC, read

if TYPE_CHECKING:
    from pathlib import Path

WANTED_BYTES = 4 << 20
"""What one socket should hold: a 1280×720 image in color, with the kernel's own overhead."""
SYSCTL_LINE = f'sudo sysctl -w net.core.rmem_max={WANTED_BYTES}'
"""What raises the limit until the next start."""

#: With less, fewer images arrive over UDP than through a shared-memory segment of any size.
_ENOUGH_BYTES = 1 << 20
#: Two images of 4K in color; more is not asked for, whatever the kernel allows.
_MOST_BYTES = 64 << 20
_LIMITS = PROC / 'sys/net/core'


def receive_limit(folder: Path = _LIMITS) -> int | None:
    """The most bytes that a socket may ask to hold of what it received; None if not known."""
    return _number(folder / 'rmem_max')


def send_limit(folder: Path = _LIMITS) -> int | None:
    """The most bytes that a socket may ask to hold of what is to be sent; None if not known."""
    return _number(folder / 'wmem_max')


def carries_images(limit: int | None) -> bool:
    """Whether a socket with this limit holds enough of an image; so it is taken if not known."""
    return limit is None or limit >= _ENOUGH_BYTES


def asked_bytes(folder: Path = _LIMITS) -> int:
    """What a socket for images asks to hold: all that the kernel allows, within reason.

    It takes memory only while images wait.
    """
    return min(max(receive_limit(folder) or 0, WANTED_BYTES), _MOST_BYTES)


def too_small_for(image_bytes: int, socket_bytes: int | None) -> bool:
    """Whether a socket holds less than an image, and could hold more."""
    return socket_bytes is not None and socket_bytes < min(image_bytes, _MOST_BYTES)


def sysctl_line(image_bytes: int) -> str:
    """What raises the limit so that a socket holds an image, with the kernel's own overhead."""
    wanted = WANTED_BYTES
    while wanted < min(image_bytes * 5 // 4, _MOST_BYTES):
        wanted *= 2
    return f'sudo sysctl -w net.core.rmem_max={wanted}'


def _number(path: Path) -> int | None:
    try:
        return int(read(path, 32))
    except ValueError:
        return None
