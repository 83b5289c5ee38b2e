"""How large the pictures of a viewer may be, by how fast they took those before."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WANTED_HZ = 6.5
"""Pictures a second below which smaller ones are sent; people want five, and rates vary."""

EASY_HZ = 10.0
"""Pictures a second that larger ones have to promise."""

#: How long a viewer is watched before a new size is chosen: taking pictures, or in all.
_BUSY_S = 0.8
_WATCHED_S = 2.0
#: When larger pictures are tried where the estimate knows no better, and how often at least.
_TRY_S = 10.0
_MOST_TRY_S = 160.0


class Pace:
    """Chooses a level for one viewer: 0 for pictures as they are, more for smaller ones.

    Bytes that were taken, by the time that some were under way, are what the link carries. That
    underestimates long links with small pictures on them, so a larger size is tried now and then.

    Parameters
    ----------
    shares : sequence of float
        About how many bytes a picture of each level has, of those of level 0.
    clock : callable
        Gives seconds.

    Attributes
    ----------
    level : int
        What to send.
    """

    def __init__(
        self, shares: Sequence[float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.level = 0
        self._shares = list(shares)
        self._clock = clock
        self._original_bytes = 0
        self._under_way: deque[int] = deque()
        self._busy_since_s = 0.0
        self._try_wait_s = _TRY_S
        self._try_at_s = 0.0
        self._tried_s = float('-inf')
        self._begin(clock())

    def sent(self, size: int, original: int) -> None:
        """Note that a picture is sent, in bytes, and what it would have without reducing."""
        if not self._under_way:
            self._busy_since_s = self._clock()
        self._under_way.append(size)
        self._original_bytes = original
        if self.level and original:
            self._shares[self.level] = size / original

    def taken(self) -> None:
        """Note that the viewer has the oldest picture that was under way."""
        now_s = self._clock()
        self._bytes += self._under_way.popleft()
        self._count += 1
        self._busy_s += now_s - self._busy_since_s
        self._busy_since_s = now_s
        if self._busy_s >= _BUSY_S or now_s - self._begun_s >= _WATCHED_S:
            self._choose(now_s)
            self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        self._begun_s = now_s
        self._busy_s = 0.0
        self._bytes = self._count = 0

    def _choose(self, now_s: float) -> None:
        before = self.level
        self.level = self._fitting()
        if self.level > before:
            # What was tried did not fit: wait longer before the next time.
            failed = now_s - self._tried_s < _TRY_S
            self._try_wait_s = min(2 * self._try_wait_s, _MOST_TRY_S) if failed else _TRY_S
            self._try_at_s = now_s + self._try_wait_s
        elif self.level == before > 0 and now_s >= self._try_at_s:
            if self._count >= EASY_HZ * self._busy_s:
                self.level, self._tried_s = before - 1, now_s
            self._try_at_s = now_s + self._try_wait_s

    def _fitting(self) -> int:
        """The largest pictures that the link carries often enough."""
        carried = self._bytes / max(self._busy_s, 1e-6)
        for level, share in enumerate(self._shares):
            rate = carried / max(self._original_bytes * share, 1.0)
            if rate >= (WANTED_HZ if level >= self.level else EASY_HZ):
                return level
        return len(self._shares) - 1
