"""Text as pixels: rendered once, kept, and copied into images.

OpenCV draws ASCII alone before version 5. Pillow draws any letter that a font has, and joins those
of scripts that join them. As names and numbers come again from frame to frame, what is rendered is
kept: a label costs a few copies of its pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.drawing.fonts import PACKAGED, font_for, sized
from jetson_perception.drawing.kept import KeptPixels
from jetson_perception.model_info import class_name_of
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.drawing.colors import Color

_NAME_CHARACTERS = 60  # of a class that are drawn
# Letters of all scripts stay within these parts of the size; what does not, is cut.
_ASCENT, _DESCENT = 1.0, 0.28
_kept = KeptPixels(32 << 20)  # a label of a 4K picture takes about 100 KiB
_JOINERS = '\u200c\u200d'  # letters of Persian and of Indian scripts need them


def drawn_name(class_names: Sequence[str], class_id: int) -> str:
    """Name of a class as it is drawn: 'class_<id>' where no font has its letters.

    Parameters
    ----------
    class_names : sequence of str
        Name of class i at index i.
    class_id : int
        Also one beyond those names.
    """
    return _writable(class_name_of(class_names, class_id)) or class_name_of((), class_id)


@lru_cache(maxsize=4096)
def _writable(name: str) -> str:
    """A name as one short line; empty where no font has its letters, or it has none."""
    if len(name) > _NAME_CHARACTERS or not _is_printable(name):
        name = printable(name, _NAME_CHARACTERS)
    is_seen = name.strip(f' {_JOINERS}') != ''
    return name if is_seen and font_for(name) is not None else ''


def text_height(px: int) -> int:
    """Pixels from the top to the bottom of every text of a size."""
    return round(px * _ASCENT) + round(px * _DESCENT)


def rendered(text: str, px: int) -> NDArray[np.uint8]:
    """A line of text, shape (text_height(px), width), 0 to 255: how much of each pixel is ink.

    Parameters
    ----------
    text : str
        Letters that no font has become boxes.
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
    """Copy pieces of a label beside each other; what is outside the image is left out.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    at : tuple of int
        Left and top, 0 or more.
    pieces : sequence of ndarray
        Of `on_ground`.
    """
    left, top = at
    for piece in pieces:
        part = canvas[top : top + piece.shape[0], left : left + piece.shape[1]]
        part[:] = piece[: part.shape[0], : part.shape[1]]
        left += piece.shape[1]


def on_ground(
    text: str, px: int, ground: Color, left: int = 0, right: int = 0
) -> NDArray[np.uint8]:
    """Text on a ground of a color, shape (text_height(px), w, 3), BGR; read-only.

    The text is black or white, whichever can be read better. A label is made of several: a name,
    a score and an id come in too many combinations to keep each.

    Parameters
    ----------
    text : str
        A piece of a label.
    px : int
        Size of the font.
    ground : tuple of int
        BGR.
    left, right : int
        Pixels of ground at the ends.
    """
    key = text, px, ground, left, right
    return _kept.get(key, lambda: _lay(*key))


def put_light(canvas: NDArray[np.uint8], at: tuple[int, int], text: str, px: int) -> None:
    """Write white text over a dark part of the image; what is outside is left out."""
    left, top = at
    ink = rendered(text, px)
    part = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
    if part.size:
        light = cv2.cvtColor(ink[: part.shape[0], : part.shape[1]], cv2.COLOR_GRAY2BGR)
        part[:] = cv2.add(part, light)


def _is_printable(name: str) -> bool:
    return name.isprintable() or ''.join(c for c in name if c not in _JOINERS).isprintable()


def _render(text: str, px: int) -> NDArray[np.uint8]:
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
    margins = cv2.copyMakeBorder(rendered(text, px), 0, 0, left, right, cv2.BORDER_CONSTANT)
    blue, green, red = ground
    ink = 0 if 0.114 * blue + 0.587 * green + 0.299 * red > 128 else 255
    share = margins[..., None].astype(np.float32) / 255
    return np.rint(np.array(ground) * (1 - share) + ink * share).astype(np.uint8)
