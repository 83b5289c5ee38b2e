"""Decodes the packets of a video topic, H.264 or H.265, into images by PyAV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2

from jetson_perception.errors import ImageError, PerceptionError
from jetson_perception.images import video_units
from jetson_perception.images.encodings import require_pixels
from jetson_perception.printable import printable, quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The first that converts colors as the stream names them; older FFmpegs hide lost H.265 pictures.
_OLDEST_PYAV = 17
_MOST_UNDER_WAY = 64
_MOST_SET_BYTES = 1 << 16
#: FFmpeg's numbers of color spaces and ranges that OpenCV converts from: BT.601 or not said,
#: 16 to 235 or not said.
_BT601 = frozenset({2, 5, 6})
_LIMITED = frozenset({0, 1})


@dataclass(eq=False, slots=True)
class VideoPacket:
    """The compressed data of one picture.

    Attributes
    ----------
    data : bytes
        In Annex B's format.
    codec : str
        'h264' or 'hevc'.
    tag : object
        Comes back with the picture.
    after_gap : bool
        Whether packets before it were left out.
    """

    data: bytes
    codec: str
    tag: Any = None
    after_gap: bool = False


def codec_of(named: str) -> str:
    """The codec that an encoder or format means: 'h264' or 'hevc'.

    Raises
    ------
    ImageError
        When it is another one.
    """
    lower = named.lower()
    if 'h264' in lower or 'x264' in lower or 'h.264' in lower or 'avc' in lower.split('_'):
        return 'h264'
    if 'h265' in lower or 'x265' in lower or 'h.265' in lower or 'hevc' in lower:
        return 'hevc'
    raise ImageError(
        f'video is {quoted(named, 40)}; H.264 and H.265 are supported: set the encoder to one of '
        'them'
    )


def is_keyframe(packet: VideoPacket) -> bool:
    """Whether decoding can begin with a packet."""
    h265 = packet.codec == 'hevc'
    return video_units.is_keyframe(video_units.units(packet.data, h265=h265), h265=h265)


def video_problem() -> str:
    """Why no video can be decoded here; empty when it can."""
    way = f"pip install 'av>={_OLDEST_PYAV}'"
    try:
        import av
    except ImportError as err:
        return f'decoding video needs PyAV ({printable(err, 100)}): {way}'
    major = av.__version__.partition('.')[0]
    if not major.isdecimal() or int(major) < _OLDEST_PYAV:
        return f'decoding video needs PyAV {_OLDEST_PYAV}, and {av.__version__} is here: {way}'
    return ''


class VideoStream:
    """Decodes packets in their order; from one thread at a time.

    It begins with a keyframe, and goes on with the next one after a packet that was lost or could
    not be decoded: what comes between refers to pictures that are not there.

    Parameters
    ----------
    codec : str
        'h264' or 'hevc'.
    max_image_pixels : int
        The most that a picture may have.

    Raises
    ------
    PerceptionError
        When PyAV is not installed.
    """

    def __init__(self, codec: str, max_image_pixels: int) -> None:
        problem = video_problem()
        if problem:
            raise PerceptionError(problem)
        import av

        self._av = av
        self.codec = codec
        self._h265 = codec == 'hevc'
        self._max_image_pixels = max_image_pixels
        self._context: Any = av.CodecContext.create(codec, 'r')
        # FFmpeg's own threads hold pictures back or gain next to nothing here; and one that logs
        # waits for the interpreter, whose lock is held while a context with threads is freed.
        self._context.thread_count = 1
        self._context.options = {'max_pixels': str(max_image_pixels)}
        if self._h265:  # else FFmpeg drops what refers to missing pictures, and does not say so
            self._context.options |= {'flags': 'output_corrupt'}
        self._numbers = video_units.PictureNumbers()
        #: Parameter sets that came by themselves.
        self._sets = b''
        self._count = 0
        self._tags: dict[int, Any] = {}
        #: Why it waits for a keyframe; empty while it decodes.
        self.waiting = 'the stream had begun before'

    def decode(self, packet: VideoPacket) -> list[tuple[NDArray[np.uint8], Any]]:
        """The pictures that a packet completes, shape (h, w, 3) in bgr8, each with its tag.

        Mostly one; none while it waits for a keyframe, and where pictures are reordered.

        Raises
        ------
        ImageError
            When it cannot be decoded; then it waits for the next keyframe.
        """
        if packet.after_gap:
            self.waiting = 'packets were left out'
        found = video_units.units(packet.data, h265=self._h265)
        if not found:
            raise self._broken('is not in the format of Annex B, or empty')
        if self._is_left_out(found):
            return []
        if not video_units.has_picture(found, h265=self._h265):
            # FFmpeg would miss a picture; encoders repeat the sets, so that the newest will do.
            self._sets = packet.data if len(packet.data) <= _MOST_SET_BYTES else b''
            return []
        data, self._sets = self._sets + packet.data, b''
        self._count += 1
        self._tags[self._count] = packet.tag
        if len(self._tags) > _MOST_UNDER_WAY:
            del self._tags[next(iter(self._tags))]
        encoded = self._av.Packet(data)
        encoded.pts = encoded.dts = self._count
        try:
            frames = self._context.decode(encoded)
        except (self._av.FFmpegError, ValueError, MemoryError) as err:
            raise self._broken(
                f'is damaged, or has more than {self._max_image_pixels} pixels '
                f'({printable(err, 100)})'
            ) from err
        if any(frame.is_corrupt for frame in frames):
            raise self._broken('is damaged, or refers to one that was lost')
        return [self._picture(frame) for frame in frames]

    def _is_left_out(self, found: list[video_units.Unit]) -> bool:
        """Whether to wait for a keyframe instead of decoding these units."""
        if not video_units.has_picture(found, h265=self._h265):
            self._numbers.follows(found)
            return False
        is_key = video_units.is_keyframe(found, h265=self._h265)
        if self.waiting and not is_key:
            return True
        if self.waiting:
            self.waiting = ''
            self._tags.clear()
            self._context.flush_buffers()
            self._numbers.restart()
        if not self._h265 and not self._numbers.follows(found):
            self.waiting = 'a packet was lost'
            return True
        return False

    def _broken(self, how: str) -> ImageError:
        self.waiting = 'a packet could not be decoded'
        return ImageError(f'packet of {self.codec} video {how}; waiting for the next keyframe')

    def _picture(self, frame: Any) -> tuple[NDArray[np.uint8], Any]:
        require_pixels(frame.height, frame.width, self._max_image_pixels)
        even = not (frame.width % 2 or frame.height % 2)
        if (
            even
            and frame.format.name == 'yuv420p'
            and int(frame.colorspace) in _BT601
            and int(frame.color_range) in _LIMITED
        ):  # OpenCV takes a third of the time that FFmpeg's scaler takes
            yuv = frame.to_ndarray(format='yuv420p')
            bgr: NDArray[np.uint8] = cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR_I420)
        else:
            bgr = frame.to_ndarray(format='bgr24')
        return bgr, self._tags.pop(frame.pts, None)
