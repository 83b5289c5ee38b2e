"""Chooses the frames to draw: those for which every engine has a result, if possible."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jetson_perception.pipeline.frame import Frame

WAIT_S = 2.0
"""How long to wait for an engine; one that takes longer for a frame is drawn by itself, or not at
all."""


_CHANCES = 2  # results of each engine before a frame is drawn, if engines rarely share one
_CONVINCED = 2  # frames in a row that change the belief whether engines share frames


class DrawnFrames:
    """Chooses frames to draw among those that are settled, each newer than the one before.

    What is drawn on an image was found in that image. Engines of different speed take different
    frames, so the class waits for a frame that all of them took, and the slowest engine sets the
    pace. It does not wait for an engine that takes longer than `WAIT_S`, until that is faster, nor
    for one that is set to leave the frame out and is idle. If
    engines rarely take the same frame, it waits for two results of each, and chooses the frame
    that most of them took.

    Parameters
    ----------
    engines : iterable of str
        Names of the lanes.
    now_s : callable
        Returns a monotonic time in seconds.
    is_busy : callable
        Called as is_busy(engine): whether it has frames that are not done. An older frame with its
        result may then follow, which could not be drawn after this one.
    """

    def __init__(
        self,
        engines: Iterable[str],
        now_s: Callable[[], float] = time.monotonic,
        is_busy: Callable[[str], bool] = lambda engine: True,
    ) -> None:
        self._engines = frozenset(engines)
        self._is_busy = is_busy
        self._now_s = now_s
        self._drawn_index = 0
        # Since when each engine has had no result in time; engines that are in time are missing.
        self._missed_since_s: dict[str, float] = {}
        self._refused_since_s: float | None = None
        self._newest: dict[str, int] = {}  # the newest frame that each engine has a result for
        self._results: Counter[str] = Counter()  # how many each engine had since the last drawing
        self._is_patient = True
        self._against = 0  # how many frames in a row spoke against `_is_patient`
        #: The best frame that has not been drawn yet.
        self._held: Frame | None = None

    def choose(self, frame: Frame) -> Frame | None:
        """Choose what to draw now that a frame is settled; called each time that one is.

        Returns
        -------
        Frame or None
            This frame, or an older one that was held back for engines that did not take it.
        """
        now_s = self._now_s()
        self._count_results(frame)
        if now_s - frame.received_ns / 1e9 <= WAIT_S:
            for name in frame.results:
                self._missed_since_s.pop(name, None)
        if frame.index <= self._drawn_index or self._engines <= frame.left_out_by:
            return None
        held = self._held
        if held is not None and frame.received_ns - held.received_ns > 2 * WAIT_S * 1e9:
            held = self._held = None  # from before a pause, or before someone subscribed again
        if not self._is_waited_for(frame, now_s):
            return self._draw(frame)
        if held is not None and not self._is_waited_for(held, now_s):
            self._draw(held)
            self._held = frame
            return held
        best = frame if held is None or len(held.results) <= len(frame.results) else held
        if self._refused_since_s is None:
            self._refused_since_s = now_s
        elif self._is_enough(now_s - self._refused_since_s, now_s):
            return self._draw(best, is_whole=False)
        self._held = best
        return None

    def _is_waited_for(self, frame: Frame, now_s: float) -> bool:
        """Whether an engine will still take this frame, or is fast enough to take another soon."""
        missing = {
            name
            for name in self._engines - frame.results.keys()
            if name not in frame.left_out_by or self._is_busy(name)
        }
        if not missing <= frame.skipped_by:
            return True
        since_s = [self._missed_since_s.setdefault(name, now_s) for name in missing]
        return any(now_s - each <= WAIT_S for each in since_s)

    def _count_results(self, frame: Frame) -> None:
        for name in frame.results:
            if frame.index > self._newest.get(name, 0):
                self._newest[name] = frame.index
                self._results[name] += 1

    def _is_enough(self, waited_s: float, now_s: float) -> bool:
        """Whether to draw a frame that not all engines took."""
        if self._is_patient or waited_s > WAIT_S:
            return waited_s > WAIT_S
        return all(
            self._results[name] >= _CHANCES
            for name in self._engines
            if now_s - self._missed_since_s.get(name, now_s) <= WAIT_S
        )

    def _draw(self, frame: Frame, *, is_whole: bool = True) -> Frame:
        self._against = 0 if is_whole == self._is_patient else self._against + 1
        if self._against >= _CONVINCED:
            self._is_patient, self._against = is_whole, 0
        self._results.clear()
        self._drawn_index = frame.index
        self._refused_since_s = None
        if self._held is not None and self._held.index <= frame.index:
            self._held = None
        return frame
