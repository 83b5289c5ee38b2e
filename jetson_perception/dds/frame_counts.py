"""How many frames of a topic were sent and never taken: by their numbers, else by their stamps."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

#: Losses that are worth a word: fewer frames, or a smaller share, are lost on a busy machine.
_LEAST_LOST, _LEAST_SHARE = 3, 0.05
#: Publishers of one topic that are told apart; the one silent for longest is forgotten for more.
_MOST_PUBLISHERS = 8
#: No camera sends faster, so a larger step in numbers is one to another publisher.
_MOST_HZ = 1000.0
#: How much faster than so far a publisher may send before its numbers are another one's.
_FASTER = 4.0
_SPARE = 3
#: After so much silence a publisher may have ended, if another one fits as well.
_SILENT_NS, _SILENT_PERIODS = 3_000_000_000, 10
#: How many periods are looked at, and how many it takes to judge.
_PERIODS, _LEAST_PERIODS = 30, 6
#: Of the regular period: up to where an interval is one, and from where it is several.
_ONE, _SEVERAL = 1.3, 1.7
#: How long a gap waits for the camera to be as fast as before; one that stays slow lost nothing.
_PENDING_NS = 3_000_000_000


class _Publisher:
    """The last frame of one publisher, and how fast it sends."""

    def __init__(self, number: int, sent_ns: int, gid: bytes | None) -> None:
        self.gid = gid
        self.number = number
        self.sent_ns = sent_ns
        #: When that frame was taken, by this host's clock.
        self.taken_ns = sent_ns
        self.period_ns = 0.0

    def may_have_sent(self, number: int, sent_ns: int) -> bool:
        """Whether a higher number can be this one's: so many frames fit into the time between."""
        between_ns = max(sent_ns - self.sent_ns, 0)
        if not self.period_ns:
            return number - self.number <= between_ns * _MOST_HZ / 1e9 + _SPARE
        return number - self.number <= _FASTER * between_ns / self.period_ns + _SPARE

    def may_have_ended(self, now_ns: int) -> bool:
        """Whether it has been silent for long, as one that was started again under a new id."""
        return self.is_silent_for(now_ns - self.sent_ns)

    def is_silent_for(self, elapsed_ns: int) -> bool:
        """Whether it is long for this one to have sent nothing."""
        return elapsed_ns > max(_SILENT_NS, _SILENT_PERIODS * self.period_ns)

    def take(self, number: int, sent_ns: int) -> int:
        """Go on to a frame; returns how many are missing before it."""
        missing = number - self.number - 1
        period_ns = max(sent_ns - self.sent_ns, 0) / (missing + 1)
        # A step over lost frames has the period of all of them, so losses do not disturb it.
        self.period_ns += (period_ns - self.period_ns) * (0.2 if self.period_ns else 1.0)
        self.number, self.sent_ns = number, sent_ns
        return missing


class NumberedFrames:
    """Counts what is missing between publication sequence numbers, each publisher by itself.

    Where it is not said who sent a frame, the numbers of a publisher still rise by one from 1 on.
    So a number belongs to the publisher whose last one is next below it, if it can have sent so
    many meanwhile; else to a new one, or one that was started again, of which nothing is missing
    yet.
    """

    def __init__(self) -> None:
        #: In the order of their last frames.
        self._publishers: list[_Publisher] = []

    @property
    def rate_hz(self) -> float:
        """How fast the publisher sends whose frame came last; 0 before its second frame."""
        period_ns = self._publishers[-1].period_ns if self._publishers else 0.0
        return 1e9 / period_ns if period_ns else 0.0

    @property
    def senders(self) -> int:
        """How many publishers send now."""
        if not self._publishers:
            return 0
        now_ns = self._publishers[-1].taken_ns
        return sum(not each.is_silent_for(now_ns - each.taken_ns) for each in self._publishers)

    def take(
        self, number: int, sent_ns: int, gid: bytes | None = None, taken_ns: int | None = None
    ) -> int:
        """Count a frame; returns how many are missing between it and the last one before it.

        Parameters
        ----------
        number : int
            Its publication sequence number.
        sent_ns : int
            When it was sent, by any clock that goes on.
        gid : bytes, optional
            Who sent it, by the middleware's id of the publisher. Given for all, or for none.
        taken_ns : int, optional
            When it was taken, by one clock for all publishers; `sent_ns` where it is left out.
        """
        found = self._likely(number, sent_ns) if gid is None else self._with(gid)
        if found is None:
            found, missing = _Publisher(number, sent_ns, gid), 0
        else:
            self._publishers.remove(found)
            missing = found.take(number, sent_ns) if found.number < number else 0
        found.taken_ns = sent_ns if taken_ns is None else taken_ns
        self._publishers = [*self._publishers[1 - _MOST_PUBLISHERS :], found]
        return missing

    def _with(self, gid: bytes) -> _Publisher | None:
        return next((each for each in self._publishers if each.gid == gid), None)

    def _likely(self, number: int, sent_ns: int) -> _Publisher | None:
        """Whose frame this seems to be; None for one that was not heard before."""
        below = [each for each in self._publishers if each.number < number]
        alive = [each for each in below if not each.may_have_ended(sent_ns)]
        # Of equals, who has waited longest.
        next_below = max(alive, key=lambda each: each.number, default=None)
        if next_below is not None and next_below.may_have_sent(number, sent_ns):
            return next_below
        # From a lower one, the step would count frames as missing that came since.
        least = next_below.number if next_below is not None else 0
        silent = [
            each
            for each in below
            if each not in alive and each.number > least and each.may_have_sent(number, sent_ns)
        ]
        return silent[-1] if silent else None


class StampedFrames:
    """Counts gaps in the stamps of frames, where the middleware numbers nothing.

    A gap counts once the camera is as fast again as before it: one that has become slower, as in
    the dark, sends all that it takes. So regular losses of a constant share are not seen.
    """

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._periods_ns: deque[int] = deque(maxlen=_PERIODS)
        #: Gaps: when, how many are missing, and which period it was by that they are.
        self._pending: list[tuple[int, int, float]] = []

    @property
    def rate_hz(self) -> float:
        """How fast frames are sent; 0 while that is not known."""
        period_ns = self._period_ns()
        return 1e9 / period_ns if period_ns else 0.0

    def take(self, stamp_ns: int) -> int:
        """Count a frame; returns how many are now known to be missing before it."""
        last_ns, self._last_ns = self._last_ns, stamp_ns
        if last_ns is None or stamp_ns <= last_ns:  # started again
            self._periods_ns.clear()
            self._pending.clear()
            return 0
        between_ns = stamp_ns - last_ns
        regular_ns = self._period_ns()
        self._periods_ns.append(between_ns)
        if not regular_ns:
            return 0
        if between_ns >= _SEVERAL * regular_ns:
            self._pending.append((stamp_ns, round(between_ns / regular_ns) - 1, regular_ns))
            return 0
        if between_ns > _ONE * regular_ns:
            return 0
        missing = sum(
            count
            for at_ns, count, by_ns in self._pending
            if stamp_ns - at_ns < _PENDING_NS and between_ns <= _ONE * by_ns
        )
        self._pending.clear()
        return missing

    def _period_ns(self) -> float:
        """The period of frames between which nothing is missing; 0 while it is not known."""
        if len(self._periods_ns) < _LEAST_PERIODS:
            return 0.0
        from statistics import quantiles  # late, as it brings all kinds of numbers

        return quantiles(self._periods_ns, n=5)[0]


class Counted(NamedTuple):
    """Frames of some time.

    Attributes
    ----------
    received : int
        Frames that were taken.
    lost : int
        Frames that were sent and never taken.
    lost_here : int
        Of these, the ones that had arrived: a newer one replaced them before they were taken.
    """

    received: int = 0
    lost: int = 0
    lost_here: int = 0

    @property
    def share_lost(self) -> float:
        """Of all that were sent, from 0 to 1."""
        sent = self.received + self.lost
        return self.lost / sent if sent else 0.0

    @property
    def is_worth_a_word(self) -> bool:
        """Whether so many frames are lost that somebody should know."""
        return self.lost >= _LEAST_LOST and self.share_lost >= _LEAST_SHARE


class FrameCounts:
    """Counts the frames of a topic: since the start, and in the last seconds.

    Parameters
    ----------
    seconds : int
        How many seconds the last ones are.
    now_ns : callable
        Nanoseconds that never go back.
    """

    def __init__(self, seconds: int = 4, *, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        #: When the newest frame was taken; None before the first.
        self._taken_ns: int | None = None
        self._numbered = NumberedFrames()
        self._stamped = StampedFrames()
        self._by_number = False
        self._received = 0
        #: Frames that are missing between those that came.
        self._missing = 0
        #: What the middleware says that it has lost, which nobody could take any more.
        self._on_the_way = 0
        self._before_subscription = 0
        #: Whether the middleware counts what it loses.
        self._is_told = False
        self._seconds: deque[tuple[int, int, int]] = deque([(0, 0, 0)], maxlen=seconds + 1)

    @property
    def rate_hz(self) -> float:
        """How fast frames are sent; 0 where it is not known."""
        return self._numbered.rate_hz if self._by_number else self._stamped.rate_hz

    @property
    def senders(self) -> int:
        """How many publishers send now; 0 where it is not known."""
        return self._numbered.senders if self._by_number else 0

    def take(
        self, number: int | None, sent_ns: int, stamp_ns: int, gid: bytes | None = None
    ) -> None:
        """Count a frame.

        Parameters
        ----------
        number : int or None
            Its publication sequence number; None where the middleware gives none.
        sent_ns, stamp_ns : int
            When it was sent, where there are numbers, and the stamp in its header.
        gid : bytes, optional
            Who sent it, as NumberedFrames takes it.
        """
        self._received += 1
        self._taken_ns = self._now_ns()
        self._by_number = number is not None
        if number is not None:
            self._missing += self._numbered.take(number, sent_ns, gid, self._taken_ns)
        else:
            self._missing += self._stamped.take(stamp_ns)

    def begin_anew(self) -> None:
        """Go on with another subscription: what was sent between the two is not missing."""
        self._numbered, self._stamped = NumberedFrames(), StampedFrames()
        self._before_subscription = self._on_the_way

    def publishers_changed(self) -> None:
        """Go on with other publishers, as of a driver that was started anew.

        Its numbers follow nobody's. Some may have come before it was seen, and have been taken for
        those of the one before it: what seems to be missing in this second is not counted.
        """
        self._numbered, self._stamped = NumberedFrames(), StampedFrames()
        self._missing = self._seconds[-1][1]

    def lost_on_the_way(self, total: int) -> None:
        """Take the middleware's own count of what it has lost so far for the subscription.

        When a publisher is discovered again, as after a silence of its host, Fast DDS counts all
        that it has ever sent as lost. So no more is taken than can have been sent since the newest
        frame, as what is missing before that is known.
        """
        self._is_told = True
        told, most = self._before_subscription + total, self._most_on_the_way()
        if most is not None and told > most:
            self._before_subscription -= told - most
            told = most
        self._on_the_way = max(self._on_the_way, told)

    def _most_on_the_way(self) -> int | None:
        """How many can be lost so far; None before the first frame, and without numbers."""
        if self._taken_ns is None or not self._by_number:
            return None
        silent_s = (self._now_ns() - self._taken_ns) / 1e9
        rate_hz = _FASTER * self.rate_hz if self.rate_hz else _MOST_HZ
        return max(self._missing, self._on_the_way) + int(silent_s * rate_hz) + _SPARE

    def second_passed(self) -> None:
        """Let a second of the last ones go; call it once a second."""
        self._seconds.append((self._received, self._missing, self._on_the_way))

    @property
    def total(self) -> Counted:
        """Since the start."""
        return self._since((0, 0, 0))

    @property
    def recent(self) -> Counted:
        """In the last seconds."""
        return self._since(self._seconds[0])

    @property
    def after_the_newest(self) -> Counted:
        """In the last seconds after the newest frame; nothing if it came within this second."""
        silent = (each for each in self._seconds if each[0] == self._received)
        before = next(silent, None)
        return Counted() if before is None else self._since(before)

    def _since(self, before: tuple[int, int, int]) -> Counted:
        received = self._received - before[0]
        missing = self._missing - before[1]
        on_the_way = self._on_the_way - before[2]
        here = max(missing - on_the_way, 0) if self._is_told else 0
        return Counted(received, max(missing, on_the_way), here)
