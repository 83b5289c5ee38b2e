"""How commands print lines and pairs.

rich is not imported here, as importing it takes longer than `info` itself.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from jetson_perception.printable import printable_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rich.console import Console

#: Texts are not folded to less than this, however narrow the terminal is.
_NARROWEST = 20


def say(console: Console, text: str) -> None:
    """Print text as it is: paths keep their brackets and are not broken."""
    console.print(printable_line(text), highlight=False, markup=False, soft_wrap=True)


def folded(text: str, width: int) -> list[str]:
    """A text in lines of some width, cut at spaces only: what has none can be copied whole."""
    lines = textwrap.wrap(
        text, max(width, _NARROWEST), break_long_words=False, break_on_hyphens=False
    )
    return lines or ['']


def print_pairs(pairs: Iterable[tuple[str, str]], whole: Collection[str] = ()) -> None:
    """Print names and texts in two columns.

    In a terminal, names are bold and long texts are folded, but those of the names in `whole`, as
    paths may have spaces; elsewhere each pair is one line.
    """
    lines = [(name, printable_line(text)) for name, text in pairs]
    indent = max((len(name) for name, _ in lines), default=0) + 2
    in_terminal = sys.stdout.isatty()
    bold = in_terminal and not os.environ.get('NO_COLOR') and os.environ.get('TERM') != 'dumb'
    width = shutil.get_terminal_size().columns - indent
    for name, text in lines:
        shown = f'\x1b[1m{name}\x1b[0m' if bold else name
        first, *others = folded(text, width) if in_terminal and name not in whole else [text]
        print(f'{shown}{" " * (indent - len(name))}{first}')
        for part in others:
            print(f'{" " * indent}{part}')
