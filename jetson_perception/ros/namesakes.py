"""Another node of the same name: both answer what is asked of it, and publish the same topics."""

from __future__ import annotations

import os
import platform
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray

from jetson_perception.printable import printable
from jetson_perception.ros import qos

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.subscription import Subscription

#: Longer than a node that was killed stays in discovery: 20 s with Fast DDS, 10 s with others.
LEASE_S = 30.0
#: How long a node that spoke counts as alive; ours speak once a second.
_ALIVE_S = 5.0
_MOST_HEARD = 16
_KEY = 'process'


class Namesakes:
    """Says so when a node finds another one of its full name that lives, and came before it.

    Discovery lists a node that was killed until its lease ends, as it does one that was started
    anew. So nodes of ours, which say on /diagnostics which process they are, count when they
    speak; others when they have been there for longer than any lease.

    Parameters
    ----------
    node : rclpy Node
        Whose name it is.
    now_s : callable
        Seconds that never go back.
    """

    def __init__(self, node: Node, now_s: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._now_s = now_s
        # In one zone and first, so that texts of several hosts are in the order of their starts.
        begun = datetime.now(timezone.utc).isoformat(' ', 'milliseconds')
        self._process = f'{begun}, pid {os.getpid()} on {platform.node()}'
        self._since_s: float | None = None
        #: When each other process of this name was last heard.
        self._heard_s: dict[str, float] = {}
        self._subscription: Subscription | None = None
        self._told = ''

    @property
    def facts(self) -> dict[str, str]:
        """What tells nodes of one name apart, for diagnostics: since when and where it runs."""
        return {_KEY: self._process}

    def problem(self) -> str:
        """That there is another node of this name, for people; '' where there is none.

        Called once a second, in the executor's thread; what is new is logged.
        """
        found = self._found()
        if bool(found) != bool(self._told):
            log = self._node.get_logger()
            if found:
                log.error(found)
            else:
                log.info(f'no other node is called {self._name} any more')
        self._told = found
        return found

    @property
    def _name(self) -> str:
        name: str = self._node.get_fully_qualified_name()
        return name

    def _found(self) -> str:
        me = (self._node.get_name(), self._node.get_namespace())
        if self._node.get_node_names_and_namespaces().count(me) < 2:
            self._stop_listening()
            return ''
        now_s = self._now_s()
        if self._since_s is None:
            self._since_s = now_s
            self._subscription = self._node.create_subscription(
                DiagnosticArray, '/diagnostics', self._on_diagnostics, qos.DIAGNOSTICS_INPUT
            )
        self._forget_silent(now_s)
        alive = list(self._heard_s)
        earlier = [process for process in alive if process < self._process]
        if earlier:
            return self._explanation(f' (since {printable(min(earlier), 120)})')
        if not alive and now_s - self._since_s > LEASE_S:
            return self._explanation('')
        return ''

    def _explanation(self, which: str) -> str:
        return (
            f'another node is called {self._name} too{which}: both publish on the same topics, '
            'and either may answer what is asked of this name. End one of them, or start one '
            'under another name: with name:= or namespace:= of its launch file (camera_name:= or '
            'camera_namespace:= for its camera), or with --ros-args -r __node:=NAME'
        )

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for line in msg.status:
            if line.name != self._name:
                continue
            process = next((pair.value for pair in line.values if pair.key == _KEY), '')
            if process and process != self._process:
                self._hear(process)

    def _hear(self, process: str) -> None:
        now_s = self._now_s()
        self._forget_silent(now_s)
        if process in self._heard_s or len(self._heard_s) < _MOST_HEARD:
            self._heard_s[process] = now_s

    def _forget_silent(self, now_s: float) -> None:
        self._heard_s = {
            process: heard_s
            for process, heard_s in self._heard_s.items()
            if now_s - heard_s < _ALIVE_S
        }

    def _stop_listening(self) -> None:
        self._since_s = None
        self._heard_s.clear()
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
