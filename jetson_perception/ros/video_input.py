"""Decodes the packets of a video topic in a thread of its own, and makes frames of pictures."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.errors import ImageError, PerceptionError
from jetson_perception.images.video_stream import VideoPacket, VideoStream, is_keyframe
from jetson_perception.pipeline import Frame
from jetson_perception.pipeline.activity import Activity, WatchedThread, join_until
from jetson_perception.pipeline.frame_queue import QueuedSlot
from jetson_perception.printable import counted, printable
from jetson_perception.ros.image_messages import stamp_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from rclpy.impl.rcutils_logger import RcutilsLogger
    from std_msgs.msg import Header

#: How many packets, and of how many bytes in all, may wait to be decoded.
MOST_WAITING = 60
_MOST_WAITING_BYTES = 64 << 20
KEYFRAME_PATIENCE_S = 3.0
"""How long packets may come without a keyframe until that is worth a warning."""

_END_S = 1.0
_LOG_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class _Origin:
    """Whence a packet came, and when."""

    header: Header
    age_ms: float | None
    received_ns: int


class _PacketQueue(QueuedSlot[VideoPacket]):
    """Gives every packet in order; one that has no room comes back."""

    def _add(self, item: VideoPacket) -> VideoPacket | None:
        waiting_bytes = sum(len(packet.data) for packet in self._items)
        full = len(self._items) >= MOST_WAITING or (
            self._items and waiting_bytes + len(item.data) > _MOST_WAITING_BYTES
        )
        if full:
            return item
        self._items.append(item)
        return None


class VideoInput:
    """Packets in, frames out: every packet is decoded, and lanes take the newest picture.

    Where decoding falls behind, all that waits is skipped, up to the next keyframe.

    Parameters
    ----------
    name : str
        The topic's, for the log and in frames.
    max_image_pixels : int
        The most that a picture may have.
    offer : callable
        Takes a frame; called in the decoder's thread, as `reject` is mostly.
    reject : callable
        Called as reject(header, error) for a packet that comes to no frame; the error is None
        where only an earlier one is to blame.
    logger : rclpy logger
        Of the node.
    """

    def __init__(
        self,
        name: str,
        max_image_pixels: int,
        offer: Callable[[Frame], None],
        reject: Callable[[Header, ImageError | None], None],
        logger: RcutilsLogger,
    ) -> None:
        self._name = name
        self._max_image_pixels = max_image_pixels
        self._offer = offer
        self._reject = reject
        self._logger = logger
        self._queue = _PacketQueue()
        self._stream: VideoStream | None = None
        #: Since when packets come and no keyframe; None while pictures come.
        self._waiting_since_s: float | None = None
        #: When each reason for waiting was logged last.
        self._said_s: dict[str, float] = {}
        self._is_skipping = False
        self._activity = Activity('the video decoder')
        self._thread = WatchedThread(self._run, 'video decoder', self._activity)
        self._thread.start()

    def put(self, packet: VideoPacket, header: Header, age_ms: float | None) -> None:
        """Hand a packet to the decoder, without waiting for it.

        Parameters
        ----------
        packet : VideoPacket
        header : Header
            Of its picture.
        age_ms : float or None
            How old the picture is, as `Frame` has it.
        """
        packet.tag = _Origin(header, age_ms, time.monotonic_ns())
        if self._is_skipping:
            if not is_keyframe(packet):
                self._reject(header, None)
                return
            self._is_skipping, packet.after_gap = False, True
        if self._queue.put(packet) is not None:
            self._skip(packet)

    def _skip(self, packet: VideoPacket) -> None:
        """Skip all that waits, as there is no room for a packet."""
        skipped = 0
        while (waiting := self._queue.poll()) is not None:
            self._reject(waiting.tag.header, None)
            skipped += 1
        self._logger.warning(
            f'decoding the video on {printable(self._name)} takes longer than its frames come: '
            f'skipped {counted(skipped, "packet")}, and those to the next keyframe; have the '
            'sender lower its rate or size',
            throttle_duration_sec=_LOG_EVERY_S,
        )
        self._is_skipping = not is_keyframe(packet)
        packet.after_gap = True
        if self._is_skipping or self._queue.put(packet) is not None:
            self._reject(packet.tag.header, None)

    def silence(self) -> str:
        """Why no frame comes although packets do; empty while frames come."""
        since_s = self._waiting_since_s
        if since_s is None or time.monotonic() - since_s < KEYFRAME_PATIENCE_S:
            return ''
        return (
            f'packets come on {printable(self._name)}, but no keyframe for '
            f'{time.monotonic() - since_s:.0f} s: set a shorter distance between keyframes in '
            'the sender (gop_size)'
        )

    def close(self) -> None:
        """End the thread; packets that wait are skipped."""
        self._queue.close()
        if join_until([self._thread], time.monotonic() + _END_S):
            self._logger.warning(f'{self._activity.who} has not ended; it is left behind')

    def _run(self) -> None:
        while (packet := self._queue.take()) is not None:
            self._activity.begin('a video packet')
            try:
                pictures = self._decode(packet)
            except Exception as error:  # noqa: BLE001 - the next packet may well do
                self._fail(packet.tag.header, error)
            else:
                for bgr, origin in pictures:
                    if origin is not None:
                        self._offer(self._frame(bgr, origin, packet.codec))
            self._activity.end()

    def _decode(self, packet: VideoPacket) -> list[tuple[NDArray[np.uint8], _Origin | None]]:
        if self._stream is None or self._stream.codec != packet.codec:
            self._stream = VideoStream(packet.codec, self._max_image_pixels)
            waited_for = ''
        else:
            waited_for = self._stream.waiting
        pictures = self._stream.decode(packet)
        reason = self._stream.waiting
        if reason and not waited_for:
            self._say(reason)
        if reason and not pictures:
            self._reject(packet.tag.header, None)
        self._note_waiting(bool(reason))
        return pictures

    def _say(self, reason: str) -> None:
        """Log why pictures are skipped, each reason now and then."""
        now_s = time.monotonic()
        if now_s - self._said_s.get(reason, -math.inf) >= _LOG_EVERY_S:
            self._said_s[reason] = now_s
            self._logger.warning(
                f'video on {printable(self._name)}: {reason}; waiting for the next keyframe'
            )

    def _fail(self, header: Header, error: Exception) -> None:
        self._note_waiting(True)
        if isinstance(error, ImageError):
            self._reject(header, error)
            return
        said = str(error) if isinstance(error, PerceptionError) else repr(error)
        self._reject(header, ImageError(f'video cannot be decoded: {printable(said)}'))

    def _note_waiting(self, waiting: bool) -> None:
        if not waiting:
            self._waiting_since_s = None
        elif self._waiting_since_s is None:
            self._waiting_since_s = time.monotonic()

    def _frame(self, bgr: NDArray[np.uint8], origin: _Origin, codec: str) -> Frame:
        frame = Frame(lambda: bgr, origin.header, origin.age_ms)
        frame.received_ns, frame.stamp_ns = origin.received_ns, stamp_ns(origin.header)
        frame.input_name, frame.encoding = self._name, codec
        return frame
