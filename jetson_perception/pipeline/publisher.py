"""Passes on the results of lanes, one after another, in a thread of its own or an idle lane's."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline.activity import Activity, WatchedThread
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.lane import Deliver, Lane
    from jetson_perception.pipeline.policy import FramePolicy

log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """The outcome of a frame in one lane."""

    lane: Lane
    frame: Frame
    result: Any
    ready_ns: int
    #: What publishes the result: the lane's when it was made, as the lane may change its model. A
    #: frame that was not begun has none, and takes up no room, which would have to be returned.
    publish: Deliver | None = None


class Publisher:
    """Publishes what comes of frames, in the order in which each lane delivers it.

    A lane that has nothing else to do publishes its result itself: where the core of the
    publisher's thread sleeps, waking it takes as long as publishing.

    Parameters
    ----------
    policy : FramePolicy
        Says when a frame is settled.
    lane_count, inputs : int
        How many lanes deliver, and how many inputs their frames come from.
    on_settled : callable, optional
        Called as on_settled(frame) in the thread that publishes when a frame is settled.

    Attributes
    ----------
    thread : WatchedThread
        The publisher's, not started.
    activity : Activity
        What that thread is doing.
    """

    def __init__(
        self,
        policy: FramePolicy,
        lane_count: int,
        inputs: int,
        on_settled: Callable[[Frame], None] | None,
    ) -> None:
        self._policy = policy
        self._lane_count = lane_count
        self._on_settled = on_settled
        self._ready: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        # Room for a result being published, one behind it and a batch; then lanes wait, so that
        # memory does not grow. Two unbounded queues cost a fraction of a bounded one.
        self._most_ready = 2 + inputs
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(self._most_ready):
            self._room.put(None)
        #: Held by the thread that publishes.
        self._handling = threading.Lock()
        self._left = False
        self.activity = Activity('the publisher')
        self.thread = WatchedThread(self._run, 'publisher', self.activity)

    def take(self, outcome: Outcome, *, is_idle: bool) -> bool:
        """Publish what a lane has delivered, or have it published; in the lane's thread.

        Parameters
        ----------
        outcome : Outcome
            With what publishes it.
        is_idle : bool
            Whether nothing waits for the lane, which may then publish it here and now.

        Returns
        -------
        bool
            False where it will not be published, as nobody waits for it any more.
        """
        if is_idle and self._is_free() and self._handling.acquire(blocking=False):
            try:
                self._handle(outcome, outcome.lane.activity, 'the sending of a result')
            finally:
                self._handling.release()
            return True
        self._room.get()
        if self._left:
            return False
        self._ready.put(outcome)
        return True

    def pass_over(self, outcome: Outcome) -> None:
        """Take note of a frame that a lane did not begin, behind what was delivered; in order."""
        self._ready.put(outcome)

    def end_soon(self) -> None:
        """End the thread after what was delivered."""
        self._ready.put(None)

    def leave(self, waiting: int) -> None:
        """Publish nothing any more, and let so many lanes go on that wait for room."""
        self._left = True
        for _ in range(waiting):
            self._room.put(None)

    def _is_free(self) -> bool:
        """Whether a result that is published now overtakes none."""
        # In lockstep, there are outcomes that take no room.
        is_empty = not self._policy.every_frame and self._room.qsize() == self._most_ready
        return is_empty and not self._left

    def _run(self) -> None:
        while (outcome := self._ready.get()) is not None:
            if self._left:
                return
            what = f'a result of engine {outcome.lane.name}'
            self.activity.begin(what)  # it may have to wait for a lane
            with self._handling:
                self._handle(outcome, self.activity, what)
            if outcome.publish is not None:
                self._room.put(None)

    def _handle(self, outcome: Outcome, activity: Activity, what: str) -> None:
        """Publish a result, and settle its frame; in the thread of this activity."""
        activity.begin(what)
        lane, frame = outcome.lane, outcome.frame
        frame.results[lane.name] = outcome.result if self._publish(outcome) else None
        settled = self._policy.settled(frame, self._lane_count)
        if self._on_settled is not None and settled:
            try:
                self._on_settled(frame)
            except Exception:  # the results are already out and counted
                log.exception('an error after the results of a frame were published')
        activity.end()

    def _publish(self, outcome: Outcome) -> bool:
        lane, frame, publish = outcome.lane, outcome.frame, outcome.publish
        if outcome.result is None or publish is None:
            return False
        try:
            publish(frame, outcome.result)
        except Exception as error:  # the next result may succeed
            if self._left:
                return False
            log.exception('%s: a result could not be published', lane.name)
            told = f'{lane.name}: publishing failed: {printable(error)}'
            lane.fail(PerceptionError(told), frame)
            return False
        lane.published(frame, outcome.ready_ns)
        return True
