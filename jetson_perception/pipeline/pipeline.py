"""Lanes that run engines side by side, and the publisher that hands their results on."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline.frame import Frame, TensorPool
from jetson_perception.pipeline.slot import LatestSlot
from jetson_perception.pipeline.timing import RateMeter, StageTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


class Model(Protocol):
    """What a lane runs, stage by stage; `jetson_perception.models` has them."""

    @property
    def input_key(self) -> Hashable:
        """Models of equal keys take the same input tensor, so it is made once for all."""
        ...

    def preprocess(
        self, bgr: NDArray[np.uint8], out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], Any]:
        """Input tensor for a (h, w, 3) bgr8 image, and how the image was fitted to it."""
        ...

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Outputs of the network."""
        ...

    def postprocess(
        self, outputs: Sequence[NDArray[Any]], transform: Any, options: Any = None
    ) -> Any:
        """What the outputs mean in the source image."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the frames of one lane since it was made.

    Attributes
    ----------
    received : int
        Frames offered.
    processed : int
        Frames whose result was published.
    skipped : int
        Frames that a newer one replaced before the lane was free.
    failed : int
        Frames that could not be used, or that the engine failed on.
    """

    received: int = 0
    processed: int = 0
    skipped: int = 0
    failed: int = 0


class Lane:
    """One engine's way from frame to result, in a thread of its own.

    Parameters
    ----------
    name : str
        Engine's name, for messages and thread names.
    model : Model
        What runs. The lane does not close it.
    publish : callable
        Called as publish(frame, result) in the publisher's thread.
    options : callable
        Gives the options of `model.postprocess`; read once a frame, so that a change of parameters
        takes effect with the next one.
    on_error : callable
        Called as on_error(error) in the lane's thread for a frame that failed.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        publish: Callable[[Frame, Any], None],
        options: Callable[[], Any] = lambda: None,
        on_error: Callable[[PerceptionError], None] = lambda error: log.warning('%s', error),
    ) -> None:
        self.name = name
        self.model = model
        self.times = StageTimes()
        self.results = RateMeter()
        self.slot: LatestSlot[Frame] = LatestSlot()
        self.publish = publish
        self._options = options
        self._on_error = on_error
        self._lock = threading.Lock()
        self._received = self._processed = self._skipped = self._failed = 0

    @property
    def counts(self) -> Counts:
        """What became of the frames so far."""
        with self._lock:
            return Counts(self._received, self._processed, self._skipped, self._failed)

    def frame_rate(self) -> float:
        """Results a second lately, Hz."""
        return self.results.rate(time.monotonic_ns())

    def offer(self, frame: Frame) -> None:
        """Leave a frame for the lane; it replaces one that the lane has not begun."""
        replaced = self.slot.put(frame)
        with self._lock:
            self._received += 1
            self._skipped += replaced is not None
        if replaced is not None:
            replaced.release()

    def process(self, frame: Frame) -> Any:
        """Take a frame through the stages and time them. Returns the result, None if it failed."""
        begun = time.monotonic_ns()
        frame.begun.add(self.name)
        try:
            tensor, transform = frame.tensor(self.model.input_key, self.model.preprocess)
            preprocessed = time.monotonic_ns()
            outputs = self.model.infer(tensor)
            inferred = time.monotonic_ns()
            result = self.model.postprocess(outputs, transform, self._options())
            postprocessed = time.monotonic_ns()
        except PerceptionError as error:
            self.fail(error)
            return None
        except Exception as error:  # a lane outlives whatever a frame does to it
            log.exception('%s: unexpected error on a frame', self.name)
            self.fail(PerceptionError(f'{self.name}: unexpected {type(error).__name__}: {error}'))
            return None
        finally:
            frame.release()
        if frame.age_ms is not None:
            self.times.record('transport', frame.age_ms)
        self.times.record('wait', (begun - frame.received_ns) / 1e6)
        self.times.record('preprocess', (preprocessed - begun) / 1e6)
        self.times.record('inference', (inferred - preprocessed) / 1e6)
        self.times.record('postprocess', (postprocessed - inferred) / 1e6)
        return result

    def fail(self, error: PerceptionError) -> None:
        """Count a frame that came to nothing and tell why."""
        with self._lock:
            self._failed += 1
        self._on_error(error)

    def published(self, frame: Frame, ready_ns: int) -> None:
        """Count and time a frame whose result, ready at a monotonic time, is out."""
        now = time.monotonic_ns()
        self.times.record('publish', (now - ready_ns) / 1e6)
        if frame.age_ms is not None:
            self.times.record('total', frame.age_ms + (now - frame.received_ns) / 1e6)
        self.results.tick(now)
        with self._lock:
            self._processed += 1


class Pipeline:
    """Runs lanes side by side. `offer` never waits, so a ROS callback may call it.

    A slow lane holds no other back: each takes the newest frame when it is free.

    Parameters
    ----------
    lanes : sequence of Lane
        What runs.
    on_settled : callable, optional
        Called as on_settled(frame) in the publisher's thread when every lane that began the frame
        is done with it; `frame.results` has what they found. A lane that was busy with an older
        frame is not waited for.
    """

    def __init__(
        self, lanes: Sequence[Lane], on_settled: Callable[[Frame], None] | None = None
    ) -> None:
        self.lanes = tuple(lanes)
        self._on_settled = on_settled
        self._offered = 0
        self._pool = TensorPool()
        # Two results may wait: one being published, one behind it. Then lanes wait, not memory.
        self._ready: queue.Queue[tuple[Lane, Frame, Any, int] | None] = queue.Queue(maxsize=2)
        self._workers = [
            threading.Thread(target=self._run_lane, args=(lane,), name=f'lane {lane.name}')
            for lane in self.lanes
        ]
        self._publisher = threading.Thread(target=self._run_publisher, name='publisher')

    def start(self) -> None:
        """Start the threads."""
        for thread in (self._publisher, *self._workers):
            thread.start()

    def offer(self, frame: Frame) -> None:
        """Hand a frame to every lane."""
        self._offered += 1
        frame.share(self._offered, len(self.lanes), self._pool)
        for lane in self.lanes:
            lane.offer(frame)

    def close(self) -> None:
        """End the threads after the frames and results under way; waiting frames are dropped."""
        for lane in self.lanes:
            lane.slot.close()
        for worker in self._workers:
            if worker.is_alive():
                worker.join()
        if self._publisher.is_alive():
            self._ready.put(None)
            self._publisher.join()

    def _run_lane(self, lane: Lane) -> None:
        while (frame := lane.slot.take()) is not None:
            result = lane.process(frame)
            self._ready.put((lane, frame, result, time.monotonic_ns()))

    def _run_publisher(self) -> None:
        while (item := self._ready.get()) is not None:
            lane, frame, result, ready_ns = item
            published = result is not None and self._publish(lane, frame, result, ready_ns)
            frame.results[lane.name] = result if published else None
            if self._on_settled is not None and frame.begun <= frame.results.keys():
                try:
                    self._on_settled(frame)
                except Exception:  # the results are out and counted already
                    log.exception('what follows the results of a frame failed')

    @staticmethod
    def _publish(lane: Lane, frame: Frame, result: Any, ready_ns: int) -> bool:
        try:
            lane.publish(frame, result)
        except Exception as error:  # the next result may well go out
            log.exception('%s: a result could not be published', lane.name)
            lane.fail(PerceptionError(f'{lane.name}: publishing failed: {error}'))
            return False
        lane.published(frame, ready_ns)
        return True
