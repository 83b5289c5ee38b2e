"""What is known of a topic that one subscribes to, and of who publishes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from jetson_perception.dds.frame_counts import Counted
from jetson_perception.dds.middleware import FAST_DDS

#: VGA in color, the smallest that cameras usually send.
_USUAL_IMAGE_BYTES = 640 * 480 * 3


class Memory(Enum):
    """What this process sees of the shared memory that a publisher writes to."""

    #: It cannot be told: another DDS, another host.
    UNKNOWN = 'unknown'
    #: There, and may be opened.
    OPEN = 'open'
    #: There, and may not be opened: it is another user's.
    REFUSED = 'refused'
    #: The publisher has another /dev/shm, as in another container.
    ELSEWHERE = 'elsewhere'
    #: The publisher sees this /dev/shm and has nothing in it.
    NONE = 'none'


@dataclass(frozen=True)
class Publisher:
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
    publishers : tuple of Publisher
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
    settled : bool
        Whether frames have come for a while, and of one publisher: what is lost in a start, or
        seems to be where two mix theirs, says nothing of how busy this process is.
    rate_hz : float
        How fast frames are sent; 0 where it is not known.
    image_bytes : int
        Size of a frame's message; 0 where none came yet.
    compressed : bool
        Whether frames are sent compressed.
    by_shared_memory : bool
        Whether the reader offers shared memory, so that publishers of this host use nothing else.
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
    middleware : str
        The name of this process's, as RMW_IMPLEMENTATION has it. Unless it is DDS, what is known
        of sockets, shared memory and domains does not count.
    """

    topic: str
    publishers: tuple[Publisher, ...] = ()
    received: int = 0
    lost: int = 0
    lost_here: int = 0
    reliable: bool = False
    silent: bool = False
    ever: bool = False
    settled: bool = True
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
    middleware: str = FAST_DDS

    @property
    def is_losing(self) -> bool:
        """Whether so many frames are lost that it is worth a word."""
        return Counted(self.received, self.lost).is_worth_a_word

    @property
    def assumed_image_bytes(self) -> int:
        """Size of a frame's message; assumed where none came yet to measure."""
        return self.image_bytes or _USUAL_IMAGE_BYTES
