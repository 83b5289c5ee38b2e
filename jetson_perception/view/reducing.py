"""Smaller pictures for viewers behind thin links, made once for all of a level, in a thread."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, cast

import cv2

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import decode_compressed
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.view.robot import Picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Level(NamedTuple):
    """One way to reduce pictures.

    Attributes
    ----------
    divisor : int
        What width and height are divided by.
    quality : int
        The JPEG's.
    share : float
        About how many bytes are left.
    name : str
        For people.
    """

    divisor: int
    quality: int
    share: float
    name: str


LEVELS = (
    Level(1, 100, 1.0, ''),
    Level(1, 50, 0.5, 'lower quality'),
    Level(2, 50, 0.17, 'half the size'),
    Level(4, 40, 0.05, 'a quarter of the size'),
)
"""From pictures as they are, which are not touched, to the smallest."""


@functools.cache
def _thread() -> ThreadPoolExecutor:
    """One for all streams: viewers get fewer pictures rather than the robot less of its cores."""
    return ThreadPoolExecutor(1, 'reducing')


class Reducing:
    """Reduces the pictures of one stream; used in one asyncio loop."""

    def __init__(self) -> None:
        #: The newest picture that was reduced to each level, and what that gives.
        self._made: dict[int, tuple[Picture, asyncio.Future[Picture | None]]] = {}

    async def reduced(self, picture: Picture, level: int) -> Picture | None:
        """A picture as a viewer of a level gets it; None if it is damaged."""
        if level == 0:
            return picture
        made = self._made.get(level)
        if made is None or made[0] is not picture:
            loop = asyncio.get_running_loop()
            made = picture, loop.run_in_executor(_thread(), reduce, picture, LEVELS[level])
            self._made[level] = made
        return await asyncio.shield(made[1])


def reduce(picture: Picture, level: Level) -> Picture | None:
    """A picture reduced to a level; itself if that would save nothing, None if it is damaged."""
    try:
        bgr = decode_compressed(picture.data, picture.content_type, MAX_IMAGE_PIXELS)
    except ImageError:
        return None
    done, data = cv2.imencode(
        '.jpg', shrunk(bgr, level), [cv2.IMWRITE_JPEG_QUALITY, level.quality]
    )
    if not done:
        return None
    return min(picture, Picture(data.tobytes(), 'image/jpeg'), key=lambda each: len(each.data))


def shrunk(bgr: NDArray[np.uint8], level: Level) -> NDArray[np.uint8]:
    """The pixels (height, width, 3) at the size of a level."""
    if level.divisor == 1:
        return bgr
    height, width = (max(side // level.divisor, 1) for side in bgr.shape[:2])
    return cast(
        'NDArray[np.uint8]', cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    )
