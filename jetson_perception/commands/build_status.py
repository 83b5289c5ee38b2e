"""What a terminal shows while an engine is built."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

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
    name : str
        The engine, as people call it.
    console : Console, optional
        Where it is shown, if that is a terminal; standard error by default.
    """

    def __init__(self, name: str, console: Console | None = None) -> None:
        self._name = name
        self._console = console
        self._lock = threading.Lock()
        self._status: Status | None = None

    def __call__(self, fraction: float | None, phase: str) -> None:
        """Show how far the build is."""
        from rich.console import Console  # not before: most models need no build
        from rich.markup import escape

        text = escape(describe_progress(self._name, fraction, phase))
        with self._lock:
            if self._status is None:
                console = self._console or Console(stderr=True)
                self._status = console.status(text, spinner='line')
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
