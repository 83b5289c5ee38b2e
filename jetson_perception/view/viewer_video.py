"""The H.264 of one viewer: each picture needs those before it, so nobody can join another's."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.view.h264 import HARDWARE, EncodingError, H264Encoder, found_encoder
from jetson_perception.view.reducing import LEVELS, shrunk
from jetson_perception.view.robot import Picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.view.h264 import Encoded

log = logging.getLogger(__name__)

CONTENT_TYPE = 'video/h264'
WISHES = ('h264', 'automatic')
"""What a page may ask for: H.264 by any encoder, or by one on hardware alone."""
MOST_VIDEOS = 8
"""Viewers with an encoder at once; encoders on hardware allow few."""

#: As x264 has it, by the level that pictures are reduced to.
_QUALITIES = (23, 29, 29, 31)
#: Pictures of which nothing comes out before an encoder is given up.
_MOST_HELD = 8
#: Two cameras on one topic would open an encoder for each picture.
_MOST_OPENED, _OPENED_S = 6, 10.0


@functools.cache
def _thread() -> ThreadPoolExecutor:
    """One for all viewers, who get fewer pictures rather than the robot less of its cores."""
    return ThreadPoolExecutor(1, 'encoding')


@functools.lru_cache(16)
def _log(problem: str) -> None:
    """Log a problem, once."""
    log.warning('a viewer gets pictures as they are, not as H.264: %s', problem)


class Places:
    """Counts the viewers with an encoder: those whose stream has pictures."""

    def __init__(self) -> None:
        self._taken: set[ViewerVideo] = set()

    def take(self, video: ViewerVideo) -> bool:
        """Whether there is a place for a viewer, who has it from then on."""
        if video not in self._taken and len(self._taken) >= MOST_VIDEOS:
            return False
        self._taken.add(video)
        return True

    def leave(self, video: ViewerVideo) -> None:
        """Give the place to others, if the viewer has one."""
        self._taken.discard(video)


class ViewerVideo:
    """Encodes the pictures that one viewer gets; used in one asyncio loop.

    Pictures are skipped before they are encoded, never after. If something fails, which is
    logged, there is no more H.264, and the viewer gets pictures as they are.

    Parameters
    ----------
    wish : str
        One of `WISHES`; else there is no H.264.
    places : Places
        One of which is taken with the first picture, and left with the last.

    Attributes
    ----------
    encoder : str
        What encodes; empty if nothing does, or not yet.
    problem : str
        Why nothing does, for people; empty if it was not wished for.
    is_over : bool
        Whether pictures are to be sent as they are.
    """

    def __init__(self, wish: str, places: Places) -> None:
        self._places = places
        self.encoder = ''
        self.problem = ''
        self.is_over = wish not in WISHES
        self._any_encoder = wish == 'h264'
        self._encoder: H264Encoder | None = None
        #: What the encoder was opened for: size and level.
        self._opened_for: tuple[tuple[int, int], int] | None = None
        self._opened_s: deque[float] = deque(maxlen=_MOST_OPENED)
        self._encoded: deque[Encoded] = deque()
        self._held = 0

    async def encoded(self, picture: Picture, level: int) -> Picture | None:
        """The next picture for the viewer; None if there is none now, or no more: see `is_over`.

        What is None may have been damaged, or be held back by the encoder.
        """
        loop = asyncio.get_running_loop()
        if not self._places.take(self):
            self.give_up(f'{MOST_VIDEOS} viewers get H.264 already')
            return None
        try:
            # In order, whoever leaves meanwhile: the thread is one.
            await loop.run_in_executor(_thread(), self._encode, picture, level)
        except EncodingError as error:
            self.give_up(str(error))
            if self.problem:
                _log(self.problem)
        if not self._encoded:
            return None
        made = self._encoded.popleft()
        return Picture(made.data, CONTENT_TYPE, made.stamp_ns)

    def give_up(self, problem: str) -> None:
        """Encode no more."""
        self.is_over = True
        self.problem = problem
        self.encoder = ''
        self._encoder = None
        self._encoded.clear()
        self._places.leave(self)

    def _encode(self, picture: Picture, level: int) -> None:
        """Encode a picture, in the thread."""
        name = found_encoder()
        if not name:
            raise EncodingError('the robot has no encoder for H.264: `pip install av`')
        if not (self._any_encoder or name in HARDWARE):
            raise EncodingError('')  # as it should be: the processor has better things to do
        try:
            bgr = shrunk(
                decode_compressed(picture.data, picture.content_type, MAX_IMAGE_PIXELS),
                LEVELS[level],
            )
        except ImageError:
            return
        encoded = self._encoder_for(name, bgr, level).encode(bgr, picture.stamp_ns)
        self._held = 0 if encoded else self._held + 1
        if self._held > _MOST_HELD:
            raise EncodingError(f'{name} gives nothing out')
        self._encoded += encoded

    def _encoder_for(self, name: str, bgr: NDArray[np.uint8], level: int) -> H264Encoder:
        size_wh = bgr.shape[1], bgr.shape[0]
        if self._encoder is None or self._opened_for != (size_wh, level):
            now_s = time.monotonic()
            if len(self._opened_s) == _MOST_OPENED and now_s - self._opened_s[0] < _OPENED_S:
                raise EncodingError('the size of the pictures changes too often for H.264')
            self._opened_s.append(now_s)
            self._encoder = H264Encoder(name, size_wh, _QUALITIES[level])
            self._opened_for = size_wh, level
            self.encoder = name
        return self._encoder
