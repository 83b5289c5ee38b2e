"""How long the next of many like things will take, from how long those before it took."""

from __future__ import annotations

_RISE = 0.1  # of what a time is above the expected one


class ExpectedTime:
    """Falls at once, since waiting too long costs a frame its age; rises slowly.

    Attributes
    ----------
    ms : float
        The time that is expected, milliseconds; 0 until something was measured.
    """

    def __init__(self) -> None:
        self.ms = 0.0

    def follow(self, elapsed_ms: float) -> None:
        """Take another measured time into account."""
        above = elapsed_ms - self.ms
        self.ms += above if above < 0 else _RISE * above
