"""Numbers in settings: bool is none, though Python counts with it, and YAML reads `on` as True."""

from __future__ import annotations

from numbers import Integral, Real


def is_number(value: object) -> bool:
    """Whether a value is a real number, one of NumPy's included; NaN and infinity are."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole_number(value: object) -> bool:
    """Whether a value is an integer, one of NumPy's included."""
    return isinstance(value, Integral) and not isinstance(value, bool)
