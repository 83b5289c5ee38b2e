"""A lane whose engine runs on a GPU: it enqueues the next frame before it waits for the last.

::

    host   │ begin 1 │ begin 2 │ wait 1 │ deliver 1 │ begin 3 │ wait 2 │ deliver 2 │ …
    GPU    │         │ frame 1 ─────────│ frame 2 ──────────────────── │ frame 3 …

So the GPU goes from one frame to the next without waiting for Python. A frame that is enqueued
behind another ages there while newer ones arrive, so with a slow engine the lane takes the next
frame only shortly before the engine is free.

With several cameras, what stands here for a frame may be a batch: one frame of each, up to as many
as the path takes, in one inference.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.errors import ImageError, ModelError, PerceptionError
from jetson_perception.pipeline.backlog import MOST_WAITING
from jetson_perception.pipeline.batching import Batching
from jetson_perception.pipeline.crop_cuda_lane import share_with_crop_lanes
from jetson_perception.pipeline.expected_time import ExpectedTime
from jetson_perception.pipeline.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.cuda import CudaDevice
    from jetson_perception.cuda.binding import Turn
    from jetson_perception.pipeline.device_frames import (
        DeviceFrames,
        DeviceInput,
        DeviceTensor,
    )
    from jetson_perception.pipeline.device_path import DevicePath, InFlight
    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.lane import Deliver, Model
    from jetson_perception.pipeline.slot import Slot

log = logging.getLogger(__name__)

#: The lane takes the next frame after this share of an inference, less the time to upload, fit and
#: enqueue a frame. Engines that are faster than that get the next frame at once.
_SHARE_TO_WAIT = 0.8
_LEAD_MS = 2.0
#: For each further frame of a batch.
_LEAD_MORE_MS = 0.5
#: If there is no frame by then, the lane looks for one until this share is over: while it waits
#: for the GPU, it does not notice a new frame.
_SHARE_TO_LOOK = 0.9


class Clock:
    """The clock of a lane; tests replace it."""

    @staticmethod
    def now_ns() -> int:
        """Monotonic time in nanoseconds."""
        return time.monotonic_ns()

    @staticmethod
    def pass_time(slot: Slot[Any], seconds: float) -> None:
        """Wait for this many seconds, or until the slot is closed."""
        slot.wait_until_closed(seconds)

    @staticmethod
    def next_frame(slot: Slot[Frame], seconds: float) -> Frame | None:
        """The frame that arrives within this many seconds; None if none does, or once closed."""
        return slot.take_within(seconds)


class _Started(NamedTuple):
    """A frame's work on the GPU, and what waits for it and returns the result."""

    work: InFlight
    finish: Callable[[], Any]


class _Begun(NamedTuple):
    """Frames in progress together; those that failed have no work."""

    frames: Sequence[Frame]
    started: Sequence[_Started | None]
    begun_ns: int


class CudaLane(Lane):
    """One engine on a GPU, with up to two frames, or batches, in flight.

    Parameters
    ----------
    name, model, publish, options, on_error
        See `Lane`.
    path : DevicePath
        What the lane runs; it does not close it.
    clock : Clock
        Replaced by tests.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        publish: Callable[[Frame, Any], None],
        options: Callable[[], Any] = lambda: None,
        on_error: Callable[[PerceptionError], None] = lambda error: log.warning('%s', error),
        *,
        path: DevicePath,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, model, publish, options, on_error)
        self.path = path
        #: The lane's part in the frames on the device; set by `share_device_frames`.
        self.input: DeviceInput | None = None
        #: Whether frames that wait for the busy engine may be uploaded meanwhile. Only where the
        #: newest frame of an input is its next one, and comes from one thread; set by a pipeline.
        self.uploads_ahead = False
        self._is_busy = False
        self._clock = clock or Clock()
        self._free_since_ns = 0
        self.expected = ExpectedTime()

    def offer(self, frame: Frame) -> Frame | None:
        """Leave a frame for the lane; see `Lane.offer`."""
        untaken = super().offer(frame)
        is_busy = self._is_busy or self.batching.waits
        if is_busy and self._uploads(frame, untaken):
            assert self.input is not None, 'share_device_frames comes first'
            self.input.frames.upload_ahead(frame)
        return untaken

    def _uploads(self, frame: Frame, untaken: Frame | None) -> bool:
        """Whether a frame that was offered is uploaded now: it is of those that come next."""
        if not self.uploads_ahead or untaken is frame or not self._takes_at_once:
            return False
        if len(self.records) > 1:  # in turn, it may be replaced before its turn comes
            return self.batching.most > 1
        return self.slot.count == 1

    def run(self, line_up: Callable[[], None], deliver: Deliver) -> None:
        """Process frames until the slot is closed; see `Lane.run`."""
        from jetson_perception.cuda.binding import BINDING, Turn

        turn = Turn(BINDING)
        with self.path.device.pushed():
            self.begin_first_run()
            self.path.bind_thread()
            self._take_batches()
            self.activity.end()
            line_up()
            try:
                self._run(deliver, turn)
            finally:
                turn.end()

    def become(self, other: Lane) -> None:
        """Go on with the model of another lane on the same GPU; see `Lane.become`."""
        if not isinstance(other, CudaLane) or other.path.device is not self.path.device:
            raise ModelError('a lane cannot move to another device')
        other.path.bind_thread()
        super().become(other)
        if self.input is not None:
            self.input = self.input.frames.replace(self.input, other.path)
        self.path, self.expected = other.path, ExpectedTime()
        self._take_batches()

    def _take_batches(self) -> None:
        """Have batches as the path takes them, with room for their frames on the device."""
        batches = self.path.batches
        if batches is None:
            self.batching = Batching()
        elif self.input is not None:
            self.input.frames.keep_for(self.input, max(batches.most, len(self.records)))

    def _run(self, deliver: Deliver, turn: Turn) -> None:
        under_way: _Begun | None = None
        while True:
            if under_way is None:
                turn.end()  # while it waits, engines may capture their graphs
            frames = self._next_frames(under_way, turn)
            if under_way is None:
                if not frames:  # the model that comes may not take as many together
                    if not self.succession.is_due():
                        return
                    self.succession.carry_out(self)
                    continue
                turn.begin()
                self.activity.begin('an inference')
            self._is_busy = True
            begun = self._begin(frames) if frames else None
            if under_way is not None:
                self._deliver(under_way, deliver, goes_on=begun is not None)
            elif begun is None:
                self.activity.end()
            if begun is None:
                for frame in frames:
                    deliver(frame, None)
            if self.fatal is not None:
                if begun is not None:
                    _give_up(self, begun, self.fatal, deliver)
                raise self.fatal
            under_way = begun
            self._is_busy = begun is not None

    def _deliver(self, begun: _Begun, deliver: Deliver, *, goes_on: bool) -> None:
        """Wait for frames and hand over their results; `goes_on` if others are under way."""
        results = self._finish(begun)
        self.activity.end()
        for frame, result in zip(begun.frames, results, strict=True):
            refined = self.refined(frame, result)
            if goes_on:
                self.activity.begin('an inference')
            deliver(frame, refined)

    @property
    def _takes_at_once(self) -> bool:
        """Whether the engine is so fast that the lane does not delay the next frame.

        Otherwise a newer frame is likely to replace it first, so its upload would be wasted.
        """
        return self.expected.ms * _SHARE_TO_WAIT <= self._lead_ms

    @property
    def _lead_ms(self) -> float:
        """How long before the engine is free the next frames are taken."""
        return _LEAD_MS + _LEAD_MORE_MS * (self.batching.most - 1)

    def _next_frames(self, under_way: _Begun | None, turn: Turn) -> list[Frame]:
        """The newest frames; while others are in progress, only if some come at the right time.

        None, too, where the lane is to have another model, or an engine wants the GPU alone; and
        while others are in progress, where those that wait are still to wait for other inputs.
        """
        if under_way is None:
            if self.batching.most > 1:
                return self._take()
            return _listed(self.slot.take(self.succession.is_due))
        if self.succession.is_due() or turn.is_to_end:
            return []
        # An estimate of when the engine started the frame, made without asking the GPU.
        began_ns = max(under_way.begun_ns, self._free_since_ns)
        wait_ms = self.expected.ms * _SHARE_TO_WAIT - self._lead_ms
        if wait_ms > 0:
            wait_ms -= (self._clock.now_ns() - began_ns) / 1e6
            if wait_ms > 0:
                self._clock.pass_time(self.slot, wait_ms / 1e3)
        frames = self._waiting()
        if frames or self.batching.waits:
            return frames
        wait_ms = self.expected.ms * _SHARE_TO_LOOK
        wait_ms -= (self._clock.now_ns() - began_ns) / 1e6
        if wait_ms > 0:
            return _listed(self._clock.next_frame(self.slot, wait_ms / 1e3))
        return []

    def _waiting(self) -> list[Frame]:
        """The frames that wait now, and for no other input's."""
        if self.batching.most > 1:
            rhythms = [record.rhythm for record in self.records]
            return self.batching.poll(self.slot, rhythms)
        return _listed(self.slot.poll())

    def _begin(self, frames: Sequence[Frame]) -> _Begun | None:
        """Enqueue the work of frames; returns None if that of all fails."""
        begun_ns = self._clock.now_ns()
        started: list[_Started | None] = [None] * len(frames)
        tensors: dict[int, DeviceTensor] = {}
        taker = self.input
        assert taker is not None, 'share_device_frames comes first'
        try:
            for index, frame in enumerate(frames):
                frame.begun.add(self.name)
                try:
                    tensors[index] = frame.device_tensor(taker)
                except Exception as error:  # noqa: BLE001 - a frame must not end its lane
                    self._tell(error, frame)
            try:
                if self.fatal is not None:
                    raise self.fatal
                options = [self._options() for _ in tensors]
                works = _enqueue(self.path, list(tensors.values()), taker, options)
                for index, work in zip(tensors, works, strict=True):
                    started[index] = work
            except Exception as error:  # noqa: BLE001 - as above
                for index in tensors:
                    self._tell(error, frames[index])
        finally:
            for frame in frames:
                frame.release()
        return _Begun(frames, started, begun_ns) if any(started) else None

    def _finish(self, begun: _Begun) -> list[Any]:
        """Wait for the work of frames; returns their results, None for those that failed."""
        free_before_ns = self._free_since_ns
        frames = zip(begun.frames, begun.started, strict=True)
        results = [self._result(frame, started, begun) for frame, started in frames]
        took_ms = [
            started.work.inference_ms + started.work.postprocess_ms
            for started, result in zip(begun.started, results, strict=True)
            if started is not None and result is not None
        ]
        if took_ms:
            took_ns = self._free_since_ns - max(begun.begun_ns, free_before_ns)
            self.backlog.took(took_ns / len(begun.frames))
            self.expected.follow(max(took_ms))
        return results

    def _result(self, frame: Frame, started: _Started | None, begun: _Begun) -> Any:
        """Wait for a frame's work; returns the result, or None if it failed."""
        if started is None:
            return None
        try:
            result = started.finish()
        except Exception as error:  # noqa: BLE001 - a frame must not end its lane
            self._tell(error, frame)
            return None
        finally:
            self._free_since_ns = self._clock.now_ns()
        work, record = started.work, self._record(frame)
        record.begun(frame, begun.begun_ns)
        # The GPU tells how long it took, not when; the host heard of the end just now.
        decoded = self._free_since_ns
        inferred = decoded - int(work.postprocess_ms * 1e6)
        begun_ns = inferred - int(work.inference_ms * 1e6)
        record.times.span('inference', begun_ns, inferred, frame.trace_id, 'GPU')
        record.times.span('postprocess', inferred, decoded, frame.trace_id, 'GPU')
        return result

    def _tell(self, error: Exception, frame: Frame) -> None:
        """Report a failed frame, and check whether all others will fail too."""
        self.fail(error, frame)
        if self.fatal is None and not isinstance(error, ImageError):
            # An engine's errors do not say whether the GPU still works.
            self.fatal = self.path.fatal_problem()


def _enqueue(
    path: DevicePath,
    tensors: Sequence[DeviceTensor],
    taker: DeviceInput,
    options: Sequence[Any],
) -> list[_Started]:
    """Enqueue the work from the inputs of frames, if there are any, to their results."""
    if not tensors:
        return []
    if len(tensors) == 1:
        work = path.begin(tensors[0], taker, options[0])
        return [_Started(work, partial(path.finish, work))]
    assert path.batches is not None, 'frames come one by one where there are none'
    works = path.batches.begin(tensors, taker, options)
    return [_Started(work, work.finish) for work in works]


def _give_up(lane: Lane, begun: _Begun, fatal: PerceptionError, deliver: Deliver) -> None:
    """Report frames in progress as failed, because the GPU has failed."""
    for frame, started in zip(begun.frames, begun.started, strict=True):
        if started is not None:
            lane.fail(fatal, frame)
        deliver(frame, None)


def _listed(frame: Frame | None) -> list[Frame]:
    return [] if frame is None else [frame]


def make_lane(
    name: str,
    model: Model,
    publish: Callable[[Frame, Any], None],
    options: Callable[[], Any] = lambda: None,
    on_error: Callable[[PerceptionError], None] = lambda error: log.warning('%s', error),
) -> Lane:
    """A lane for a model: a CUDA lane if the model has a `device_path`."""
    path = model.device_path
    if path is None:
        return Lane(name, model, publish, options, on_error)
    return CudaLane(name, model, publish, options, on_error, path=path)


def share_device_frames(
    lanes: Sequence[Lane], jpeg_decoder: str = 'auto', *, uploads_ahead: bool = False
) -> list[DeviceFrames]:
    """Frames on the device for the lanes on a GPU among these, one set per device; to be closed.

    `uploads_ahead` sets `CudaLane.uploads_ahead` of each; `jpeg_decoder` is that of the frames.
    """
    shared: dict[CudaDevice, DeviceFrames] = {}
    for lane in lanes:
        if isinstance(lane, CudaLane):
            # Imported late: machines without a GPU do not need it.
            from jetson_perception.pipeline.device_frames import DeviceFrames

            lane.uploads_ahead = uploads_ahead
            device = lane.path.device
            frames = shared.setdefault(device, DeviceFrames(device, jpeg_decoder))
            lane.input = frames.add(lane.path, *(record.times for record in lane.records))
            if lane.path.batches is not None:
                most = max(lane.path.batches.most, len(lane.records))  # all may be uploaded
                frames.keep_for(lane.input, most)
    share_with_crop_lanes(lanes, shared, jpeg_decoder)
    inputs = max((len(lane.records) for lane in lanes), default=1)
    if inputs > 1 and len(lanes) > 1:
        for frames in shared.values():  # what a fast lane uploaded may wait for a slow one
            frames.keep_more(MOST_WAITING * inputs)
    return list(shared.values())
