"""Numbers in settings. A bool is not one: YAML reads `on` as True, which Python counts as 1."""

from __future__ import annotations

from numbers import Integral, Real


def is_number(value: object) -> bool:
    """Whether a value is a real number, including NumPy's types, NaN and infinity."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole_number(value: object) -> bool:
    """Whether a value is an integer, including NumPy's types."""
    return isinstance(value, Integral) and not isinstance(value, bool)
