"""Where the nodes of a demo run, and where its time passes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from jetson_perception.errors import PerceptionError
from jetson_perception.ros.demo.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rclpy.executors import Executor

    from jetson_perception.ros.demo.observers import Observer
    from jetson_perception.ros.processes import RunningProcess

START_TIMEOUT_S = 60.0
SETTLE_S = 3.0
_ATTEMPTS = 6


class Stage:
    """The nodes, the observer, and the time that they are given.

    Parameters
    ----------
    executor : Executor
        Spins the observer.
    nodes : sequence of RunningProcess
        Seen to live while time passes.
    observer : Observer
        Who listens.
    """

    def __init__(
        self, executor: Executor, nodes: Sequence[RunningProcess], observer: Observer
    ) -> None:
        self._executor = executor
        self._nodes = nodes
        self._observer = observer

    def spin(
        self, seconds: float, until: Callable[[], bool] | None = None, what: str = ''
    ) -> None:
        """Listen for some time, or until something came.

        Raises
        ------
        PerceptionError
            When a node ends or says that it cannot do its work, or `until` does not come true in
            time; the last with the nodes' logs.
        """
        if not self.listen(seconds, until) and until is not None:
            logs = '\n'.join(node.log.read_text(errors='replace')[-1500:] for node in self._nodes)
            raise PerceptionError(
                f'{what} did not come within {seconds:.0f} s; the logs:', printed=logs
            )

    def await_results(self) -> None:
        """Listen until every engine has given a result."""
        self.spin(START_TIMEOUT_S, self._observer.answered, 'a result of every engine')

    def start_camera(self) -> None:
        """Start the camera."""
        self._observer.camera_changes()
        self._change_camera(Transition.TRANSITION_ACTIVATE)

    def stop_camera(self) -> None:
        """Stop the camera and wait for the last counts of all."""
        self._change_camera(Transition.TRANSITION_DEACTIVATE)
        self._observer.camera_changes()
        # Engines report once a second. They never report a last image that was lost on the way.
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and not self._observer.settled():
            self._executor.spin_once(timeout_sec=0.1)

    def measure(self, seconds: float) -> dict[str, Window]:
        """Run the camera for a while; returns what became of its frames, by engine."""
        observer = self._observer
        before = dict(observer.stats)
        observer.clear()
        self.start_camera()
        self.await_results()
        self.spin(seconds)
        self.stop_camera()
        return {
            engine: Window(before[engine], after, observer.camera_stats, observer.arrivals[engine])
            for engine, after in observer.stats.items()
        }

    def listen(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Listen for some time, or until something came; whether it did.

        Raises
        ------
        PerceptionError
            When a node ends or says that it cannot do its work.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.1)
            for node in self._nodes:
                node.check()
            if self._observer.problem:
                raise PerceptionError(self._observer.problem)
            if until is not None and until():
                return True
        return False

    def _change_camera(self, transition: int) -> None:
        service = self._observer.camera_service
        self.spin(START_TIMEOUT_S, service.service_is_ready, 'the lifecycle of camera_node')
        request = ChangeState.Request(transition=Transition(id=transition))
        for _ in range(_ATTEMPTS):
            done = service.call_async(request)
            if self.listen(START_TIMEOUT_S / _ATTEMPTS, done.done):
                return
            # An answer gets lost where the server has not discovered who listens. A transition
            # that was taken is not taken again.
            service.remove_pending_request(done)
        self.spin(0, done.done, 'an answer of camera_node')
