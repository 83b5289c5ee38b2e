"""What became of the frames of one input in one lane: counts, times and the rate of results."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.pipeline.rhythm import Rhythm
from jetson_perception.pipeline.timing import RateMeter, StageTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jetson_perception.errors import PerceptionError
    from jetson_perception.pipeline.frame import Frame


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened to the frames of one lane since it was made.

    Attributes
    ----------
    received : int
        Frames offered.
    processed : int
        Frames whose result was published.
    skipped : int
        Frames that the lane did not take: a newer one replaced them before it was free.
    failed : int
        Frames that could not be used, or that the engine failed on.
    left_out : int
        Frames that the lane's pace left out.
    """

    received: int = 0
    processed: int = 0
    skipped: int = 0
    failed: int = 0
    left_out: int = 0

    @property
    def under_way(self) -> int:
        """How many have come to nothing yet."""
        return self.received - self.processed - self.skipped - self.failed - self.left_out


def total(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    received = processed = skipped = failed = left_out = 0
    for each in counts:
        received += each.received
        processed += each.processed
        skipped += each.skipped
        failed += each.failed
        left_out += each.left_out
    return Counts(received, processed, skipped, failed, left_out)


class Record:
    """What became of the frames of an input in a lane, from whichever threads it is told.

    Parameters
    ----------
    lane : str
        Name of the lane, for traces.
    """

    def __init__(self, lane: str = '') -> None:
        self.times = StageTimes(track=f'lane {lane}')
        self.results = RateMeter()
        #: Called once, as on_first_result(frame, elapsed_ms) in the thread that publishes, when
        #: the first result is out, elapsed_ms after its image came in. Set before start.
        self.on_first_result: Callable[[Frame, float], None] | None = None
        #: Called as on_error(error) for a frame that failed, in place of the lane's own. Set
        #: before start.
        self.on_error: Callable[[PerceptionError], None] | None = None
        self._lock = threading.Lock()
        self._received = self._processed = self._skipped = self._failed = self._left_out = 0
        #: How many boxes of another lane's results were looked at, and how many were too many.
        self.crops = self.crops_left_out = 0
        #: Of the frames that its lane takes.
        self.rhythm = Rhythm()

    @property
    def counts(self) -> Counts:
        """What happened to the frames so far."""
        with self._lock:
            return Counts(
                self._received, self._processed, self._skipped, self._failed, self._left_out
            )

    @property
    def is_busy(self) -> bool:
        """Whether a frame waits for the lane, or is under way."""
        return self.counts.under_way > 0

    def frame_rate(self) -> float:
        """The present rate of results, in Hz."""
        return self.results.rate(time.monotonic_ns())

    def offered(self, frame: Frame, *, skipped: int = 0, left_out: int = 0) -> None:
        """Count a frame that was offered, and those that will not be taken now."""
        with self._lock:
            if not left_out:
                self.rhythm.came(frame.received_ns)
            self._received += 1
            self._skipped += skipped
            self._left_out += left_out

    def failed(self, error: PerceptionError, on_error: Callable[[PerceptionError], None]) -> None:
        """Count a frame that failed, and tell why: by `on_error`, if the record has none."""
        with self._lock:
            self._failed += 1
        (self.on_error or on_error)(error)

    def begun(self, frame: Frame, begun_ns: int) -> None:
        """Record the times before the lane began a frame, which it did at a monotonic time."""
        if frame.age_ms is not None:
            self.times.record('transport', frame.age_ms)
        self.times.span('wait', frame.received_ns, begun_ns, frame.trace_id, 'waiting')

    def published(self, frame: Frame, ready_ns: int) -> None:
        """Count and time a frame whose result was ready at a monotonic time and is now out."""
        now = time.monotonic_ns()
        self.times.span('publish', ready_ns, now, frame.trace_id, 'publishing')
        if frame.age_ms is not None:
            stamped = frame.received_ns - int(frame.age_ms * 1e6)
            self.times.span('total', stamped, now, frame.trace_id, 'frames')
        self.results.tick(now)
        with self._lock:
            self._processed += 1
        if self.on_first_result is not None:
            tell, self.on_first_result = self.on_first_result, None
            tell(frame, (now - frame.received_ns) / 1e6)
