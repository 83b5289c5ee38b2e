"""Which JPEGs a decoder on a GPU may get: plain ones that are whole as far as markers tell.

Such a decoder is fast and forgiving: it says little about what is wrong with a file, and what it
makes of an unusual one is another question on every machine. So it gets what cameras send, held
against the format, and all else is decoded as ever.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from jetson_perception.errors import ImageError
from jetson_perception.images.jpeg_damage import read_structure
from jetson_perception.images.jpeg_segments import RESTART_INTERVAL, SCAN, segments

JPEG_DECODERS = ('auto', 'gpu', 'cpu')
"""Who decodes JPEGs for engines on a GPU: the GPU where it recognizes damage as the CPU does; the
GPU even where it does not; the CPU alone."""

JPEG_BEGIN = b'\xff\xd8\xff'
"""The first bytes of every JPEG."""

_END_MARK = b'\xff\xd9'
_BASELINE, _HUFFMAN, _QUANTIZATION, _JFIF, _ADOBE = 0xC0, 0xC4, 0xDB, 0xE0, 0xEE
_EXPECTED = frozenset(
    {_BASELINE, _HUFFMAN, _QUANTIZATION, _JFIF, _ADOBE, RESTART_INTERVAL, SCAN},
)
#: 4:4:4, 4:2:2, 4:2:0, 4:4:0: how often brightness is sampled where color is sampled once.
_SAMPLINGS = frozenset({0x11, 0x21, 0x22, 0x12})
_ONCE = 0x11
_MOST_SIDE = 16384
#: Headers have some 600 bytes; one of megabytes would take a while to look at.
_MOST_HEAD_BYTES = 8192
#: A block takes at least the two shortest codes,
_LEAST_BITS_A_BLOCK = 2
#: and at most 26 bits for each coefficient, twice that if every byte has to be escaped.
_MOST_BITS_A_BLOCK = 2 * 26 * 64
#: The highest category of a difference between two blocks' brightness, in 8 bits.
_MOST_CATEGORY = 11
_YCBCR = 1


@dataclass(frozen=True, slots=True)
class PlainJpeg:
    """A baseline JPEG of one scan, gray or YCbCr, with all of its tables.

    Attributes
    ----------
    data : bytes
        The file without all that decoding does not need, such as thumbnails.
    width, height : int
        Pixels, before any EXIF rotation.
    channels : int
        1 or 3.
    """

    data: bytes
    width: int
    height: int
    channels: int


def plain_jpeg(data: bytes, max_pixels: int) -> PlainJpeg | None:
    """The JPEG, if it is plain; None for all that has to be decoded, or refused, elsewhere.

    Parameters
    ----------
    data : bytes
        Any.
    max_pixels : int
        The most that it may have.
    """
    if not data.startswith(JPEG_BEGIN):
        return None
    try:
        structure = read_structure(data)
        head = structure.head
        if len(head) > _MOST_HEAD_BYTES:
            return None
        found = _Found(head)
        is_plain = structure.is_whole and found.is_plain()
        width, height, channels = found.width, found.height, len(found.ids)
    except (ImageError, IndexError, struct.error):
        return None
    if not is_plain or max(width, height) > _MOST_SIDE or not 0 < width * height <= max_pixels:
        return None
    body = data[structure.begin : structure.end]
    behind = data[structure.end :]
    # Without the mark, the camera may leave it out, or the file be cut off: others know.
    if not behind.startswith(_END_MARK) or behind.rstrip(b'\0') != _END_MARK:
        return None
    blocks = structure.unit_count * found.blocks_a_unit
    if not _LEAST_BITS_A_BLOCK * blocks <= 8 * len(body) <= _MOST_BITS_A_BLOCK * blocks:
        return None
    return PlainJpeg(b''.join((head, body, _END_MARK)), width, height, channels)


class _Found:
    """What the segments before the compressed data hold.

    Parameters
    ----------
    head : bytes
        Up to the header of the scan.
    """

    def __init__(self, head: bytes) -> None:
        self.markers: list[int] = []
        self._codes: set[int] = set()
        self._quantizations: set[int] = set()
        self._all_valid = True
        self._transform = _YCBCR
        frame = scan = b''
        for segment in segments(head):
            content = head[segment.begin : segment.end]
            self.markers.append(segment.marker)
            if segment.marker == _BASELINE:
                frame = content
            elif segment.marker == SCAN:
                scan = content
            elif segment.marker == _HUFFMAN:
                self._read_codes(content)
            elif segment.marker == _QUANTIZATION:
                self._read_quantizations(content)
            elif segment.marker == _ADOBE and content.startswith(b'Adobe'):
                self._transform = content[11]
        self.bits, self.height, self.width, count = struct.unpack_from('>BHHB', frame)
        self._components = [struct.unpack_from('BBB', frame, 6 + 3 * n) for n in range(count)]
        self.ids = bytes(component[0] for component in self._components)
        self._samplings = [component[1] for component in self._components]
        self._scan = scan
        self._is_as_long_as_it_says = len(frame) == 6 + 3 * count

    @property
    def blocks_a_unit(self) -> int:
        """Blocks of all components in what is coded together."""
        if len(self._samplings) == 1:
            return 1
        return sum((each >> 4) * (each & 15) for each in self._samplings)

    def is_plain(self) -> bool:
        """Whether a GPU's decoder is known to take it."""
        return (
            self._all_valid
            and self._is_as_long_as_it_says
            and _EXPECTED.issuperset(self.markers)
            and self.markers.count(_BASELINE) == 1
            and self.bits == 8
            and self._has_plain_components()
            and self._scan_is_plain()
        )

    def _has_plain_components(self) -> bool:
        if not self._quantizations.issuperset(each[2] for each in self._components):
            return False
        if len(self.ids) == 1:
            return self._samplings == [_ONCE]
        return (
            len(self.ids) == len(set(self.ids)) == 3
            and self.ids != b'RGB'
            and self._transform == _YCBCR
            and self._samplings[0] in _SAMPLINGS
            and self._samplings[1:] == [_ONCE, _ONCE]
        )

    def _scan_is_plain(self) -> bool:
        """Whether the scan has all components in order, and their tables are there."""
        count = len(self.ids)
        if len(self._scan) != 4 + 2 * count or self._scan[0] != count:
            return False
        if self._scan[1 : 1 + 2 * count : 2] != self.ids or self._scan[-3:] != b'\0\x3f\0':
            return False
        tables = self._scan[2 : 2 + 2 * count : 2]
        wanted = {each >> 4 for each in tables} | {0x10 | (each & 15) for each in tables}
        return self._codes.issuperset(wanted)

    def _read_codes(self, content: bytes) -> None:
        at = 0
        while at < len(content):
            kind, counts = content[at], content[at + 1 : at + 17]
            values = content[at + 17 : at + 17 + sum(counts)]
            at += 17 + sum(counts)
            # No code may consist of ones alone, so some of the room is left over.
            room = sum(count << 15 - length for length, count in enumerate(counts))
            is_right = kind in (0x00, 0x01, 0x10, 0x11) and len(counts) == 16
            is_right &= len(values) == sum(counts) > 0 and room < 1 << 16
            if kind < 0x10:
                is_right &= max(values, default=0) <= _MOST_CATEGORY
            self._all_valid &= is_right
            self._codes.add(kind)

    def _read_quantizations(self, content: bytes) -> None:
        # Precision and number, then 64 factors of one byte, as baseline has them.
        self._all_valid &= len(content) % 65 == 0
        for at in range(0, len(content), 65):
            self._all_valid &= content[at] < 4
            self._quantizations.add(content[at])
