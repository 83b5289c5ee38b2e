"""Figures beside the table, such as how soon answers come again after a fault."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from transport import nodes
from transport.lab import Lab
from transport.latency import in_process, latency
from transport.outcomes import Outcome
from transport.rates import SECOND_NS
from transport.situations import Situation
from transport.situations import run as run_situation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transport.notes import Notes
    from transport.processes import Program

_AGAIN_S = 2.0
_CUT_S = 5.0
_GROWTH_MB = 5.0
_ROUNDS = 6
#: One crash in six is in the middle of an image, which is what memory can be lost by.
_RESTARTS = 12
#: From which on memory is to be flat: what DDS keeps of a crashed peer it keeps for 20 s.
_SETTLED = 3
_PATIENCE_S = 30.0
DRIVERS = (
    Situation('drivers', 'driver, best effort: every image answered', 'best_effort', bar_hz=0.0),
    Situation('drivers', 'driver, reliable: every image answered', 'reliable', bar_hz=0.0),
)


def drivers(seconds: int, *, stock: bool) -> Iterator[Outcome]:
    """Every image of a driver without profile is answered."""
    for each in DRIVERS:
        yield run_situation(each, seconds, stock=stock)


def restart(seconds: int, *, stock: bool) -> Iterator[Outcome]:
    """A driver that crashes and is started again; timed from its first image on.

    The time from its start to that image is said too: Python and rclpy take it, without any node.
    """
    del seconds, stock
    with Lab() as lab:
        place = lab.place(lab.network.host('robot'))
        _, heard = lab.listener(place, nodes.DETECTIONS)
        node = lab.node(nodes.yolo_node(lab), place)
        driver, _ = lab.driver(place, 'best_effort')
        _first(lab, heard)
        starts_s: list[float] = []

        def again() -> float:
            nonlocal driver
            lab.crash(driver)
            lab.spend(1.0)
            begun_s = time.time()
            driver, sent = lab.driver(place, 'best_effort')
            first = lab.wait_for(lambda: sent.of('sent'), _PATIENCE_S)
            starts_s.append(first[0].at_ns / 1e9 - begun_s)
            return _until_answered(lab, heard, first[0].at_ns)

        name = 'the driver crashes and is started again, from its first image'
        found = _rounds('restart', name, lab, node, again, _RESTARTS)
    text = f'{found.measured} (its first image {max(starts_s):.1f} s after its start)'
    yield replace(found, measured=text, record=found.record | {'starts_s': starts_s})


def cut(seconds: int, *, stock: bool) -> Iterator[Outcome]:
    """A cable that is pulled for a while; timed from when it is back."""
    del seconds, stock
    with Lab() as lab:
        robot, other = lab.network.host('robot'), lab.network.host('other')
        place = lab.place(other)
        _, heard = lab.listener(place, nodes.DETECTIONS)
        node = lab.node(nodes.yolo_node(lab, image_transport='compressed'), place)
        lab.node(nodes.camera_node(), lab.place(robot))
        _first(lab, heard)

        def again() -> float:
            lab.network.cut(robot)
            lab.spend(_CUT_S)
            lab.network.mend(robot)
            return _until_answered(lab, heard, time.time_ns())

        yield _rounds('cut', f'the link is cut for {_CUT_S:g} s, compressed', lab, node, again)


def clock(seconds: int, *, stock: bool) -> Iterator[Outcome]:
    """A camera's clock that jumps an hour ahead, and back."""
    del seconds, stock
    with Lab() as lab:
        place = lab.place(lab.network.host('robot'))
        _, heard = lab.listener(place, nodes.DETECTIONS)
        node = lab.node(nodes.yolo_node(lab), place)
        driver, _ = lab.driver(place, 'best_effort')
        _first(lab, heard)

        def again() -> float:
            driver.signal(signal.SIGUSR1)
            at_ns = time.time_ns()
            found = _until_answered(lab, heard, at_ns + int(0.2 * SECOND_NS))
            lab.spend(3.0)
            return found

        yield _rounds('clock', "the camera's clock jumps by an hour", lab, node, again)


FIGURES: dict[str, Callable[..., Iterator[Outcome]]] = {
    'latency': latency,
    'drivers': drivers,
    'in_process': in_process,
    'restart': restart,
    'cut': cut,
    'clock': clock,
}


def _first(lab: Lab, heard: Notes) -> bool:
    return bool(lab.wait_for(lambda: heard.of(nodes.ANSWERS), _PATIENCE_S))


def _until_answered(lab: Lab, heard: Notes, begin_ns: int) -> float:
    """Seconds from a moment to the first answer after it."""

    def after() -> list[int]:
        # Enough to look at the newest ones.
        return [n.at_ns for n in heard.of(nodes.ANSWERS)[-500:] if n.at_ns >= begin_ns]

    found = lab.wait_for(after, _PATIENCE_S)
    return (found[0] - begin_ns) / 1e9 if found else _PATIENCE_S


def _rounds(
    row: str,
    name: str,
    lab: Lab,
    node: Program,
    again: Callable[[], float],
    rounds: int = _ROUNDS,
) -> Outcome:
    """Several times the same fault: how soon answers come again, and whether memory grows."""
    lab.spend(2.0)
    again_s, memory_mb = [], []
    for _ in range(rounds):
        again_s.append(again())
        lab.spend(2.0)
        memory_mb.append(node.own_memory_mb())
    growth_mb = memory_mb[-1] - memory_mb[_SETTLED - 1]
    text = f'after {max(again_s):.1f} s at most, of {rounds}; memory {growth_mb:+.1f} MB'
    bar = f'answers again in {_AGAIN_S:g} s; memory grows ≤ {_GROWTH_MB:g} MB'
    kept = max(again_s) <= _AGAIN_S and growth_mb <= _GROWTH_MB
    record = {'again_s': again_s, 'own_memory_mb': memory_mb}
    return Outcome(row, name, bar, text, kept, record)
