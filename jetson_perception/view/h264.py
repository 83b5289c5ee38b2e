"""Encodes pictures as H.264 by PyAV, on hardware where that can be opened, else on the CPU."""

from __future__ import annotations

import functools
import logging
import struct
from contextlib import suppress
from fractions import Fraction
from typing import Any, NamedTuple

import cv2
import numpy as np

log = logging.getLogger(__name__)

HARDWARE = ('h264_nvenc', 'h264_nvmpi', 'h264_v4l2m2m')
"""Encoders that cost no processor time: NVIDIA's, Jetsons' by jetson-ffmpeg, and V4L2's."""
SOFTWARE = ('libx264', 'libopenh264')

MOST_SIDE = 4096
"""Pixels of a side that browsers and encoders on hardware take."""
LEAST_SIDE = 16

HEADER = struct.Struct('>B3sq')
"""Before each picture: 1 if it needs none before it, else 0; then, as the page has to know them,
profile, constraints and level, and the stamp in microseconds. No file begins so."""

#: Those of OpenCV's conversion; browsers would take others for pictures of 720 lines and more.
_SMPTE170M = 6
_LIMITED = 1
#: Pictures from one that needs none before it to the next.
_GROUP = 600
_RATE = 30
_SEQUENCE = 7
_TRIED_WH = (320, 240)


class EncodingError(Exception):
    """Pictures cannot be encoded; the text says why."""


class Encoded(NamedTuple):
    """A picture that was encoded, behind its `HEADER`."""

    data: bytes
    stamp_ns: int


@functools.cache
def found_encoder() -> str:
    """The name of the first encoder that encodes here; empty without one, or without PyAV.

    It is tried, which takes a moment: builds of FFmpeg have encoders for hardware that is not
    there.
    """
    for name in HARDWARE + SOFTWARE:
        with suppress(EncodingError):
            tried = H264Encoder(name, _TRIED_WH)
            tried.encode(np.zeros((*_TRIED_WH[::-1], 3), np.uint8), 0)
            where = 'on hardware' if name in HARDWARE else 'on the CPU'
            log.info('H.264 for the live view is encoded by %s, %s', name, where)
            return name
    return ''


class H264Encoder:
    """Encodes pictures of one size; the first one needs none before it.

    Parameters
    ----------
    name : str
        FFmpeg's name of the encoder.
    size_wh : (int, int)
        Of the pictures.
    quality : int
        As x264 has it: 0 is the best, 51 the worst.

    Raises
    ------
    EncodingError
        Without PyAV, where the encoder cannot be used here, or not for this size.
    """

    def __init__(self, name: str, size_wh: tuple[int, int], quality: int = 23) -> None:
        width, height = (side // 2 * 2 for side in size_wh)
        if not LEAST_SIDE <= min(size_wh) <= max(size_wh) <= MOST_SIDE:
            raise EncodingError(
                f'{size_wh[0]}×{size_wh[1]}: H.264 has sides of {LEAST_SIDE} to {MOST_SIDE} pixels'
            )
        self._size_wh = width, height
        self._stamps_ns: dict[int, int] = {}
        self._count = 0
        self._profile = b''
        try:
            import av
        except ImportError:
            raise EncodingError('PyAV is not installed: `pip install av`') from None
        self._av: Any = av
        try:
            self._context: Any = _opened(av, name, self._size_wh, quality)
        # Old PyAVs lack attributes; they raise ValueError for encoders that FFmpeg has not.
        except (AttributeError, TypeError, ValueError, OSError, av.FFmpegError) as error:
            raise EncodingError(f'{name} cannot be opened: {error}') from error

    def encode(self, bgr: np.ndarray[Any, Any], stamp_ns: int) -> list[Encoded]:
        """Encode a picture (height, width, 3), whose odd last row and column are left out.

        What comes out may be an earlier one, or nothing yet.

        Raises
        ------
        EncodingError
            When the encoder fails.
        """
        width, height = self._size_wh
        if (bgr.shape[1] // 2 * 2, bgr.shape[0] // 2 * 2) != self._size_wh:
            raise EncodingError(f'{bgr.shape[:2]} pixels; expected {(height, width)}')
        try:
            yuv = cv2.cvtColor(bgr[:height, :width], cv2.COLOR_BGR2YUV_I420)
            frame: Any = self._av.VideoFrame.from_ndarray(yuv, format='yuv420p')
            # Stamps may stand still or go back, which encoders refuse.
            frame.pts = self._count
            frame.time_base = Fraction(1, _RATE)
            self._stamps_ns[self._count] = stamp_ns
            self._count += 1
            return [self._told(packet) for packet in self._context.encode(frame)]
        except (OSError, ValueError, cv2.error, self._av.FFmpegError) as error:
            raise EncodingError(f'the encoder failed: {error}') from error

    def _told(self, packet: Any) -> Encoded:
        data = bytes(packet)
        if packet.is_keyframe:
            if profile_in(data) is None:
                data = bytes(self._context.extradata or b'') + data
            found = profile_in(data)
            if found is None:
                raise EncodingError('the encoder does not say what it encodes')
            self._profile = found
        stamp_ns = self._stamps_ns.pop(packet.pts, 0)
        header = HEADER.pack(bool(packet.is_keyframe), self._profile, stamp_ns // 1000)
        return Encoded(header + data, stamp_ns)


def profile_in(data: bytes) -> bytes | None:
    """Profile, constraints and level of the sequence that begins in an H.264 stream, if any."""
    at = data.find(b'\0\0\1')
    while 0 <= at < len(data) - 6:
        if data[at + 3] & 0x1F == _SEQUENCE:
            return data[at + 4 : at + 7]
        at = data.find(b'\0\0\1', at + 3)
    return None


def _opened(av: Any, name: str, size_wh: tuple[int, int], quality: int) -> Any:
    context = av.CodecContext.create(name, 'w')
    context.width, context.height = size_wh
    context.pix_fmt = 'yuv420p'
    context.time_base = Fraction(1, _RATE)
    context.framerate = Fraction(_RATE)
    context.gop_size = _GROUP
    context.max_b_frames = 0
    context.thread_count = 1  # the rest is the robot's
    context.colorspace, context.color_range = _SMPTE170M, _LIMITED
    context.options = {
        'libx264': {
            'preset': 'ultrafast',
            'tune': 'zerolatency',
            'profile': 'baseline',
            'crf': str(quality),
        },
        'h264_nvenc': {
            'preset': 'p1',
            'tune': 'ull',
            'profile': 'baseline',
            'rc': 'vbr',
            'cq': str(quality),
            'delay': '0',
        },
    }.get(name, {})
    # The others know no quality: a tenth of a bit for each pixel, a half for each six steps.
    bits = size_wh[0] * size_wh[1] * _RATE / 10 * 2 ** ((23 - quality) / 6)
    context.bit_rate = 0 if context.options else round(bits)
    context.open()
    return context
