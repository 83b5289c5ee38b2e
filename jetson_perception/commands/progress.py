"""The bars that a terminal shows while a command counts.

rich 11.2, which Ubuntu 22.04 has, knows neither `MofNCompleteColumn` nor a total of None.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

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


class _AboveBar:
    """The stream of a console whose last line is a bar; lines come as they are, not folded."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> None:
        if text.strip():
            self._console.print(text.rstrip('\n'), markup=False, highlight=False, soft_wrap=True)

    def flush(self) -> None: ...


class TerminalProgress(Progress):
    """Progress that is shown only in a terminal, and leaves standard output alone.

    rich would send what is printed meanwhile to the console of the bar, which is standard error:
    past the file or the pipe that standard output may be.
    """

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        super().__init__(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=not console.is_terminal,
        )
        self._handlers: list[tuple[logging.StreamHandler[Any], Any]] = []

    def start(self) -> None:
        """Show it; what is logged meanwhile goes above the bar, not behind it."""
        handlers = [
            handler
            for handler in logging.getLogger().handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
        ]
        super().start()
        if not self.disable:
            stream = _AboveBar(self.console)
            self._handlers += [(handler, handler.setStream(stream)) for handler in handlers]

    def print_line(self, text: str) -> None:
        """Print a line to standard output; above the bar where both are in the terminal."""
        if self.disable or not sys.stdout.isatty():
            print(text, flush=True)
        else:
            _AboveBar(self.console).write(text)

    def stop(self) -> None:
        """End it; rich 11.2 prints an empty line for one that was not shown."""
        for handler, stream in self._handlers:
            handler.setStream(stream)
        self._handlers.clear()
        if not self.disable:
            super().stop()


def progress_bar(console: Console) -> TerminalProgress:
    """A bar that counts; shown only in a terminal."""
    columns = (*Progress.get_default_columns(), _Count())
    return TerminalProgress(*columns, console=console)


def add_open_end(progress: Progress, description: str) -> TaskID:
    """Add a bar for what nobody knows the number of: it swings, as it is not started."""
    return progress.add_task(description, start=False, total=0)
