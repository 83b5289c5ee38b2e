"""Summarizes the times of many frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Timing:
    """A run over a number of frames.

    Attributes
    ----------
    frames : int
        How many.
    rate_hz : float
        Frames a second over the whole run.
    median_ms, p99_ms : float
        Median and 99th percentile of the times of single frames, milliseconds.
    """

    frames: int
    rate_hz: float
    median_ms: float
    p99_ms: float

    @property
    def mean_ms(self) -> float:
        """Milliseconds per frame over the whole run."""
        return 1e3 / self.rate_hz if self.rate_hz else 0.0


def timing(frames: int, seconds: float, times_ms: Sequence[float]) -> Timing:
    """Figures of a run, from its frames, its seconds and the times of single frames."""
    median, p99 = np.percentile(times_ms, (50, 99)) if len(times_ms) else (0.0, 0.0)
    return Timing(frames, frames / seconds if seconds else 0.0, float(median), float(p99))


def intervals_ms(begun_s: float, done_s: Sequence[float]) -> list[float]:
    """Time from each completion to the next, starting at `begun`."""
    return [float(each) for each in np.diff([begun_s, *done_s]) * 1e3]
