"""Participants of this host that cannot be discovered from here: of another domain, or hidden.

Each participant listens on UDP ports that follow from its domain, and the kernel lists those of
every user. Whose they are, and how its discovery is set, is known of processes
whose environment this user may read; nothing but three variables is looked at.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from jetson_perception.dds.ports import domain_of_port, is_announcement_port
from jetson_perception.dds.proc import PROC, read
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_MOST_PROCESSES, _MOST_DESCRIPTORS = 4000, 2000
_RANGE, _LOCALHOST_ONLY = 'ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_LOCALHOST_ONLY'
_SHOWN_CHARACTERS = 40


def undiscovered(domain: int, proc: Path = PROC) -> tuple[str, ...]:
    """What of this host's participants is not to be discovered from a domain, for people."""
    ports = _participant_ports(proc)
    by_domain: dict[int, list[str]] = defaultdict(list)
    for of_domain, inode in ports:
        by_domain[of_domain].append(inode)
    processes = _processes({inode for _, inode in ports}, proc)
    found = []
    for other, inodes in sorted(by_domain.items()):
        owners = {processes[inode] for inode in inodes if inode in processes}
        if other != domain:
            who = f' (such as {_named(min(owners), proc)})' if owners else ''
            there = counted(len(inodes), 'participant')
            found.append(
                f'ROS_DOMAIN_ID is {domain} here, but {other} has {there} on this host{who}'
            )
    found += [f'{_named(pid, proc)} has {name}=OFF' for pid, name in _hidden(processes, proc)]
    return tuple(found)


def _hidden(processes: Mapping[str, int], proc: Path) -> Iterator[tuple[int, str]]:
    for pid in sorted(set(processes.values())):
        if discovery_of(pid, proc).get(_RANGE, '').upper() == 'OFF' and pid != os.getpid():
            yield pid, _RANGE


def discovery_of(pid: int, proc: Path = PROC) -> dict[str, str]:
    """The variables of a process that decide on its discovery; empty where it may not be read."""
    wanted = {'ROS_DOMAIN_ID', _RANGE, _LOCALHOST_ONLY}
    found = {}
    for entry in read(proc / str(pid) / 'environ').split('\0'):
        name, _, value = entry.partition('=')
        if name in wanted:
            found[name] = printable(value, _SHOWN_CHARACTERS)
    return found


def _participant_ports(proc: Path) -> list[tuple[int, str]]:
    """Domain and inode of each participant: it has two ports, one after the other."""
    inodes: dict[int, str] = {}
    for name in ('net/udp', 'net/udp6'):
        for columns in map(str.split, read(proc / name).splitlines()[1:]):
            if len(columns) > 9:
                inodes[int(columns[1].rpartition(':')[2], 16)] = columns[9]
    found = []
    for port, inode in inodes.items():
        domain = domain_of_port(port)
        if domain is not None and is_announcement_port(port) and port + 1 in inodes:
            found.append((domain, inode))
    return found


def _processes(inodes: set[str], proc: Path) -> dict[str, int]:
    """Who has which socket, of the processes that this user may look at."""
    found: dict[str, int] = {}
    pids = [name for name in os.listdir(proc) if name.isdecimal()]
    for pid in pids[:_MOST_PROCESSES]:
        folder = proc / pid / 'fd'
        try:
            for name in os.listdir(folder)[:_MOST_DESCRIPTORS]:
                target = re.fullmatch(r'socket:\[(\d+)\]', os.readlink(folder / name))
                if target is not None and target[1] in inodes:
                    found[target[1]] = int(pid)
        except OSError:
            continue  # another user's, or it has just ended
    return found


def _named(pid: int, proc: Path) -> str:
    return f'{printable(read(proc / str(pid) / "comm").strip(), 20)}, pid {pid}'
