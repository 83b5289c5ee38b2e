"""XML profiles of Fast DDS."""

from __future__ import annotations

import tempfile
from pathlib import Path

from jetson_perception.dds import sockets

DATAGRAM_BYTES = 1380
"""What fits into a packet of Ethernet, and of a WireGuard tunnel over it."""
HEARTBEAT_S = 0.01
"""How often a writer of small datagrams says what it has sent, until all of it is acknowledged.

Only then a reader asks for what it lacks. By default that is every 3 s, and with each datagram
once the writer's queue is full: too late, and then so often that a link that is nearly full
carries nothing but repetitions.
"""
ANNOUNCE_S = 1
"""How often our participants announce themselves; 3 s is what they do by default.

One that has just started announces itself before it listens (`RTPSParticipantImpl::enable` in Fast
DDS 2.14), so what it is answered at once is lost: it hears of others when they announce themselves
again.
"""

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">'
)


def announcements() -> str:
    """A profile whose participants are soon heard of by those that start after them."""
    return _of_participants()


def discovery_of_ports(address: str, ports: list[int]) -> str:
    """A profile with which participants announce themselves to these ports, not by multicast."""
    peers = ''.join(
        f'<locator><udpv4><address>{address}</address><port>{port}</port></udpv4></locator>'
        for port in ports
    )
    return _of_participants(
        # One locator without a port stands for the usual port, and keeps multicast away.
        '<metatrafficUnicastLocatorList><locator><udpv4/></locator></metatrafficUnicastLocatorList>'
        f'<initialPeersList>{peers}</initialPeersList>'
    )


def both_transports(segment_bytes: int, *, receive_shared_memory: bool) -> str:
    """A profile with UDP and, unless its segment is 0 bytes, shared memory.

    Parameters
    ----------
    segment_bytes : int
        Size of the shared-memory segment for what is sent.
    receive_shared_memory : bool
        Whether readers offer shared memory too, or UDP alone.
    """
    size = sockets.WANTED_BYTES
    descriptors = (
        '<transport_descriptor><transport_id>udp</transport_id><type>UDPv4</type>'
        f'<sendBufferSize>{size}</sendBufferSize><receiveBufferSize>{size}</receiveBufferSize>'
        '<non_blocking_send>true</non_blocking_send></transport_descriptor>'
    )
    names = ['udp']
    if segment_bytes:
        descriptors += (
            '<transport_descriptor><transport_id>shared_memory</transport_id><type>SHM</type>'
            f'<segment_size>{segment_bytes}</segment_size></transport_descriptor>'
        )
        names.insert(0, 'shared_memory')
    used = ''.join(f'<transport_id>{name}</transport_id>' for name in names)
    offered = '<defaultUnicastLocatorList><locator><udpv4/></locator></defaultUnicastLocatorList>'
    return _of_participants(
        '',
        ('' if receive_shared_memory else offered)
        + f'<userTransports>{used}</userTransports><useBuiltinTransports>false'
        '</useBuiltinTransports>',
        f'<transport_descriptors>{descriptors}</transport_descriptors>',
    )


def writers_of(topic: str) -> str:
    """A profile for the publishers of a topic, by its full name, that send small datagrams."""
    from xml.sax.saxutils import quoteattr  # it imports what browsers need, for 30 ms

    return (
        f'{_HEAD}<data_writer profile_name={quoteattr(topic)}>'
        f'<times><heartbeatPeriod><nanosec>{round(HEARTBEAT_S * 1e9)}</nanosec></heartbeatPeriod>'
        '</times><qos><disable_heartbeat_piggyback>true</disable_heartbeat_piggyback></qos>'
        '<propertiesPolicy><properties><property><name>fastdds.max_message_size</name>'
        f'<value>{DATAGRAM_BYTES}</value></property></properties></propertiesPolicy>'
        '</data_writer></profiles>'
    )


def profile_file(xml: str) -> Path:
    """Write a profile to a new file, which Fast DDS reads as it makes the first participant."""
    descriptor, path = tempfile.mkstemp(prefix='fast_dds_', suffix='.xml')
    with open(descriptor, 'w', encoding='ascii') as file:
        file.write(xml)
    return Path(path)


def _of_participants(builtin: str = '', rtps: str = '', before: str = '') -> str:
    """A profile for all participants of a process, with more that is to stand in its sections."""
    announce = f'<leaseAnnouncement><sec>{ANNOUNCE_S}</sec></leaseAnnouncement>'
    return (
        f'{_HEAD}{before}<participant profile_name="ours" is_default_profile="true"><rtps>'
        f'<builtin><discovery_config>{announce}</discovery_config>{builtin}</builtin>'
        f'{rtps}</rtps></participant></profiles>'
    )
