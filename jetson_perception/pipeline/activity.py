"""Tracks what threads that may hang are doing, and abandons those that hang.

A driver that hangs keeps the thread that called it, and Python cannot get it back. Such a thread
is reported and abandoned: nothing that it uses is closed.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

STUCK_S = 3.0
"""A call that takes longer counts as stuck, unless earlier ones took more than a third of that."""

SLOW_START_S = 300.0
"""The limit for calls that are slow once: loading a model, and the first run of an engine."""

_LONGEST_LIMIT_S = 30.0


class Activity:
    """What one thread is doing; that thread writes it, and any may read it.

    Parameters
    ----------
    who : str
        Who it is, for messages, such as 'engine det'.
    """

    def __init__(self, who: str) -> None:
        self.who = who
        # What is called, when it began (monotonic, ns), and its limit in s: one object, so that a
        # reader never sees parts of two calls.
        self._call: tuple[str, int, float] | None = None
        self._limit_s = STUCK_S

    def begin(self, what: str, begun_ns: int | None = None, limit_s: float | None = None) -> None:
        """Record the call that begins, such as 'an inference', in place of the previous one.

        Parameters
        ----------
        what : str
            The call, for messages, with its article.
        begun_ns : int, optional
            Monotonic time; now by default.
        limit_s : float, optional
            A longer call counts as stuck; the default follows how long such calls usually take, so
            that a slow model does not always count as stuck.
        """
        if begun_ns is None:
            begun_ns = time.monotonic_ns()
        self._call = (what, begun_ns, self._limit_s if limit_s is None else limit_s)
        if RECORDER.on:
            RECORDER.sample(begun_ns)

    def end(self, begun_ns: int | None = None) -> None:
        """Record the end of calls that began at a monotonic time; by default the current call."""
        call, self._call = self._call, None
        if call is None:
            return
        _, call_begun_ns, limit_s = call
        now_ns = time.monotonic_ns()
        if RECORDER.on:
            RECORDER.sample(now_ns)
        elapsed_ns = now_ns - (call_begun_ns if begun_ns is None else begun_ns)
        if self._limit_s < 3e-9 * elapsed_ns and limit_s <= _LONGEST_LIMIT_S:
            self._limit_s = min(3e-9 * elapsed_ns, _LONGEST_LIMIT_S)

    def elapsed_s(self) -> float:
        """Seconds since the current call began; 0 if there is none."""
        call = self._call
        return 1e-9 * (time.monotonic_ns() - call[1]) if call is not None else 0.0

    def is_stuck(self) -> bool:
        """Whether the current call takes longer than its limit."""
        call = self._call
        return call is not None and time.monotonic_ns() - call[1] > call[2] * 1e9

    def describe(self) -> str:
        """Who is doing what, and since when; empty if there is no current call."""
        call = self._call
        if call is None:
            return ''
        what, begun_ns, _ = call
        elapsed_s = 1e-9 * (time.monotonic_ns() - begun_ns)
        since = time.strftime('%H:%M:%S', time.localtime(time.time() - elapsed_s))
        return f'{self.who}: {what} has not returned since {since} ({elapsed_s:.0f} s)'


class WatchedThread(threading.Thread):
    """A thread that the interpreter does not wait for at exit, with its activity.

    Parameters
    ----------
    target : callable
        Runs in the thread.
    name : str
        The thread's name.
    activity : Activity
        Kept up to date by `target`.
    """

    def __init__(self, target: Callable[[], None], name: str, activity: Activity) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self.activity = activity


class LeftBehind:
    """Threads that did not end in time, and what to close once they have ended.

    If one of them was stuck, nothing is closed: what it called may be broken.

    Parameters
    ----------
    threads : sequence of WatchedThread
        Still alive.
    """

    def __init__(self, threads: Sequence[WatchedThread]) -> None:
        self.threads = tuple(threads)
        self._to_close: list[Callable[[], None]] = []
        self._stuck = ''

    def close_later(self, close: Callable[[], None]) -> None:
        """Close something once the threads have ended."""
        self._to_close.append(close)

    def stuck(self) -> str:
        """Which thread was found stuck, and since when, even if it ended later; else empty."""
        for thread in self.threads:
            if not self._stuck and thread.is_alive() and thread.activity.is_stuck():
                self._stuck = thread.activity.describe()
        return self._stuck

    def at_work(self) -> str:
        """What the threads are still doing, in words; empty when all have ended."""
        for thread in self.threads:
            if thread.is_alive():
                return thread.activity.describe() or f'{thread.activity.who} has not ended yet'
        return ''

    def settle(self) -> bool:
        """If all threads have ended, close what waits for that; returns whether they have."""
        if self.stuck() or self.at_work():
            return False
        while self._to_close:
            self._to_close.pop(0)()
        return True


def join_until(threads: Sequence[WatchedThread], deadline_s: float) -> list[WatchedThread]:
    """Wait for threads until a moment of the monotonic clock; returns those still alive."""
    for thread in threads:
        if thread.is_alive():
            thread.join(max(deadline_s - time.monotonic(), 0))
    return [thread for thread in threads if thread.is_alive()]


def call_within(
    call: Callable[[], None], who: str, what: str, patience_s: float
) -> LeftBehind | None:
    """Make a call that may hang; returns its thread if it does not return in time.

    The call counts as stuck only after half a minute, since a release may be slow.

    Parameters
    ----------
    call : callable
        If it raises in time, the exception is raised again.
    who, what : str
        See `Activity`.
    patience_s : float
        How long to wait for it.
    """
    activity = Activity(who)
    errors: list[Exception] = []

    def run() -> None:
        activity.begin(what, limit_s=_LONGEST_LIMIT_S)
        try:
            call()
        except Exception as error:  # noqa: BLE001 - handed to the caller
            errors.append(error)
        activity.end()

    thread = WatchedThread(run, who, activity)
    thread.start()
    if join_until([thread], time.monotonic() + patience_s):
        return LeftBehind([thread])
    if errors:
        raise errors[0]
    return None
