"""A lane whose engine runs on a GPU: it enqueues the next frame before it waits for the last.

::

    host   │ begin 1 │ begin 2 │ wait 1 │ deliver 1 │ begin 3 │ wait 2 │ deliver 2 │ …
    GPU    │         │ frame 1 ─────────│ frame 2 ──────────────────── │ frame 3 …

So the GPU goes from one frame to the next without waiting for Python. A frame that is enqueued
behind another ages there while newer ones arrive, so with a slow engine the lane takes the next
frame only shortly before the engine is free.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.errors import ImageError, ModelError, PerceptionError
from jetson_perception.pipeline.crop_cuda_lane import share_with_crop_lanes
from jetson_perception.pipeline.expected_time import ExpectedTime
from jetson_perception.pipeline.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.cuda import CudaDevice
    from jetson_perception.cuda.binding import Turn
    from jetson_perception.pipeline.device_frames import DeviceFrames, DeviceInput
    from jetson_perception.pipeline.device_path import DevicePath, InFlight
    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.lane import Deliver, Model
    from jetson_perception.pipeline.slot import Slot

log = logging.getLogger(__name__)

#: The lane takes the next frame after this share of an inference, less the time to upload, fit and
#: enqueue a frame. Engines that are faster than that get the next frame at once.
_SHARE_TO_WAIT = 0.8
_LEAD_MS = 2.0
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


class _Begun(NamedTuple):
    """A frame in progress."""

    frame: Frame
    begun_ns: int
    work: InFlight


class CudaLane(Lane):
    """One engine on a GPU, with up to two frames in flight.

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
        #: newest frame is the next one, and comes from one thread; set by a pipeline.
        self.uploads_ahead = False
        self._is_busy = False
        self._clock = clock or Clock()
        self._free_since_ns = 0
        self.expected = ExpectedTime()

    def offer(self, frame: Frame) -> Frame | None:
        """Leave a frame for the lane; see `Lane.offer`."""
        untaken = super().offer(frame)
        is_next = untaken is not frame and self.slot.count == 1
        if self.uploads_ahead and self._is_busy and is_next and self._takes_at_once:
            assert self.input is not None, 'share_device_frames comes first'
            self.input.frames.upload_ahead(frame)
        return untaken

    def run(self, line_up: Callable[[], None], deliver: Deliver) -> None:
        """Process frames until the slot is closed; see `Lane.run`."""
        from jetson_perception.cuda.binding import BINDING, Turn

        turn = Turn(BINDING)
        with self.path.device.pushed():
            self.begin_first_run()
            self.path.bind_thread()
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

    def _run(self, deliver: Deliver, turn: Turn) -> None:
        under_way: _Begun | None = None
        while True:
            if under_way is None:
                turn.end()  # while it waits, engines may capture their graphs
            frame = self._next_frame(under_way, turn)
            if under_way is None:
                if frame is None and not self.succession.is_due():
                    return
                self.succession.carry_out(self)
                if frame is None:
                    continue
                turn.begin()
                self.activity.begin('an inference')
            self._is_busy = True
            begun = self._begin(frame) if frame is not None else None
            if under_way is not None:
                result = self._finish(under_way)
                self.activity.end()
                result = self.refined(under_way.frame, result)
                if begun is not None:
                    self.activity.begin('an inference')
                deliver(under_way.frame, result)
            elif begun is None:
                self.activity.end()
            if begun is None and frame is not None:
                deliver(frame, None)
            if self.fatal is not None:
                if begun is not None:
                    self.fail(self.fatal, begun.frame)
                    deliver(begun.frame, None)
                raise self.fatal
            under_way = begun
            self._is_busy = begun is not None

    @property
    def _takes_at_once(self) -> bool:
        """Whether the engine is so fast that the lane does not delay the next frame.

        Otherwise a newer frame is likely to replace it first, so its upload would be wasted.
        """
        return self.expected.ms * _SHARE_TO_WAIT <= _LEAD_MS

    def _next_frame(self, under_way: _Begun | None, turn: Turn) -> Frame | None:
        """The newest frame; while another is in progress, only if one comes at the right time.

        None, too, where the lane is to have another model, or an engine wants the GPU alone.
        """
        if under_way is None:
            return self.slot.take(self.succession.is_due)
        if self.succession.is_due() or turn.is_to_end:
            return None
        # An estimate of when the engine started the frame, made without asking the GPU.
        began_ns = max(under_way.begun_ns, self._free_since_ns)
        wait_ms = self.expected.ms * _SHARE_TO_WAIT - _LEAD_MS
        if wait_ms > 0:
            wait_ms -= (self._clock.now_ns() - began_ns) / 1e6
            if wait_ms > 0:
                self._clock.pass_time(self.slot, wait_ms / 1e3)
        frame = self.slot.poll()
        if frame is not None:
            return frame
        wait_ms = self.expected.ms * _SHARE_TO_LOOK
        wait_ms -= (self._clock.now_ns() - began_ns) / 1e6
        return self._clock.next_frame(self.slot, wait_ms / 1e3) if wait_ms > 0 else None

    def _begin(self, frame: Frame) -> _Begun | None:
        """Enqueue a frame's work; returns None if that fails."""
        begun_ns = self._clock.now_ns()
        frame.begun.add(self.name)
        taker = self.input
        assert taker is not None, 'share_device_frames comes first'
        try:
            tensor = frame.device_tensor(taker)
            work = self.path.begin(tensor, taker, self._options())
        except Exception as error:  # noqa: BLE001 - a frame must not end its lane
            self._tell(error, frame)
            return None
        finally:
            frame.release()
        return _Begun(frame, begun_ns, work)

    def _finish(self, begun: _Begun) -> Any:
        """Wait for a frame's work; returns the result, or None if it failed."""
        work, free_before_ns = begun.work, self._free_since_ns
        try:
            result = self.path.finish(work)
        except Exception as error:  # noqa: BLE001 - as above
            self._tell(error, begun.frame)
            return None
        finally:
            self._free_since_ns = self._clock.now_ns()
        self.backlog.took(self._free_since_ns - max(begun.begun_ns, free_before_ns))
        record, frame = self._record(begun.frame), begun.frame
        record.begun(frame, begun.begun_ns)
        # The GPU tells how long it took, not when; the host heard of the end just now.
        decoded = self._free_since_ns
        inferred = decoded - int(work.postprocess_ms * 1e6)
        begun_ns = inferred - int(work.inference_ms * 1e6)
        record.times.span('inference', begun_ns, inferred, frame.trace_id, 'GPU')
        record.times.span('postprocess', inferred, decoded, frame.trace_id, 'GPU')
        self.expected.follow(work.inference_ms + work.postprocess_ms)
        return result

    def _tell(self, error: Exception, frame: Frame) -> None:
        """Report a failed frame, and check whether all others will fail too."""
        self.fail(error, frame)
        if self.fatal is None and not isinstance(error, ImageError):
            # An engine's errors do not say whether the GPU still works.
            self.fatal = self.path.fatal_problem()


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
    share_with_crop_lanes(lanes, shared, jpeg_decoder)
    return list(shared.values())
