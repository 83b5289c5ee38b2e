"""What the outermost layer of a video file says about its length: AVI, MP4 and Matroska.

OpenCV tells a number of frames for every file, but for many it is a guess: the duration times a
rate that nobody recorded. Whether a file was cut off is told by its sizes alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.errors import SourceError
from jetson_perception.files.foreign_files import open_foreign_file

if TYPE_CHECKING:
    from pathlib import Path

_MOST_PARTS = 10_000  # a fragmented MP4 has two every second or so
_EBML = b'\x1a\x45\xdf\xa3'
_SEGMENT = b'\x18\x53\x80\x67'


@dataclass(frozen=True, slots=True)
class VideoContainer:
    """What a file's container says.

    Attributes
    ----------
    cut_off : bool
        Whether bytes are missing at the end.
    counts_frames : bool
        Whether the number of frames that it tells is that of those to be shown: no guess, and not
        with those that an edit list of an MP4 leaves out.
    """

    cut_off: bool = False
    counts_frames: bool = False


def read_video_container(path: Path) -> VideoContainer:
    """What the container of a file says; nothing for one that is not known here.

    Raises
    ------
    SourceError
        When the file can no longer be read.
    """
    with open_foreign_file(path, what='video', error=SourceError) as file:
        try:
            return _read(file, os.fstat(file).st_size)
        except OSError as err:
            raise SourceError(f'the video cannot be read: {err.strerror}') from err


def _read(file: int, size: int) -> VideoContainer:
    head = os.pread(file, 12, 0)
    if head[:4] == b'RIFF':
        return VideoContainer(_riff_end(file, size) > size, counts_frames=True)
    if head[:4] == _EBML:
        return VideoContainer(_segment_end(file) > size)
    if head[4:8] in (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip'):
        return VideoContainer(_boxes_end(file, size) > size)
    return VideoContainer()


def _riff_end(file: int, size: int) -> int:
    """Where the last RIFF list ends; large files have several. 0 where its size is not set."""
    end = 0
    for _ in range(_MOST_PARTS):
        head = os.pread(file, 8, end)
        length = int.from_bytes(head[4:8], 'little')
        if head[:4] != b'RIFF' or length in (0, 0xFFFFFFFF):
            break
        end += 8 + length
        if end > size:
            break
        end += length % 2
    return end


def _boxes_end(file: int, size: int) -> int:
    """Where the last box of an MP4 ends."""
    end = 0
    for _ in range(_MOST_PARTS):
        head = os.pread(file, 16, end)
        length, kind = int.from_bytes(head[:4], 'big'), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], 'big')
        if length < 8 or not kind.isalnum():  # to the end of the file, or what is no box
            break
        end += length
        if end >= size:
            break
    return end


def _segment_end(file: int) -> int:
    """Where a Matroska's one segment ends; 0 where it was written without knowing."""
    position = 4
    for name in (b'', _SEGMENT):
        head = os.pread(file, len(name) + 8, position)
        if not head.startswith(name) or len(head) == len(name):
            return 0
        digits = head[len(name) :]
        width = 9 - digits[0].bit_length()
        mask = (1 << 7 * width) - 1
        length = int.from_bytes(digits[:width], 'big') & mask
        if width > 8 or length == mask:
            return 0
        position += len(name) + width + length
    return position
