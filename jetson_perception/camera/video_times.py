"""When each frame of a video is shown, and which number it has."""

from __future__ import annotations

import math

_LONGEST_GAP_S = 86_400.0  # a longer one is a clock that was set, not a pause

_LONGEST_PLAYED_S = 60.0  # nobody waits longer for a picture

_LONGEST_USUAL_GAP_S = 1.0  # a longer one is a pause, which frames without times don't repeat


class VideoTimes:
    """Frames of a video, one after another, by the times that they carry.

    A frame without a usable time follows as the one before it did. OpenCV 4.5 gives none for the
    last frames of a decoder that holds some back.

    Parameters
    ----------
    rate_hz : float
        Frames a second that the container tells; for what the times do not.

    Attributes
    ----------
    frames : int
        How many were decoded.
    last : int
        Number of the last one in the file, from 0.
    offset_s : float
        When it is shown, from the first one on.
    gap_s : float
        How long after the one before it to play it: as long as the times say, but for pauses of
        over a minute, which are played as no pause.
    """

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.gap_s = 1 / rate_hz
        self._usual_gap_s = self.gap_s
        self.begin_again()

    def begin_again(self) -> None:
        """The file begins again; its first frame follows as the last one did."""
        self.frames = 0
        self.last = -1
        self.offset_s = 0.0
        self.gap_s = self._usual_gap_s
        self._last_ms = math.nan
        self._constant = True

    def decoded(self, time_ms: float, failed: int) -> int:
        """Number a frame that came after so many reads that failed; returns how many it skips.

        A decoder may drop several frames in one read, or none. The times tell, where they are
        those of frames at a constant rate.
        """
        lost = failed
        gap_s = (time_ms - self._last_ms) / 1e3
        timed = 0 < gap_s <= _LONGEST_GAP_S
        if timed:
            steps = gap_s * self.rate_hz
            even = abs(steps - round(steps)) < 0.25
            is_counted = self._constant and gap_s <= _LONGEST_PLAYED_S
            if failed and is_counted and even and steps > 0.75:
                lost = round(steps) - 1
            elif not failed and abs(steps - 1) >= 0.25:
                self._constant = False
        self._follow(gap_s if timed else None, lost)
        self.frames += 1
        self.last += 1 + lost
        self._last_ms = time_ms
        return lost

    def _follow(self, gap_s: float | None, lost: int) -> None:
        if not self.frames:
            return
        usual_gap_s = self._usual_gap_s * (1 + lost)
        if gap_s is None:
            gap_s = usual_gap_s
        elif not lost and gap_s <= max(_LONGEST_USUAL_GAP_S, 1 / self.rate_hz):
            self._usual_gap_s = gap_s
        self.gap_s = gap_s if gap_s <= _LONGEST_PLAYED_S else usual_gap_s
        self.offset_s += gap_s
