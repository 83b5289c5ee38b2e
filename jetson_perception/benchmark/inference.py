"""Times engines alone: all at once or one after another, without pre- and postprocessing.

An engine on a GPU accepts work in advance: with two frames in flight it never waits for the host
between them, so no program can run it faster. As in a pipeline, every engine has its own thread,
because a CUDA graph belongs to the thread that captured it.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from jetson_perception.benchmark.timing import Timing, intervals_ms, timing
from jetson_perception.engines.base import CudaEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.engines import Engine

_WARM_UP = 3


class _Runner(Protocol):
    """Runs one engine on one input again and again; all calls come from one thread."""

    def prepare(self) -> None:
        """Warm the engine up, while no other runner works."""
        ...

    def step(self) -> None:
        """Start another frame, once the frame `in_flight` frames before it has ended."""
        ...

    def finish(self) -> None:
        """Wait for all frames that were started."""
        ...

    def close(self) -> None:
        """Release what `prepare` made, even if it failed halfway; from the same thread."""
        ...


class _HostRunner:
    """Runs an engine that computes while `infer` is called."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tensor = input_tensor(engine)

    def prepare(self) -> None:
        for _ in range(_WARM_UP):
            self._engine.infer(self._tensor)

    def step(self) -> None:
        self._engine.infer(self._tensor)

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


class _DeviceRunner:
    """Runs an engine that enqueues on its CUDA stream."""

    def __init__(self, engine: CudaEngine, in_flight: int) -> None:
        self._engine = engine
        self._in_flight = in_flight
        self._begun = 0
        self._made = ExitStack()

    def prepare(self) -> None:
        self._engine.bind_thread()
        device = self._engine.device
        self._made.enter_context(device.pushed())
        self._done = [
            self._made.enter_context(closing(device.new_event())) for _ in range(self._in_flight)
        ]
        for _ in range(_WARM_UP):
            self._engine.enqueue()
        self._engine.stream.synchronize()

    def step(self) -> None:
        done = self._done[self._begun % self._in_flight]
        if self._begun >= self._in_flight:
            done.synchronize()
        self._engine.enqueue()
        done.record(self._engine.stream)
        self._begun += 1
        if self._in_flight == 1:
            done.synchronize()

    def finish(self) -> None:
        self._engine.stream.synchronize()

    def close(self) -> None:
        # A thread must not end with a context pushed.
        self._made.close()


def input_tensor(engine: Engine) -> Any:
    """Noise as the input of an engine, values 0 to 1."""
    spec = engine.inputs[0]
    return np.random.default_rng(0).random(spec.shape, np.float32).astype(spec.dtype)


def together(
    engines: Sequence[Engine], frames: int = 0, seconds: float = 2.0, in_flight: int = 2
) -> tuple[Timing, list[Timing]]:
    """Time engines that all run at once.

    Parameters
    ----------
    engines : sequence of Engine
        Unused ones: on a GPU an engine stays with the first thread that runs it.
    frames : int
        Frames that each engine runs; 0 for as many as take about `seconds`.
    seconds : float
        How long to run where `frames` is 0.
    in_flight : int
        Frames that an engine on a GPU has in progress, 1 or 2.

    Returns
    -------
    all_ : Timing
        From the common start to the end of the last engine; median and p99 are of the intervals
        between frames of the slowest engine.
    each : list of Timing
        For each engine, up to its own end.
    """
    with _Crew(engines, in_flight) as crew:
        count = frames or _count_for(seconds, crew.run_together)
        begun, done = crew.run_together(count)
    each = [timing(count, ends[-1] - begun, intervals_ms(begun, ends)) for ends in done]
    slowest = min(each, key=lambda one: one.rate_hz)
    return slowest, each


def in_turn(
    engines: Sequence[Engine], frames: int = 0, seconds: float = 2.0
) -> tuple[Timing, list[Timing]]:
    """Time engines one at a time, and wait for each frame.

    Parameters are those of `together`. The first result is the sum: one frame through all engines,
    one after another.
    """
    with _Crew(engines, 1) as crew:
        each = []
        for index in range(len(engines)):

            def alone(count: int, index: int = index) -> tuple[float, list[list[float]]]:
                return crew.run([index], count)

            count = frames or _count_for(seconds / len(engines), alone)
            begun, done = alone(count)
            each.append(timing(count, done[0][-1] - begun, intervals_ms(begun, done[0])))
    total_s = sum(1 / one.rate_hz for one in each)
    counted = min(one.frames for one in each)
    total = Timing(
        counted,
        1 / total_s,
        sum(one.median_ms for one in each),
        sum(one.p99_ms for one in each),
    )
    return total, each


def _count_for(seconds: float, run: Callable[[int], tuple[float, list[list[float]]]]) -> int:
    """How many frames take about this long, estimated from a short run."""
    count = 4
    while True:
        begun, done = run(count)
        elapsed = max(ends[-1] for ends in done) - begun
        if elapsed > seconds / 20 or count >= 1024:
            return max(4, min(round(seconds * count / elapsed), 1_000_000))
        count *= 4


class _Crew:
    """A thread for each engine, which runs frames on request.

    Raises
    ------
    Exception
        Whatever an engine raised, in the caller's thread.
    """

    def __init__(self, engines: Sequence[Engine], in_flight: int) -> None:
        self._runners: list[_Runner] = [
            _DeviceRunner(engine, in_flight)
            if isinstance(engine, CudaEngine)
            else _HostRunner(engine)
            for engine in engines
        ]
        self._preparing = threading.Lock()
        self._ready = [threading.Event() for _ in engines]
        self._start = threading.Condition()
        self._round = 0
        self._counts = [0] * len(engines)
        self._ends: list[list[float]] = [[] for _ in engines]
        self._working = 0
        self._failure: BaseException | None = None
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(index,), name=f'engine {index}')
            for index in range(len(engines))
        ]

    def __enter__(self) -> _Crew:
        for thread in self._threads:
            thread.start()
        for ready in self._ready:
            ready.wait()
        if self._failure is not None:
            self.__exit__()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        with self._start:
            self._closed = True
            self._start.notify_all()
        for thread in self._threads:
            thread.join()

    def run_together(self, count: int) -> tuple[float, list[list[float]]]:
        """Run `count` frames on every engine; return the start, and the end of each frame of each.

        Times are those of `time.perf_counter`.
        """
        return self.run(range(len(self._threads)), count)

    def run(self, indices: Sequence[int], count: int) -> tuple[float, list[list[float]]]:
        """The same for some of the engines, in their order here."""
        with self._start:
            self._counts = [count if i in indices else 0 for i in range(len(self._threads))]
            self._working = len(self._threads)
            self._round += 1
            begun = time.perf_counter()
            self._start.notify_all()
            self._start.wait_for(lambda: not self._working or self._failure)
            if self._failure is not None:
                raise self._failure
            return begun, [self._ends[index] for index in indices]

    def _work(self, index: int) -> None:
        runner = self._runners[index]
        try:
            with closing(runner):
                with self._preparing:
                    runner.prepare()
                self._ready[index].set()
                self._obey(index, runner)
        except BaseException as failure:  # noqa: BLE001 - raised in the caller's thread
            with self._start:
                self._failure = self._failure or failure
                self._start.notify_all()
            self._ready[index].set()

    def _obey(self, index: int, runner: _Runner) -> None:
        seen = 0
        while True:
            with self._start:
                self._start.wait_for(lambda: self._closed or self._round > seen)  # noqa: B023
                if self._closed:
                    return
                seen, count = self._round, self._counts[index]
            ends = []
            for _ in range(count):
                runner.step()
                ends.append(time.perf_counter())
            runner.finish()
            if ends:
                ends[-1] = time.perf_counter()
            with self._start:
                self._ends[index] = ends
                self._working -= 1
                self._start.notify_all()
