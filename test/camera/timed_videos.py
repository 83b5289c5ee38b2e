"""Videos whose frames have times of their own, as OpenCV writes none."""

from __future__ import annotations

import struct
from itertools import pairwise

import cv2

#: The size of a Matroska element that was written before anybody knew it.
UNKNOWN = b'\x01' + b'\xff' * 7


def write_matroska(path, pictures, times_ms, *, lasts_ms=None, size_known=True):
    """A Matroska or WebM of JPEGs that says no frame rate, as browsers record.

    `lasts_ms` is the duration that it tells; `size_known=False` is for a file that was streamed.
    """
    height, width = pictures[0].shape[:2]
    video = _element(0xE0, _number(0xB0, width) + _number(0xBA, height))
    track = _number(0xD7, 1) + _number(0x73C5, 1) + _number(0x83, 1) + _element(0x86, b'V_MJPEG')
    info = _number(0x2AD7B1, 1_000_000)
    if lasts_ms is not None:
        info += _element(0x4489, struct.pack('>d', lasts_ms))
    head = _element(0x4282, b'matroska') + _number(0x4287, 2) + _number(0x4285, 2)
    segment = _element(0x1549A966, info) + _element(0x1654AE6B, _element(0xAE, track + video))
    for picture, time_ms in zip(pictures, times_ms, strict=True):
        block = (
            b'\x81' + struct.pack('>h', 0) + b'\x80' + cv2.imencode('.jpg', picture)[1].tobytes()
        )
        segment += _element(0x1F43B675, _number(0xE7, time_ms) + _element(0xA3, block))
    length = _size(len(segment)) if size_known else UNKNOWN
    path.write_bytes(_element(0x1A45DFA3, head) + b'\x18\x53\x80\x67' + length + segment)
    return path


def set_mp4_times(path, times_ms):
    """Give the frames of an MP4 of OpenCV, whose index stands at its end, times of their own."""
    content = path.read_bytes()
    place = content.index(b'moov') - 4
    moov = _with_times(content[place:], times_ms)
    path.write_bytes(content[:place] + moov)
    return path


def _with_times(box, times_ms):
    """A box, and what is in it, with the times in ticks of its media's clock (mdhd)."""
    place = box.index(b'mdhd')
    ticks_hz = struct.unpack('>I', box[place + 16 : place + 20])[0]
    gaps_ms = [after - before for before, after in pairwise(times_ms)]
    gaps = [round(gap_ms * ticks_hz / 1000) for gap_ms in [*gaps_ms, gaps_ms[-1]]]
    entries = b''.join(struct.pack('>II', 1, gap) for gap in gaps)
    times = struct.pack('>II', 0, len(gaps)) + entries
    box = box[: place + 20] + struct.pack('>I', sum(gaps)) + box[place + 24 :]
    return _replaced(box, [b'moov', b'trak', b'mdia', b'minf', b'stbl', b'stts'], times)


def _replaced(box, names, content):
    """`box` with the content of the box that the names lead to."""
    place = box.index(names[0]) - 4
    length = struct.unpack('>I', box[place : place + 4])[0]
    inner = box[place + 8 : place + length]
    if len(names) > 1:
        content = _replaced(inner, names[1:], content)
    new = struct.pack('>I', len(content) + 8) + names[0] + content
    return box[:place] + new + box[place + length :]


def _element(name, content):
    return name.to_bytes((name.bit_length() + 7) // 8, 'big') + _size(len(content)) + content


def _number(name, value):
    return _element(name, value.to_bytes(4, 'big'))


def _size(length):
    return (length | 1 << 56).to_bytes(8, 'big')
