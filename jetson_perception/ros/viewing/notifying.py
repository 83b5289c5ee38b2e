"""Has systemd hear that the live view is well, where systemd started it (`docs/deploy.md`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jetson_perception.process.service_manager import tell_service_manager

if TYPE_CHECKING:
    from jetson_perception.ros.viewing.node_thread import NodeThread

_EVERY_S = 1.0


async def keep_notifying(thread: NodeThread, status: str) -> None:
    """Say once a second that the view is well, as long as the web server and the node are.

    Runs in the loop of the web server until it is cancelled. Nothing is said while either does
    not go on, so that the watchdog's time runs out.

    Parameters
    ----------
    thread : NodeThread
        Which has to answer each time.
    status : str
        For people, as `systemctl status` shows it.
    """
    while True:
        await thread.ask(_answer)
        tell_service_manager(status, is_well=True)
        await asyncio.sleep(_EVERY_S)


def _answer() -> None:
    """What shows that the thread goes on."""
