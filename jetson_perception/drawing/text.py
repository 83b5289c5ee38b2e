"""Text as pixels: rendered once, cached, and copied into images.

Before version 5, OpenCV draws only ASCII. Pillow draws any letter that a font has, and joins
letters in scripts that need it. Names recur from frame to frame, and so do the digits of numbers,
so rendered text is cached: a label then costs a few copies of pixels.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.drawing.colors import legible_on
from jetson_perception.drawing.fonts import PACKAGED, font_for, sized
from jetson_perception.drawing.kept import KeptPixels
from jetson_perception.model_info import class_name_of
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.drawing.colors import Color

_NAME_CHARACTERS = 60  # drawn of a class name
# Multiples of the font size that letters of all scripts stay within; anything beyond is cut off.
_ASCENT, _DESCENT = 1.0, 0.28
_kept = KeptPixels(32 << 20)  # a label of a 4K picture takes about 100 KiB
_JOINERS = '\u200c\u200d'  # letters of Persian and of Indian scripts need them
_PIECE = re.compile('[0-9.%#]|[^0-9.%#]+')  # a character of a number, or what is between numbers
_FROM_THE_RIGHT = {'R', 'AL', 'AN'}  # where numbers may not be where they are in the text


def drawn_name(class_names: Sequence[str], class_id: int) -> str:
    """Name of a class as it is drawn; 'class_<id>' if no font has its letters.

    Parameters
    ----------
    class_names : sequence of str
        Name of class i at index i.
    class_id : int
        May be beyond those names.
    """
    return _writable(class_name_of(class_names, class_id)) or class_name_of((), class_id)


@lru_cache(maxsize=4096)
def _writable(name: str) -> str:
    """A name as one short line; empty if it has no visible letters, or no font has them."""
    if len(name) > _NAME_CHARACTERS or not _is_printable(name):
        name = printable(name, _NAME_CHARACTERS)
    is_seen = name.strip(f' {_JOINERS}') != ''
    return name if is_seen and font_for(name) is not None else ''


def text_height(px: int) -> int:
    """Height in pixels of every text of a font size."""
    return round(px * _ASCENT) + round(px * _DESCENT)


def rendered(text: str, px: int) -> NDArray[np.uint8]:
    """A line of text, shape (text_height(px), width), 0 to 255: how much of each pixel is ink.

    Parameters
    ----------
    text : str
        Letters that no font has are drawn as boxes.
    px : int
        Size of the font.

    Returns
    -------
    ndarray, uint8
        Read-only.
    """
    return _kept.get((text, px), lambda: _render(text, px))


def put_line(
    canvas: NDArray[np.uint8], at: tuple[int, int], pieces: Sequence[NDArray[np.uint8]]
) -> None:
    """Copy the pieces of a label next to each other, clipped to the image.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    at : tuple of int
        Left and top, 0 or more.
    pieces : sequence of ndarray
        From `on_ground`.
    """
    left, top = at
    for piece in pieces:
        part = canvas[top : top + piece.shape[0], left : left + piece.shape[1]]
        part[:] = piece[: part.shape[0], : part.shape[1]]
        left += piece.shape[1]


def on_ground(
    text: str, px: int, ground: Color, left: int = 0, right: int = 0
) -> NDArray[np.uint8]:
    """Text on a colored background, shape (text_height(px), w, 3), BGR; read-only.

    The text is black or white, whichever is more legible. A label consists of several such pieces,
    because there are too many combinations of name, score and id to cache each.

    Parameters
    ----------
    text : str
        A piece of a label.
    px : int
        Size of the font.
    ground : tuple of int
        BGR.
    left, right : int
        Pixels of background at the ends.
    """
    key = text, px, ground, left, right
    return _kept.get(key, lambda: _lay(*key))


def put_light(canvas: NDArray[np.uint8], at: tuple[int, int], text: str, px: int) -> None:
    """Write white text over a dark part of the image, clipped to the image."""
    left, top = at
    ink = rendered(text, px)
    part = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
    if part.size:
        light = cv2.cvtColor(ink[: part.shape[0], : part.shape[1]], cv2.COLOR_GRAY2BGR)
        part[:] = cv2.add(part, light)


def _is_printable(name: str) -> bool:
    return name.isprintable() or ''.join(c for c in name if c not in _JOINERS).isprintable()


def _pieces(text: str) -> list[str]:
    """The digits of a text, which recur even where its numbers do not, and what is between."""
    if any(unicodedata.bidirectional(letter) in _FROM_THE_RIGHT for letter in text):
        return [text]
    return _PIECE.findall(text)


def _render(text: str, px: int) -> NDArray[np.uint8]:
    pieces = _pieces(text)
    if len(pieces) > 1:
        return np.concatenate([rendered(piece, px) for piece in pieces], axis=1)
    from PIL import Image, ImageDraw

    font = sized(font_for(text) or PACKAGED, px)
    left, _, right, _ = font.getbbox(text, anchor='ls')
    start = min(left, 0)
    width = max(int(np.ceil(max(right, font.getlength(text)) - start)), 1)
    image = Image.new('L', (width, text_height(px)))
    baseline = round(px * _ASCENT)
    ImageDraw.Draw(image).text((-start, baseline), text, fill=255, font=font, anchor='ls')
    return np.array(image, np.uint8)


def _lay(text: str, px: int, ground: Color, left: int, right: int) -> NDArray[np.uint8]:
    pieces = _pieces(text)
    if len(pieces) > 1:
        last = len(pieces) - 1
        laid = [
            on_ground(piece, px, ground, left * (i == 0), right * (i == last))
            for i, piece in enumerate(pieces)
        ]
        return np.concatenate(laid, axis=1)
    margins = cv2.copyMakeBorder(rendered(text, px), 0, 0, left, right, cv2.BORDER_CONSTANT)
    ink = np.array(legible_on(ground))
    share = margins[..., None].astype(np.float32) / 255
    return np.rint(np.array(ground) * (1 - share) + ink * share).astype(np.uint8)
