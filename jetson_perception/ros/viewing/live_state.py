"""What the page is told of the robot; written in one thread, read in another."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any

_MOST_STATUSES = 200
#: What says nothing for so long is not shown any more; stats and diagnostics come every second.
_QUIET_S = 5.0

#: The lists of the state, and what is known of classes, which is said once and stays.
_LISTS = ('detections', 'engines', 'areas', 'diagnostics')


class LiveState:
    """The newest of each topic.

    The state has `streams`, names of streams of pictures, `settings`, a number that changes when
    parameters may have changed, and under each key of `facts` a list of what its messages say, in
    the order of their topics; `diagnostics` in the order of names.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._number = 0
        self._settings = 0
        #: None until they were looked for.
        self._streams: list[str] | None = None
        self._labels: dict[str, list[str]] = {}
        #: For each key and topic, when something came and what it was.
        self._facts: dict[str, dict[str, tuple[float, Any]]] = {key: {} for key in _LISTS}

    def set_streams(self, streams: list[str]) -> None:
        """Say which streams of pictures there are."""
        with self._lock:
            if streams != self._streams:
                self._streams = streams
                self._number += 1

    def note_settings(self) -> None:
        """Say that parameters that the page shows may be others now."""
        with self._lock:
            self._settings += 1
            self._number += 1

    def put(self, key: str, name: str, value: Any) -> None:
        """Replace what a topic, or a status of this name, has said."""
        with self._lock:
            self._number += 1
            if key == 'labels':
                self._settings += self._labels.get(name) != value
                self._labels[name] = value
                return
            facts = self._facts[key]
            if name in facts or len(facts) < _MOST_STATUSES:
                facts[name] = (time.monotonic(), value)

    def forget_quiet(self) -> None:
        """Leave out what has come too long ago to hold."""
        now_s = time.monotonic()
        with self._lock:
            for facts in self._facts.values():
                quiet = [name for name, (at_s, _) in facts.items() if now_s - at_s > _QUIET_S]
                for name in quiet:
                    del facts[name]
                    self._number += 1

    def clear(self) -> None:
        """Forget all: nobody follows it any more."""
        with self._lock:
            self._number += 1
            self._streams = None
            self._labels.clear()
            for facts in self._facts.values():
                facts.clear()

    def labels(self) -> dict[str, list[str]]:
        """Names of classes by the topic that says them."""
        with self._lock:
            return dict(self._labels)

    def read(self) -> tuple[int, dict[str, Any]] | None:
        """All of it, and a number that changes with it; None until somebody follows it."""
        with self._lock:
            if self._streams is None:
                return None
            state: dict[str, Any] = {'streams': list(self._streams), 'settings': self._settings}
            for key, facts in self._facts.items():
                state[key] = [facts[name][1] for name in sorted(facts)]
            return self._number, state
