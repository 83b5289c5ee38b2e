"""The packets of a video file or stream, not decoded, read by PyAV."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.errors import SourceError
from jetson_perception.images.video_colors import FULL_RANGE
from jetson_perception.images.video_stream import video_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANNEX_B = b'\0\0\1', b'\0\0\0\1'
#: Containers whose frames have no times of their own, or others than OpenCV takes them for.
_UNTIMED = frozenset({'avi', 'h264', 'hevc'})
_FULL_RANGE_FORMAT = 'yuvj420p'


class PyavError(SourceError):
    """PyAV is missing, or cannot read a video that another FFmpeg, as OpenCV's, may read."""


class TimedPacket(NamedTuple):
    """The compressed data of one picture.

    Attributes
    ----------
    data : bytes
        In Annex B's format.
    time_ms : float or None
        When it is shown, after the video's beginning; None where nobody says.
    hidden : bool
        Whether others refer to it, but it is not to be shown.
    arrived_ns : int
        When it was read, nanoseconds since the epoch.
    """

    data: bytes
    time_ms: float | None
    hidden: bool
    arrived_ns: int


class VideoPackets:
    """Packets of the first video in a file or stream; from one thread at a time.

    Parameters
    ----------
    name : str
        What FFmpeg opens; it may have a password, which no error repeats.
    options : dict of str, optional
        For FFmpeg.
    timeout_s : tuple of float, optional
        How long a server may take to answer, and then for each packet.

    Raises
    ------
    PyavError
        When PyAV is not installed, or its FFmpeg makes nothing of what is there.
    SourceError
        When a server cannot be reached, refuses the stream or is silent, or a file cannot be read:
        no other FFmpeg would do better.

    Attributes
    ----------
    codec : str
        FFmpeg's name: 'h264', 'hevc', 'mjpeg'.
    size_wh : tuple of int
        Width and height of its pictures.
    pixel_format : str
        The same of the pixels: 'yuv420p'.
    matrix, color_range : int
        FFmpeg's numbers; see `images.video_colors`.
    reordered : bool
        Whether pictures may be shown in another order than they come in.
    """

    def __init__(
        self,
        name: str,
        options: dict[str, str] | None = None,
        timeout_s: tuple[float, float] | None = None,
    ) -> None:
        problem = video_problem()
        if problem:
            raise PyavError(problem)
        import av
        from av.bitstream import BitStreamFilterContext

        self._lost = 'it is damaged' if timeout_s is None else 'the server sent nothing'
        of_ffmpeg = av.error
        self._errors = of_ffmpeg.FFmpegError, OSError
        # What lies with a server or a disk. Silence is invalid data to FFmpeg: so time tells.
        elsewhere = OSError, EOFError, of_ffmpeg.HTTPClientError, of_ffmpeg.HTTPServerError
        until_s = time.monotonic() + (min(timeout_s) if timeout_s else math.inf)
        try:
            self._container: Any = av.open(name, options=options or {}, timeout=timeout_s)
        except self._errors as error:
            is_elsewhere = isinstance(error, elsewhere) or time.monotonic() > until_s
            kind = SourceError if is_elsewhere else PyavError
            raise kind(f'FFmpeg cannot open it ({type(error).__name__})') from None
        try:
            if not self._container.streams.video:
                raise PyavError('it has no video')
            stream = self._container.streams.video[0]
            context = stream.codec_context
            if context is None:
                raise PyavError("its codec is none that PyAV's FFmpeg decodes")
            self.codec: str = context.name
            self.size_wh = int(context.width), int(context.height)
            # Of unknown pixels, `context.pix_fmt` of PyAV 17 ends the process, by a null pointer.
            pixels = context.format
            self.pixel_format: str = pixels.name if pixels is not None else 'unknown'
            self.matrix = int(context.colorspace)
            is_full = self.pixel_format == _FULL_RANGE_FORMAT
            self.color_range = FULL_RANGE if is_full else int(context.color_range)
            self.reordered = bool(context.has_b_frames)
            self._filter: Any = None
            if self.codec in ('h264', 'hevc'):
                self._filter = BitStreamFilterContext(f'{self.codec}_mp4toannexb', stream)
            # Streams may say these in their description alone.
            sets = bytes(context.extradata or b'')
            self._sets = sets if sets.startswith(_ANNEX_B) else b''
            tick_s = stream.time_base
            if tick_s is None:
                raise PyavError('it does not say what its times are counted in')
            self._tick_s = tick_s.numerator / tick_s.denominator
            self._begin = stream.start_time or 0
            self._packets: Iterator[Any] = self._container.demux(stream)
            self._filtered: list[Any] = []
        except self._errors as error:
            self._container.close()
            raise PyavError(f'its description is damaged ({type(error).__name__})') from None
        except BaseException:
            self._container.close()
            raise

    @property
    def timed(self) -> bool:
        """Whether frames have times of their own, by the kind of container."""
        return not _UNTIMED & set(self._container.format.name.split(','))

    def read(self) -> TimedPacket | None:
        """The next packet; None after the last, and where a file is damaged beyond that.

        Raises
        ------
        SourceError
            When a server sends nothing in time, or ends the stream.
        """
        while not self._filtered:
            try:
                packet = next(self._packets, None)
                if packet is None:
                    return None
                # The last, without data, is FFmpeg's sign to give what it still has.
                self._filtered = list(self._filter.filter(packet if packet.size else None))
            except self._errors as error:
                raise SourceError(f'{self._lost}: no packet ({type(error).__name__})') from None
        packet = self._filtered.pop(0)
        time_ms = None
        if packet.pts is not None:
            time_ms = (packet.pts - self._begin) * self._tick_s * 1000
        data, self._sets = self._sets + bytes(packet), b''
        return TimedPacket(data, time_ms, bool(packet.is_discard), time.time_ns())

    def close(self) -> None:
        """Close it; may be called twice."""
        self._packets = iter(())
        self._container.close()
