"""Whether the belt may run: two thresholds and a timeout, without ROS."""

from __future__ import annotations

import math


class Decision:
    """Stops at a high share of the class, and at silence; starts again at a low one.

    Parameters
    ----------
    stop_above, run_below : float
        Shares of the image, 0 to 1. Between them everything stays as it is, so that a share that
        wavers around one threshold does not start and stop the belt all the time.
    silence_s : float
        The belt stops when nothing was heard for so long.

    Raises
    ------
    ValueError
        When the thresholds are no shares, or in the wrong order.
    """

    def __init__(self, stop_above: float, run_below: float, silence_s: float) -> None:
        if not 0 <= run_below <= stop_above <= 1:
            raise ValueError(
                f'run_below is {run_below} and stop_above is {stop_above}; expected '
                '0 <= run_below <= stop_above <= 1'
            )
        if not 0 < silence_s < math.inf:
            raise ValueError(f'silence is {silence_s}; expected seconds, more than 0')
        self._stop_above = stop_above
        self._run_below = run_below
        self._silence_s = silence_s
        self._heard_s = -math.inf
        self._runs = False  # until the first share says that it may
        self.why = 'nothing heard yet'

    def hear(self, share: float, now_s: float) -> None:
        """Take the newest share into account, which came now."""
        if not 0 <= share <= 1:  # NaN is neither
            self.fail(f'the share is {share}')
            return
        self._heard_s = now_s
        if share > self._stop_above:
            self._runs, self.why = False, f'the share is {share:.2%}'
        elif share <= self._run_below:
            self._runs, self.why = True, f'the share is {share:.2%}'

    def fail(self, why: str) -> None:
        """Stop for another reason, until a low share comes."""
        self._runs, self.why = False, why

    def may_run(self, now_s: float) -> bool:
        """Whether the belt may run now; `why` says why."""
        if self._runs and now_s - self._heard_s > self._silence_s:
            self.fail(f'nothing heard for {self._silence_s} s')
        return self._runs
