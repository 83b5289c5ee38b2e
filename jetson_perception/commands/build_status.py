"""What a terminal shows while an engine is built."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rich.markup import escape

from jetson_perception.engines.request import describe_progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status
    from typing_extensions import Self


class BuildStatus:
    """A line that says how far a build is; nothing is shown while none runs.

    It is what `open_engine` takes as `progress`, and may be called from any thread.

    Parameters
    ----------
    console : Console
        Where it is shown; nowhere if that is no terminal.
    name : str
        Of the engine, for people.
    """

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._lock = threading.Lock()
        self._status: Status | None = None

    def __call__(self, fraction: float | None, phase: str) -> None:
        """Show how far the build is."""
        text = escape(describe_progress(self._name, fraction, phase))
        with self._lock:
            if self._status is None:
                self._status = self._console.status(text, spinner='line')
                self._status.start()
            else:
                self._status.update(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._status is not None:
                self._status.stop()
                self._status = None
