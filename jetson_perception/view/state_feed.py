"""The robot's state as JSON for all who look: made once, when it has changed, at most at 5 Hz.

What has not changed is said again now and then: a page by which nothing comes knows that its link
is gone.
"""

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
#: When it is seen again whether a state is known.
_SOON_S = 0.02
AGAIN_S = 5.0
"""When the same state is said again."""


class StateFeed:
    """Hands the state to those who look; the robot follows it while there is one.

    Parameters
    ----------
    robot : Robot
        Whose state it is.
    recorder : Recorder
        Whose state is shown with it, as `recording`.
    again_s : float
        When the same state is said again.
    """

    def __init__(self, robot: Robot, recorder: Recorder, again_s: float = AGAIN_S) -> None:
        self._again_s = again_s
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
                self._newest = ''
                self._task.cancel()
                self._task = None
                self._close()

    async def _push(self) -> None:
        shown = None
        loop = asyncio.get_running_loop()
        said_s = loop.time()
        while True:
            found = self._robot.state()
            if found is None:
                await asyncio.sleep(_SOON_S)
                continue
            number, state = found
            recording = self._recorder.state()
            if (number, recording) != shown or loop.time() - said_s >= self._again_s:
                shown, said_s = (number, recording), loop.time()
                self._newest = json.dumps({**state, 'recording': recording}, allow_nan=False)
                for slot in self._slots:
                    slot.put(self._newest)
            await asyncio.sleep(_PERIOD_S)
