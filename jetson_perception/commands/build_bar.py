"""The bar that a terminal shows while `build-engine` builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Self


class BuildBar:
    """A bar with the time that is left; shown only in a terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.percentage:>3.0f} %'),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task('starting', total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, fraction: float | None, phase: str) -> None:
        """Move the bar; without a fraction it swings."""
        if fraction is None:
            self._progress.update(self._task, description=phase, total=None)
        else:
            self._progress.update(self._task, description=phase, total=1.0, completed=fraction)
