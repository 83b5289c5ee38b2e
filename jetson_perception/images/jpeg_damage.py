"""JPEG by Pillow, which prints nothing, and by what has to fit together in intact data.

libjpeg decodes damaged data into rubbish and only prints a line, which OpenCV passes to stderr and
to nobody else, and Pillow drops. So the restart markers are counted, and somebody watches how far
Pillow reads: after damage a decoder mostly wants more data than there are, or leaves some.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.images.jpeg_segments import (
    END,
    FRAMES,
    RESTART_INTERVAL,
    RESTARTS,
    Segment,
    segments,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SURPLUS_BYTES = 10
"""Bytes that may be left over before a marker: many webcams leave some in every frame."""

_START_MARK, _END_MARK = b'\xff\xd8', b'\xff\xd9'
_MARKER_IN_SCAN = re.compile(rb'\xff([^\x00\xff])')
#: Applications' own segments and comments, but for the two that say what the channels are.
_NOT_NEEDED = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
_SEQUENTIAL = frozenset({0xC0, 0xC1})
#: How far libjpeg reads ahead of what it decodes is at most 8 bytes.
_READ_AHEAD = bytes(16)
#: What a decoder gets that wants more.
_MORE = bytes(4096) + _END_MARK


@dataclass(frozen=True, slots=True)
class Structure:
    """What the segments of a JPEG say of its compressed data.

    Attributes
    ----------
    head : bytes
        All before them that decoding needs.
    begin, end : int
        Where the first scan's data lie.
    is_whole : bool
        Whether this scan is the whole picture, coded in sequence.
    unit_count : int
        How many units the data consist of; 0 where the scan is not the whole picture.
    """

    head: bytes
    begin: int
    end: int
    is_whole: bool
    unit_count: int


def with_end_mark(data: bytes) -> bytes:
    """The JPEG with a mark at its end, which many cameras leave out; itself if it has one.

    Zeros with which a camera fills its buffer up are no compressed data.
    """
    if data.endswith(_END_MARK):
        return data
    used = len(data.rstrip(b'\0'))
    if data.endswith(_END_MARK, 0, used):
        return data
    # Compressed data may end in a zero.
    return data[: used + MOST_SURPLUS_BYTES // 2] + _END_MARK


def check_structure(data: bytes) -> None:
    """Refuse a JPEG with markers that do not fit together.

    Raises
    ------
    ImageError
        When restart markers are missing or out of order, or something else is between them.
    """
    read_structure(data)


def can_watch(pixels: int) -> bool:
    """Whether Pillow takes a picture of so many pixels without a warning of a bomb."""
    from PIL import Image

    return Image.MAX_IMAGE_PIXELS is None or pixels <= Image.MAX_IMAGE_PIXELS


def decode_watched(data: bytes) -> NDArray[np.uint8]:
    """The pixels of a JPEG, refused where its compressed data are damaged, as far as can be told.

    Of data with restart intervals it is told for the last one, and whether one is missing; of
    progressive ones, not at all.

    Parameters
    ----------
    data : bytes
        As `with_end_mark` gives them.

    Returns
    -------
    ndarray, shape (h, w) or (h, w, c), uint8
        Gray, RGB or CMYK.

    Raises
    ------
    ImageError
        When markers do not fit together, or data are missing or left over.
    """
    structure = read_structure(data)
    head = structure.head
    if not structure.is_whole:
        return _load(io.BytesIO(head + data[structure.begin :]))
    body = data[structure.begin : structure.end]
    kept = max(len(body) - MOST_SURPLUS_BYTES, 0)
    surplus_at, missing_at = len(head) + kept, len(head) + len(body) + len(_READ_AHEAD)
    file = _Watched(head + body + _READ_AHEAD + _MORE, (surplus_at, missing_at))
    pixels = _load(file)
    if file.furthest > missing_at:
        raise ImageError('JPEG that is damaged or cut off: its compressed data end too soon')
    if file.furthest <= surplus_at and kept:
        raise ImageError('JPEG that is damaged: compressed data are left over')
    return pixels


def _load(file: io.BytesIO) -> NDArray[np.uint8]:
    from PIL import Image  # late, as it takes 10 ms

    try:
        with Image.open(file, formats=('JPEG',)) as picture:
            return np.asarray(picture)
    except Exception as err:  # whatever Pillow makes of foreign bytes
        raise ImageError('JPEG that is damaged: its compressed data cannot be decoded') from err


class _Watched(io.BytesIO):
    """Bytes as a file that gives them in portions and remembers how far it was read.

    Parameters
    ----------
    data : bytes
    ends : tuple of int
        Where portions end.
    """

    def __init__(self, data: bytes, ends: tuple[int, ...]) -> None:
        super().__init__(data)
        self._ends = ends
        self.furthest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, none from behind the end of a portion."""
        at = self.tell()
        room = next((end - at for end in self._ends if end > at), -1)
        wanted = -1 if size is None else size
        if room >= 0 and (wanted < 0 or wanted > room):
            wanted = room
        given = super().read(wanted)
        self.furthest = max(self.furthest, self.tell())
        return given


def read_structure(data: bytes) -> Structure:
    """How a JPEG is made up, without decoding anything.

    Raises
    ------
    ImageError
        When its header is damaged or cut off, or markers do not fit together.
    """
    head, interval, frame, process = [_START_MARK], 0, b'', 0
    try:
        for segment in segments(data):
            content = data[segment.begin : segment.end]
            if segment.marker in FRAMES:
                frame, process = content, segment.marker
            elif segment.marker == RESTART_INTERVAL:
                (interval,) = struct.unpack_from('>H', content)
            if segment.marker not in _NOT_NEEDED:
                head.append(data[segment.begin - 4 : segment.end])
        components = data[segment.begin]
        whole = process in _SEQUENTIAL and components == frame[5]
        units = _unit_count(frame) if whole else 0
        intervals = -(-units // interval) if interval else 0
    except (IndexError, struct.error, ZeroDivisionError) as err:
        raise ImageError('JPEG whose header is damaged or cut off') from err
    end = _end_of_scan(data, segment, intervals, whole=whole)
    return Structure(b''.join(head), segment.end, end, whole, units)


def _unit_count(frame: bytes) -> int:
    """How many units the data of a frame with all its components consist of."""
    height, width, components = struct.unpack_from('>HHB', frame, 1)
    samplings = [frame[7 + 3 * number] for number in range(components)]
    # A scan of a single component has a block a unit, whatever its sampling.
    across = 8 * max(each >> 4 for each in samplings) if components > 1 else 8
    down = 8 * max(each & 15 for each in samplings) if components > 1 else 8
    return -(-width // across) * -(-height // down)


def _end_of_scan(data: bytes, scan: Segment, intervals: int, *, whole: bool) -> int:
    """Where the data of a scan end."""
    for restarts, found in enumerate(_MARKER_IN_SCAN.finditer(data, scan.end)):
        marker = found[1][0]
        if marker not in RESTARTS:
            if whole and marker != END:
                raise ImageError(f'JPEG that is damaged: marker {marker:#x} in compressed data')
            # Some end the last interval, too.
            if whole and intervals and restarts not in (intervals - 1, intervals):
                raise ImageError(
                    f'JPEG that is damaged: {restarts + 1} of {intervals} restart intervals'
                )
            return found.start()
        if whole and (marker != 0xD0 + restarts % 8 or restarts >= intervals):
            raise ImageError('JPEG that is damaged: its restart markers are out of order')
    return len(data)
