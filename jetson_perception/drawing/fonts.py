"""Fonts that have the letters of a text: the package's own, or else an installed one.

DejaVu Sans comes with the package. It has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew,
Arabic and Lao letters, among others. For other letters, such as Chinese and Japanese, fontconfig
finds a font.
"""

from __future__ import annotations

import logging
import threading
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.printable import printable

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_log = logging.getLogger(__name__)

_TRIAL_PX = 16
_FONTCONFIG_TIMEOUT_S = 2.0  # drawing waits for it
_MOST_INSTALLED = 16  # class names need one or two


class FontFile(NamedTuple):
    """A font file, and the index of a font in it."""

    path: str
    face: int = 0


PACKAGED = FontFile(str(Path(__file__).parent / 'fonts' / 'DejaVuSans.ttf'))
"""The font that is always there."""

_lock = threading.Lock()
_installed: list[FontFile] = []
_is_asked = True  # until fontconfig does not answer in time
_is_lack_told = False


@lru_cache(maxsize=64)
def sized(file: FontFile, px: int) -> FreeTypeFont:
    """A font at a size."""
    from PIL import ImageFont  # imported late, as it takes as long as drawing a frame

    return ImageFont.truetype(file.path, px, index=file.face)


@lru_cache(maxsize=4096)
def font_for(text: str) -> FontFile | None:
    """A font that has every letter of a text; None if there is none.

    The first text that the package's font cannot write takes as long as fontconfig does. If
    fontconfig takes too long, it is not asked again. The first text without a font is logged.
    """
    letters = frozenset(letter for letter in text if _is_drawn(letter))
    if _has(PACKAGED, letters):
        return PACKAGED
    with _lock:
        known = next((file for file in _installed if _has(file, letters)), None)
        if known is not None:
            return known
        found = _ask_fontconfig(letters) if _is_asked else None
        if found is None or not _has(found, letters):
            _tell_of_lack(text)
            return None
        _installed[:] = [found, *_installed[: _MOST_INSTALLED - 1]]
        return found


def _tell_of_lack(text: str) -> None:
    """Log it once: what helps for one name helps for most."""
    global _is_lack_told
    if not _is_lack_told:
        _is_lack_told = True
        _log.warning(
            'no font has all letters of %s: classes without a font are drawn as their ids; '
            'sudo apt install fonts-noto-cjk fontconfig, and start again; for scripts other than '
            'Chinese, Japanese and Korean, install fonts-noto-core too',
            printable(text),
        )


def _is_drawn(letter: str) -> bool:
    """Whether a character needs a glyph; joiners and spaces do not."""
    return unicodedata.category(letter) not in ('Cf', 'Zs', 'Cc', 'Cs')


def _has(file: FontFile, letters: frozenset[str]) -> bool:
    try:
        return all(_glyph(file, letter) != _glyph(file, '\U0010fffd') for letter in letters)
    except (OSError, ValueError):  # a font of bitmaps, or a file that FreeType cannot read
        return False


@lru_cache(maxsize=8192)
def _glyph(file: FontFile, letter: str) -> tuple[bytes, tuple[int, int]]:
    """What a font draws for a character; the same for all characters that it lacks."""
    mask = sized(file, _TRIAL_PX).getmask(letter)
    return bytes(mask), mask.size


def _ask_fontconfig(letters: frozenset[str]) -> FontFile | None:
    """The installed font that fits best, which may lack some letters."""
    import subprocess

    global _is_asked
    wanted = ' '.join(f'{ord(letter):x}' for letter in sorted(letters))
    command = ['fc-match', '-f', '%{file}\n%{index}', f'sans-serif:charset={wanted}']
    try:
        answer = subprocess.run(
            command, capture_output=True, timeout=_FONTCONFIG_TIMEOUT_S, check=True
        ).stdout.decode()
        path, _, index = answer.partition('\n')
        # The upper 16 bits are the instance of a variable font.
        return FontFile(path, int(index) & 0xFFFF) if path else None
    except subprocess.TimeoutExpired:
        _is_asked = False
        _log.warning(
            'fc-match took more than %g s to find a font and is not asked again; if it reads the '
            'fonts for the first time, run fc-cache once and start again',
            _FONTCONFIG_TIMEOUT_S,
        )
        return None
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
