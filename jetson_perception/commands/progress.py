"""The bars that a terminal shows while a command counts.

rich 11.2, which Ubuntu 22.04 has, knows neither `MofNCompleteColumn` nor a total of None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import Progress, ProgressColumn
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task, TaskID


class _Count(ProgressColumn):
    """How many there are so far, of how many."""

    def render(self, task: Task) -> Text:
        total = f'{task.total:.0f}' if task.total else '?'
        return Text(f'{task.completed:.0f}/{total}', style='progress.download')


def progress_bar(console: Console) -> Progress:
    """A bar that counts; shown only in a terminal."""
    columns = (*Progress.get_default_columns(), _Count())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def add_open_end(progress: Progress, description: str) -> TaskID:
    """Add a bar for what nobody knows the number of: it swings, as it is not started."""
    return progress.add_task(description, start=False, total=0)
