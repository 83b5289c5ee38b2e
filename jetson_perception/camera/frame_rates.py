"""Possible frame rates: beyond them, times overflow or no frame ever comes."""

from __future__ import annotations

MIN_RATE_HZ = 1e-3
MAX_RATE_HZ = 1e3


def is_frame_rate(rate_hz: float) -> bool:
    """Whether a number is one of frames a second, or 0, which means as fast as they come."""
    return rate_hz == 0 or MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ  # also false for NaN
