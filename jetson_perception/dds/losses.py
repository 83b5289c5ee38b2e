"""Why frames of a topic are lost, or none comes: from what is known of it to the cause and cure.

Nothing here looks at the machine: who measures a topic fills in `InputFacts`, and `judge` says
what follows, the same for a node, which watches its own subscription, and for a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.dds import sockets
from jetson_perception.dds.findings import Cause, Finding, shown_size
from jetson_perception.dds.input_facts import Memory, Publisher
from jetson_perception.dds.middleware import is_dds, router_hint
from jetson_perception.dds.shared_memory_losses import had_no_room, memory_finding, no_space
from jetson_perception.printable import listed, printable

if TYPE_CHECKING:
    from jetson_perception.dds.input_facts import InputFacts

#: Fewer come of lost discovery messages alone.
_LEAST_TORN = 50
_MOST_NAMED = 4
#: What is wrong if nothing else is, and time has shown that it lasts.
_OF_LOAD = (Cause.SLOW_TAKING, Cause.LOAD)


def judge(facts: InputFacts) -> list[Finding]:
    """Why frames are lost or do not come, one finding a cause; empty where all is well.

    A frame that a camera did not send is not lost, so one that slows down by itself is well.
    """
    if not (facts.silent or facts.is_losing):
        return []
    found = _found(facts)
    if facts.settled or facts.silent or not facts.received:
        return found
    return [each for each in found if each.cause not in _OF_LOAD]


def _found(facts: InputFacts) -> list[Finding]:
    if not facts.publishers and not facts.received:
        return [_nobody(facts)]
    matching = [each for each in facts.publishers if not each.mismatch]
    if facts.publishers and not matching:
        return _distinct([_mismatch(each) for each in facts.publishers])
    if facts.is_losing and facts.lost_here * 2 >= facts.lost and not _is_resent(facts):
        return [_slow_taking()]
    suspects = matching or [Publisher('its publisher')]
    found = _distinct([_of_publisher(each, facts) for each in suspects])
    # What explains nothing beside a real cause is left out.
    causes = [each for each in found if each.cause not in (Cause.LOAD, Cause.SILENT)]
    return causes or found


def _distinct(findings: list[Finding]) -> list[Finding]:
    return list({each.cause: each for each in reversed(findings)}.values())[::-1]


def _nobody(facts: InputFacts) -> Finding:
    if facts.elsewhere and is_dds(facts.middleware):
        return Finding(
            Cause.DISCOVERY,
            f'nobody publishes it here, but {listed(facts.elsewhere, _MOST_NAMED)}',
            'give both the same ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE',
        )
    return Finding(
        Cause.NO_PUBLISHER,
        'nobody publishes it',
        'start the camera driver, or remap image to the topic that it publishes'
        f'{router_hint(facts.middleware)}',
    )


def _mismatch(publisher: Publisher) -> Finding:
    return Finding(Cause.MISMATCH, publisher.mismatch, publisher.mismatch_cure)


def _is_resent(facts: InputFacts) -> bool:
    """Whether frames replace each other here because they were lost before, and sent again."""
    if not facts.reliable or not is_dds(facts.middleware):
        return False
    if facts.socket_drops or facts.torn >= _LEAST_TORN:
        return True
    here = [each for each in facts.publishers if each.same_host and facts.by_shared_memory]
    return any(memory_finding(each, facts) is not None for each in here)


def _slow_taking() -> Finding:
    return Finding(
        Cause.SLOW_TAKING,
        'images arrive, but this process is too busy to take each before the next one comes',
        'have the camera send fewer or smaller images, or free the processor',
    )


def _of_publisher(publisher: Publisher, facts: InputFacts) -> Finding:
    if not is_dds(facts.middleware):
        return _unseen(publisher, facts) if facts.is_losing else _silent(publisher, facts)
    if publisher.same_host is False:
        return _from_afar(publisher, facts)
    if facts.by_shared_memory or (facts.is_losing and not _buffers_suffice(facts)):
        finding = memory_finding(publisher, facts)
        if finding is not None:
            return _with_buffers(finding, facts)
    if not facts.is_losing:
        return _silent(publisher, facts)
    if not facts.by_shared_memory and publisher.same_host and had_no_room(facts):
        return no_space(publisher, facts)  # neither process has any, so both fell back to UDP
    if _comes_by_udp(publisher, facts):
        return _buffers(publisher, facts)
    return _load(publisher)


def _with_buffers(finding: Finding, facts: InputFacts) -> Finding:
    """A finding of shared memory; with larger sockets images come by UDP, whatever it is."""
    if _buffers_suffice(facts):
        return finding
    return Finding(
        finding.cause,
        f'{finding.found}, and sockets hold only {shown_size(facts.receive_limit or 0)}, too '
        'little to receive them by UDP instead',
        f'{sockets.sysctl_line(facts.image_bytes)}, or {finding.cure}',
    )


def _from_afar(publisher: Publisher, facts: InputFacts) -> Finding:
    # Where hardly a datagram comes whole, DDS sees nothing that it could call lost.
    if not facts.is_losing and facts.torn < _LEAST_TORN:
        return _silent(publisher, facts)
    if facts.socket_drops or (facts.socket_drops is None and not _buffers_suffice(facts)):
        return _buffers(publisher, facts)
    rate = facts.rate_hz * facts.assumed_image_bytes * 8 / 1e6
    load = f' {rate:.0f} Mbit/s,' if facts.rate_hz else ''
    cure = (
        'have the camera send smaller images, or fewer a second'
        if facts.compressed
        else 'have it send compressed images, and start this node with image_transport:=compressed'
    )
    return Finding(
        Cause.NETWORK,
        f'{publisher.name} is on another host and sends{load} more than the network carries',
        cure,
    )


def _buffers(publisher: Publisher, facts: InputFacts) -> Finding:
    """What is wrong with the sockets that images come through, each of them in one burst."""
    if not _buffers_suffice(facts):
        return Finding(
            Cause.SOCKET_BUFFERS,
            'images come by UDP, and the kernel lets a socket hold only '
            f'{shown_size(facts.receive_limit or 0)}',
            sockets.sysctl_line(facts.image_bytes),
        )
    if facts.socket_bytes is not None and not sockets.carries_images(facts.socket_bytes):
        return Finding(
            Cause.SOCKET_BUFFERS,
            f'images come by UDP, and sockets of this process hold only '
            f'{shown_size(facts.socket_bytes)}, as the settings of its middleware have it',
            'start this node without FASTDDS_BUILTIN_TRANSPORTS, FASTRTPS_DEFAULT_PROFILES_FILE '
            f'and CYCLONEDDS_URI, or set receiveBufferSize to {sockets.WANTED_BYTES} '
            '(of Cyclone DDS, SocketReceiveBufferSize)',
        )
    if facts.socket_drops and sockets.too_small_for(facts.image_bytes, facts.socket_bytes):
        return Finding(
            Cause.SOCKET_BUFFERS,
            f'images of {shown_size(facts.image_bytes)} come by UDP, and a socket of this process '
            f'holds only {shown_size(facts.socket_bytes or 0)}',
            f'{sockets.sysctl_line(facts.image_bytes)}, and start this node again',
        )
    return _load(publisher)


def _silent(publisher: Publisher, facts: InputFacts) -> Finding:
    so_far = 'sends nothing any more' if facts.ever else 'sends nothing'
    return Finding(
        Cause.SILENT,
        f'{publisher.name} is there, its QoS matches, and it {so_far}',
        f'see what it logs, and check it with `ros2 topic hz {printable(facts.topic)}` beside it',
    )


def _load(publisher: Publisher) -> Finding:
    return Finding(
        Cause.LOAD,
        f'nothing on the way from {publisher.name} explains it, so processes have no time to send '
        'or receive',
        'free the processor (top), or have the camera send fewer or smaller images',
    )


def _unseen(publisher: Publisher, facts: InputFacts) -> Finding:
    middleware = printable(facts.middleware) or 'this middleware'
    return Finding(
        Cause.LOAD,
        f'how {middleware} carries what {publisher.name} sends is not seen from here; a processor '
        'or a network is too slow for it',
        'free the processor (top), or have the camera send fewer, smaller or compressed images',
    )


def _comes_by_udp(publisher: Publisher, facts: InputFacts) -> bool:
    return not facts.by_shared_memory or publisher.memory in (Memory.NONE, Memory.UNKNOWN)


def _buffers_suffice(facts: InputFacts) -> bool:
    return sockets.carries_images(facts.receive_limit)
