"""Rows 2 to 9: a camera, a node, and what lies between them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from transport import cyclone, nodes
from transport.lab import Lab, ProgramEnded
from transport.outcomes import Outcome, printed
from transport.rates import SECOND_NS, fewest_answered, rate_answered
from transport.verdicts import TOLD_S, bar_with, told, verdict

if TYPE_CHECKING:
    from jetson_perception.bringup import NodeProcess
    from transport.notes import Notes
    from transport.places import Place
    from transport.rates import Rate

_PATIENCE_S = 30.0
_DEAD, _USER = 1234, 4321
_DEAD_PROGRAM = (
    "import rclpy, time; rclpy.init(); node = rclpy.create_node('dead'); "
    "print('there', flush=True); time.sleep(60)"
)


@dataclass(frozen=True)
class Situation:
    """A camera and a node, where they are, and what is asked of them.

    Attributes
    ----------
    row, name : str
        In the table.
    camera : str
        'camera_node', 'best_effort', 'reliable' (drivers), 'cyclone best_effort', 'cyclone
        reliable'.
    rate_hz : float
        Of the camera.
    bar_hz : float
        The least rate in every second; 0 asks that each image is answered.
    apart : str
        '' for one place, 'shm' for places that share a network, 'hosts' for two networks.
    own_pids : bool
        Whether places have process ids of their own.
    shm : str
        Size of each /dev/shm.
    camera_uid, node_uid : int
        Users.
    dead_files : bool
        Whether a process of another user left its files in /dev/shm.
    compressed : bool
        Whether the node takes compressed images.
    loss, delay_ms : float
        Of the camera's link.
    fragments : bool
        Whether the kernel of the node's host has more room for fragments than it has by default.
    small_datagrams : bool
        Whether both are told to send datagrams that fit into a packet.
    seg_node_too : bool
        Whether a second node takes the images; then that counts which answers fewer.
    size_wh : tuple of int
        Width and height of the images of a camera_node, in pixels.
    from_launch : bool
        Whether our nodes have the environment that launch files give them.
    """

    row: str
    name: str
    camera: str
    rate_hz: float = 30.0
    bar_hz: float = 29.0
    apart: str = ''
    own_pids: bool = False
    shm: str = '50%'
    camera_uid: int = 0
    node_uid: int = 0
    dead_files: bool = False
    compressed: bool = False
    loss: float = 0.0
    delay_ms: float = 0.0
    fragments: bool = False
    small_datagrams: bool = False
    seg_node_too: bool = False
    size_wh: tuple[int, int] = (1280, 720)
    from_launch: bool = True

    @property
    def bar(self) -> str:
        """The bar, in words."""
        return f'≥ {self.bar_hz:g} Hz' if self.bar_hz else 'each answered'


_LOSSY = Situation(
    '9',
    'two hosts, compressed, 1 % loss, 5 ms',
    'camera_node',
    bar_hz=25.0,
    apart='hosts',
    compressed=True,
    loss=0.01,
    delay_ms=5.0,
)

SITUATIONS = (
    Situation('2', 'driver without profile, best effort', 'best_effort'),
    Situation('3', 'driver without profile, reliable', 'reliable'),
    Situation('3', 'a photograph twice a second, reliable', 'reliable', rate_hz=2.0, bar_hz=0.0),
    Situation('4', 'two containers, one network: driver', 'best_effort', apart='shm'),
    Situation(
        '4',
        'two containers, one network, own process ids: driver',
        'best_effort',
        apart='shm',
        own_pids=True,
    ),
    Situation('4', 'two containers, one network: camera_node', 'camera_node', apart='shm'),
    Situation(
        '4', 'two containers, a network each: driver', 'best_effort', apart='hosts', own_pids=True
    ),
    Situation('5', 'driver as root, node as a user', 'best_effort', node_uid=_USER),
    Situation('5', 'driver as a user, node as root', 'best_effort', camera_uid=_USER),
    Situation('5', 'camera_node as root, node as a user', 'camera_node', node_uid=_USER),
    Situation(
        '5',
        "files of another user's dead process",
        'best_effort',
        camera_uid=_USER,
        node_uid=_USER,
        dead_files=True,
    ),
    Situation('6', 'Cyclone DDS, best effort', 'cyclone best_effort', rate_hz=10.0, bar_hz=9.5),
    Situation('6', 'Cyclone DDS, reliable', 'cyclone reliable', rate_hz=10.0, bar_hz=9.5),
    Situation('7', '/dev/shm of 64 MB', 'camera_node', shm='64m'),
    Situation('7', '/dev/shm of 200 MB, two nodes', 'camera_node', shm='200m', seg_node_too=True),
    *(
        Situation(
            '7',
            f'3840×2160, /dev/shm of {name}',
            'camera_node',
            rate_hz=10.0,
            bar_hz=0.0,
            shm=size,
            size_wh=(3840, 2160),
        )
        for name, size in (('64 MB', '64m'), ('half the memory', '50%'))
    ),
    Situation('8', 'started without a launch file', 'camera_node', from_launch=False),
    Situation('9', 'two hosts, raw', 'camera_node', bar_hz=15.0, apart='hosts'),
    Situation('9', 'two hosts, compressed', 'camera_node', apart='hosts', compressed=True),
    _LOSSY,
    replace(_LOSSY, name='two hosts, compressed, 1 % loss, 20 ms', delay_ms=20.0),
)
#: What docs/distributed.md has for such a link.
SMALL_DATAGRAMS = {
    'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4?max_msg_size=1400B&sockets_size=4MB&non_blocking=true'
}
#: Not in the table: what helps a link that loses packets. The driver is reliable, as otherwise
#: nothing that is lost comes again.
FRAGMENTS = tuple(
    replace(
        _LOSSY,
        row='fragments',
        name=f'reliable driver, JPEG, 1 % loss, 5 ms{how}',
        camera='reliable',
        fragments=fragments,
        small_datagrams=small_datagrams,
    )
    for how, fragments, small_datagrams in (
        ('', False, False),
        (', room for fragments', True, False),
        (', small datagrams', False, True),
    )
)


def run(situation: Situation, seconds: int, *, stock: bool) -> Outcome:
    """Measure a situation; at stock buffers it is enough to be told the cause."""
    outcome = partial(Outcome, situation.row, situation.name, situation.bar)
    try:
        if situation.camera.startswith('cyclone'):
            cyclone.environment()  # made before the places are
        with Lab() as lab:
            return _run(lab, situation, seconds, stock)
    except cyclone.CycloneError as err:
        return outcome(str(err), None)
    except ProgramEnded as err:
        return outcome(printed(err), False)


def _run(lab: Lab, situation: Situation, seconds: int, stock: bool) -> Outcome:
    camera_place, node_place = _places(lab, situation)
    if situation.small_datagrams:
        lab.variables |= SMALL_DATAGRAMS
    if situation.dead_files:
        _leave_files(lab, node_place)
    _, heard = lab.listener(node_place, nodes.DETECTIONS, uid=situation.node_uid)
    parameters = {'image_transport': 'compressed'} if situation.compressed else {}
    from_launch = situation.from_launch
    lab.node(
        nodes.yolo_node(lab, from_launch=from_launch, **parameters),
        node_place,
        situation.node_uid,
    )
    answers = [(heard, nodes.ANSWERS)]
    if situation.seg_node_too:
        _, masks = lab.listener(node_place, nodes.ALL_MASKS, uid=situation.node_uid)
        answers.append((masks, nodes.MASKS))
        lab.node(nodes.seg_node(lab, from_launch=from_launch), node_place, situation.node_uid)
    sent, topic = _start_camera(lab, situation, camera_place)
    begin_s = _begin_s(lab, sent, topic)
    if not lab.wait_for(lambda: all(x.of(name) for x, name in answers), _PATIENCE_S):
        return _judged(lab, situation, begin_s, None, (0, len(sent.of(topic))), stock)
    # Of two nodes, when both are there. Half a period early, so that no image is at the border of
    # two seconds.
    first_ns = max(x.of(name)[0].stamp_ns for x, name in answers)
    begin_ns = first_ns - int(SECOND_NS / situation.rate_hz / 2)
    end_ns = begin_ns + seconds * SECOND_NS
    # Also long enough for what the log has to say by then.
    lab.spend(max(end_ns / 1e9 + 1.0, begin_s + TOLD_S) - time.time())
    heard_by = [x.of(name) for x, name in answers]
    found = min(
        (rate_answered(each, begin_ns, seconds) for each in heard_by),
        key=lambda rate: (rate.least, sum(rate.by_second)),
    )
    counted = fewest_answered(sent.of(topic), heard_by, begin_ns, end_ns)
    return _judged(lab, situation, begin_s, found, counted, stock)


def _places(lab: Lab, situation: Situation) -> tuple[Place, Place]:
    """Where the camera and the node are."""
    options: dict[str, Any] = {'shm': situation.shm, 'own_pids': situation.own_pids}
    robot = lab.network.host('robot', loss=situation.loss, delay_ms=situation.delay_ms)
    camera = lab.place(robot, **options)
    if situation.apart == 'hosts':
        other = lab.network.host('other')
        if situation.fragments:
            lab.network.give_room_for_fragments(other)
        return camera, lab.place(other, **options)
    return camera, lab.place(robot, **options) if situation.apart else camera


def _leave_files(lab: Lab, place: Place) -> None:
    """Have another user's process die without removing what it has in /dev/shm."""
    program = lab.python('dead', place, _DEAD_PROGRAM, _DEAD)
    lab.wait_for(program.lines, _PATIENCE_S)
    lab.crash(program)


def _start_camera(lab: Lab, situation: Situation, place: Place) -> tuple[Notes, str]:
    """The camera; where it is noted what it sends, and the word for it there."""
    if situation.camera == 'camera_node':
        uid = situation.camera_uid
        _, sent = lab.listener(place, nodes.SENT_BY_CAMERA_NODE, uid=uid)
        lab.node(_camera_node(lab, situation), place, uid)
        return sent, nodes.CAMERA_INFO
    binding, _, reliability = situation.camera.rpartition(' ')
    if binding:
        _, sent = lab.cyclone_driver(place, reliability, situation.rate_hz)
    else:
        uid, compressed = situation.camera_uid, situation.compressed
        rate_hz = situation.rate_hz
        _, sent = lab.driver(place, reliability, rate_hz, uid=uid, compressed=compressed)
    return sent, 'sent'


def _camera_node(lab: Lab, situation: Situation) -> NodeProcess:
    parameters = nodes.rendered_beforehand(lab, situation.size_wh)
    return nodes.camera_node(
        from_launch=situation.from_launch, frame_rate=situation.rate_hz, **parameters
    )


def _begin_s(lab: Lab, sent: Notes, topic: str) -> float:
    """When both were there: the node subscribed, and the camera sent."""
    ready = lab.wait_for(lambda: lab.log_lines('waiting for images on'), _PATIENCE_S)
    matched = 'matched' if topic == 'sent' else topic
    notes = lab.wait_for(lambda: sent.of(matched), 10.0)
    moments = [ready[0][0]] if ready else []
    moments += [notes[0].at_ns / 1e9] if notes else []
    return max(moments, default=time.time())


def _judged(
    lab: Lab,
    situation: Situation,
    begin_s: float,
    found: Rate | None,
    counted: tuple[int, int],
    stock: bool,
) -> Outcome:
    """Compare with the bar."""
    count, of = counted
    if found is None:
        kept, text = False, f'no answer in {_PATIENCE_S:.0f} s'
    elif situation.bar_hz:
        kept, text = found.least >= situation.bar_hz, f'{found}; {count} of {of}'
    else:
        kept, text = count == of > 0, f'{count} of {of}'
    if found is not None and not kept and count == of:
        text += ', no more was sent'  # a camera that is slowed, or a machine that is too slow
    heard = told(lab, begin_s)
    kept, more = verdict(kept, heard, stock=stock)
    record = {
        'situation': asdict(situation),
        'by_second': list(found.by_second) if found else [],
        'answered': count,
        'sent': of,
        'told_s': heard.after_s,
        'warnings': [line[:500] for _, line in lab.log_lines(r'\[(WARN|ERROR)\]')][-5:],
    }
    bar = bar_with(situation.bar, stock=stock)
    return Outcome(situation.row, situation.name, bar, text + more, kept, record)
