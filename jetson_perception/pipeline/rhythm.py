"""When the frames of an input come, so as to say whether it is worth waiting for the next one."""

from __future__ import annotations

import math

#: While the period is not known: an input that has sent nothing for so long sends nothing.
_SILENT_NS = 1_000_000_000
#: Periods after which a frame is overdue: cameras are not punctual.
_OVERDUE = 2.0
#: Of a period, within which the next frame does not come.
_BEFORE_NEXT = 0.75
_SMOOTHING = 0.2


class Rhythm:
    """Follows the frames of one input; all times are monotonic."""

    def __init__(self) -> None:
        self._newest_ns = 0
        self._period_ns = 0.0

    @property
    def period_ns(self) -> float:
        """How long it is from one frame to the next; 0 while nobody knows."""
        return self._period_ns

    def came(self, at_ns: int) -> None:
        """Hear of a frame."""
        if self._newest_ns:
            period_ns = min(max(at_ns - self._newest_ns, 0), _SILENT_NS)  # a pause is none
            share = _SMOOTHING if self._period_ns else 1.0
            self._period_ns += share * (period_ns - self._period_ns)
        self._newest_ns = at_ns

    def goes_on(self, now_ns: int) -> bool:
        """Whether the next frame may still come soon: it is not overdue."""
        patience_ns = _OVERDUE * self._period_ns or _SILENT_NS
        return bool(self._newest_ns) and now_ns - self._newest_ns < patience_ns

    def left_s(self, now_ns: int) -> float:
        """How long the newest frame may wait before the next comes; inf while nobody knows."""
        if not self._period_ns:
            return math.inf
        return (self._newest_ns + _BEFORE_NEXT * self._period_ns - now_ns) / 1e9
