"""How many frames may wait for an engine that will have caught up before the next one is due.

A network that loses packets brings images in bunches: one of which a part is sent again, and those
that came meanwhile. An engine with time to spare takes them all; any other takes the newest.
"""

from __future__ import annotations

_SMOOTHING = 0.2
#: More than this a bunch has not, and memory is limited whatever inputs do.
MOST_WAITING = 3


class Backlog:
    """Follows how long the frames of a lane take."""

    def __init__(self) -> None:
        self._frame_ns = 0.0

    def took(self, frame_ns: float) -> None:
        """Hear how long a frame kept the lane busy."""
        share = _SMOOTHING if self._frame_ns else 1.0
        self._frame_ns += share * (frame_ns - self._frame_ns)

    def most(self, period_ns: float) -> int:
        """How many frames may wait where one comes every `period_ns`: those that take no longer.

        So the newest of them is late by less than a period, and the next one is not. It is 1, the
        newest, while nothing is known.
        """
        if not self._frame_ns:
            return 1
        return min(max(int(period_ns / self._frame_ns), 1), MOST_WAITING)
