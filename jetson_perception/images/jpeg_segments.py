"""The segments of a JPEG file before its compressed data, read without decoding anything."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers; which one says how the data are coded."""

RESTARTS = frozenset(range(0xD0, 0xD8))
"""Markers between restart intervals, which are numbered 0 to 7 in turn."""

RESTART_INTERVAL, SCAN, END = 0xDD, 0xDA, 0xD9

# What follows 0xFF and is neither a fill byte nor an escaped one, as libjpeg looks for it.
_MARKER = re.compile(rb'\xff([^\x00\xff])')
_WITHOUT_LENGTH = RESTARTS | {0x01}
_MOST_SEGMENTS = 4096


class Segment(NamedTuple):
    """A segment of a JPEG file.

    Attributes
    ----------
    marker : int
        Which one it is: the byte behind 0xFF.
    begin, end : int
        Where its content lies, without its length; the end may be behind the file's.
    """

    marker: int
    begin: int
    end: int


def segments(data: bytes) -> Iterator[Segment]:
    """The segments of a JPEG file up to the header of its first scan, which comes last.

    Raises
    ------
    IndexError, struct.error
        When the file ends before that.
    ImageError
        When it comes to its end mark first, or is damaged.
    """
    position = 2
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            raise IndexError
        marker, position = found[1][0], found.end()
        if marker in _WITHOUT_LENGTH:
            continue
        if marker == END:
            raise ImageError('JPEG that ends before its compressed data; it is damaged')
        (length,) = struct.unpack_from('>H', data, position)
        if length < 2:
            raise ImageError('JPEG with a segment of impossible length; it is damaged')
        yield Segment(marker, position + 2, position + length)
        if marker == SCAN:
            return
        position += length
    raise ImageError(f'JPEG with more than {_MOST_SEGMENTS} segments before its compressed data')
