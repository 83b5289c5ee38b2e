"""A lane: one engine's way from frame to result, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from jetson_perception.errors import CudaError, PerceptionError
from jetson_perception.pipeline.activity import SLOW_START_S, Activity
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
        Runtime and device for people, as 'ONNX Runtime 1.31.1, CPU, 2 threads'.
    """

    description: str


class Model(Protocol):
    """What a lane runs, stage by stage; `jetson_perception.models` has them."""

    @property
    def engine(self) -> Runs:
        """What runs it."""
        ...

    @property
    def device_path(self) -> DevicePath | None:
        """What a lane on a GPU runs; None for a model that runs on the CPU."""
        ...

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

    def bind_thread(self) -> None:
        """Make the calling thread the one that calls `infer`."""
        ...

    def interrupt(self) -> None:
        """Make an inference under way fail soon, if the runtime can; from any thread."""
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
        Frames that the lane did not take: a newer one replaced them before it was free.
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
        #: Where frames wait; a pipeline gives lanes that of its policy.
        self.slot: Slot[Frame] = LatestSlot()
        self.publish = publish
        #: What a result passes before it is published, a tracker for example: called as
        #: refine(frame, result) in the lane's thread for every result, empty ones too, in the
        #: order of the frames; what it gives back is published, drawn and kept. Set before start.
        self.refine: Refine | None = None
        #: Called once, as on_first_result(frame, elapsed_ms) in the publisher's thread, when the
        #: first result is out, so long after its image came. Set before start.
        self.on_first_result: Callable[[Frame, float], None] | None = None
        #: Why no frame can succeed any more; None while one can.
        self.fatal: PerceptionError | None = None
        #: What the lane's thread is doing.
        self.activity = Activity(f'engine {name}')
        #: Whether failures are no longer reported, since the lane was told to end.
        self._quiet = False
        self._options = options
        self._on_error = on_error
        self._lock = threading.Lock()
        self._received = self._processed = self._skipped = self._failed = 0

    @property
    def counts(self) -> Counts:
        """What became of the frames so far."""
        with self._lock:
            return Counts(self._received, self._processed, self._skipped, self._failed)

    @property
    def runtime(self) -> str:
        """What runs the model, for people."""
        return self.model.engine.description

    def frame_rate(self) -> float:
        """Results a second lately, Hz."""
        return self.results.rate(time.monotonic_ns())

    def offer(self, frame: Frame) -> Frame | None:
        """Leave a frame for the lane.

        Returns
        -------
        Frame or None
            One that the lane will not take, and is counted as skipped: the frame that this one
            replaces, or itself where the lane has ended, or too many wait.
        """
        left_out = self.slot.put(frame)
        with self._lock:
            self._received += 1
            self._skipped += left_out is not None
        if left_out is not None:
            left_out.release()
        return left_out

    def run(self, line_up: Callable[[], None], deliver: Deliver) -> None:
        """What the lane's thread does, until the slot is closed.

        Parameters
        ----------
        line_up : callable
            Called once, when everything is ready for the first frame; it returns when that holds
            for every lane, and raises when the pipeline is not to begin.
        deliver : callable
            Called as deliver(frame, result) for every frame that was begun, in their order, with
            None for one that failed.

        Raises
        ------
        PerceptionError
            When the lane cannot begin, or cannot go on after a frame.
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
        """Take a frame through the stages and time them. Returns the result, None if it failed."""
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
        except Exception as error:  # noqa: BLE001 - a lane outlives whatever a frame does to it
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
        """What `refine` makes of a result; None where that fails, or the frame has failed."""
        if self.refine is None or result is None:
            return result
        begun = time.monotonic_ns()
        self.activity.begin('refining a result', begun)
        try:
            result = self.refine(frame, result)
        except Exception as error:  # noqa: BLE001 - a lane outlives it, as all that a frame does
            self.fail(error)
            return None
        finally:
            self.activity.end(begun)
        self.times.record('refine', (time.monotonic_ns() - begun) / 1e6)
        return result

    def begin_first_run(self) -> None:
        """Note that the engine's first run begins, which may be slow: a search for algorithms."""
        self.activity.begin('the first run', limit_s=SLOW_START_S)

    def interrupt(self) -> None:
        """Make an inference under way end soon, if the runtime can; from any thread."""
        self._quiet = True
        self.model.interrupt()

    def record_wait(self, frame: Frame, begun_ns: int) -> None:
        """Record the times before the lane began a frame, at a monotonic time."""
        if frame.age_ms is not None:
            self.times.record('transport', frame.age_ms)
        self.times.record('wait', (begun_ns - frame.received_ns) / 1e6)

    def fail(self, error: Exception) -> None:
        """Count a frame that failed and report why."""
        if self._quiet:
            return
        if not isinstance(error, PerceptionError):
            log.error('%s: unexpected error on a frame', self.name, exc_info=error)
            error = PerceptionError(
                f'{self.name}: unexpected {type(error).__name__}: {printable(error)}'
            )
        if isinstance(error, CudaError) and error.fatal:
            self.fatal = error
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
        if self.on_first_result is not None:
            tell, self.on_first_result = self.on_first_result, None
            tell(frame, (now - frame.received_ns) / 1e6)
