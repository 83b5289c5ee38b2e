"""Which middleware a process has, by its name; of what is not DDS nothing in this room is true."""

from __future__ import annotations

FAST_DDS = 'rmw_fastrtps_cpp'
_ZENOH = 'rmw_zenoh_cpp'
#: rmw_fastrtps_dynamic_cpp, rmw_cyclonedds_cpp, rmw_connextdds, rmw_gurumdds_cpp, …
_OF_DDS = ('dds', 'fastrtps')


def is_dds(rmw: str) -> bool:
    """Whether a middleware is known to be DDS: it has domains, sockets of UDP, and GUIDs."""
    return any(word in rmw for word in _OF_DDS)


def router_hint(rmw: str) -> str:
    """What else to see to where nodes find each other by a router alone; '' elsewhere."""
    if rmw != _ZENOH:
        return ''
    return f', and see that a router runs on each host (ros2 run {_ZENOH} rmw_zenohd)'
