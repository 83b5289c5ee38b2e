"""The bar that a terminal shows while `build-engine` builds."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from jetson_perception.commands.progress import TerminalProgress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task
    from typing_extensions import Self


class _Elapsed(ProgressColumn):
    """The time since the bar was made: rich's own begins with the first fraction."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = time.monotonic()

    def render(self, task: Task) -> Text:
        passed = timedelta(seconds=int(time.monotonic() - self._begun))
        return Text(str(passed), style='progress.elapsed')


class BuildBar:
    """A bar with the time that is left; shown only in a terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = TerminalProgress(
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.percentage:>3.0f} %'),
            _Elapsed(),
            TextColumn('left'),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task('starting', start=False, total=1.0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, fraction: float | None, phase: str) -> None:
        """Move the bar; it swings until there is a first fraction."""
        if fraction is None:
            self._progress.update(self._task, description=phase)
        else:
            self._progress.start_task(self._task)
            self._progress.update(self._task, description=phase, completed=fraction)
