"""Image in, messages out: the pipeline of the nodes at full rate, without topics.

A frame is offered as soon as every lane has taken the previous one: no frame is skipped, no engine
waits for a frame, and none is more than a frame or two ahead of the slowest. The messages that a
node would publish are built for every result. As in a node, drawing has its own thread, which
takes the newest frame.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jetson_perception.benchmark.messages import message_builder, new_header
from jetson_perception.benchmark.profiling import thread_cpu_ms
from jetson_perception.benchmark.timing import Timing, intervals_ms, timing
from jetson_perception.drawing import Overlay
from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline import Counts, Frame, NewestWorker, Pipeline, make_lane
from jetson_perception.printable import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from jetson_perception.models import Model
    from jetson_perception.pipeline import Lane, StageSummary

_WARM_UP = 4
#: No engine takes this long for a frame; a stalled run is ended.
_STALLED_S = 60.0


@dataclass(frozen=True)
class EndToEnd:
    """A run of the pipeline.

    Attributes
    ----------
    timing : Timing
        Rate of frames that all engines have finished, and their latency, from the offer to the
        last message; at full rate this includes waiting for the previous frame.
    stages : dict
        Times of each engine's stages, by the engine's name, as in the stats of a node.
    counts : dict
        What became of each engine's frames, warm-up included.
    drawn : int
        How many frames were drawn during the run.
    cpu_ms : dict
        CPU time of each thread, by its name, milliseconds per frame; without the runtime's own
        threads.
    errors : list of str
        The first twenty errors.
    """

    timing: Timing
    stages: dict[str, dict[str, StageSummary]]
    counts: dict[str, Counts]
    drawn: int = 0
    cpu_ms: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


class FullRate:
    """The pipeline of a set of models, to be run at full rate; a context manager.

    Parameters
    ----------
    models : dict
        Models by the names of their engines. They stay open.
    options : callable
        Returns the options of a model's `postprocess`; None for the model's defaults.
    """

    def __init__(
        self,
        models: dict[str, Model[Any, Any]],
        *,
        options: Callable[[Model[Any, Any]], Any] = lambda model: None,
    ) -> None:
        self._models = models
        self._header = new_header()
        self._errors: list[str] = []
        self._lanes = [self._lane(name, model, options) for name, model in models.items()]
        self._pipeline = Pipeline(self._lanes, self._on_settled)
        self._drawn = 0
        self._drawing = False
        self._drawer: NewestWorker[Frame] | None = None
        self._finished = threading.Event()
        self._one_at_a_time = False
        self._one_done = threading.Event()
        self._to_finish = 0
        self._keep_times = True
        self._offered = 0
        self._done = 0
        self._latencies_ms: list[float] = []
        self._ends_s: list[float] = []

    def __enter__(self) -> Self:
        self._pipeline.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipeline.close(patience_s=_STALLED_S)
        if self._drawer is not None:
            self._drawer.close()

    @property
    def frames_done(self) -> int:
        """Frames that every engine has finished so far."""
        return self._done

    @property
    def errors(self) -> tuple[str, ...]:
        """The first twenty errors so far."""
        return tuple(self._errors)

    def counts(self) -> dict[str, Counts]:
        """What became of the frames so far, by engine."""
        return {lane.name: lane.counts for lane in self._lanes}

    def stages(self) -> dict[str, dict[str, StageSummary]]:
        """Times of each stage over the newest frames, by engine."""
        return {lane.name: lane.times.summary() for lane in self._lanes}

    def run(
        self,
        frames: Sequence[NDArray[np.uint8]],
        count: int = 0,
        seconds: float = 2.0,
        *,
        draw: bool = False,
        one_at_a_time: bool = False,
    ) -> EndToEnd:
        """Run frames through the pipeline, after a few to warm up.

        Parameters
        ----------
        frames : sequence of ndarray, shape (h, w, 3), uint8
            BGR; used in turn, again and again. They are not changed.
        count : int
            Frames to time; 0 for as many as take about `seconds`.
        seconds : float
            How long to run where `count` is 0.
        draw : bool
            Draw the newest frame that is done, over and over, in a thread of its own.
        one_at_a_time : bool
            Offer a frame only when no other is in progress. This is not the full rate, but gives
            the times of undisturbed stages and the least latency.

        Raises
        ------
        PerceptionError
            When no result came back for a minute.
        """
        self._one_at_a_time, self._drawing = one_at_a_time, draw
        if draw and self._drawer is None:
            self._drawer = NewestWorker(self._draw, 'drawing')
        self._take(frames, _WARM_UP)
        if not count:
            begun = time.perf_counter()
            self._take(frames, 2 * _WARM_UP)
            a_frame_s = (time.perf_counter() - begun) / (2 * _WARM_UP)
            count = max(_WARM_UP, min(round(seconds / a_frame_s), 1_000_000))
        for lane in self._lanes:
            lane.times.clear()
        drawn, cpu_before = self._drawn, thread_cpu_ms()
        begun = self._take(frames, count)
        cpu_ms = {
            name: (spent - cpu_before.get(name, 0.0)) / count
            for name, spent in thread_cpu_ms().items()
        }
        ends, latencies = self._ends_s, self._latencies_ms
        gaps = intervals_ms(begun, ends)
        figures = timing(count, sum(gaps) / 1e3, latencies)
        return EndToEnd(
            figures,
            self.stages(),
            self.counts(),
            self._drawn - drawn,
            cpu_ms,
            list(self._errors),
        )

    def run_forever(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Run frames until an exception such as KeyboardInterrupt ends it."""
        self._begin(1 << 62, keep_times=False)
        while True:
            self._offer(frames)

    def _take(self, frames: Sequence[NDArray[np.uint8]], count: int) -> float:
        """Run `count` frames; return when the run began, by `time.perf_counter`."""
        begun = time.perf_counter()
        self._begin(count, keep_times=True)
        for _ in range(count):
            self._offer(frames)
        if not self._finished.wait(_STALLED_S):
            raise self._stalled()
        return begun

    def _begin(self, count: int, *, keep_times: bool) -> None:
        self._to_finish, self._keep_times = count, keep_times
        self._latencies_ms, self._ends_s = [], []
        self._finished.clear()

    def _offer(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Offer the next frame when every lane has taken the previous one."""
        if self._one_at_a_time:
            while self._done < self._offered:
                if not self._one_done.wait(_STALLED_S):
                    raise self._stalled()
                self._one_done.clear()
        for lane in self._lanes:
            if not lane.slot.wait_until_taken(_STALLED_S):
                raise self._stalled()
        bgr = frames[self._offered % len(frames)]
        self._offered += 1
        self._pipeline.offer(Frame(lambda: bgr, self._header))

    def _stalled(self) -> PerceptionError:
        problem = self._errors[-1] if self._errors else 'no engine said why'
        return PerceptionError(
            f'of {counted(self._offered, "frame")} {self._done} came back, and none in the last '
            f'{_STALLED_S:.0f} s: {problem}'
        )

    def _on_settled(self, frame: Frame) -> None:
        if len(frame.results) < len(self._lanes):  # an engine has not started it yet
            return
        if self._drawing and self._drawer is not None:
            self._drawer.give(frame)
        self._done += 1
        self._to_finish -= 1
        if self._keep_times:
            self._ends_s.append(time.perf_counter())
            self._latencies_ms.append((time.monotonic_ns() - frame.received_ns) / 1e6)
        if not self._to_finish:
            self._finished.set()
        if self._one_at_a_time:
            self._one_done.set()

    def _lane(
        self,
        name: str,
        model: Model[Any, Any],
        options: Callable[[Model[Any, Any]], Any],
    ) -> Lane:
        build = message_builder(model)
        chosen = options(model)

        def publish(frame: Frame, result: Any) -> None:
            build(result, frame.header)

        drawn = chosen
        # The first is drawn on the image itself, unless a GPU has done so already.
        if name == next(iter(self._models)):
            drawn = model.task.options_to_draw(model, chosen)

        def current() -> Any:
            return drawn if self._drawing else chosen

        return make_lane(name, model, publish, current, self._on_error)

    def _on_error(self, error: PerceptionError) -> None:
        if len(self._errors) < 20:
            self._errors.append(str(error))

    def _draw(self, frame: Frame) -> None:
        first, model = next(iter(self._models.items()))
        result: Any = frame.results.get(first)
        begun = None if result is None else model.task.canvas(result)
        canvas = (frame.bgr() if begun is None else begun).copy()
        overlay = Overlay(name_engines=len(self._models) > 1)
        for name, model in self._models.items():
            result = frame.results.get(name)
            if result is not None:
                overlay.engine = name
                model.task.draw(canvas, model, result, overlay=overlay)
        overlay.draw(canvas)
        self._drawn += 1
