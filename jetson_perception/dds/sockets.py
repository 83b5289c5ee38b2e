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


def _number(path: Path) -> int | None:
    try:
        return int(read(path, 32))
    except ValueError:
        return None
