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


class TerminalProgress(Progress):
    """Progress that is shown only in a terminal."""

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        super().__init__(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )

    def stop(self) -> None:
        """End it; rich 11.2 prints an empty line for one that was not shown."""
        if not self.disable:
            super().stop()


def progress_bar(console: Console) -> Progress:
    """A bar that counts; shown only in a terminal."""
    columns = (*Progress.get_default_columns(), _Count())
    return TerminalProgress(*columns, console=console)


def add_open_end(progress: Progress, description: str) -> TaskID:
    """Add a bar for what nobody knows the number of: it swings, as it is not started."""
    return progress.add_task(description, start=False, total=0)
