"""Participants of this host that cannot be discovered from here: of another domain, or hidden.

Each participant listens on UDP ports that follow from its domain, and the kernel lists those of
every user. Which process has a port, and how its discovery is set, is known of processes that this
user may look into; of their environment, only one variable is looked at.
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
    from collections.abc import Mapping
    from pathlib import Path

_MOST_PROCESSES, _MOST_DESCRIPTORS = 4000, 2000
_RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'


def undiscovered(domain: int, proc: Path = PROC) -> tuple[str, ...]:
    """Participants of this host that cannot be discovered from a domain, as texts for people."""
    ports = _participant_ports(proc)
    by_domain: dict[int, list[str]] = defaultdict(list)
    for of_domain, inode in ports:
        by_domain[of_domain].append(inode)
    processes = _processes({inode for _, inode in ports}, proc)
    others = []
    for other, inodes in sorted(by_domain.items()):
        owners = {processes[inode] for inode in inodes if inode in processes}
        if other != domain:
            who = f' (such as {_named(min(owners), proc)})' if owners else ''
            there = counted(len(inodes), 'participant')
            others.append(f'{other} has {there}{who}')
    found = []
    if others:
        found = [f'ROS_DOMAIN_ID is {domain} here, but on this host {" and ".join(others)}']
    found += [f'{_named(pid, proc)} has {_RANGE}=OFF' for pid in _hidden(processes, proc)]
    return tuple(found)


def _hidden(processes: Mapping[str, int], proc: Path) -> list[int]:
    """Other processes whose participants nobody is to discover."""
    others = sorted(set(processes.values()) - {os.getpid()})
    return [pid for pid in others if _discovery_range(pid, proc) == 'OFF']


def _discovery_range(pid: int, proc: Path) -> str:
    """How far a process wants to discover others; '' where it does not say, or may not be read."""
    for entry in read(proc / str(pid) / 'environ').split('\0'):
        name, _, value = entry.partition('=')
        if name == _RANGE:
            return value.upper()
    return ''


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
    """Which process has a socket, by its inode; of processes that this user may look into."""
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
