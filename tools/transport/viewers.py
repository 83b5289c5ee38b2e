"""Row 1: somebody who watches over a thin link, and what that does to the robot's own results."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transport import nodes
from transport.lab import CAMERA, Lab
from transport.outcomes import Outcome
from transport.rates import SECOND_NS, answered, rate_answered, rate_heard
from transport.verdicts import bar_with, told, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transport.network import Host
    from transport.notes import Note, Notes
    from transport.places import Place

_MASK_HZ = 29
_PATIENCE_S = 30.0
#: How long a viewer waits for what its link may not carry.
_FIRST_S = 8.0
_COMPRESSED = '/annotated/compressed'
#: After which a change of viewers is over: a kernel keeps parts of datagrams whose others never
#: come for 30 s (net.ipv4.ipfrag_time).
_CHANGE_S = 35.0
#: For a link of 10 Mbit/s: what is sent there is made smaller.
_SMALLER = {
    'annotated.rate': 10.0,
    'annotated.width': 640,
    'annotated.compressed.jpeg_quality': 60,
}


@dataclass(frozen=True)
class View:
    """A viewer.

    Attributes
    ----------
    topic, reliability : str
        What it asks for, and how; nobody views where the topic is empty.
    link : str
        The rate of its link, as tc writes it.
    bar_hz : int
        What it is to get in every second; 0 where the link is too thin for that topic.
    """

    topic: str
    reliability: str
    link: str = '40mbit'
    bar_hz: int = 0

    @property
    def name(self) -> str:
        """For people."""
        if not self.topic:
            return f'nobody views, at {self.link[:-4]} Mbit/s'
        how = self.reliability.replace('_', ' ')
        return f'viewer of {self.topic}, {how}, at {self.link[:-4]} Mbit/s'

    @property
    def subscription(self) -> str:
        """As the listener takes it."""
        kind = 'CompressedImage' if self.topic.endswith('compressed') else 'Image'
        return f'{self.topic}:sensor_msgs/{kind}:{self.reliability}'


VIEWS = (
    View('', ''),  # what the others are compared with
    *(
        View(topic, reliability)
        for topic in ('/annotated', '/mask', '/mask/color', CAMERA)
        for reliability in ('best_effort', 'reliable')
    ),
    View(_COMPRESSED, 'best_effort', bar_hz=25),
    View(_COMPRESSED, 'reliable', bar_hz=25),
    View(_COMPRESSED, 'reliable', '10mbit'),  # which is asked for again and again
)
VIEWS_OF_SMALLER = (View(_COMPRESSED, 'best_effort', '10mbit', 5),)


def run(seconds: int, only: str = '', *, stock: bool) -> Iterator[Outcome]:
    """Each viewer in turn, at one robot and then at one with smaller pictures; and a change."""
    for views, parameters in ((VIEWS, {}), (VIEWS_OF_SMALLER, _SMALLER)):
        wanted = [view for view in views if only in view.name]
        if wanted:
            yield from _watch(wanted, parameters, seconds, stock)
    for roomy in (False, True):
        if only in _change_name(roomy):
            yield _change(seconds, roomy)


def _watch(
    views: list[View], parameters: dict[str, Any], seconds: int, stock: bool
) -> Iterator[Outcome]:
    with Lab() as lab:
        robot = lab.network.host('robot')
        masks = _run_robot(lab, robot, parameters)
        any_mask = masks.of(nodes.MASKS)
        for view in views:
            # A host of its own: what the one before left in its kernel is measured by itself.
            here = lab.place(lab.network.host('viewer'))
            if any_mask:
                yield _view(lab, robot, here, masks, view, seconds, stock)
            else:
                yield Outcome('1', view.name, _bar(view, stock), 'no mask at all', False)


def _view(
    lab: Lab, robot: Host, here: Place, masks: Notes, view: View, seconds: int, stock: bool
) -> Outcome:
    lab.spend(2.0)
    lab.network.limit(robot, view.link)
    came_s = time.time()
    seen = _watched(lab, here, view, seconds) if view.topic else _nobody(lab, seconds)
    # The last seconds where the link carried nothing: until then the viewer was starting.
    begin_ns = seen[0].at_ns if seen else time.time_ns() - seconds * SECOND_NS
    lab.network.limit(robot, '1gbit')
    lab.spend(1.0)
    own = rate_answered(masks.of(nodes.MASKS), begin_ns, seconds)
    got = rate_heard(seen, begin_ns, seconds)
    kept = own.least >= _MASK_HZ and got.least >= view.bar_hz
    end_ns = begin_ns + seconds * SECOND_NS
    camera = masks.of(nodes.CAMERA_INFO)
    count, of = answered(camera, masks.of(nodes.MASKS), begin_ns, end_ns)
    text = f'masks {own}, {count} of {of}' + (f'; viewer {got}' if view.topic else '')
    said = told(lab, begin_ns / 1e9, since_s=came_s)
    kept, more = verdict(kept, said, stock=stock)
    record = {
        'masks_by_second': list(own.by_second),
        'viewer_by_second': list(got.by_second),
        'answered': count,
        'sent': of,
        'told_s': said.after_s,
    }
    return Outcome('1', view.name, _bar(view, stock), text + more, kept, record)


def _run_robot(lab: Lab, robot: Host, parameters: dict[str, Any]) -> Notes:
    """Start camera and seg_node, and wait for a mask; what somebody there hears of both."""
    there = lab.place(robot)
    own = (f'{nodes.MASKS}:sensor_msgs/Image:reliable', nodes.SENT_BY_CAMERA_NODE)
    _, masks = lab.listener(there, *own)
    lab.node(nodes.seg_node(lab, **parameters), there)
    lab.node(nodes.camera_node(), there)
    lab.wait_for(lambda: masks.of(nodes.MASKS), _PATIENCE_S)
    return masks


def _change_name(roomy: bool) -> str:
    settings = ', with room for fragments' if roomy else ''
    return f'viewer of {_COMPRESSED} after one of {CAMERA}, at 40 Mbit/s{settings}'


def _change(seconds: int, roomy: bool) -> Outcome:
    """A viewer that took raw images over the thin link, and takes compressed ones then.

    Its kernel has kept parts of raw images, and takes no datagram of several parts until they are
    given up: with them the robot says what it publishes. `roomy` has it give them up sooner.
    """
    with Lab() as lab:
        robot, viewer = lab.network.host('robot'), lab.network.host('viewer')
        if roomy:
            lab.network.give_room_for_fragments(viewer)
        here = lab.place(viewer)
        masks = _run_robot(lab, robot, {})
        lab.network.limit(robot, '40mbit')
        begin_ns = time.time_ns()
        watcher, _ = lab.listener(here, View(CAMERA, 'best_effort').subscription)
        lab.spend(_FIRST_S + seconds)
        lab.end(watcher)
        changed_s = time.monotonic()
        view = View(_COMPRESSED, 'best_effort')
        _, seen = lab.listener(here, view.subscription)
        came = lab.wait_for(lambda: seen.of(view.topic), _CHANGE_S)
        after_s = time.monotonic() - changed_s
        lab.spend(2.0)
        own_rate = rate_answered(
            masks.of(nodes.MASKS), begin_ns, int((time.time_ns() - begin_ns) / SECOND_NS) - 1
        )
    first = f'{after_s:.1f} s' if came else 'never'
    return Outcome(
        '1',
        _change_name(roomy),
        f'masks ≥ {_MASK_HZ} Hz, first picture within {_CHANGE_S:.0f} s',
        f'masks {own_rate}; first picture {first}',
        own_rate.least >= _MASK_HZ and bool(came),
        {'masks_by_second': list(own_rate.by_second), 'first_s': after_s if came else None},
    )


def _watched(lab: Lab, here: Place, view: View, seconds: int) -> list[Note]:
    """What a viewer hears in the seconds after the first that it hears."""
    watcher, seen = lab.listener(here, view.subscription)
    lab.wait_for(lambda: seen.of(view.topic), _FIRST_S)
    lab.spend(seconds)
    lab.end(watcher)
    return seen.of(view.topic)


def _nobody(lab: Lab, seconds: int) -> list[Note]:
    lab.spend(seconds)
    return []


def _bar(view: View, stock: bool) -> str:
    bar = f'masks ≥ {_MASK_HZ} Hz' + (f', viewer ≥ {view.bar_hz} Hz' if view.bar_hz else '')
    return bar_with(bar, stock=stock)
