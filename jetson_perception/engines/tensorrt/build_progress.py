"""Computes how far a build has come, from the nested phases that TensorRT reports."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class _Phase:
    name: str
    parent: str | None
    steps: int
    done: int = 0
    ended: int = 0  # phases within the step that is under way
    children: list[_Phase] = field(default_factory=list)

    def fraction(self) -> float:
        """How much of this phase is done, 0 to 1.

        The number of phases in a step is not known beforehand; each counts for half of the rest.
        """
        active = max((child.fraction() for child in self.children), default=0.0)
        within = 1 - 0.5 ** (self.ended + active)
        return min((self.done + within) / max(self.steps, 1), 1.0)


class BuildProgress:
    """The fraction of a build that is done; it never decreases.

    TensorRT calls this from its own threads, hence the lock. A phase names its parent; the first
    one with an unknown parent counts as the build itself.

    Parameters
    ----------
    report : callable
        Called with the fraction, 0 to 1, and the name of the phase, when the fraction has grown by
        a thousandth or the phase has changed.
    """

    def __init__(self, report: Callable[[float, str], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._root: _Phase | None = None
        self._said = -1.0
        self._named = ''

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """Begin a phase."""
        with self._lock:
            phase = _Phase(name, parent, steps)
            within = self._phases.get(parent) if parent is not None else None
            self._phases[name] = phase
            if within is not None:
                within.children.append(phase)
            elif self._root is None:
                self._root = phase
            self._say(name)

    def step(self, name: str, step: int) -> None:
        """Count step number `step` of a phase, from 0 on, as done."""
        with self._lock:
            phase = self._phases.get(name)
            if phase is not None:
                phase.done = max(phase.done, step + 1)
                phase.ended = 0
                self._say(name)

    def finish(self, name: str) -> None:
        """End a phase, even a canceled one."""
        with self._lock:
            phase = self._phases.pop(name, None)
            if phase is None:
                return
            within = self._phases.get(phase.parent) if phase.parent is not None else None
            if within is not None and phase in within.children:
                within.children.remove(phase)
                within.ended += 1
            elif phase is self._root:
                phase.done = max(phase.steps, 1)
            self._say(within.name if within else name)

    def _say(self, name: str) -> None:
        fraction = max(self._root.fraction() if self._root else 0.0, self._said)
        if fraction >= self._said + 1e-3 or name != self._named:
            self._said, self._named = fraction, name
            self._report(fraction, name)


def make_monitor(trt: Any, progress: BuildProgress) -> Any:
    """A `trt.IProgressMonitor` that reports to `progress`.

    Parameters
    ----------
    trt : module
        A TensorRT that has IProgressMonitor (9.1 and later).
    progress : BuildProgress
        What it reports to.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress.step(phase_name, step)
            return True  # go on: a build is canceled by ending its process

        def phase_finish(self, phase_name: str) -> None:
            progress.finish(phase_name)

    return Monitor()
