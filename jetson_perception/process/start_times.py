"""What a process does between its start and the first answer, and how long each part takes."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# A node with many engines has some ten for each.
_MOST_SPANS = 1000


class Span(NamedTuple):
    """One part of the start.

    Attributes
    ----------
    what : str
        What was done, in words.
    whose : str
        The model that it was done for; empty if for none.
    begun_s, ended_s : float
        Since the start.
    is_main : bool
        Whether it is one of the main parts, which follow each other; the others are within these.
    """

    what: str
    whose: str
    begun_s: float
    ended_s: float
    is_main: bool


class StartTimes:
    """Times what is done until the first answer; any thread may use it.

    Attributes
    ----------
    pending : bool
        Whether the first answer is still to come.
    """

    def __init__(self, begun_ns: int) -> None:
        self._lock = threading.Lock()
        self._begun_ns = begun_ns
        self._spans: list[Span] = []
        self._main_since_ns = begun_ns
        self.pending = True

    def begin_again(self) -> None:
        """Count from now on, unless the first answer is still to come."""
        with self._lock:
            if not self.pending:
                self._begun_ns = self._main_since_ns = time.monotonic_ns()
                self._spans = []
                self.pending = True

    @contextmanager
    def span(self, what: str, whose: str = '') -> Iterator[None]:
        """Time what happens in a `with`."""
        begun_ns = time.monotonic_ns()
        try:
            yield
        finally:
            self._add(what, whose, begun_ns, time.monotonic_ns(), is_main=False)

    def done(self, what: str, ended_ns: int | None = None) -> None:
        """End a main part, which began where the last one ended.

        Parameters
        ----------
        what : str
            What was done.
        ended_ns : int, optional
            Monotonic time; now by default.
        """
        begun_ns = self._main_since_ns
        ended_ns = max(begun_ns, ended_ns or time.monotonic_ns())
        self._main_since_ns = ended_ns
        self._add(what, '', begun_ns, ended_ns, is_main=True)

    def finish(self) -> list[Span]:
        """End the start with the first answer; its spans, by their beginnings."""
        with self._lock:
            spans, self._spans = self._spans, []
            self.pending = False
        return sorted(spans, key=lambda span: (span.begun_s, not span.is_main))

    def _add(self, what: str, whose: str, begun_ns: int, ended_ns: int, *, is_main: bool) -> None:
        with self._lock:
            if self.pending and len(self._spans) < _MOST_SPANS:
                begun_s = 1e-9 * (begun_ns - self._begun_ns)
                ended_s = 1e-9 * (ended_ns - self._begun_ns)
                self._spans.append(Span(what, whose, begun_s, ended_s, is_main))


def process_began_ns() -> int:
    """When this process was started, as monotonic time, to a hundredth of a second."""
    now_ns = time.monotonic_ns()
    try:
        # The second field is the program's name, which may hold anything.
        fields = Path('/proc/self/stat').read_text('utf-8', 'replace').rpartition(')')[2].split()
        ticks = int(fields[19])
        age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ticks * 10**9 // os.sysconf(
            'SC_CLK_TCK'
        )
    except (OSError, IndexError, ValueError):
        return now_ns
    return now_ns - max(age_ns, 0)


START_TIMES = StartTimes(process_began_ns())
"""Of this process."""
