"""Pictures for people: each kind is made and sent in a thread of its own, the newest or none."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.pipeline.timing import RateMeter
from jetson_perception.pipeline.worker import NewestWorker
from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.pipeline.activity import Activity, LeftBehind
    from jetson_perception.pipeline.frame import Frame


@dataclass(frozen=True)
class PictureKind:
    """One kind of picture that is made of frames.

    Attributes
    ----------
    topic : str
        Where it goes, for people.
    choose : callable
        Called as choose(frame) for a frame that has results; returns the frame to make a picture
        of, which may be an older one, or None. Results wait for it.
    send : callable
        Called as send(frame) in the kind's own thread: draws, encodes and sends.
    """

    topic: str
    choose: Callable[[Frame], Frame | None]
    send: Callable[[Frame], None]


class PictureCounts(NamedTuple):
    """What became of the pictures of one kind.

    Attributes
    ----------
    sent : int
        Pictures that were made and sent.
    skipped : int
        Frames that no picture was made of, because a newer one came before the thread was free.
    rate_hz : float
        Pictures sent a second.
    failed : int
        Frames that no picture could be made of.
    problem : str
        Why that is so of the newest one; '' if it was sent.
    """

    sent: int
    skipped: int
    rate_hz: float
    failed: int = 0
    problem: str = ''


class PictureSlots:
    """Takes frames that have results, and has pictures made of them. `offer` never waits.

    A kind that takes long, or a subscriber that is slow to take a picture, delays neither results
    nor other kinds: it gets fewer pictures.

    Parameters
    ----------
    kinds : sequence of PictureKind
        What is made of frames.
    on_done : callable
        Called as on_done(frame) when every picture of a frame is out, or none will be; from any
        thread.
    """

    def __init__(self, kinds: Sequence[PictureKind], on_done: Callable[[Frame], None]) -> None:
        self._on_done = on_done
        self._slots: dict[str, _Slot] = {}
        self.add(kinds)

    def add(self, kinds: Sequence[PictureKind]) -> None:
        """Make these pictures, too; before the first frame is offered."""
        self._slots |= {kind.topic: _Slot(kind) for kind in kinds}

    @property
    def activities(self) -> list[Activity]:
        """What each thread is at."""
        return [slot.worker.activity for slot in self._slots.values()]

    def offer(self, frame: Frame) -> None:
        """Have made of a frame what is wanted of it; it has results, and gets no more soon."""
        chosen = [(slot, slot.kind.choose(frame)) for slot in self._slots.values()]
        given = [(slot, picture) for slot, picture in chosen if picture is not None]
        if not given:
            self._on_done(frame)
            return
        countdown = _Countdown(len(given), partial(self._on_done, frame))
        for slot, picture in given:
            slot.give(_Order(picture, countdown.count))

    def counts(self) -> dict[str, PictureCounts]:
        """What became of the pictures, by topic."""
        now_ns = time.monotonic_ns()
        return {topic: slot.counts(now_ns) for topic, slot in self._slots.items()}

    def close(self, patience_s: float) -> list[LeftBehind]:
        """End the threads after the pictures under way; those that take longer than this."""
        deadline_s = time.monotonic() + patience_s
        workers = [slot.worker for slot in self._slots.values()]
        for worker in workers:
            worker.stop()
        left = [worker.close(max(deadline_s - time.monotonic(), 0)) for worker in workers]
        return [each for each in left if each is not None]


class _Order(NamedTuple):
    """A picture to be made, and whom to tell when it is out or skipped."""

    frame: Frame
    done: Callable[[], None]


class _Slot:
    """The newest frame that a kind of picture is to be made of, and the thread that does it."""

    def __init__(self, kind: PictureKind) -> None:
        self.kind = kind
        self.rate = RateMeter()
        self.worker: NewestWorker[_Order] = NewestWorker(self._send, f'{kind.topic} drawing')

    def give(self, order: _Order) -> None:
        skipped = self.worker.give(order)
        if skipped is not None:
            skipped.done()

    def counts(self, now_ns: int) -> PictureCounts:
        worker, rate_hz = self.worker, self.rate.rate(now_ns)
        return PictureCounts(
            worker.finished, worker.skipped, rate_hz, worker.failed, worker.problem
        )

    def _send(self, order: _Order) -> None:
        try:
            with RECORDER.during('picture', order.frame.trace_id):
                self.kind.send(order.frame)
            self.rate.tick(time.monotonic_ns())
        finally:
            order.done()


class _Countdown:
    """Calls a function at the last of so many counts."""

    def __init__(self, left: int, call: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._left = left
        self._call = call

    def count(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left:
                return
        self._call()
