"""Sizes of images, as people type them."""

from __future__ import annotations

from argparse import ArgumentTypeError


def size_wh(text: str) -> tuple[int, int]:
    """Width and height from a text such as 1280x720, for argparse."""
    width, separator, height = text.lower().partition('x')
    if not separator or not width.isdecimal() or not height.isdecimal():
        raise ArgumentTypeError(f'{text} is not a size; expected width x height, such as 1280x720')
    if int(width) < 16 or int(height) < 16:
        raise ArgumentTypeError(f'{text} is too small; expected 16x16 or more')
    return int(width), int(height)
