"""Predicts how long the next of many similar tasks will take, from the times of earlier ones."""

from __future__ import annotations

_RISE = 0.1  # share by which a longer time raises the expected one


class ExpectedTime:
    """An expected time that falls at once, since too long a wait makes a frame old; rises slowly.

    Attributes
    ----------
    ms : float
        The expected time in milliseconds; 0 until something has been measured.
    """

    def __init__(self) -> None:
        self.ms = 0.0

    def follow(self, elapsed_ms: float) -> None:
        """Take another measured time into account."""
        above = elapsed_ms - self.ms
        self.ms += above if above < 0 else _RISE * above
