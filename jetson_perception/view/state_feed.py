"""The robot's state as JSON for all who look: made once, when it has changed, at most at 5 Hz."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jetson_perception.view.newest_slot import NewestSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetson_perception.view.recorder import Recorder
    from jetson_perception.view.robot import Robot

#: Shortest time between two states.
_PERIOD_S = 0.2


class StateFeed:
    """Hands the state to those who look; the robot follows it while there is one.

    Parameters
    ----------
    robot : Robot
        Whose state it is.
    recorder : Recorder
        Whose state is shown with it, as `recording`.
    """

    def __init__(self, robot: Robot, recorder: Recorder) -> None:
        self._robot = robot
        self._recorder = recorder
        self._slots: list[NewestSlot[str]] = []
        self._newest = ''
        self._task: asyncio.Task[None] | None = None
        self._close: Callable[[], None] = lambda: None

    @contextmanager
    def looking(self) -> Iterator[NewestSlot[str]]:
        """A slot that gets each state within the block, the newest one at once."""
        slot: NewestSlot[str] = NewestSlot()
        if self._task is None:
            self._close = self._robot.open_state()
            self._task = asyncio.get_running_loop().create_task(self._push())
        elif self._newest:
            slot.put(self._newest)
        self._slots.append(slot)
        try:
            yield slot
        finally:
            self._slots.remove(slot)
            if not self._slots:
                self._task.cancel()
                self._task = None
                self._close()

    async def _push(self) -> None:
        shown = None
        while True:
            number, state = self._robot.state()
            recording = self._recorder.state()
            if (number, recording) != shown:
                shown = number, recording
                self._newest = json.dumps({**state, 'recording': recording}, allow_nan=False)
                for slot in self._slots:
                    slot.put(self._newest)
            await asyncio.sleep(_PERIOD_S)
