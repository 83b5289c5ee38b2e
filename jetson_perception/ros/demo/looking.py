"""The live view of a demo, for as long as somebody wants to look."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import rclpy

from jetson_perception.errors import PerceptionError
from jetson_perception.ros.processes import running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jetson_perception.bringup import NodeProcess
    from jetson_perception.ros.processes import RunningProcess

_START_S = 30.0
_LOOK_S = 0.2
_ADDRESS = re.compile(r'the live view is at (http://\S+)')


def look(
    view: NodeProcess, log: Path, nodes: Sequence[RunningProcess], say: Callable[[str], None]
) -> None:
    """Run the live view beside the nodes until Ctrl+C; `say` gets its address.

    Raises
    ------
    PerceptionError
        When it cannot be started, or a node ends.
    """
    address = ''
    begun_s = time.monotonic()
    try:
        with running(view, log) as started:
            while rclpy.ok():
                for node in (started, *nodes):
                    node.check()
                if not address:
                    found = _ADDRESS.search(log.read_text(errors='replace'))
                    if found:
                        address = found[1]
                        say(address)
                    elif time.monotonic() - begun_s > _START_S:
                        raise PerceptionError(f'the live view does not start; its log is {log}')
                time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        return
