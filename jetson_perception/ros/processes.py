"""Starts and ends the processes of `jetson_perception.bringup` where there is no `ros2 launch`."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ament_index_python.packages import get_package_prefix

from jetson_perception.bringup import PACKAGE
from jetson_perception.errors import PerceptionError
from jetson_perception.process.orphans import ends_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jetson_perception.bringup import NodeProcess, Preparation


class RunningProcess:
    """A node that was started after what prepares it, and the file that it logs to.

    Parameters
    ----------
    process : NodeProcess
        What to start.
    log : Path
        Gets what the process prints; its folder exists.
    environ : mapping, optional
        Environment before the process's own; this process's by default.

    Raises
    ------
    PerceptionError
        When the preparation fails, with the end of what it printed.
    """

    def __init__(
        self, process: NodeProcess, log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = process.executable
        self.log = log
        prefix = os.fspath(get_package_prefix(process.package))
        environment = {**(os.environ if environ is None else environ), **process.environment}
        if process.preparation is not None:
            _prepare(process.preparation, log, environment)
        with log.open('a' if process.preparation else 'w') as output:
            self._popen = subprocess.Popen(
                [*_ends_with_us(), *process.command(prefix)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal goes to us, and we end our nodes in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    def check(self) -> None:
        """See that the process is still alive.

        Raises
        ------
        PerceptionError
            With the end of its log when it is not.
        """
        code = self._popen.poll()
        if code is not None:
            raise PerceptionError(
                f'{self.name} ended with exit code {code}; its log:', printed=_tail(self.log)
            )

    def end(self, timeout_s: float = 10.0) -> int:
        """Ask the process to end as Ctrl-C does, and make it after `timeout_s`.

        Returns
        -------
        int
            Its exit code: 0 when it ended as asked.
        """
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGINT)
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()


def _ends_with_us() -> tuple[str, ...]:
    """`ends_with_parent`, where the parent is not gone before this process is.

    To Linux the parent is the thread that starts a process; another than the main one may end as
    soon as that is done, and the node with it.
    """
    return ends_with_parent() if threading.current_thread() is threading.main_thread() else ()


def _prepare(program: Preparation, log: Path, environment: Mapping[str, str]) -> None:
    """Run the preparation of a node to its end.

    Raises
    ------
    PerceptionError
        With what it printed, when it failed.
    """
    with log.open('w') as output:
        done = subprocess.run(
            [*_ends_with_us(), *program.command(os.fspath(get_package_prefix(PACKAGE)))],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise PerceptionError(
            f'{program.executable} ended with exit code {done.returncode}; its log:',
            printed=_tail(log),
        )


def _tail(log: Path) -> str:
    return '\n'.join(log.read_text(errors='replace').splitlines()[-15:])


@contextmanager
def running(
    process: NodeProcess, log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[RunningProcess]:
    """A started process that ends with the block."""
    started = RunningProcess(process, log, environ)
    try:
        yield started
    finally:
        started.end()
