"""Lanes that run engines side by side, and the publisher that passes on their results."""

from __future__ import annotations

import logging
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline.activity import (
    Activity,
    LeftBehind,
    WatchedThread,
    call_within,
    join_until,
)
from jetson_perception.pipeline.cuda_lane import CudaLane, share_device_frames
from jetson_perception.pipeline.following import Following
from jetson_perception.pipeline.frame import TensorPool
from jetson_perception.pipeline.policy import NewestFrame
from jetson_perception.pipeline.publisher import Outcome, Publisher
from jetson_perception.pipeline.unexpected import as_expected
from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.lane import Lane
    from jetson_perception.pipeline.policy import FramePolicy

log = logging.getLogger(__name__)

#: How long a thread may keep the interpreter that another one wants: 5 ms by default, longer than
#: a frame takes. A lane wants it back after each call that releases it, so it waits several times
#: while a callback runs. On a GPU, intervals below half of a millisecond made no difference.
_SWITCH_INTERVAL_S = 0.0001
_SWITCH_INTERVAL_ON_GPU_S = 0.0005
#: When a pipeline is closed: how long a frame under way may take before its engine is interrupted
#: (if the runtime can do that), how often that is repeated, and how long a thread may take to end.
_FINISH_S = 0.5
_INTERRUPT_EVERY_S = 0.1
_END_S = 0.1


class Pipeline:
    """Runs lanes side by side. `offer` never waits, so a ROS callback may call it.

    A slow lane does not hold back the others: each takes the newest frame when it is free, or
    every frame in order, depending on the policy.

    Parameters
    ----------
    lanes : sequence of Lane
        The lanes to run.
    on_settled : callable, optional
        Called as on_settled(frame) in the thread that publishes when every lane that began the
        frame is done with it; `frame.results` has their results. It does not wait for lanes that
        were busy with an older frame, unless lanes take every frame.
    on_stopped : callable, optional
        Called as on_stopped(lane, error) in the lane's thread, as its last act, when a lane cannot
        continue; for example, a failed GPU works again only in a new process. The other lanes
        continue. It must not call `close`, which waits for this thread.
    policy : FramePolicy, optional
        Which frames lanes take; by default the newest.
    inputs : int
        How many inputs frames come from; `Frame.input_index` says which. Lanes serve them in turn.
    jpeg_decoder : str
        Who decodes JPEGs for lanes on a GPU, one of `JPEG_DECODERS`.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        on_settled: Callable[[Frame], None] | None = None,
        on_stopped: Callable[[Lane, PerceptionError], None] | None = None,
        policy: FramePolicy | None = None,
        inputs: int = 1,
        jpeg_decoder: str = 'auto',
    ) -> None:
        self.lanes = tuple(lanes)
        self._policy: FramePolicy = policy or NewestFrame()
        for lane in self.lanes:
            if policy is not None or inputs > 1:  # a lane's own slot keeps the newest frame of one
                lane.slot = self._policy.make_slot()
            if inputs > 1:
                lane.serve(inputs)
        self._following = Following(self.lanes, self._pass_over)
        self._numbering = threading.Lock()
        self._on_stopped = on_stopped
        self._offered = 0
        self._pool = TensorPool()
        ahead = not self._policy.every_frame
        self._device_frames = share_device_frames(self.lanes, jpeg_decoder, uploads_ahead=ahead)
        self._start = _Start(len(self.lanes))
        self._workers = [
            WatchedThread(partial(self._run_lane, lane), f'lane {lane.name}', lane.activity)
            for lane in self.lanes
        ]
        self._publishing = Publisher(self._policy, len(self.lanes), inputs, on_settled)
        self._publisher = self._publishing.thread
        self._left = False

    @property
    def publishing(self) -> Activity:
        """What the publisher's thread is doing."""
        return self._publishing.activity

    @property
    def activities(self) -> list[Activity]:
        """What each thread is doing."""
        return [thread.activity for thread in (*self._workers, self._publisher)]

    def start(self, timeout_s: float | None = None) -> bool:
        """Start the threads, and return when every lane can take its first frame.

        The interpreter's switch interval is shortened for the whole process.

        Parameters
        ----------
        timeout_s : float, optional
            How long to wait for the lanes; for ever by default.

        Returns
        -------
        bool
            False if some were not ready in time. All begin once the last one is ready; if one
            cannot begin, `on_stopped` is called, and none begins.

        Raises
        ------
        PerceptionError
            When a lane cannot begin; then no lane begins, and the threads end.
        """
        interval_s = _SWITCH_INTERVAL_ON_GPU_S if self._device_frames else _SWITCH_INTERVAL_S
        sys.setswitchinterval(min(sys.getswitchinterval(), interval_s))
        for thread in (self._publisher, *self._workers):
            thread.start()
        problem = self._start.wait(timeout_s)
        if problem is not None:
            self.close()
            raise problem
        return self.begun

    @property
    def begun(self) -> bool:
        """Whether every lane can take frames."""
        return self._start.is_over

    def call_off(self) -> None:
        """Cancel a `start` under way; lanes that have not begun will not. From any thread."""
        self._start.call_off()

    def offer(self, frame: Frame) -> None:
        """Hand a frame to every lane; each input may do so in a thread of its own."""
        with self._numbering:
            self._offered += 1
            index = self._offered
        frame.share(index, len(self.lanes), self._pool)
        for lane in self._following.leaders:
            self._following.offer(lane, frame)
        if RECORDER.on:
            _record_arrival(frame)

    def close(self, patience_s: float = 10.0) -> LeftBehind | None:
        """End the threads after the frames and results under way; waiting frames are dropped.

        Parameters
        ----------
        patience_s : float
            How long that may take.

        Returns
        -------
        LeftBehind or None
            Threads that did not end in time; until they end, nothing that they use may be closed.
            Their later results are dropped.
        """
        deadline_s = time.monotonic() + patience_s
        self._start.call_off()
        for lane in self.lanes:
            for waiting in lane.slot.close():
                self._following.release(lane, waiting)  # others may wait for what it holds
        self._end_lanes(deadline_s)
        if self._publisher.is_alive():
            self._publishing.end_soon()
            join_until([self._publisher], deadline_s + _END_S)
        if not any(thread.is_alive() for thread in (*self._workers, self._publisher)):
            return self._close_device_frames_within(deadline_s + _END_S)
        self._left = True
        self._publishing.leave(len(self._workers))  # lanes may be waiting for a stuck publisher
        self._interrupt_lanes()
        left = join_until((*self._workers, self._publisher), time.monotonic() + _END_S)
        left_behind = LeftBehind(left)
        left_behind.close_later(self._close_device_frames)
        return left_behind

    def _end_lanes(self, deadline_s: float) -> None:
        interrupt_s = min(time.monotonic() + _FINISH_S, deadline_s)
        while join_until(self._workers, interrupt_s) and interrupt_s < deadline_s:
            self._interrupt_lanes()
            interrupt_s = min(interrupt_s + _INTERRUPT_EVERY_S, deadline_s)

    def _interrupt_lanes(self) -> None:
        for lane, worker in zip(self.lanes, self._workers, strict=True):
            if worker.is_alive():
                lane.interrupt()

    def _close_device_frames_within(self, deadline_s: float) -> LeftBehind | None:
        if not self._device_frames:
            return None
        patience_s = max(deadline_s - time.monotonic(), _END_S)
        return call_within(self._close_device_frames, 'the GPU', 'a release', patience_s)

    def _close_device_frames(self) -> None:
        for frames in self._device_frames:
            try:
                frames.close()
            except PerceptionError as error:  # the GPU has failed, which was reported already
                log.warning('buffers on the GPU were not released: %s', error)

    def _run_lane(self, lane: Lane) -> None:
        try:
            lane.run(self._start.line_up, partial(self._deliver, lane))
        except _NotBegunError:
            return
        except Exception as error:  # noqa: BLE001 - it is reported, and the other lanes continue
            self._stop(lane, error)

    def _stop(self, lane: Lane, error: Exception) -> None:
        """Handle a lane that ended by itself, with an error."""
        if self._left:
            return
        error = as_expected(error, lane.name, 'that ends the lane')
        for waiting in lane.slot.close():  # frames offered from now on count as skipped
            waiting.release()
            self._following.pass_over(lane, waiting)
        if not self._start.prevented(error) and self._on_stopped is not None:
            self._on_stopped(lane, error)

    def _pass_over(self, lane: Lane, frame: Frame) -> None:
        """Record that a lane will not take a frame: an outcome, if lanes take every frame."""
        if RECORDER.on:
            waiting = frame.received_ns, time.monotonic_ns(), frame.trace_id
            RECORDER.span('skipped', *waiting, f'lane {lane.name}: waiting')
        frame.skipped_by.add(lane.name)
        if self._policy.every_frame:
            self._publishing.pass_over(Outcome(lane, frame, None, time.monotonic_ns()))

    def _deliver(self, lane: Lane, frame: Frame, result: Any) -> None:
        outcome = Outcome(lane, frame, result, time.monotonic_ns(), lane.publish)
        is_awaited = _is_awaited(lane) or self._following.has_followers(lane)
        if self._publishing.take(outcome, is_idle=not is_awaited):
            self._following.hand_on(lane, frame, result)  # now: results come in this order


def _is_awaited(lane: Lane) -> bool:
    """Whether a lane has more to do than to deliver a result, as far as is known."""
    # On a GPU, the next frame may be under way, whose end the lane's thread has to wait for.
    is_ahead = isinstance(lane, CudaLane) or lane.batching.most > 1
    return is_ahead or lane.slot.count > 0


def _record_arrival(frame: Frame) -> None:
    """Tell a trace of a frame that was offered just now."""
    if frame.age_ms is not None:
        stamped_ns = frame.received_ns - int(frame.age_ms * 1e6)
        RECORDER.span('transport', stamped_ns, frame.received_ns, frame.trace_id, 'input')
    RECORDER.span('receive', frame.received_ns, time.monotonic_ns(), frame.trace_id)


class _Start:
    """Where lanes wait for each other before the first frame.

    An engine cannot capture its CUDA graph while other work runs on the GPU.
    """

    def __init__(self, lanes: int) -> None:
        self._changed = threading.Condition()
        self._missing = lanes
        self._problem: PerceptionError | None = None
        self._is_called_off = False
        self._awaited = True  # `start` is waiting for the lanes

    def line_up(self) -> None:
        """Wait for the other lanes; raises `_NotBegunError` when one of them cannot begin."""
        with self._changed:
            self._missing -= 1
            self._changed.notify_all()
            self._changed.wait_for(self._is_decided)
            if self._problem is not None or self._is_called_off:
                raise _NotBegunError

    @property
    def is_over(self) -> bool:
        """Whether all lanes are ready, and may begin."""
        return not self._missing and not self._is_called_off

    def wait(self, timeout_s: float | None) -> PerceptionError | None:
        """Wait for all lanes; returns why they do not begin, or None if they do or still may."""
        with self._changed:
            self._changed.wait_for(self._is_decided, timeout_s)
            self._awaited = False
            return self._problem

    def call_off(self) -> None:
        """Let no lane begin that has not begun."""
        with self._changed:
            # Kept: by a second call the last lane may have arrived, while the others still wait.
            self._is_called_off = self._is_called_off or bool(self._missing)
            self._changed.notify_all()

    def prevented(self, problem: PerceptionError) -> bool:
        """Whether this problem keeps lanes from beginning, and needs no further report."""
        with self._changed:
            if not self._missing:
                return False
            told = self._awaited or self._problem is not None or self._is_called_off
            self._problem = self._problem or problem
            self._changed.notify_all()
            return told

    def _is_decided(self) -> bool:
        return not self._missing or self._problem is not None or self._is_called_off


class _NotBegunError(Exception):
    """Another lane could not begin."""
