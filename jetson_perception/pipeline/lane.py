"""A lane: one engine's way from frame to result, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from jetson_perception.errors import CudaError, PerceptionError
from jetson_perception.pipeline.activity import SLOW_START_S, Activity
from jetson_perception.pipeline.pace import Pace
from jetson_perception.pipeline.slot import LatestSlot
from jetson_perception.pipeline.timing import RateMeter, StageTimes
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.pipeline.device_path import DevicePath
    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.slot import Slot

    Deliver = Callable[[Frame, Any], None]
    Refine = Callable[[Frame, Any], Any]

log = logging.getLogger(__name__)


class Runs(Protocol):
    """What runs a model.

    Attributes
    ----------
    description : str
        Runtime and device in words, such as 'ONNX Runtime 1.31.1, CPU, 2 threads'.
    """

    description: str


class Model(Protocol):
    """What a lane runs, stage by stage; the implementations are in `jetson_perception.models`."""

    @property
    def engine(self) -> Runs:
        """The engine that runs it."""
        ...

    @property
    def device_path(self) -> DevicePath | None:
        """What a lane on a GPU runs; None for a model that runs on the CPU."""
        ...

    @property
    def input_key(self) -> Hashable:
        """Models with equal keys take the same input tensor, so it is made once for all."""
        ...

    def preprocess(
        self, bgr: NDArray[np.uint8], out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], Any]:
        """The input tensor for a (h, w, 3) bgr8 image, and how the image was fitted to it."""
        ...

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """The outputs of the network."""
        ...

    def postprocess(
        self, outputs: Sequence[NDArray[Any]], transform: Any, options: Any = None
    ) -> Any:
        """The result, in coordinates of the source image."""
        ...

    def bind_thread(self) -> None:
        """Make the calling thread the one that calls `infer`."""
        ...

    def interrupt(self) -> None:
        """Make a running inference fail soon, if the runtime can; from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened to the frames of one lane since it was made.

    Attributes
    ----------
    received : int
        Frames offered.
    processed : int
        Frames whose result was published.
    skipped : int
        Frames that the lane did not take: a newer one replaced them before it was free.
    failed : int
        Frames that could not be used, or that the engine failed on.
    left_out : int
        Frames that the lane's pace left out.
    """

    received: int = 0
    processed: int = 0
    skipped: int = 0
    failed: int = 0
    left_out: int = 0


class Lane:
    """One engine's way from frame to result, in a thread of its own.

    Parameters
    ----------
    name : str
        The engine's name, for messages and thread names.
    model : Model
        What the lane runs; it does not close it.
    publish : callable
        Called as publish(frame, result) in the publisher's thread.
    options : callable
        Returns the options for `model.postprocess`; called once per frame, so that a change of
        parameters takes effect with the next one.
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
        #: Where frames wait; a pipeline replaces it according to its policy.
        self.slot: Slot[Frame] = LatestSlot()
        #: Which frames the engine takes; all by default. Set before start.
        self.pace = Pace()
        self.publish = publish
        #: Refines each result before it is published; a tracker, for example. Called as
        #: refine(frame, result) in the lane's thread for every result, even an empty one, in the
        #: order of the frames; what it returns is published, drawn and kept. Set before start.
        self.refine: Refine | None = None
        #: Called once, as on_first_result(frame, elapsed_ms) in the publisher's thread, when the
        #: first result is out, elapsed_ms after its image came in. Set before start.
        self.on_first_result: Callable[[Frame, float], None] | None = None
        #: Why no frame can succeed any more; None while frames still can.
        self.fatal: PerceptionError | None = None
        #: What the lane's thread is doing.
        self.activity = Activity(f'engine {name}')
        #: Whether failures are no longer reported, because the lane is ending.
        self._quiet = False
        self._options = options
        self._on_error = on_error
        self._lock = threading.Lock()
        self._received = self._processed = self._skipped = self._failed = self._left_out = 0

    @property
    def counts(self) -> Counts:
        """What happened to the frames so far."""
        with self._lock:
            return Counts(
                self._received, self._processed, self._skipped, self._failed, self._left_out
            )

    @property
    def is_busy(self) -> bool:
        """Whether a frame waits for the lane, or is under way."""
        counts = self.counts
        done = counts.processed + counts.skipped + counts.failed + counts.left_out
        return counts.received > done

    @property
    def runtime(self) -> str:
        """Runtime and device of the model, in words."""
        return self.model.engine.description

    def frame_rate(self) -> float:
        """The present rate of results, in Hz."""
        return self.results.rate(time.monotonic_ns())

    def offer(self, frame: Frame) -> Frame | None:
        """Leave a frame for the lane.

        Returns
        -------
        Frame or None
            A frame that the lane will not take. It counts as skipped: the frame that this one
            replaces, or this one if the lane has ended or too many frames wait. Or it counts as
            left out: this one, if the pace leaves it out and no older frame waits.
        """
        if self.pace.takes(frame):
            untaken, is_left_out = self.slot.put(frame), False
        else:
            # What waits for a busy engine is to be the newest image, even if its turn is over.
            untaken = self.slot.put_instead(frame)
            is_left_out = untaken is frame
        if is_left_out:
            frame.left_out_by.add(self.name)
        with self._lock:
            self._received += 1
            self._left_out += is_left_out
            self._skipped += untaken is not None and not is_left_out
        if untaken is not None:
            untaken.release()
        return untaken

    def run(self, line_up: Callable[[], None], deliver: Deliver) -> None:
        """Process frames until the slot is closed; runs in the lane's thread.

        Parameters
        ----------
        line_up : callable
            Called once, when this lane is ready for its first frame. It returns when all lanes are
            ready, and raises if the pipeline will not begin.
        deliver : callable
            Called as deliver(frame, result) for every frame that the lane began, in order, with
            None for a frame that failed.

        Raises
        ------
        PerceptionError
            When the lane cannot begin, or cannot continue after a frame.
        """
        self.begin_first_run()
        self.model.bind_thread()
        self.activity.end()
        line_up()
        while (frame := self.slot.take()) is not None:
            deliver(frame, self.refined(frame, self.process(frame)))
            if self.fatal is not None:
                raise self.fatal

    def process(self, frame: Frame) -> Any:
        """Take a frame through the stages and time them; returns the result, None if one fails."""
        begun = time.monotonic_ns()
        self.activity.begin('fitting an image', begun)
        frame.begun.add(self.name)
        try:
            tensor, transform = frame.tensor(self.model.input_key, self.model.preprocess)
            preprocessed = time.monotonic_ns()
            self.activity.begin('an inference', preprocessed)
            outputs = self.model.infer(tensor)
            inferred = time.monotonic_ns()
            self.activity.begin('decoding a result', inferred)
            result = self.model.postprocess(outputs, transform, self._options())
            postprocessed = time.monotonic_ns()
        except Exception as error:  # noqa: BLE001 - no frame may end its lane
            self.fail(error)
            return None
        finally:
            frame.release()
            self.activity.end(begun)
        self.record_wait(frame, begun)
        self.times.record('preprocess', (preprocessed - begun) / 1e6)
        self.times.record('inference', (inferred - preprocessed) / 1e6)
        self.times.record('postprocess', (postprocessed - inferred) / 1e6)
        return result

    def refined(self, frame: Frame, result: Any) -> Any:
        """The result after `refine`; None if that fails, or the frame has failed."""
        if self.refine is None or result is None:
            return result
        begun = time.monotonic_ns()
        self.activity.begin('refining a result', begun)
        try:
            result = self.refine(frame, result)
        except Exception as error:  # noqa: BLE001 - no frame may end its lane
            self.fail(error)
            return None
        finally:
            self.activity.end(begun)
        self.times.record('refine', (time.monotonic_ns() - begun) / 1e6)
        return result

    def begin_first_run(self) -> None:
        """Record that the engine's first run begins; it may be slow, since it tries algorithms."""
        self.activity.begin('the first run', limit_s=SLOW_START_S)

    def interrupt(self) -> None:
        """Make a running inference end soon, if the runtime can; from any thread."""
        self._quiet = True
        self.model.interrupt()

    def record_wait(self, frame: Frame, begun_ns: int) -> None:
        """Record the times before the lane began a frame, which it did at a monotonic time."""
        if frame.age_ms is not None:
            self.times.record('transport', frame.age_ms)
        self.times.record('wait', (begun_ns - frame.received_ns) / 1e6)

    def fail(self, error: Exception) -> None:
        """Count a failed frame, and report why it failed."""
        if self._quiet:
            return
        if not isinstance(error, PerceptionError):
            log.error('%s: unexpected error with a frame', self.name, exc_info=error)
            error = PerceptionError(
                f'{self.name}: unexpected {type(error).__name__}: {printable(error)}'
            )
        if isinstance(error, CudaError) and error.fatal:
            self.fatal = error
        with self._lock:
            self._failed += 1
        self._on_error(error)

    def published(self, frame: Frame, ready_ns: int) -> None:
        """Count and time a frame whose result was ready at a monotonic time and is now out."""
        now = time.monotonic_ns()
        self.times.record('publish', (now - ready_ns) / 1e6)
        if frame.age_ms is not None:
            self.times.record('total', frame.age_ms + (now - frame.received_ns) / 1e6)
        self.results.tick(now)
        with self._lock:
            self._processed += 1
        if self.on_first_result is not None:
            tell, self.on_first_result = self.on_first_result, None
            tell(frame, (now - frame.received_ns) / 1e6)
