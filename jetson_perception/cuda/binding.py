"""Who may use the GPU while an engine warms up and captures its graph: nobody else."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Binding:
    """Lets engines load and first run side by side, and one engine at a time bind.

    As a context manager it is held alone, which a thread may do repeatedly; `loading` is held by
    any number of threads while nobody holds it alone. Who wants it alone goes before new ones that
    load.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._loading = 0
        self._waiting = 0
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            if self._holder != me:
                self._waiting += 1
                try:
                    self._changed.wait_for(lambda: self._holder is None and not self._loading)
                finally:
                    self._waiting -= 1
                self._holder = me
            self._depth += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._changed:
            self._depth -= 1
            if not self._depth:
                self._holder = None
                self._changed.notify_all()

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Hold it together with others that load; not in a thread that already does."""
        me = threading.get_ident()
        with self._changed:
            is_alone = self._holder == me
            if not is_alone:
                self._changed.wait_for(lambda: self._holder is None and not self._waiting)
                self._loading += 1
        try:
            yield
        finally:
            if not is_alone:
                with self._changed:
                    self._loading -= 1
                    self._changed.notify_all()


BINDING = Binding()
"""Held while an engine warms up and captures its graph: one engine per process at a time. Engines
load, and run without a graph, while nobody holds it: their allocations would break a capture."""
