"""Which transports a process's participants take, decided before ROS starts.

A sender takes the transport that its reader offers, and shared memory first. So what a participant
offers decides what arrives: through shared memory all that fits into the *sender's* segment, which
is 512 kB by default, and over UDP all that fits into the reader's socket. Ours send through a
segment that images fit into, and over sockets that never wait for a slow reader.
docs/performance.md has the measurements.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.dds import cyclone_dds, localhost, segments, sockets
from jetson_perception.dds.fast_dds import (
    PROFILE_VARIABLES,
    TRANSPORTS_VARIABLE,
    fast_dds,
    set_by_user,
)
from jetson_perception.dds.profiles import announcements, both_transports, profile_file
from jetson_perception.printable import printable
from jetson_perception.process.allocator import SYSTEM_VARIABLE, left_to_system

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jetson_perception.dds.fast_dds import FastDds

MEBIBYTE = 1 << 20
SMALLEST_SEGMENT = 8 * MEBIBYTE
"""Two 1280×720 images in color; in less, they overwrite each other."""
#: A segment takes its memory at once. Others want some, and it counts as the machine's memory.
_SHARE_OF_FREE = 4


_taken: Transports | None = None
"""What this process has taken, once it has."""


class Transports(NamedTuple):
    """What a process takes.

    Attributes
    ----------
    environment : dict of str to str
        Variables to set before ROS starts.
    udp_alone : dict of str to str
        Variables to set while a participant is made that offers nothing but UDP; empty where that
        cannot be, or makes no difference.
    description : str
        What is taken and why, for the log.
    profile : Path, optional
        A file that Fast DDS reads as it makes the first participant, and not again.
    """

    environment: dict[str, str]
    udp_alone: dict[str, str]
    description: str
    profile: Path | None = None


def choose(
    segment_bytes: int, environ: Mapping[str, str] = os.environ, *, free_bytes: int | None = None
) -> Transports:
    """Decide on the transports of this process; nothing that the user has set is changed.

    Parameters
    ----------
    segment_bytes : int
        How large a shared-memory segment is wanted for what the process sends.
    environ : mapping
        The process's variables.
    free_bytes : int, optional
        What there is of shared memory; what /dev/shm has left by default.
    """
    if left_to_system(environ):
        return Transports({}, {}, f'the middleware chooses, as {SYSTEM_VARIABLE} says')
    if cyclone_dds.can_be_set(environ):
        environment = cyclone_dds.large_sockets()
        return Transports(environment, {}, f'Cyclone DDS over UDP ({_socket_size()})')
    release = fast_dds(environ)
    if release is None:
        rmw = printable(environ.get('RMW_IMPLEMENTATION', '') or 'the middleware', 80)
        return Transports({}, {}, f'{rmw} chooses')
    if name := set_by_user(environ):
        return Transports({}, {}, f'as {name} says')
    free_bytes = segments.free_bytes() if free_bytes is None else free_bytes
    segment_bytes = _fitting(segment_bytes, free_bytes)
    try:
        if not release.takes_sizes:
            return _by_profile(release, segment_bytes)
        return _with_discovery(_by_variables(segment_bytes), environ)
    except OSError as error:  # no folder for temporary files, or a full one
        why = f'as its profile cannot be written: {printable(error)}'
        return Transports({}, {}, f'rmw_fastrtps chooses, {why}')


def take(segment_bytes: int) -> Transports:
    """Decide on the transports of this process, and set them; before ROS starts."""
    global _taken
    _taken = choose(segment_bytes)
    os.environ.update(_taken.environment)
    return _taken


def forget_profile() -> None:
    """Remove what Fast DDS has read, once the first node is there."""
    if _taken is not None and _taken.profile is not None:
        _taken.profile.unlink(missing_ok=True)


def are_chosen_here() -> bool:
    """Whether Fast DDS has the transports that are chosen here, and not those of the user."""
    if _taken is not None:
        return TRANSPORTS_VARIABLE in _taken.environment
    return fast_dds() is not None and not left_to_system(os.environ) and not set_by_user()


def udp_alone() -> dict[str, str]:
    """Variables for a participant of this process that offers UDP alone; empty if it cannot be."""
    if _taken is not None:
        return _taken.udp_alone
    # Somebody else started ROS here, and discovery or a profile would have had to be set before.
    release = fast_dds()
    if localhost.is_localhost(os.environ) or release is None or not release.takes_sizes:
        return {}
    if left_to_system(os.environ) or set_by_user():
        return {}
    return _by_variables(_fitting(SMALLEST_SEGMENT, segments.free_bytes())).udp_alone


def _fitting(segment_bytes: int, free_bytes: int) -> int:
    """The size of a segment, by what there is of shared memory; 0 for none."""
    segment_bytes = min(segment_bytes, free_bytes // _SHARE_OF_FREE)
    return segment_bytes if segment_bytes >= SMALLEST_SEGMENT else 0


def _by_variables(segment_bytes: int) -> Transports:
    """For releases that read a variable whenever a participant is made."""
    udp = f'UDPv4?sockets_size={sockets.asked_bytes()}&non_blocking=true'
    if not segment_bytes:
        description = f'UDP ({_socket_size()}); {_too_little_shared_memory()}'
        return Transports({TRANSPORTS_VARIABLE: udp}, {}, description)
    # Fast DDS makes the segment twice as large as the sockets are to be.
    both = f'DEFAULT?sockets_size={segment_bytes // 2}&non_blocking=true'
    return Transports(
        {TRANSPORTS_VARIABLE: both},
        {TRANSPORTS_VARIABLE: udp},
        f'shared memory ({segment_bytes // MEBIBYTE} MB) and UDP ({_socket_size()})',
    )


def _with_discovery(taken: Transports, environ: Mapping[str, str]) -> Transports:
    """The same with a profile, as no variable tells of discovery; it has no transports."""
    if localhost.is_localhost(environ):
        domain = localhost.domain_of(environ)
        if domain is None:
            return Transports({}, {}, 'rmw_fastrtps chooses: ROS_DOMAIN_ID is not a domain')
        if localhost.has_static_peers(environ):
            return Transports({}, {}, 'rmw_fastrtps chooses: LOCALHOST with ROS_STATIC_PEERS')
        profile = profile_file(localhost.profile(domain))
        variables = {**_profile_variables(profile), **localhost.left_to_profile()}
    else:
        try:
            profile = profile_file(announcements())
        except OSError:
            return taken  # all but how soon others hear of this process goes without
        variables = _profile_variables(profile)
    return taken._replace(environment=taken.environment | variables, profile=profile)


def _by_profile(release: FastDds, segment_bytes: int) -> Transports:
    """For releases that only an XML profile tells of sizes, which all participants share."""
    by_udp = sockets.carries_images(sockets.receive_limit())
    path = profile_file(both_transports(segment_bytes, receive_shared_memory=not by_udp))
    how = 'images are received over UDP' if by_udp else 'images are received by either'
    return Transports(
        _profile_variables(path),
        {},
        f'shared memory ({segment_bytes // MEBIBYTE} MB) and UDP ({_socket_size()}); '
        f'Fast DDS {release.major}.{release.minor}: {how}',
        path,
    )


def _profile_variables(path: Path) -> dict[str, str]:
    return dict.fromkeys(PROFILE_VARIABLES, str(path))


def _socket_size() -> str:
    limit = sockets.receive_limit()
    held = sockets.WANTED_BYTES if limit is None else min(limit, sockets.WANTED_BYTES)
    return f'sockets hold {held // 1024} kB'


def _too_little_shared_memory() -> str:
    return (
        f'{segments.SHARED_MEMORY} has {segments.free_bytes() // MEBIBYTE} MB left, and a segment '
        f'is made where it has {SMALLEST_SEGMENT * _SHARE_OF_FREE // MEBIBYTE} MB'
    )
