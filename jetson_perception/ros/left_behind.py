"""Threads of a node that did not end in time, and what they may still use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline import call_within

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.impl.rcutils_logger import RcutilsLogger

    from jetson_perception.pipeline import LeftBehind

_RELEASE_S = 0.8  # what releasing an engine may take in the executor's thread


class LeftBehindThreads:
    """What a node left behind since it started, and what waits to be closed until they end.

    Parameters
    ----------
    logger : rclpy logger
        Of the node.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._left: list[LeftBehind] = []
        self._to_close: list[tuple[str, Callable[[], None]]] = []

    def add(self, left: LeftBehind | None) -> None:
        """Remember threads that did not end in time; None means that all did."""
        if left is not None:
            self._left.append(left)
            at_work = left.at_work()
            if at_work:  # it may have ended this moment
                self._logger.error(f'{at_work}; it is left behind')

    def close_when_free(self, who: str, close: Callable[[], None]) -> None:
        """Close what the threads may use: now, or when they have ended.

        Never once one of them was stuck: its memory stays until the process ends.
        """
        if self.at_work() or self.stuck():
            self._to_close.append((who, close))
        else:
            self.add(call_within(close, who, 'its release', _RELEASE_S))

    def at_work(self) -> str:
        """What the threads still do, for people; empty without any."""
        return next(filter(None, (left.at_work() for left in self._left)), '')

    def stuck(self) -> str:
        """Which thread was left behind because it hung, from then on; empty without one."""
        return next(filter(None, (left.stuck() for left in self._left)), '')

    def refuse_after_hang(self) -> None:
        """Raise PerceptionError where a thread hung, which only a new process mends."""
        stuck = self.stuck()
        if stuck:
            raise PerceptionError(f'{stuck}. What it hung in may be broken: restart this node')

    def refuse_while_at_work(self) -> None:
        """Raise PerceptionError while a thread that was left behind still uses the engines."""
        at_work = self.at_work()
        if at_work:
            raise PerceptionError(
                f'{at_work}; try again when it has, or restart this node if it never does'
            )

    def settle(self) -> None:
        """Close what the threads have let go of by now."""
        self._left = [left for left in self._left if not left.settle()]
        while self._to_close and not self._left:
            who, close = self._to_close.pop(0)
            self.add(call_within(close, who, 'its release', _RELEASE_S))
