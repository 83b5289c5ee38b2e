"""How errors name the most pixels that an image may have."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_is_parameter = True


def limit_in_words(most_pixels: int) -> str:
    """The limit as part of an error: what to set is named where it can be set."""
    if _is_parameter:
        return f'max_image_pixels is {most_pixels}'
    return f'at most {most_pixels} are read'


@contextmanager
def without_parameter() -> Iterator[None]:
    """Have errors of this process not name `max_image_pixels`, which commands have no option for.

    Within the block; all threads are concerned.
    """
    global _is_parameter
    before, _is_parameter = _is_parameter, False
    try:
        yield
    finally:
        _is_parameter = before
