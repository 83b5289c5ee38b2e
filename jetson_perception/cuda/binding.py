"""Who may use the GPU while an engine warms up and captures its graph: nobody else."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Binding:
    """Lets engines load and first run side by side, and one engine at a time bind.

    As a context manager it is held alone, which a thread may do repeatedly; `loading` is held by
    any number of threads while nobody holds it alone. Who wants it alone goes before new ones that
    load.

    So is `working`, by lanes that have a frame on the GPU. A lane that is never idle looks at
    `is_wanted`, and pauses: an engine that is opened while others run captures its graph, too.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._loading = 0
        self._working = 0
        self._waiting = 0
        self._holder: int | None = None
        self._depth = 0
        self._since_s = 0.0
        #: For how long it was held alone so far, waiting for those at work included; seconds.
        self.alone_s = 0.0

    @property
    def is_wanted(self) -> bool:
        """Whether somebody holds it alone, or waits for those at work to do so."""
        return self._holder is not None

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
                self._since_s = time.monotonic()
                self._changed.wait_for(lambda: not self._working)
            self._depth += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._changed:
            self._depth -= 1
            if not self._depth:
                self.alone_s += time.monotonic() - self._since_s
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

    @contextmanager
    def working(self) -> Iterator[None]:
        """Hold it together with others that run frames, or load; within that it does nothing."""
        turn = Turn(self)
        turn.begin()
        try:
            yield
        finally:
            turn.end()

    def _begin_work(self) -> bool:
        """Wait until nobody holds it alone; False if this thread does."""
        with self._changed:
            if self._holder == threading.get_ident():
                return False
            self._changed.wait_for(lambda: self._holder is None)
            self._working += 1
            return True

    def _end_work(self) -> None:
        with self._changed:
            self._working -= 1
            self._changed.notify_all()


class Turn:
    """A thread's work on the GPU, from its first frame until none is under way."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._is_on = False

    @property
    def is_to_end(self) -> bool:
        """Whether somebody waits to have the GPU alone."""
        return self._is_on and self._binding.is_wanted

    def begin(self) -> None:
        """Work from now on, once nobody holds the binding alone; again, it does nothing."""
        if not self._is_on:
            self._is_on = self._binding._begin_work()

    def end(self) -> None:
        """Let others have the GPU alone; again, it does nothing."""
        if self._is_on:
            self._is_on = False
            self._binding._end_work()


BINDING = Binding()
"""Held while an engine warms up and captures its graph: one engine per process at a time. Engines
load, and run without a graph, and lanes run frames, while nobody holds it: a capture bears neither
their allocations nor other work."""
