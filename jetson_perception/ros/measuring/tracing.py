"""Has running nodes record what they do with frames, and fetches that."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.printable import listed, printable
from jetson_perception.ros.measuring.graph_listener import GraphListener
from jetson_perception.ros.measuring.trace_client import TraceClient, Unanswered
from jetson_perception.ros.trace_service import NAME
from jetson_perception.tracing.traces import ProcessTrace, add_recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rclpy.node import Node

    from jetson_perception.ros.measuring.trace_client import Answer

_TYPE = 'jetson_perception/srv/Trace'
_DISCOVERY_S = 5.0
#: All are discovered when no other has been for so long.
_OTHERS_S = 2.0
_LOOK_EVERY_S = 0.1
#: What is under way when the time is over still counts.
_AFTER_S = 0.1
_DEFAULT_S = 5.0
_MOST_LISTED = 8


@dataclass
class TakenTraces:
    """What nodes recorded.

    Attributes
    ----------
    traces : list of ProcessTrace
        One for each process, in the order of the names.
    problems : list of str
        Why nodes are not among them, for people.
    """

    traces: list[ProcessTrace] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class _Recording(NamedTuple):
    client: TraceClient
    begun: Answer


def take_traces(
    names: Sequence[str],
    seconds: float | None = None,
    *,
    past: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> TakenTraces:
    """Have nodes record for some seconds, or fetch what they have recorded already.

    Ctrl-C ends the recording early, and fetches what there is.

    Parameters
    ----------
    names : sequence of str
        The nodes; all that can be traced, if there are none.
    seconds : float, optional
        How long they record, or how much of the past is fetched; by default, 5 s of what comes and
        all of the past.
    past : bool
        Fetch what nodes with `keep_trace` have recorded, instead of recording now.
    say : callable
        Called with what is done next.

    Raises
    ------
    PerceptionError
        When a node is not there, cannot be traced, or none answers.
    """
    with GraphListener('trace_listener') as listener:
        node = listener.node
        found = _find(node, names)
        clients = [TraceClient(node, name) for name in found]
        taken = TakenTraces()
        length_s = _DEFAULT_S if seconds is None else seconds
        begun = _begin(clients, 0.0 if past else length_s, taken)
        if past:
            begun = _that_keep(begun, taken)
        elif begun:
            say(f'recording {listed([each.client.node_name for each in begun], _MOST_LISTED)}')
            _wait(length_s + _AFTER_S)
        for recording in begun:
            _fetch(recording, seconds, taken, past=past)
        if not taken.traces:
            raise PerceptionError('; '.join(taken.problems))
        return taken


def _find(node: Node, names: Sequence[str]) -> list[str]:
    """Full names of the nodes to trace, once they were discovered."""
    wanted = [name if name.startswith('/') else f'/{name}' for name in names]
    deadline_s = time.monotonic() + _DISCOVERY_S
    found = _traceable(node)
    while not (set(wanted) <= set(found) if wanted else found):
        if time.monotonic() > deadline_s:
            raise ParameterError(_not_found(node, wanted, found))
        time.sleep(_LOOK_EVERY_S)
        found = _traceable(node)
    return list(dict.fromkeys(wanted)) or _all(node, found)


def _all(node: Node, found: list[str]) -> list[str]:
    """Those that can be traced, once no more are discovered."""
    since_s = time.monotonic()
    while time.monotonic() - since_s < _OTHERS_S:
        time.sleep(_LOOK_EVERY_S)
        now = _traceable(node)
        if now != found:
            found, since_s = now, time.monotonic()
    return found


def _traceable(node: Node) -> list[str]:
    ending = f'/{NAME}'
    return sorted(
        name.removesuffix(ending)
        for name, types in node.get_service_names_and_types()
        if _TYPE in types and name.endswith(ending)
    )


def _not_found(node: Node, wanted: list[str], found: list[str]) -> str:
    there = {
        f'{namespace.rstrip("/")}/{name}'
        for name, namespace in node.get_node_names_and_namespaces()
    }
    can = f'those that can be: {listed(found, _MOST_LISTED)}' if found else 'none here can be'
    for name in wanted:
        if name in there and name not in found:
            return (
                f'{printable(name)} cannot be traced: it has no service '
                f'{printable(name)}/{NAME} of {_TYPE}, so it is no node of this package, or of '
                f'an older version; {can}'
            )
        if name not in found:
            return (
                f'there is no node {printable(name)} to trace; {can}. Nodes are found with the '
                'ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE that they were started with'
            )
    return (
        'there is no node that can be traced: start camera_node, seg_node or yolo_node, with the '
        'same ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE as this command'
    )


def _begin(clients: list[TraceClient], seconds: float, taken: TakenTraces) -> list[_Recording]:
    """The nodes that record, one for each process."""
    pending = [client.ask(seconds) for client in clients]
    begun: dict[tuple[str, int], _Recording] = {}
    for client, answer in zip(clients, pending, strict=True):
        try:
            found = answer()
        except Unanswered as error:
            taken.problems.append(str(error))
            continue
        same = begun.setdefault((found.clock, found.pid), _Recording(client, found))
        if same.client is not client:  # one process records for all its nodes
            same.client.node_name += f', {client.node_name}'
    return list(begun.values())


def _that_keep(begun: list[_Recording], taken: TakenTraces) -> list[_Recording]:
    for each in begun:
        if not each.begun.keeps:
            name = each.client.node_name
            taken.problems.append(
                f'{name} keeps no trace of the past: `ros2 param set {name} keep_trace true`, or '
                'leave --past out to record from now on'
            )
    return [each for each in begun if each.begun.keeps]


def _wait(seconds: float) -> None:
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        return


def _fetch(
    recording: _Recording, seconds: float | None, taken: TakenTraces, *, past: bool
) -> None:
    client, begun = recording
    within_ns = None
    if not past:
        within_ns = begun.now_ns, begun.until_ns
    elif seconds is not None:
        within_ns = begun.now_ns - int(seconds * 1e9), begun.now_ns
    trace = ProcessTrace(client.node_name, begun.host, begun.clock, begun.pid)
    try:
        parts = client.fetch(0 if past else begun.next)
    except Unanswered as error:
        taken.problems.append(str(error))
        return
    add_recorded(trace, parts, within_ns)
    trace.is_whole = trace.is_whole or past  # only the newest are kept, as was asked for
    taken.traces.append(trace)
