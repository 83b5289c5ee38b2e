"""Raw video as GStreamer describes it in caps, and as it lies in memory."""

from __future__ import annotations

import re
from typing import NamedTuple

from jetson_perception.images.encodings import array_shape, memory_layout

#: GStreamer's names of formats, and ROS's; BGR, which all others become, first.
_ENCODINGS = {
    'BGR': 'bgr8',
    'RGB': 'rgb8',
    'GRAY8': 'mono8',
    'NV12': 'nv12',
    'NV21': 'nv21',
    'YUY2': 'yuv422_yuy2',
    'UYVY': 'uyvy',
}
_BGR = 'video/x-raw,format=BGR'
_CAPS = re.compile(r'\bcaps = .*video/x-raw')
_FORMAT = re.compile(r'\bformat\W+string\W+([A-Za-z0-9_]{1,16})\b')
_SIDES = re.compile(r'\b(width|height)\W+int\W+([0-9]{1,6})\b')


class RawVideo(NamedTuple):
    """The frames of a stream.

    Attributes
    ----------
    size_wh : tuple of int
        Width and height, pixels.
    format : str
        As GStreamer calls it; empty where it is not told.
    """

    size_wh: tuple[int, int]
    format: str

    @property
    def encoding(self) -> str:
        """As ROS calls the format; empty if it has no name there, or we do not take it."""
        return _ENCODINGS.get(self.format, '')

    @property
    def rows(self) -> int:
        """Rows in memory."""
        width, height = self.size_wh
        return memory_layout(height, width, self.encoding)[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame as an array."""
        width, height = self.size_wh
        return array_shape(height, width, self.encoding)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row without padding."""
        width, height = self.size_wh
        return memory_layout(height, width, self.encoding)[1]

    @property
    def pitch_bytes(self) -> int:
        """Bytes from row to row: rows begin at multiples of four."""
        return (self.row_bytes + 3) & ~3

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame; 0 without an encoding."""
        return self.rows * self.pitch_bytes if self.encoding else 0


def bgr_video(size_wh: tuple[int, int]) -> RawVideo:
    """Frames of this size in BGR."""
    return RawVideo(size_wh, 'BGR')


def wanted_caps(*, native: bool) -> str:
    """Caps of the formats that frames may have: BGR, or what the pipeline gives if it is known.

    Frames of two chroma samples a pixel's square are taken as they are only at even sizes.
    """
    if not native:
        return _BGR
    even = 'width=[2,32768,2],height=[2,32768,2]'
    return f'video/x-raw,format={{{",".join(_ENCODINGS)}}},{even};{_BGR}'


def video_of_caps(line: str) -> RawVideo | None:
    """The frames that a line of `gst-launch-1.0 -v` tells of, if it has their size.

    Examples
    --------
    >>> video_of_caps('…: caps = video/x-raw, format=(string)NV12, width=(int)8, height=(int)6')
    RawVideo(size_wh=(8, 6), format='NV12')
    """
    if not _CAPS.search(line):
        return None
    sides = {name: int(value) for name, value in _SIDES.findall(line)}
    if len(sides) < 2:
        return None
    found = _FORMAT.search(line)
    return RawVideo((sides['width'], sides['height']), found[1] if found else '')
