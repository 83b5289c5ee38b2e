"""Programs that run in places, what they print, and what they cost."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from transport.places import child_or_self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.places import Place

_END_S = 10.0


class Program:
    """A process in a place; `end` it.

    Parameters
    ----------
    name : str
        For people, and of its log.
    place : Place
        Where it runs.
    words : sequence of str
        Its command line.
    environment : mapping
        All of its environment.
    log : Path
        Gets what it prints.
    uid : int
        The user that it runs as.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        words: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        uid: int = 0,
    ) -> None:
        self.name = name
        self.log = log
        with log.open('w') as output:
            self._popen = subprocess.Popen(
                place.command(words, uid=uid),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tool, which ends its programs
            )

    @property
    def pid(self) -> int:
        """Process id, as this process sees it."""
        return child_or_self(self._popen.pid)

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself, or was ended."""
        return self._popen.poll() is not None

    def lines(self) -> list[str]:
        """What it has printed."""
        return self.log.read_text(errors='replace').splitlines()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ask_to_end(self) -> None:
        """Send it what Ctrl-C sends."""
        if not self.ended:
            self.signal(signal.SIGINT)

    def end(self) -> None:
        """Ask it to end, and end it where it does not."""
        self.ask_to_end()
        try:
            self._popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a crash does."""
        self.signal(signal.SIGKILL)
        self._popen.wait()

    def cpu_s(self) -> float:
        """Processor time that it has used, seconds."""
        fields = Path(f'/proc/{self.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def own_memory_mb(self) -> float:
        """Memory of its heaps and stacks, MB."""
        lines = Path(f'/proc/{self.pid}/status').read_text().splitlines()
        return next(int(x.split()[1]) * 1024 / 1e6 for x in lines if x.startswith('RssAnon'))
