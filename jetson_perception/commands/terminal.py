"""How commands print: whole lines, and bars that count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.printable import printable_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def say(console: Console, text: str) -> None:
    """Print text as it is: paths keep their brackets and are not broken."""
    console.print(printable_line(text), highlight=False, markup=False, soft_wrap=True)


def progress_bar(console: Console) -> Progress:
    """A bar that counts; where nobody watches, nothing."""
    from rich.progress import MofNCompleteColumn, Progress

    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
