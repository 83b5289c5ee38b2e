"""Where a process runs: in a host, with a /dev/shm and perhaps process ids of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from transport.network import CommandError
from transport.private_folders import opening_script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.network import Host

_ENDS_WITH_US = ('setpriv', '--pdeathsig', 'KILL', '--')


class Place:
    """A mount namespace with a /dev/shm of its own, as a container has it; close it.

    Parameters
    ----------
    host : Host
        Whose network it has; several places may share one host, as with `docker run --net=host`.
    shm : str
        Size of /dev/shm, as mount writes it.
    own_pids : bool
        Have process ids of its own too, as Docker's containers have.
    """

    def __init__(self, host: Host, *, shm: str = '50%', own_pids: bool = False) -> None:
        self.host = host
        self.own_pids = own_pids
        unshare = ['unshare', '-m']
        if own_pids:
            unshare += ['-p', '-f', '--kill-child', '--mount-proc']
        script = (
            f'mount -t tmpfs -o mode=1777,size={shm} tmpfs /dev/shm && {opening_script()} && '
            'echo ready && exec sleep infinity'
        )
        enter = ('ip', 'netns', 'exec', host.namespace)
        self._holder = subprocess.Popen(
            [*_ENDS_WITH_US, *enter, *unshare, 'bash', '-c', script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = self._holder.stdout.readline() if self._holder.stdout else ''
        if said != 'ready\n':
            self.close()
            raise CommandError(f'a place in {host.name} was not made: {said.strip()}')
        self._pid = _child(self._holder.pid) if own_pids else self._holder.pid

    def command(self, words: Sequence[str], *, uid: int = 0) -> list[str]:
        """A command line that runs `words` here, as a user."""
        namespaces = ['-m', '-n', *(['-p'] if self.own_pids else [])]
        user = ['--reuid', str(uid), '--regid', str(uid), '--clear-groups'] if uid else []
        enter = ['nsenter', '-t', str(self._pid), *namespaces, '--']
        return [*enter, 'setpriv', *user, '--pdeathsig', 'KILL', '--', *words]

    def close(self) -> None:
        """Leave it; with process ids of its own its processes end."""
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout:
            self._holder.stdout.close()


def _child(pid: int) -> int:
    """The one child of a process."""
    return int(Path(f'/proc/{pid}/task/{pid}/children').read_text().split()[0])


def child_or_self(pid: int) -> int:
    """The process that a command of `Place.command` became: nsenter forks for process ids."""
    try:
        return _child(pid)
    except (IndexError, OSError):
        return pid
