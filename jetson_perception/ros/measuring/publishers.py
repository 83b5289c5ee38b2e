"""Whose a publisher is: its node, process, user and host; and how its messages get here."""

from __future__ import annotations

import pwd
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.dds.guids import Guid
from jetson_perception.dds.proc import PROC, mapped_files, read
from jetson_perception.dds.segments import segments, segments_of_process
from jetson_perception.printable import printable
from jetson_perception.ros.endpoint_names import guid_of, own_subscription
from jetson_perception.ros.measuring.graph_topics import described_endpoint
from jetson_perception.ros.measuring.publisher_processes import pids_of

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

#: How long the graph may take to know a subscription of this process.
_GRAPH_S, _LOOK_EVERY_S = 1.0, 0.05


class Reader:
    """What receives: this process.

    Parameters
    ----------
    node : Node
        Which subscribes.
    topic : str
        Full name of the topic.
    """

    def __init__(self, node: Node, topic: str) -> None:
        mine = own_subscription(node, topic)
        deadline_s = time.monotonic() + _GRAPH_S
        while mine is None and time.monotonic() < deadline_s:  # it may just have been made
            time.sleep(_LOOK_EVERY_S)
            mine = own_subscription(node, topic)
        self.guid = Guid(b'') if mine is None else guid_of(mine)
        self._offers_udp_alone = mine is not None and mine.node_name != node.get_name()
        self._mapped = mapped_files()
        self._segments = segments()

    def takes_memory_of(self, guid: Guid) -> bool:
        """Whether messages come through the shared memory of a publisher: it is open here."""
        if self._offers_udp_alone or not guid.on_host_of(self.guid):
            return False
        theirs = segments_of_process(guid.pid_modulo, self._segments)
        return any(str(each.path) in self._mapped for each in theirs)


def described_publisher(info: TopicEndpointInfo, reader: Reader) -> dict[str, Any]:
    """A publisher, ready for JSON.

    Returns
    -------
    dict
        `node`, `type`, `reliability`, `durability`; `same_host`, None where that cannot be told;
        `pid`, `program` and `user` of its process, None and '' where they are not known.
    """
    guid = guid_of(info)
    known = guid.of_fast_dds and reader.guid.of_fast_dds
    same_host = guid.on_host_of(reader.guid) if known else None
    pids = pids_of(guid) if same_host else []
    pid = pids[0] if len(pids) == 1 else None
    return {
        **described_endpoint(info),
        'same_host': same_host,
        'pid': pid,
        'program': printable(_program_of(pid)) if pid else '',
        'user': _user_of(pid) if pid else '',
    }


def transport_of(publishers: list[TopicEndpointInfo], reader: Reader) -> str:
    """How messages come: by 'shared memory', 'UDP', or both; '' where that is not known."""
    guids = [guid_of(info) for info in publishers]
    if not (guids and reader.guid.of_fast_dds and all(guid.of_fast_dds for guid in guids)):
        return ''
    transports = {'shared memory' if reader.takes_memory_of(guid) else 'UDP' for guid in guids}
    return ' and '.join(sorted(transports, reverse=True))


def _program_of(pid: int) -> str:
    """What a process runs; of Python, the script."""
    words = read(PROC / str(pid) / 'cmdline').split('\0')
    names = [Path(word).name for word in words if word and not word.startswith('-')]
    if len(names) > 1 and names[0].startswith('python'):
        return names[1]
    return names[0] if names else read(PROC / str(pid) / 'comm').strip()


def _user_of(pid: int) -> str:
    with suppress(OSError, KeyError):
        return pwd.getpwuid((PROC / str(pid)).stat().st_uid).pw_name
    return ''
