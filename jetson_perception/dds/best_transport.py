"""Which transport brings the most images from their publishers: shared memory, or UDP."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.dds import sockets
from jetson_perception.dds.input_facts import Memory
from jetson_perception.dds.publisher_memory import memory_of
from jetson_perception.dds.transports import MEBIBYTE, SMALLEST_SEGMENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jetson_perception.dds.guids import Guid
    from jetson_perception.dds.segments import Segment

_THEIRS = "the publisher's shared memory"


class BestTransport(NamedTuple):
    """How images are to be received.

    Attributes
    ----------
    over_udp : bool
        Whether by a participant that offers nothing but UDP.
    reason : str
        Why, if so, for the log; empty if not.
    """

    over_udp: bool
    reason: str = ''


def best_transport(
    publishers: Iterable[Guid],
    own: Guid,
    known: list[Segment],
    receive_limit: int | None = None,
    image_bytes: int = 0,
) -> BestTransport:
    """The transport by which a subscription gets the most of what is published.

    Parameters
    ----------
    publishers : iterable of Guid
        All who publish the topic.
    own : Guid
        Of an endpoint of the participant that offers shared memory.
    known : list of Segment
        What lies in /dev/shm.
    receive_limit : int, optional
        What a socket may hold of what it received, in bytes.
    image_bytes : int
        Size of the largest image that has come; 0 for none.
    """
    needed = max(SMALLEST_SEGMENT, image_bytes)
    reasons = []
    for guid in publishers:
        # Others do not offer shared memory here, and within a process none is needed.
        if guid.on_host_of(own) and not guid.in_process_of(own):
            reason, open_to_us = _obstacle(guid, own, known, needed)
            if reason and (not open_to_us or sockets.carries_images(receive_limit)):
                reasons.append(reason)
    return BestTransport(bool(reasons), reasons[0] if reasons else '')


def _obstacle(guid: Guid, own: Guid, known: list[Segment], needed: int) -> tuple[str, bool]:
    """What keeps images out of a publisher's shared memory, and whether anything comes through."""
    memory, nbytes = memory_of(guid, own, known)
    if memory is Memory.NONE:
        return '', True  # it sends over UDP, whatever is offered
    if memory is Memory.REFUSED:
        return f'{_THEIRS} belongs to another user', False
    if memory is not Memory.OPEN:
        return f'{_THEIRS} is not to be seen from here, as in another container', False
    if nbytes < needed:
        size = f' of {needed / MEBIBYTE:.1f} MB' if needed > SMALLEST_SEGMENT else ''
        return f'{_THEIRS} has {nbytes / MEBIBYTE:.1f} MB, too little for images{size}', True
    return '', True
