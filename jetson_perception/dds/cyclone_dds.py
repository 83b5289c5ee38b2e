"""What Cyclone DDS needs so that images arrive: sockets that hold one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.dds import sockets

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS_VARIABLE = 'CYCLONEDDS_URI'
"""Holds the settings of Cyclone DDS, or names their file; read as a participant is made."""

_RMW = 'rmw_cyclonedds_cpp'
#: Has Cyclone DDS 0.9, with which these settings were not tried.
_UNTRIED = 'humble'


def can_be_set(environ: Mapping[str, str]) -> bool:
    """Whether the process loads a Cyclone DDS that we know, and the user has set nothing of it."""
    loaded = environ.get('RMW_IMPLEMENTATION') == _RMW
    known = environ.get('ROS_DISTRO') != _UNTRIED
    return loaded and known and not environ.get(SETTINGS_VARIABLE)


def large_sockets() -> dict[str, str]:
    """Variables that have it ask for sockets that hold an image; it asks for 1 MB by itself."""
    size = f'max="{sockets.WANTED_BYTES // 1024} KiB"'
    return {
        SETTINGS_VARIABLE: '<CycloneDDS><Domain><Internal>'
        f'<SocketReceiveBufferSize {size}/><SocketSendBufferSize {size}/>'
        '</Internal></Domain></CycloneDDS>'
    }
