"""The bars that a terminal shows while a command counts.

rich 11.2, which Ubuntu 22.04 has, knows neither `MofNCompleteColumn` nor a total of None.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import Progress, ProgressColumn
from rich.text import Text

from jetson_perception.pipeline.timing import RateMeter
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task, TaskID


_NAME_CHARACTERS = 24


class _Count(ProgressColumn):
    """How many there are so far, of how many."""

    def render(self, task: Task) -> Text:
        total = f'{task.total:.0f}' if task.total else '?'
        return Text(f'{task.completed:.0f}/{total}', style='progress.download')


class _Rate(ProgressColumn):
    """How many there are a second, where that is counted."""

    def render(self, task: Task) -> Text:
        rate = task.fields.get('rate', 0.0)
        return Text(f'{rate:.1f}/s' if rate else '', style='progress.data.speed')


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
    columns = (*Progress.get_default_columns(), _Count(), _Rate())
    return TerminalProgress(*columns, console=console)


def add_open_end(progress: Progress, description: str) -> TaskID:
    """Add a bar for what nobody knows the number of: it swings, as it is not started."""
    return progress.add_task(description, start=False, total=0)


class FrameBar:
    """Bars for the frames of sources, one after another, with their rate.

    What is left is told where the number of frames is known: not of a camera.

    Parameters
    ----------
    progress : Progress
        Shows them.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._rate = RateMeter()
        self._source: int | None = None
        self._bar: TaskID | None = None

    def count(self, source_number: int, name: str, count: int) -> None:
        """Count a frame of a source, whose name is shown; of `count`, or 0 if nobody knows."""
        if self._bar is None or source_number != self._source:
            if self._bar is not None:
                self._progress.remove_task(self._bar)
            self._source = source_number
            text = escape(printable(name, _NAME_CHARACTERS))
            self._bar = self._progress.add_task(text, start=count > 0, total=count)
        now_ns = time.monotonic_ns()
        self._rate.tick(now_ns)
        self._progress.update(self._bar, advance=1, rate=self._rate.rate(now_ns))
