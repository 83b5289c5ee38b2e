"""Hands each image of a topic on once, while two subscriptions to it bring the same images."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.ros.image_taker import TakenImage

#: More than are on their way by two transports at a time.
_MOST_KEPT = 16


class EachOnce:
    """Calls `on_image` with each image that it has not had yet; any thread may hand it one.

    Images are told apart by the number and the time that their publisher gave them. Where the
    middleware tells neither, all are handed on.

    Parameters
    ----------
    on_image : callable
        Called as on_image(image) with each TakenImage, one at a time.
    """

    def __init__(self, on_image: Callable[[TakenImage], None]) -> None:
        self._on_image = on_image
        self._handing = threading.Lock()
        self._had: deque[tuple[int, int]] = deque(maxlen=_MOST_KEPT)

    def hand_on(self, image: TakenImage) -> None:
        """Hand an image on, unless that was done."""
        with self._handing:
            if image.number is not None and image.sent_ns:
                ids = image.number, image.sent_ns
                if ids in self._had:
                    return
                self._had.append(ids)
            self._on_image(image)
