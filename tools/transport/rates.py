"""Rates second by second, and what became of what was sent."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from transport.notes import Note

SECOND_NS = 10**9


@dataclass(frozen=True)
class Rate:
    """How much was heard in each second after the first.

    Attributes
    ----------
    by_second : tuple of int
        Messages in each second.
    """

    by_second: tuple[int, ...]

    @property
    def least(self) -> int:
        """The lowest rate of any second; 0 without any."""
        return min(self.by_second, default=0)

    @property
    def median(self) -> float:
        """The median of the seconds; 0 without any."""
        return statistics.median(self.by_second) if self.by_second else 0.0

    def __str__(self) -> str:
        return f'min {self.least}, median {self.median:g} Hz'


def rate_answered(notes: Sequence[Note], begin_ns: int, seconds: int) -> Rate:
    """Of what was stamped in each second from `begin_ns` on, how much was heard within a second.

    Seconds of stamps are those of the sender, so what is late by a little counts where it belongs.
    """
    soon = (note for note in notes if note.at_ns - note.stamp_ns <= SECOND_NS)
    return _rate({note.stamp_ns for note in soon}, begin_ns, seconds)


def rate_heard(notes: Sequence[Note], begin_ns: int, seconds: int) -> Rate:
    """How much was heard in each second from `begin_ns` on, however late."""
    return _rate([note.at_ns for note in notes], begin_ns, seconds)


def _rate(moments_ns: Iterable[int], begin_ns: int, seconds: int) -> Rate:
    counts = [0] * seconds
    for moment_ns in moments_ns:
        second = (moment_ns - begin_ns) // SECOND_NS
        if 0 <= second < seconds:
            counts[second] += 1
    return Rate(tuple(counts))


def answered(
    sent: Sequence[Note], heard: Sequence[Note], begin_ns: int, end_ns: int
) -> tuple[int, int]:
    """Of what was stamped from `begin_ns` until before `end_ns`: what was answered, and all.

    What was answered was sent, also where the note of it is missing.
    """
    got = {note.stamp_ns for note in heard if begin_ns <= note.stamp_ns < end_ns}
    stamps = {note.stamp_ns for note in sent if begin_ns <= note.stamp_ns < end_ns}
    return len(got), len(got | stamps)


def fewest_answered(
    sent: Sequence[Note], heard_by: Sequence[Sequence[Note]], begin_ns: int, end_ns: int
) -> tuple[int, int]:
    """Of several nodes that get the same images: what the one that answered fewest did, and all.

    What one of them answered was sent, also where another one did not answer it.
    """
    every = [*sent, *(note for heard in heard_by for note in heard)]
    return min(answered(every, heard, begin_ns, end_ns) for heard in heard_by)


def latencies_ms(heard: Sequence[Note], begin_ns: int, end_ns: int) -> list[float]:
    """From stamp to heard, for what was heard between two moments; sorted."""
    return sorted((n.at_ns - n.stamp_ns) / 1e6 for n in heard if begin_ns <= n.at_ns < end_ns)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that so many percent of sorted values do not exceed; 0 without any."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(percent / 100 * len(ordered)))]
