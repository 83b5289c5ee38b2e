"""Hosts on one machine: network namespaces, joined by a switch."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NAMESPACES = Path('/run/netns')
LOSSY_LINK = Path(__file__).resolve().parent / 'programs/lossy_link.py'
_PREFIX = 'jptm'
_networks = itertools.count(1)


class CommandError(Exception):
    """A command of iproute2 or util-linux failed; the text has its words."""


def run(*words: object) -> str:
    """Run a command; returns what it printed.

    Raises
    ------
    CommandError
        With what it said, when it failed.
    """
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise CommandError(f'`{" ".join(map(str, words))}` failed: {said}')
    return done.stdout


def what_is_missing() -> str:
    """Why no host can be made here; empty when it can."""
    if os.geteuid():
        return "network namespaces need root: sudo bash -c 'source tools/env.sh && python …'"
    packages = {
        'ip': 'iproute2',
        'tc': 'iproute2',
        'unshare': 'util-linux',
        'nsenter': 'util-linux',
        'setpriv': 'util-linux',
    }
    lacking = [name for name in packages if shutil.which(name) is None]
    if lacking:
        names = ' '.join(dict.fromkeys(packages[name] for name in lacking))
        return f'{", ".join(lacking)} not found: sudo apt-get install {names}'
    name = f'{_PREFIX}{os.getpid()}t'
    try:
        run('ip', 'netns', 'add', name)
        try:
            run('ip', 'netns', 'exec', name, 'unshare', '-m', '-p', '-f', '--mount-proc', 'true')
            run('ip', '-n', name, 'link', 'add', 'switch', 'type', 'bridge')
        finally:
            run('ip', 'netns', 'del', name)
    except CommandError as err:
        return f'namespaces cannot be made here, root or not: {err}'
    return ''


@dataclass(frozen=True)
class Host:
    """A network namespace with one link to the switch.

    Attributes
    ----------
    name : str
        Of the host, for people.
    namespace : str
        As `ip netns` has it.
    address : str
        IPv4 address of its link, which is called eth0.
    port : str
        The other end of the link, at the switch.
    """

    name: str
    namespace: str
    address: str
    port: str


class Network:
    """Hosts that are joined by a switch; close it.

    Nothing leaves it: it has no way to the machine's own network, and its addresses are its own.
    """

    def __init__(self) -> None:
        _remove_what_others_left()
        self._name = f'{_PREFIX}{os.getpid()}n{next(_networks)}'
        self._switch = f'{self._name}s'
        self._hosts: list[Host] = []
        self._links: list[subprocess.Popen[str]] = []
        run('ip', 'netns', 'add', self._switch)
        self._in_switch('link', 'add', 'switch', 'type', 'bridge')
        self._in_switch('link', 'set', 'switch', 'up')

    def host(self, name: str, *, loss: float = 0.0, delay_ms: float = 0.0) -> Host:
        """A new host. Of its packets `loss` (0 to 1) are lost, the others late, both ways."""
        number = len(self._hosts) + 1
        host = Host(name, f'{self._name}h{number}', f'10.77.0.{number}', f'port{number}')
        run('ip', 'netns', 'add', host.namespace)
        self._hosts.append(host)
        if loss or delay_ms:
            self._join_badly(host, loss, delay_ms)
        else:
            names = (host.port, 'netns', self._switch, 'type', 'veth')
            run('ip', 'link', 'add', *names, 'peer', 'name', 'eth0', 'netns', host.namespace)
        self._in_switch('link', 'set', host.port, 'master', 'switch', 'up')
        for words in (
            ('link', 'set', 'lo', 'up'),
            ('addr', 'add', f'{host.address}/24', 'dev', 'eth0'),
            ('link', 'set', 'eth0', 'up'),
            ('route', 'add', '239.0.0.0/8', 'dev', 'eth0'),  # where DDS looks for others
        ):
            run('ip', '-n', host.namespace, *words)
        return host

    def limit(self, host: Host, rate: str) -> None:
        """Let what the host sends pass at no more than `rate`, as tc writes it.

        What waits does so in the host, as before a radio, where it fills the senders' sockets.
        """
        shape = ('tbf', 'rate', rate, 'burst', '64kb', 'latency', '50ms')
        tc = ('tc', 'qdisc', 'replace', 'dev', 'eth0', 'root', *shape)
        run('ip', 'netns', 'exec', host.namespace, *tc)

    def give_room_for_fragments(self, host: Host) -> None:
        """Let fragments that wait for a lost one take more memory, and give them up sooner."""
        for setting in ('net.ipv4.ipfrag_high_thresh=134217728', 'net.ipv4.ipfrag_time=1'):
            run('ip', 'netns', 'exec', host.namespace, 'sysctl', '-w', setting)

    def fragments_sent(self, host: Host) -> int:
        """How many pieces the host has cut datagrams into that fit into no packet."""
        counters = ('cat', '/proc/net/snmp')
        names, values = (
            line.split()
            for line in run('ip', 'netns', 'exec', host.namespace, *counters).splitlines()
            if line.startswith('Ip:')
        )
        return int(values[names.index('FragCreates')])

    def cut(self, host: Host) -> None:
        """Pull the host's cable out."""
        self._in_switch('link', 'set', host.port, 'down')

    def mend(self, host: Host) -> None:
        """Put it back."""
        self._in_switch('link', 'set', host.port, 'up')

    def close(self) -> None:
        """Remove the hosts; processes in them are to have ended."""
        for link in self._links:
            link.kill()
            link.communicate()
        for name in (*(host.namespace for host in self._hosts), self._switch):
            with suppress(CommandError):
                run('ip', 'netns', 'del', name)

    def _join_badly(self, host: Host, loss: float, delay_ms: float) -> None:
        ends = (host.namespace, 'eth0', self._switch, host.port)
        link = subprocess.Popen(
            [sys.executable, LOSSY_LINK, *ends, str(loss), str(delay_ms)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._links.append(link)
        if link.stdout is None or link.stdout.readline() != 'ready\n':
            raise CommandError(f'{LOSSY_LINK.name} did not start; is there /dev/net/tun?')

    def _in_switch(self, *words: str) -> None:
        run('ip', '-n', self._switch, *words)


def _remove_what_others_left() -> None:
    """Remove the namespaces of a process that was killed."""
    if not NAMESPACES.is_dir():
        return
    for path in NAMESPACES.glob(f'{_PREFIX}*'):
        pid = ''.join(itertools.takewhile(str.isdecimal, path.name.removeprefix(_PREFIX)))
        if pid and not Path('/proc', pid).exists():
            with suppress(CommandError):
                run('ip', 'netns', 'del', path.name)
