"""Opening models without holding the node up: an engine may take minutes to build."""

from __future__ import annotations

import logging
import math
import threading
import time
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


class ModelOpening:
    """Models being opened one after another, in a thread.

    Parameters
    ----------
    openers : mapping of str to callable
        By the engine's name, what opens its model: called with the keywords `progress` and
        `cancel`, as `EngineRequest` has them. What it gives has `close`.
    on_done : callable
        Called in the thread when all are open, or one failed.
    """

    def __init__(
        self, openers: Mapping[str, Callable[..., Any]], on_done: Callable[[], None]
    ) -> None:
        self._openers = dict(openers)
        self._on_done = on_done
        self._cancel = threading.Event()
        #: Set when there is something to tell: a build has begun, or all is done.
        self._news = threading.Event()
        self._lock = threading.Lock()
        self._opened: dict[str, Any] = {}
        self._error: Exception | None = None
        self._progress = ''
        self._done = self._closed = False
        #: What the thread is at.
        self.activity = Activity('the model')
        self._thread = WatchedThread(self._run, 'opening models', self.activity)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether all are open, or one failed."""
        return self._done

    @property
    def progress(self) -> str:
        """What is being built and how far, or what else takes long, for people; else empty."""
        if self._done:
            return ''
        if self._progress or self.activity.elapsed_s() < _WORTH_TELLING_S:
            return self._progress
        return self.activity.describe()

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
            What an opener raised. The others' models are closed then.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            opened, self._opened = self._opened, {}
            return opened

    def close(self) -> LeftBehind | None:
        """Cancel what is being built, and close the models that nobody took.

        Returns
        -------
        LeftBehind or None
            The thread, where it takes longer; it closes what it has opened.
        """
        self._cancel.set()
        left = join_until([self._thread], time.monotonic() + _PATIENCE_S)
        if left:
            log.warning('a model is still being opened; it will be closed when it is open')
        with self._lock:
            self._closed = True
            self._close_opened()
        return LeftBehind(left) if left else None

    def _run(self) -> None:
        error = None
        for name, opener in self._openers.items():
            if self._cancel.is_set():
                break
            self.activity.who = f'engine {name}' if name else 'the engine'
            self.activity.begin('opening its model', limit_s=SLOW_START_S)
            try:
                model = opener(progress=partial(self._report, name), cancel=self._cancel)
            except Exception as err:  # noqa: BLE001 - it is handed on, whatever it is
                error = err
                break
            finally:
                self.activity.end()
            with self._lock:
                self._opened[name] = model
                self._progress = ''
        with self._lock:
            if error is not None or self._closed:
                self._close_opened()
            self._error, self._done = error, True
        self._news.set()
        self._on_done()

    def _report(self, name: str, fraction: float | None, phase: str) -> None:
        self.activity.begin('building', limit_s=math.inf)
        self._progress = describe_progress(name, fraction, phase)
        self._news.set()

    def _close_opened(self) -> None:
        while self._opened:
            name, model = self._opened.popitem()
            try:
                model.close()
            except Exception:  # waiters must hear that the others ended
                log.exception('the model of engine %s could not be closed', name)
