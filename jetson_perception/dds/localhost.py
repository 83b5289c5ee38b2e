"""Discovery limited to this host, with transports still to be chosen.

With ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST, rmw_fastrtps gives a participant transports of its
own, of the sizes that Fast DDS has by default, and nothing can change them. A profile can do what
it does for discovery (`create_participant` in rmw_fastrtps_shared_cpp): listen to no multicast,
and announce to the participants of this host alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.dds.ports import MOST_DOMAIN, announcement_port
from jetson_perception.dds.profiles import discovery_of_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

_RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
#: Older, and stronger where both are set.
_LOCALHOST_ONLY = 'ROS_LOCALHOST_ONLY'
_STATIC_PEERS = 'ROS_STATIC_PEERS'
#: As many participants of a host as rmw_fastrtps announces itself to.
_PARTICIPANTS = 32


def is_localhost(environ: Mapping[str, str]) -> bool:
    """Whether the user wants nothing but this host to be discovered."""
    if environ.get(_LOCALHOST_ONLY):
        return environ[_LOCALHOST_ONLY] == '1'
    return environ.get(_RANGE, '').upper() == 'LOCALHOST'


def has_static_peers(environ: Mapping[str, str]) -> bool:
    """Whether hosts are named that are discovered all the same."""
    return bool(environ.get(_STATIC_PEERS))


def domain_of(environ: Mapping[str, str]) -> int | None:
    """The domain of the process; None if it is not one."""
    text = environ.get('ROS_DOMAIN_ID') or '0'
    return int(text) if text.isascii() and text.isdecimal() and int(text) <= MOST_DOMAIN else None


def left_to_profile() -> dict[str, str]:
    """Variables that leave discovery to the profile."""
    return {_RANGE: 'SYSTEM_DEFAULT', _LOCALHOST_ONLY: ''}


def profile(domain: int) -> str:
    """XML that has every participant of this process discover the domain on this host alone."""
    ports = [announcement_port(domain, number) for number in range(_PARTICIPANTS)]
    return discovery_of_ports('127.0.0.1', ports)
