"""What the bytes of an H.264 or H.265 packet say before anything is decoded.

Decoders hide that a packet was lost: FFmpeg repeats a picture in its place, and goes on with what
refers to it. H.264 numbers its pictures, so a gap is seen here. FFmpeg tells of missing H.265
pictures itself.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_START = re.compile(rb'\x00\x00\x01')
_MOST_UNITS = 4096
#: How much of a parameter set or slice is read: more than the fields of interest take.
_HEADER_BYTES = 512

_IDR_SLICE, _SEI, _SPS, _PPS = 5, 6, 7, 8
_SLICES = frozenset({1, _IDR_SLICE})
_RECOVERY_POINT = 6
_H265_SLICES, _H265_KEYS = range(32), range(16, 24)
#: Profiles whose parameter sets have more fields (7.3.2.1.1).
_HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_MOST_REFERENCES_IN_CYCLE = 255


class Unit(NamedTuple):
    """A NAL unit.

    Attributes
    ----------
    kind : int
        Its nal_unit_type.
    is_reference : bool
        Whether other pictures may refer to it.
    head : bytes
        How it begins, behind its header.
    """

    kind: int
    is_reference: bool
    head: bytes


def units(data: bytes, *, h265: bool) -> list[Unit]:
    """The NAL units of a packet in Annex B's format; none where it has another format."""
    found = []
    header_bytes = 2 if h265 else 1
    for number, start in enumerate(_START.finditer(data)):
        if number == _MOST_UNITS or start.end() >= len(data):
            break
        first, begin = data[start.end()], start.end() + header_bytes
        kind = first >> 1 & 63 if h265 else first & 31
        is_reference = h265 or bool(first & 0x60)
        found.append(Unit(kind, is_reference, data[begin : begin + _HEADER_BYTES]))
    return found


def has_picture(found: list[Unit], *, h265: bool) -> bool:
    """Whether there is a picture among the units, and not only what is said of pictures."""
    return any(unit.kind in (_H265_SLICES if h265 else _SLICES) for unit in found)


def is_keyframe(found: list[Unit], *, h265: bool) -> bool:
    """Whether decoding can begin with these units.

    A recovery point of H.264 is one too: streams that refresh line by line have no others.
    """
    if h265:
        return any(unit.kind in _H265_KEYS for unit in found)
    return any(
        unit.kind == _IDR_SLICE
        or (unit.kind == _SEI and _RECOVERY_POINT in _sei_payloads(unit.head))
        for unit in found
    )


def _sei_payloads(head: bytes) -> list[int]:
    """Types of the payloads of supplemental information, as far as `head` goes."""
    types, position = [], 0
    while position + 1 < len(head) and head[position] != 0x80:
        values = []
        for _ in range(2):  # type and size, each 255 and more in several bytes
            value = 0
            while position < len(head):
                byte = head[position]
                value, position = value + byte, position + 1
                if byte != 0xFF:
                    break
            values.append(value)
        types.append(values[0])
        position += values[1]
    return types


class PictureNumbers:
    """Whether H.264 pictures follow each other without a gap.

    A picture's frame_num is that of the last one that others refer to, plus one (7.4.3).
    """

    def __init__(self) -> None:
        self._sets: dict[int, _SequenceSet] = {}
        self._sets_of_pictures: dict[int, int] = {}
        self._last: int | None = None

    def restart(self) -> None:
        """Begin anew; parameter sets stay known."""
        self._last = None

    def follows(self, found: list[Unit]) -> bool:
        """Whether nothing is missing before these units, as far as they tell; they are noted."""
        for unit in found:
            try:
                if unit.kind in _SLICES:
                    return self._note_slice(unit)
                self._note_set(unit)
            except _EndOfBitsError:
                continue  # the decoder will complain
        return True

    def _note_set(self, unit: Unit) -> None:
        bits = _Bits(unit.head)
        if unit.kind == _SPS:
            number, found = _read_sequence_set(bits)
            self._sets[number & 31] = found
        elif unit.kind == _PPS:
            self._sets_of_pictures[bits.exp_golomb() & 255] = bits.exp_golomb() & 31

    def _note_slice(self, unit: Unit) -> bool:
        bits = _Bits(unit.head)
        bits.exp_golomb()  # first_mb_in_slice
        bits.exp_golomb()  # slice_type
        number = self._sets_of_pictures.get(bits.exp_golomb())
        known = self._sets.get(number) if number is not None else None
        if known is None:
            return True
        bits.take(known.plane_bits)
        frame_num = bits.take(known.number_bits)
        last, wrap = self._last, 1 << known.number_bits
        if unit.is_reference:
            self._last = frame_num
        if unit.kind == _IDR_SLICE or last is None or known.gaps_allowed:
            return True
        # Equal ones are fields of one frame.
        return frame_num in (last, (last + 1) % wrap)


class _SequenceSet(NamedTuple):
    """What a sequence parameter set says of slice headers."""

    number_bits: int
    plane_bits: int
    gaps_allowed: bool


class _EndOfBitsError(Exception):
    """A unit is shorter than its fields are."""


class _Bits:
    """Reads a unit's fields (7.2, 9.1)."""

    def __init__(self, data: bytes) -> None:
        plain = data.replace(b'\x00\x00\x03', b'\x00\x00')  # what keeps it free of start codes
        self._value, self._left = int.from_bytes(plain, 'big'), 8 * len(plain)

    def take(self, count: int) -> int:
        """So many bits as a number."""
        if count > self._left:
            raise _EndOfBitsError
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """An unsigned number of variable length."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise _EndOfBitsError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """A signed number of variable length."""
        value = self.exp_golomb()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def _read_sequence_set(bits: _Bits) -> tuple[int, _SequenceSet]:
    """Number and content of a sequence parameter set (7.3.2.1.1)."""
    profile = bits.take(8)
    bits.take(16)  # constraints, level
    number, plane_bits = bits.exp_golomb(), 0
    if profile in _HIGH_PROFILES:
        chroma = bits.exp_golomb()
        if chroma == 3:
            plane_bits = 2 * bits.take(1)
        bits.exp_golomb()  # depth of luma
        bits.exp_golomb()  # depth of chroma
        bits.take(1)
        if bits.take(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    number_bits = min(bits.exp_golomb() + 4, 16)
    order = bits.exp_golomb()
    if order == 0:
        bits.exp_golomb()
    elif order == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.exp_golomb(), _MOST_REFERENCES_IN_CYCLE)):
            bits.signed()
    bits.exp_golomb()  # number of reference frames
    return number, _SequenceSet(number_bits, plane_bits, bool(bits.take(1)))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last
