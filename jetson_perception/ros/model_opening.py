"""Opening models without holding the node up: an engine may take minutes to build."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.request import describe_progress
from jetson_perception.pipeline import (
    SLOW_START_S,
    Activity,
    LeftBehind,
    WatchedThread,
    join_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

_PATIENCE_S = 1.0  # for what cannot be cancelled, as a runtime that loads a file
_WORTH_TELLING_S = 1.0
_MOST_AT_ONCE = 4  # each takes several times its file's size while it is read


class ModelOpening:
    """Models being opened side by side, in threads.

    Parameters
    ----------
    openers : mapping of str to callable
        By the engine's name, what opens its model: called with the keywords `progress` and
        `cancel`, as `EngineRequest` has them. What it gives has `close`.
    on_done : callable
        Called in a thread when all are open, or one failed and no other is being opened.
    """

    def __init__(
        self, openers: Mapping[str, Callable[..., Any]], on_done: Callable[[], None]
    ) -> None:
        self._names = tuple(openers)
        self._on_done = on_done
        self._cancel = threading.Event()
        #: Set when there is something to tell: a build has begun, or all is done.
        self._news = threading.Event()
        self._lock = threading.Lock()
        self._waiting = deque(openers.items())
        self._opened: dict[str, Any] = {}
        self._error: Exception | None = None
        #: How far builds are, by the engine's name.
        self._progress: dict[str, str] = {}
        self._done = self._closed = False
        activities = [Activity('the model') for _ in range(min(len(openers), _MOST_AT_ONCE) or 1)]
        self._at_work = len(activities)
        self._threads = [
            WatchedThread(partial(self._run, activity), 'opening models', activity)
            for activity in activities
        ]
        for thread in self._threads:
            thread.start()

    @property
    def activities(self) -> list[Activity]:
        """What the threads are at."""
        return [thread.activity for thread in self._threads]

    @property
    def done(self) -> bool:
        """Whether all are open, or one failed and no other is being opened."""
        return self._done

    @property
    def progress(self) -> str:
        """What is being built and how far, or what else takes long, for people; else empty."""
        if self._done:
            return ''
        with self._lock:
            building = next((each for each in map(self._progress.get, self._names) if each), '')
        if building:
            return building
        slow = (each for each in self.activities if each.elapsed_s() >= _WORTH_TELLING_S)
        return next((activity.describe() for activity in slow), '')

    def wait_for_news(self, timeout_s: float | None = None) -> bool:
        """Wait until all is done, or a build has begun, which may take long.

        Returns
        -------
        bool
            False when neither was so after `timeout_s`, or the wait was interrupted.
        """
        return self._news.wait(timeout_s) and (self._done or bool(self._progress))

    def interrupt(self) -> None:
        """Cancel what is being built, and end a wait for news; any thread may call it."""
        self._cancel.set()
        self._news.set()

    def take(self) -> dict[str, Any]:
        """The models by name, once done; they are the caller's from now on.

        Raises
        ------
        Exception
            What an opener raised first. The others' models are closed then.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            opened, self._opened = self._opened, {}
            return {name: opened[name] for name in self._names if name in opened}

    def close(self) -> LeftBehind | None:
        """Cancel what is being built, and close the models that nobody took.

        Returns
        -------
        LeftBehind or None
            The threads that take longer; the last one closes what they have opened.
        """
        self._cancel.set()
        left = join_until(self._threads, time.monotonic() + _PATIENCE_S)
        if left:
            log.warning('a model is still being opened; it will be closed when it is open')
        with self._lock:
            self._closed = True
            self._close_opened()
        return LeftBehind(left) if left else None

    def _run(self, activity: Activity) -> None:
        while (following := self._next()) is not None:
            name, opener = following
            activity.who = f'engine {name}' if name else 'the engine'
            activity.begin('opening its model', limit_s=SLOW_START_S)
            progress = partial(self._report, name, activity)
            try:
                model = opener(progress=progress, cancel=self._cancel)
            except Exception as err:  # noqa: BLE001 - it is handed on, whatever it is
                self._fail(err)
            else:
                with self._lock:
                    self._opened[name] = model
            finally:
                activity.end()
                with self._lock:
                    self._progress.pop(name, None)
        self._end()

    def _next(self) -> tuple[str, Callable[..., Any]] | None:
        with self._lock:
            if self._cancel.is_set() or not self._waiting:
                return None
            return self._waiting.popleft()

    def _fail(self, err: Exception) -> None:
        """Keep the first error, and let what else is being opened end soon."""
        with self._lock:
            self._error = self._error or err
        self._cancel.set()

    def _end(self) -> None:
        """End a thread; the last one says that all is done."""
        with self._lock:
            self._at_work -= 1
            if self._at_work:
                return
            if self._error is not None or self._closed:
                self._close_opened()
            self._done = True
        self._news.set()
        self._on_done()

    def _report(self, name: str, activity: Activity, fraction: float | None, phase: str) -> None:
        activity.begin('building', limit_s=math.inf)
        with self._lock:
            self._progress[name] = describe_progress(name, fraction, phase)
        self._news.set()

    def _close_opened(self) -> None:
        while self._opened:
            name, model = self._opened.popitem()
            try:
                model.close()
            except Exception:  # waiters must hear that the others ended
                log.exception('the model of engine %s could not be closed', name)
