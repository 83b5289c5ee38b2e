"""How commands print: whole lines, counted things, lists that end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.printable import printable, printable_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.progress import Progress


def say(console: Console, text: str) -> None:
    """Print text as it is: paths keep their brackets and are not broken."""
    console.print(printable_line(text), highlight=False, markup=False, soft_wrap=True)


def counted(number: int, noun: str, plural: str = 's') -> str:
    """A number with its noun: '1 frame', '2 frames', 'frames unknown'."""
    if not number:
        return f'{noun}{plural} unknown'
    return f'{number} {noun}{plural if number > 1 else ""}'


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names with commas between them, the first ones of many."""
    more = f', … ({len(names)} in all)' if len(names) > most else ''
    return ', '.join(map(printable, names[:most])) + more


def progress_bar(console: Console) -> Progress:
    """A bar that counts; where nobody watches, nothing."""
    from rich.progress import MofNCompleteColumn, Progress

    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
