"""Why frames of a topic are lost, or none comes: from what is known of it to the cause and cure.

Nothing here looks at the machine: who measures a topic fills in `InputFacts`, and `judge` says
what follows, the same for a node, which watches its own subscription, and for a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from jetson_perception.dds import sockets
from jetson_perception.dds.frame_counts import Counted
from jetson_perception.printable import listed, printable

#: A segment that holds fewer images is full while its readers still hold on to them.
IMAGES_IN_SEGMENT = 3
#: What config/fastdds.xml takes. A sender that has less may have failed to get it, which Fast DDS
#: says on its standard error alone.
WANTED_SEGMENT_BYTES = 70 << 20
#: Fewer come of lost discovery messages alone.
LEAST_TORN = 50
#: Assumed where none came yet to measure: VGA in color, the smallest that cameras usually send.
USUAL_IMAGE_BYTES = 640 * 480 * 3
_MOST_NAMED = 4


class Cause(str, Enum):
    """What keeps frames from arriving, as a word for programs."""

    NO_PUBLISHER = 'no publisher'
    DISCOVERY = 'other domain or discovery range'
    MISMATCH = 'QoS or type does not match'
    SILENT = 'the sender is silent'
    SEGMENT_SMALL = "the sender's shared memory is too small"
    NO_SPACE = '/dev/shm is too small'
    NOT_SHARED = '/dev/shm is not shared'
    OTHER_USER = 'shared memory of another user'
    STALE_FILES = 'stale shared-memory files'
    SOCKET_BUFFERS = 'kernel socket buffers are too small'
    NETWORK = 'the network cannot carry the rate'
    SLOW_TAKING = 'this process takes images too slowly'
    LOAD = 'the machine has no time for them'


class Memory(Enum):
    """What this process sees of the shared memory that a sender writes to."""

    #: It cannot be told: another DDS, another host.
    UNKNOWN = 'unknown'
    #: There, and may be opened.
    OPEN = 'open'
    #: There, and may not be opened: it is another user's.
    REFUSED = 'refused'
    #: The sender has another /dev/shm, as in another container.
    ELSEWHERE = 'elsewhere'
    #: The sender sees this /dev/shm and has nothing in it.
    NONE = 'none'


@dataclass(frozen=True)
class Sender:
    """One publisher of a topic, as far as it is known.

    Attributes
    ----------
    name : str
        Of its node, for people.
    mismatch, mismatch_cure : str
        Why nothing that it sends can be taken, and what to do; '' where all can be.
    same_host : bool or None
        Whether it is on this host, in whichever container; None where its id does not say.
    memory : Memory
        What is seen of its shared memory.
    segment_bytes : int
        Size of its shared memory, where it is open or refused.
    """

    name: str
    mismatch: str = ''
    mismatch_cure: str = ''
    same_host: bool | None = None
    memory: Memory = Memory.UNKNOWN
    segment_bytes: int = 0


@dataclass(frozen=True)
class InputFacts:
    """What is known of a topic that one subscribes to, over the last seconds.

    Attributes
    ----------
    topic : str
        Its full name.
    senders : tuple of Sender
        Its publishers.
    received, lost : int
        Frames of the last seconds; what was lost after it had arrived counts too. Of a silence,
        those that were lost since it began: what was lost before does not explain it.
    lost_here : int
        Of those lost, the ones that arrived, but that a newer one replaced before they were taken.
    reliable : bool
        Whether what is lost on the way is sent again, so that it comes late, and several at once.
    silent : bool
        Whether no frame came for longer than is usual.
    ever : bool
        Whether any frame came yet.
    rate_hz : float
        How fast frames are sent; 0 where it is not known.
    image_bytes : int
        Size of a frame's message; 0 where none came yet.
    compressed : bool
        Whether frames are sent compressed.
    by_shared_memory : bool
        Whether the reader offers shared memory, so that senders of this host use no other way.
    receive_limit : int or None
        The most bytes that a socket may ask to hold (net.core.rmem_max); None where not known.
    socket_bytes : int or None
        What the sockets of this process do hold, each.
    socket_drops : int or None
        Datagrams of the last seconds that the kernel dropped because those were full.
    torn : int
        Fragments of the last seconds that came from other hosts without the rest of a datagram.
    shared_memory_bytes, shared_memory_free_bytes : int
        Size of /dev/shm, and what is free of it.
    stale_bytes : int
        What files of dead processes take there.
    stale_refused : bool
        Whether some of those are another user's, and keep this process from its own.
    elsewhere : tuple of str
        What is known of participants that cannot be discovered, for people: domains, ranges.
    """

    topic: str
    senders: tuple[Sender, ...] = ()
    received: int = 0
    lost: int = 0
    lost_here: int = 0
    reliable: bool = False
    silent: bool = False
    ever: bool = False
    rate_hz: float = 0.0
    image_bytes: int = 0
    compressed: bool = False
    by_shared_memory: bool = True
    receive_limit: int | None = None
    socket_bytes: int | None = None
    socket_drops: int | None = None
    torn: int = 0
    shared_memory_bytes: int = 0
    shared_memory_free_bytes: int = 0
    stale_bytes: int = 0
    stale_refused: bool = False
    elsewhere: tuple[str, ...] = ()

    @property
    def is_losing(self) -> bool:
        """Whether so many frames are lost that it is worth a word."""
        return Counted(self.received, self.lost).is_worth_a_word


@dataclass(frozen=True)
class Finding:
    """One cause: what was found, and the one line that mends it."""

    cause: Cause
    found: str
    cure: str

    def __str__(self) -> str:
        return f'{self.found}: {self.cure}'


def judge(facts: InputFacts) -> list[Finding]:
    """Why frames are lost or do not come, one finding a cause; empty where all is well.

    A frame that a camera did not send is not lost, so one that slows down by itself is well.
    """
    if not (facts.silent or facts.is_losing):
        return []
    if not facts.senders and not facts.received:
        return [_nobody(facts)]
    matching = [each for each in facts.senders if not each.mismatch]
    if facts.senders and not matching:
        return _distinct([_mismatch(each) for each in facts.senders])
    if facts.is_losing and facts.lost_here * 2 >= facts.lost and not _is_resent(facts):
        return [_slow_taking()]
    found = _distinct([_of_sender(each, facts) for each in matching or [Sender('its publisher')]])
    # What explains nothing beside a real cause is left out.
    causes = [each for each in found if each.cause not in (Cause.LOAD, Cause.SILENT)]
    return causes or found


def _distinct(findings: list[Finding]) -> list[Finding]:
    return list({each.cause: each for each in reversed(findings)}.values())[::-1]


def _nobody(facts: InputFacts) -> Finding:
    if facts.elsewhere:
        return Finding(
            Cause.DISCOVERY,
            f'nobody publishes it here, but {listed(facts.elsewhere, _MOST_NAMED)}',
            'give both the same ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE',
        )
    return Finding(
        Cause.NO_PUBLISHER,
        'nobody publishes it',
        'start the camera driver, or remap image to the topic that it publishes',
    )


def _mismatch(sender: Sender) -> Finding:
    return Finding(Cause.MISMATCH, sender.mismatch, sender.mismatch_cure)


def _is_resent(facts: InputFacts) -> bool:
    """Whether frames replace each other here because they were lost before, and sent again."""
    if not facts.reliable:
        return False
    if facts.socket_drops or facts.torn >= LEAST_TORN:
        return True
    here = [each for each in facts.senders if each.same_host and facts.by_shared_memory]
    return any(_of_memory(each, facts) is not None for each in here)


def _slow_taking() -> Finding:
    return Finding(
        Cause.SLOW_TAKING,
        'images arrive, but this process is too busy to take each before the next one comes',
        'have the camera send fewer or smaller images, or free the processor',
    )


def _of_sender(sender: Sender, facts: InputFacts) -> Finding:
    if sender.same_host is False:
        return _from_afar(sender, facts)
    if facts.by_shared_memory or (facts.is_losing and not _buffers_suffice(facts)):
        finding = _of_memory(sender, facts)
        if finding is not None:
            return _with_buffers(finding, facts)
    if not facts.is_losing:
        return _silent(sender, facts)
    if not facts.by_shared_memory and sender.same_host and _is_full(facts):
        return _space(sender, facts)  # neither process has any, so both fell back to UDP
    if _comes_by_udp(sender, facts):
        return _buffers(facts)
    return _load(sender)


def _of_memory(sender: Sender, facts: InputFacts) -> Finding | None:
    """What is wrong with the shared memory of a sender of this host; None where nothing is."""
    if sender.memory is Memory.ELSEWHERE:
        return Finding(
            Cause.NOT_SHARED,
            f'{sender.name} is on this host, but its /dev/shm is not the one here, as in another '
            'container, and images are sent through it',
            'start both containers with --ipc=host',
        )
    if sender.memory is Memory.REFUSED:
        return Finding(
            Cause.OTHER_USER,
            f'{sender.name} runs as another user, whose shared memory this process may not open',
            'run both as one user',
        )
    if facts.stale_refused and (facts.silent or sender.memory is Memory.OPEN):
        return _stale(facts)
    if not facts.is_losing:
        return None
    return _of_size(sender, facts)


def _of_size(sender: Sender, facts: InputFacts) -> Finding | None:
    image = facts.image_bytes or USUAL_IMAGE_BYTES
    small = sender.memory is Memory.OPEN and sender.segment_bytes < IMAGES_IN_SEGMENT * image
    if not small and sender.memory is not Memory.NONE:
        return None
    if facts.shared_memory_free_bytes < WANTED_SEGMENT_BYTES:
        return _space(sender, facts)
    if not small:
        return None
    return Finding(
        Cause.SEGMENT_SMALL,
        f'the shared memory of {sender.name} has {_size(sender.segment_bytes)}, too little for '
        f'images of {_size(image)}',
        _with_profile(sender),
    )


def _is_full(facts: InputFacts) -> bool:
    """Whether this process had no room for shared memory, and has sockets of the usual size."""
    small = not sockets.carries_images(facts.socket_bytes)
    return small and 0 < facts.shared_memory_free_bytes < WANTED_SEGMENT_BYTES


def _space(sender: Sender, facts: InputFacts) -> Finding:
    free_bytes = facts.shared_memory_free_bytes
    if free_bytes + facts.stale_bytes >= WANTED_SEGMENT_BYTES:
        return _stale(facts)
    return Finding(
        Cause.NO_SPACE,
        f'/dev/shm has {_size(free_bytes)} of {_size(facts.shared_memory_bytes)} left, and '
        f'{sender.name} needs {_size(WANTED_SEGMENT_BYTES)} there for images',
        'sudo mount -o remount,size=512m /dev/shm (for a container, --shm-size=512m), and '
        f'{_with_profile(sender)}',
    )


def _with_profile(sender: Sender) -> str:
    return (
        f'start {sender.name} with FASTRTPS_DEFAULT_PROFILES_FILE=$(ros2 pkg prefix --share '
        'jetson_perception)/config/fastdds.xml'
    )


def _stale(facts: InputFacts) -> Finding:
    whose = ' of another user' if facts.stale_refused else ''
    return Finding(
        Cause.STALE_FILES,
        f'/dev/shm has {_size(facts.stale_bytes)} in files that dead processes{whose} left',
        f'{"sudo " if facts.stale_refused else ""}fastdds shm clean, then start the camera again',
    )


def _with_buffers(finding: Finding, facts: InputFacts) -> Finding:
    """A finding of shared memory; with larger sockets images come by UDP, whatever it is."""
    if _buffers_suffice(facts):
        return finding
    return Finding(
        finding.cause,
        f'{finding.found}, and sockets hold only {_size(facts.receive_limit or 0)}, too little to '
        'receive them by UDP instead',
        f'{sockets.SYSCTL_LINE}, or {finding.cure}',
    )


def _from_afar(sender: Sender, facts: InputFacts) -> Finding:
    # Where hardly a datagram comes whole, DDS sees nothing that it could call lost.
    if not facts.is_losing and facts.torn < LEAST_TORN:
        return _silent(sender, facts)
    if facts.socket_drops or (facts.socket_drops is None and not _buffers_suffice(facts)):
        return _buffers(facts)
    rate = facts.rate_hz * (facts.image_bytes or USUAL_IMAGE_BYTES) * 8 / 1e6
    load = f' {rate:.0f} Mbit/s,' if facts.rate_hz else ''
    cure = (
        'have the camera send smaller images, or fewer a second'
        if facts.compressed
        else 'have it send compressed images, and start this node with image_transport:=compressed'
    )
    return Finding(
        Cause.NETWORK,
        f'{sender.name} is on another host and sends{load} more than the network between carries',
        cure,
    )


def _buffers(facts: InputFacts) -> Finding:
    """What is wrong with the sockets that images come through."""
    if not _buffers_suffice(facts):
        return Finding(
            Cause.SOCKET_BUFFERS,
            'images come by UDP, and the kernel lets a socket hold only '
            f'{_size(facts.receive_limit or 0)}',
            sockets.SYSCTL_LINE,
        )
    if facts.socket_bytes is not None and not sockets.carries_images(facts.socket_bytes):
        return Finding(
            Cause.SOCKET_BUFFERS,
            f'images come by UDP, and sockets of this process hold only '
            f'{_size(facts.socket_bytes)}, as the settings of its middleware have it',
            'start this node without FASTDDS_BUILTIN_TRANSPORTS, FASTRTPS_DEFAULT_PROFILES_FILE '
            f'and CYCLONEDDS_URI, or set receiveBufferSize to {sockets.WANTED_BYTES} '
            '(of Cyclone DDS, SocketReceiveBufferSize)',
        )
    return _load(Sender('the camera'))


def _silent(sender: Sender, facts: InputFacts) -> Finding:
    so_far = 'sends nothing any more' if facts.ever else 'sends nothing'
    return Finding(
        Cause.SILENT,
        f'{sender.name} is there, its QoS matches, and it {so_far}',
        f'see what it logs, and check it with `ros2 topic hz {printable(facts.topic)}` beside it',
    )


def _load(sender: Sender) -> Finding:
    return Finding(
        Cause.LOAD,
        f'nothing on the way from {sender.name} explains it, so processes have no time to send '
        'or receive',
        'free the processor (top), or have the camera send fewer or smaller images',
    )


def _comes_by_udp(sender: Sender, facts: InputFacts) -> bool:
    return not facts.by_shared_memory or sender.memory in (Memory.NONE, Memory.UNKNOWN)


def _buffers_suffice(facts: InputFacts) -> bool:
    return sockets.carries_images(facts.receive_limit)


def _size(nbytes: int) -> str:
    if nbytes < 1_000_000:
        return f'{max(nbytes, 0) / 1000:.0f} kB'
    return f'{nbytes / 1e6:.1f} MB' if nbytes < 10_000_000 else f'{nbytes / 1e6:.0f} MB'
