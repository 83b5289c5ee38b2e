"""A lane whose engine runs on a GPU: the next frame is enqueued before the last one is waited for.

::

    host   │ begin 1 │ begin 2 │ wait 1 │ deliver 1 │ begin 3 │ wait 2 │ deliver 2 │ …
    GPU    │         │ frame 1 ─────────│ frame 2 ──────────────────── │ frame 3 …

So the GPU goes from one frame to the next without waiting for Python. A frame that is enqueued
behind another one ages there, while newer ones could come: behind a slow engine the next frame is
taken only shortly before the engine is free.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jetson_perception.errors import CudaError, ImageError, PerceptionError
from jetson_perception.pipeline.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from jetson_perception.cuda import CudaDevice, DeviceBuffer, Stream
    from jetson_perception.cuda.preprocess import DeviceImage
    from jetson_perception.pipeline.device_frames import (
        DeviceFrames,
        DeviceInput,
        DeviceTensor,
    )
    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.lane import Deliver, Model
    from jetson_perception.pipeline.slot import Slot

log = logging.getLogger(__name__)

#: The next frame is taken when this share of an inference is over, less the time that it takes to
#: upload, fit and enqueue a frame. An engine that is faster than that has its next frame at once.
_SHARE_TO_WAIT = 0.8
_LEAD_MS = 2.0
#: Where no frame is there then, one is looked out for until this share is over: a lane that waits
#: for the GPU sees no frame come.
_SHARE_TO_LOOK = 0.9


class InFlight(Protocol):
    """A frame's work on the GPU, from `DevicePath.begin` to `DevicePath.finish`.

    Attributes
    ----------
    inference_ms, postprocess_ms : float
        Times on the GPU, after `finish`.
    """

    inference_ms: float
    postprocess_ms: float


class DevicePath(Protocol):
    """What a CUDA lane runs; `jetson_perception.models.cuda` has them.

    Up to two frames may be between `begin` and `finish`, which come in the same order.
    """

    device: CudaDevice

    @property
    def input_key(self) -> Hashable:
        """Equal keys take the same input tensor, so it is made once for all."""
        ...

    def new_tensor(self) -> DeviceBuffer:
        """A buffer of the network input's shape and type."""
        ...

    def preprocess(self, image: DeviceImage, target: DeviceBuffer, stream: Stream) -> Any:
        """Enqueue fitting an image to the network; returns how it was fitted."""
        ...

    def bind_thread(self) -> None:
        """Make the calling thread the one that calls `begin` and `finish`; warms the engine up."""
        ...

    def begin(self, tensor: DeviceTensor, taker: DeviceInput, options: Any) -> InFlight:
        """Enqueue a frame's work from the tensor to the result."""
        ...

    def finish(self, in_flight: Any, /) -> Any:
        """Wait for that work; returns the result."""
        ...

    def fatal_problem(self) -> CudaError | None:
        """Why nothing can run on this GPU any more; None when it can."""
        ...


class Clock:
    """Time as the lane sees it; a test has its own."""

    @staticmethod
    def now_ns() -> int:
        """Monotonic."""
        return time.monotonic_ns()

    @staticmethod
    def pass_time(slot: Slot[Any], seconds: float) -> None:
        """Return after so many seconds, or when the slot is closed."""
        slot.wait_until_closed(seconds)

    @staticmethod
    def next_frame(slot: Slot[Frame], seconds: float) -> Frame | None:
        """The next frame of the next seconds; None when none comes, or the slot is closed."""
        return slot.take_within(seconds)


class _Begun(NamedTuple):
    """A frame under way."""

    frame: Frame
    begun_ns: int
    work: InFlight


class CudaLane(Lane):
    """One engine on a GPU, with up to two frames in flight.

    Parameters
    ----------
    name, model, publish, options, on_error
        As of `Lane`.
    path : DevicePath
        What runs. The lane does not close it.
    clock : Clock
        For tests.
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
        self._clock = clock or Clock()
        self._free_since_ns = 0
        self._expected_ms = 0.0

    def run(self, line_up: Callable[[], None], deliver: Deliver) -> None:
        """What the lane's thread does, until the slot is closed; see `Lane.run`."""
        with self.path.device.pushed():
            self.begin_first_run()
            self.path.bind_thread()
            self.activity.end()
            line_up()
            self._run(deliver)

    def _run(self, deliver: Deliver) -> None:
        under_way: _Begun | None = None
        while True:
            frame = self._next_frame(under_way)
            if frame is None and under_way is None:
                return
            if under_way is None:
                self.activity.begin('an inference')
            begun = self._begin(frame) if frame is not None else None
            if under_way is not None:
                result = self._finish(under_way)
                self._note_finished(begun)
                deliver(under_way.frame, result)
            elif begun is None:
                self.activity.end()
            if begun is None and frame is not None:
                deliver(frame, None)
            if self.fatal is not None:
                if begun is not None:
                    self.fail(self.fatal)
                    deliver(begun.frame, None)
                raise self.fatal
            under_way = begun

    def _note_finished(self, next_one: _Begun | None) -> None:
        """Note that the engine has finished a frame, and has the next one if there is one."""
        self.activity.end()
        if next_one is not None:
            self.activity.begin('an inference')

    def _next_frame(self, under_way: _Begun | None) -> Frame | None:
        """The newest frame; with one under way only if there is one when it is time for it."""
        if under_way is None:
            return self.slot.take()
        # When the engine began the frame, as far as that can be told without asking the GPU.
        began_ns = max(under_way.begun_ns, self._free_since_ns)
        wait_ms = self._expected_ms * _SHARE_TO_WAIT - _LEAD_MS
        if wait_ms > 0:
            wait_ms -= (self._clock.now_ns() - began_ns) / 1e6
            if wait_ms > 0:
                self._clock.pass_time(self.slot, wait_ms / 1e3)
        frame = self.slot.poll()
        if frame is not None:
            return frame
        wait_ms = self._expected_ms * _SHARE_TO_LOOK
        wait_ms -= (self._clock.now_ns() - began_ns) / 1e6
        return self._clock.next_frame(self.slot, wait_ms / 1e3) if wait_ms > 0 else None

    def _begin(self, frame: Frame) -> _Begun | None:
        """Enqueue a frame's work; None when that failed."""
        begun_ns = self._clock.now_ns()
        frame.begun.add(self.name)
        taker = self.input
        assert taker is not None, 'share_device_frames comes first'
        try:
            tensor = frame.device_tensor(taker)
            work = self.path.begin(tensor, taker, self._options())
        except Exception as error:  # noqa: BLE001 - a lane outlives whatever a frame does to it
            self._tell(error)
            return None
        finally:
            frame.release()
        return _Begun(frame, begun_ns, work)

    def _finish(self, begun: _Begun) -> Any:
        """Wait for a frame's work. Returns the result, None if it failed."""
        work = begun.work
        try:
            result = self.path.finish(work)
        except Exception as error:  # noqa: BLE001 - as above
            self._tell(error)
            return None
        finally:
            self._free_since_ns = self._clock.now_ns()
        self.record_wait(begun.frame, begun.begun_ns)
        self.times.record('inference', work.inference_ms)
        self.times.record('postprocess', work.postprocess_ms)
        self._expect(work.inference_ms + work.postprocess_ms)
        return result

    def _expect(self, elapsed_ms: float) -> None:
        """Follow how long a frame takes: down at once, since waiting too long costs; up slowly."""
        above = elapsed_ms - self._expected_ms
        self._expected_ms += above if above < 0 else 0.1 * above

    def _tell(self, error: Exception) -> None:
        """Tell of a frame that failed, and find out whether all others will too."""
        self.fail(error)
        if self.fatal is None and not isinstance(error, ImageError):
            # Engines have errors of their own, which don't tell.
            self.fatal = self.path.fatal_problem()


def make_lane(
    name: str,
    model: Model,
    publish: Callable[[Frame, Any], None],
    options: Callable[[], Any] = lambda: None,
    on_error: Callable[[PerceptionError], None] = lambda error: log.warning('%s', error),
) -> Lane:
    """A lane for a model: a CUDA lane where the model has a `device_path`."""
    path = model.device_path
    if path is None:
        return Lane(name, model, publish, options, on_error)
    return CudaLane(name, model, publish, options, on_error, path=path)


def share_device_frames(lanes: Iterable[Lane]) -> list[DeviceFrames]:
    """Frames on the device for the CUDA lanes among these, one set a device; to be closed."""
    shared: dict[CudaDevice, DeviceFrames] = {}
    for lane in lanes:
        if isinstance(lane, CudaLane):
            # Late, as a machine without a GPU needs none of it.
            from jetson_perception.pipeline.device_frames import DeviceFrames

            device = lane.path.device
            frames = shared.setdefault(device, DeviceFrames(device))
            lane.input = frames.add(lane.path, lane.times)
    return list(shared.values())
