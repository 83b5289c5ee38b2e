"""A lane: one engine's way from frame to result, in a thread of its own."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jetson_perception.pipeline.activity import SLOW_START_S, Activity
from jetson_perception.pipeline.backlog import Backlog
from jetson_perception.pipeline.batching import Batching
from jetson_perception.pipeline.pace import Pace
from jetson_perception.pipeline.record import Counts, Record, total
from jetson_perception.pipeline.slot import LatestSlot
from jetson_perception.pipeline.succession import Succession
from jetson_perception.pipeline.unexpected import as_expected

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.errors import PerceptionError
    from jetson_perception.pipeline.device_path import DevicePath
    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.slot import Slot
    from jetson_perception.pipeline.timing import StageTimes

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


class _Span(NamedTuple):
    """Two moments of the monotonic clock, nanoseconds."""

    begun_ns: int
    ended_ns: int


class _Fitted(NamedTuple):
    """A frame of a batch, fitted to the network's input."""

    frame: Frame
    tensor: NDArray[Any]
    transform: Any
    span: _Span


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
        #: What became of the frames of each input, by `Frame.input_index`.
        self.records: tuple[Record, ...] = (Record(name),)
        #: Where frames wait; a pipeline replaces it according to its policy.
        self.slot: Slot[Frame] = LatestSlot()
        #: Which frames the engine takes; all by default. Set before start.
        self.pace = Pace()
        #: How many frames, of different inputs, it takes together. Set before start.
        self.batching = Batching()
        self.backlog = Backlog()
        self.publish = publish
        #: Refines each result before it is published; a tracker, for example. Called as
        #: refine(frame, result) in the lane's thread for every result, even an empty one, in the
        #: order of the frames; what it returns is published, drawn and kept. Set before start.
        self.refine: Refine | None = None
        #: Why no frame can succeed any more; None while frames still can.
        self.fatal: PerceptionError | None = None
        #: What the lane's thread is doing.
        self.activity = Activity(f'engine {name}')
        #: How it gets another model while it runs.
        self.succession = Succession()
        #: Whether failures are no longer reported, because the lane is ending.
        self._quiet = False
        self._options = options
        self._on_error = on_error

    def serve(self, inputs: int) -> None:
        """Take frames of so many inputs; called before the first one, if it is not one."""
        self.records = tuple(Record(self.name) for _ in range(inputs))

    @property
    def counts(self) -> Counts:
        """What happened to the frames so far, of all inputs."""
        return total(record.counts for record in self.records)

    @property
    def times(self) -> StageTimes:
        """The times of the first input, which is the only one by default."""
        return self.records[0].times

    @property
    def runtime(self) -> str:
        """Runtime and device of the model, in words."""
        return self.model.engine.description

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
            untaken, is_left_out = self.slot.put_behind(frame, _most_waiting(self, frame)), False
        else:
            # What waits for a busy engine is to be the newest image, even if its turn is over.
            untaken = self.slot.put_instead(frame) if self.pace.is_enabled else frame
            is_left_out = untaken is frame
        is_skipped = untaken is not None and not is_left_out
        if is_left_out:
            frame.left_out_by.add(self.name)
        self._record(frame).offered(frame, skipped=is_skipped, left_out=is_left_out)
        if untaken is not None:
            untaken.release()
        return untaken

    def run(self, line_up: Callable[[], None], deliver: Deliver) -> None:
        """Process frames until the slot is closed; runs in the lane's thread.

        Parameters
        ----------
        line_up : callable
            Called once, when this lane is ready; returns when all are, raises if none may begin.
        deliver : callable
            Called as deliver(frame, result) for each frame begun, in order; None where it failed.

        Raises
        ------
        PerceptionError
            When the lane cannot begin, or cannot continue after a frame.
        """
        self.begin_first_run()
        self.model.bind_thread()
        self.activity.end()
        line_up()
        while (frames := self._take()) or self.succession.is_due():
            if not frames:  # the model that comes may not take as many together
                self.succession.carry_out(self)
                continue
            for frame, result in self.process(frames):
                deliver(frame, self.refined(frame, result))
            if self.fatal is not None:
                raise self.fatal

    def _take(self) -> list[Frame]:
        """The frames to process next; none once the slot is closed, or another model is due."""
        rhythms = [record.rhythm for record in self.records]
        return self.batching.take(self.slot, rhythms, self.succession.is_due)

    def become(self, other: Lane) -> None:
        """Go on with the model of another lane of this kind, which never runs.

        Raises PerceptionError where it cannot run in this thread; then nothing has changed.
        """
        other.model.bind_thread()
        self.model, self.publish, self.refine = other.model, other.publish, other.refine
        self.batching, self._options, self.backlog = other.batching, other._options, Backlog()

    def process(self, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Any]]:
        """Take frames through the stages together, and time these.

        Yields
        ------
        frame, result
            In their order; the result is None for a frame that failed.
        """
        begun = time.monotonic_ns()
        self.activity.begin('fitting an image', begun)
        fitted = [self._fit(frame) for frame in frames]
        outputs, inferred = self._infer([each for each in fitted if each is not None])
        position = 0
        for frame, each in zip(frames, fitted, strict=True):
            result = None
            if each is not None and outputs is not None:
                of_frame = outputs
                if len(fitted) > 1:
                    of_frame = [output[position : position + 1] for output in outputs]
                position += 1
                result = self._decode(each, of_frame, begun, inferred)
            frame.release()
            self.activity.end(begun)
            yield frame, result
        self.backlog.took((time.monotonic_ns() - begun) / len(frames))

    def _fit(self, frame: Frame) -> _Fitted | None:
        """Fit an image to the network's input; None if that fails."""
        frame.begun.add(self.name)
        begun = time.monotonic_ns()
        try:
            tensor, transform = frame.tensor(self.model.input_key, self.model.preprocess)
        except Exception as error:  # noqa: BLE001 - no frame may end its lane
            self.fail(error, frame)
            return None
        return _Fitted(frame, tensor, transform, _Span(begun, time.monotonic_ns()))

    def _infer(self, fitted: Sequence[_Fitted]) -> tuple[Sequence[NDArray[Any]] | None, _Span]:
        """The outputs for all of them, and when they were computed; None if that fails."""
        begun = time.monotonic_ns()
        if not fitted:
            return None, _Span(begun, begun)
        self.activity.begin('an inference', begun)
        outputs = None
        try:
            tensor = self.batching.together([each.tensor for each in fitted])
            outputs = self.model.infer(tensor)
        except Exception as error:  # noqa: BLE001 - as above
            for each in fitted:
                self.fail(error, each.frame)
        return outputs, _Span(begun, time.monotonic_ns())

    def _decode(
        self, fitted: _Fitted, outputs: Sequence[NDArray[Any]], begun_ns: int, inferred: _Span
    ) -> Any:
        """The result of a frame, whose times are then recorded; None if that fails."""
        frame, begun = fitted.frame, time.monotonic_ns()
        self.activity.begin('decoding a result', begun)
        try:
            result = self.model.postprocess(outputs, fitted.transform, self._options())
        except Exception as error:  # noqa: BLE001 - as above
            self.fail(error, frame)
            return None
        ended = time.monotonic_ns()
        record = self._record(frame)
        record.begun(frame, begun_ns)
        record.times.span('preprocess', *fitted.span, frame.trace_id)
        record.times.span('inference', *inferred, frame.trace_id)
        record.times.span('postprocess', begun, ended, frame.trace_id)
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
            self.fail(error, frame)
            return None
        finally:
            self.activity.end(begun)
        times = self._record(frame).times
        times.span('refine', begun, time.monotonic_ns(), frame.trace_id)
        return result

    def begin_first_run(self) -> None:
        """Record that the engine's first run begins; it may be slow, since it tries algorithms."""
        self.activity.begin('the first run', limit_s=SLOW_START_S)

    def interrupt(self) -> None:
        """Make a running inference end soon, if the runtime can; from any thread."""
        self._quiet = True
        self.model.interrupt()

    def fail(self, error: Exception, frame: Frame) -> None:
        """Count a failed frame, and report why it failed."""
        if self._quiet:
            return
        error = as_expected(error, self.name, 'with a frame')
        if error.fatal:
            self.fatal = error
        self._record(frame).failed(error, self._on_error)

    def published(self, frame: Frame, ready_ns: int) -> None:
        """Count and time a frame whose result was ready at a monotonic time and is now out."""
        self._record(frame).published(frame, ready_ns)

    def _record(self, frame: Frame) -> Record:
        return self.records[frame.input_index]


def _most_waiting(lane: Lane, frame: Frame) -> int:
    """How many frames of the input of this one may wait for a lane."""
    if lane.batching.most > 1:
        return 1  # what waits for other cameras is the newest of each
    period_ns = lane.records[frame.input_index].rhythm.period_ns
    return lane.backlog.most(period_ns / len(lane.records))
