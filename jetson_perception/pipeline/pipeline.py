"""Lanes that run engines side by side, and the publisher that hands their results on."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline.cuda_lane import share_device_frames
from jetson_perception.pipeline.frame import TensorPool
from jetson_perception.pipeline.policy import NewestFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.lane import Lane
    from jetson_perception.pipeline.policy import FramePolicy

log = logging.getLogger(__name__)

_SWITCH_INTERVAL_S = 0.0005


class _Outcome(NamedTuple):
    """What a lane made of a frame, for the publisher."""

    lane: Lane
    frame: Frame
    result: Any
    ready_ns: int
    #: Whether it takes up room that is to be given back; a frame that was not begun does not.
    has_room: bool = True


class Pipeline:
    """Runs lanes side by side. `offer` never waits, so a ROS callback may call it.

    A slow lane holds no other back: each takes the newest frame when it is free, or, where the
    policy says so, every frame in order.

    Parameters
    ----------
    lanes : sequence of Lane
        What runs.
    on_settled : callable, optional
        Called as on_settled(frame) in the publisher's thread when every lane that began the frame
        is done with it; `frame.results` has what they found. A lane that was busy with an older
        frame is not waited for, unless lanes are to take every frame.
    on_stopped : callable, optional
        Called as on_stopped(lane, error) in the lane's thread, as its last act, when a lane cannot
        go on: a GPU that failed, for one, works again only in a new process. The other lanes run
        on. Not to call `close`, which waits for this thread.
    policy : FramePolicy, optional
        Which frames lanes take; the newest by default.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        on_settled: Callable[[Frame], None] | None = None,
        on_stopped: Callable[[Lane, PerceptionError], None] | None = None,
        policy: FramePolicy | None = None,
    ) -> None:
        self.lanes = tuple(lanes)
        self._policy: FramePolicy = policy or NewestFrame()
        if policy is not None:  # a lane has a place for the newest frame of its own
            for lane in self.lanes:
                lane.slot = policy.make_slot()
        self._on_settled = on_settled
        self._on_stopped = on_stopped
        self._offered = 0
        self._pool = TensorPool()
        self._device_frames = share_device_frames(self.lanes)
        self._start = _Start(len(self.lanes))
        self._ready: queue.SimpleQueue[_Outcome | None] = queue.SimpleQueue()
        # A result being published and two behind it; then lanes wait, not memory. Two queues
        # without a bound cost a fraction of one that has it.
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(3):
            self._room.put(None)
        self._workers = [
            threading.Thread(target=self._run_lane, args=(lane,), name=f'lane {lane.name}')
            for lane in self.lanes
        ]
        self._publisher = threading.Thread(target=self._run_publisher, name='publisher')

    def start(self) -> None:
        """Start the threads, and return when every lane can take its first frame.

        Lanes on a GPU shorten the interpreter's switch interval, which is the whole process's.

        Raises
        ------
        PerceptionError
            When a lane cannot begin; then none has, and the threads are ended.
        """
        if self._device_frames:
            # A lane that comes back from the GPU asks for the interpreter; the thread that has it
            # is made to give it up after this long, 5 ms by default: several inferences.
            sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL_S))
        for thread in (self._publisher, *self._workers):
            thread.start()
        problem = self._start.wait()
        if problem is not None:
            self.close()
            raise problem

    def offer(self, frame: Frame) -> None:
        """Hand a frame to every lane."""
        self._offered += 1
        frame.share(self._offered, len(self.lanes), self._pool)
        for lane in self.lanes:
            left_out = lane.offer(frame)
            if left_out is not None:
                self._leave_out(lane, left_out)

    def close(self) -> None:
        """End the threads after the frames and results under way; waiting frames are dropped."""
        for lane in self.lanes:
            for waiting in lane.slot.close():
                waiting.release()  # a lane that goes on may wait for what it holds
        for worker in self._workers:
            if worker.is_alive():
                worker.join()
        if self._publisher.is_alive():
            self._ready.put(None)
            self._publisher.join()
        for frames in self._device_frames:
            try:
                frames.close()
            except PerceptionError as error:  # of a GPU that failed, which was told already
                log.warning('buffers on the GPU were not released: %s', error)

    def _run_lane(self, lane: Lane) -> None:
        try:
            lane.run(self._start.line_up, partial(self._deliver, lane))
        except _NotBegunError:
            return
        except Exception as error:  # noqa: BLE001 - it is told, and the other lanes run on
            self._stop(lane, error)

    def _stop(self, lane: Lane, error: Exception) -> None:
        """A lane ended before it was told to."""
        if not isinstance(error, PerceptionError):
            log.error('lane %s ended', lane.name, exc_info=error)
            error = PerceptionError(f'{lane.name}: unexpected {type(error).__name__}: {error}')
        for waiting in lane.slot.close():  # frames that are offered from now on count as skipped
            waiting.release()
            self._leave_out(lane, waiting)
        if not self._start.prevented(error) and self._on_stopped is not None:
            self._on_stopped(lane, error)

    def _leave_out(self, lane: Lane, frame: Frame) -> None:
        """A lane will not take a frame: where every one is waited for, that is an outcome too."""
        if self._policy.every_frame:
            self._ready.put(_Outcome(lane, frame, None, time.monotonic_ns(), has_room=False))

    def _deliver(self, lane: Lane, frame: Frame, result: Any) -> None:
        ready_ns = time.monotonic_ns()
        self._room.get()
        self._ready.put(_Outcome(lane, frame, result, ready_ns))

    def _run_publisher(self) -> None:
        while (outcome := self._ready.get()) is not None:
            lane, frame, result, ready_ns, has_room = outcome
            published = result is not None and self._publish(lane, frame, result, ready_ns)
            frame.results[lane.name] = result if published else None
            settled = self._policy.settled(frame, len(self.lanes))
            if self._on_settled is not None and settled:
                try:
                    self._on_settled(frame)
                except Exception:  # the results are out and counted already
                    log.exception('what follows the results of a frame failed')
            if has_room:
                self._room.put(None)

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


class _Start:
    """Where lanes wait for each other before the first frame.

    An engine cannot capture its CUDA graph while other work goes on on the GPU.
    """

    def __init__(self, lanes: int) -> None:
        self._changed = threading.Condition()
        self._missing = lanes
        self._problem: PerceptionError | None = None

    def line_up(self) -> None:
        """Wait for the other lanes; raises `_NotBegunError` when one of them cannot begin."""
        with self._changed:
            self._missing -= 1
            self._changed.notify_all()
        if self.wait() is not None:
            raise _NotBegunError

    def wait(self) -> PerceptionError | None:
        """Wait for all lanes; why they don't begin, or None when they do."""
        with self._changed:
            self._changed.wait_for(lambda: not self._missing or self._problem is not None)
            return self._problem

    def prevented(self, problem: PerceptionError) -> bool:
        """Whether this problem of a lane came before all were ready, so that none begins."""
        with self._changed:
            if not self._missing:
                return False
            self._problem = self._problem or problem
            self._changed.notify_all()
            return True


class _NotBegunError(Exception):
    """Another lane could not begin."""
