"""XML profiles of Fast DDS."""

from __future__ import annotations

import tempfile
from pathlib import Path

from jetson_perception.dds import sockets

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
