"""The machine to examine: its files, programs, environment variables and Python modules."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_BYTES = 1 << 20  # of a file: what is read here has a few kB
#: How long a process may take to end once it is asked to.
_END_S = 1.0
_PROBES = 'jetson_perception.doctor.probes'


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program gave.

    Attributes
    ----------
    output : str
        Its standard output; partial where there is a problem.
    problem : str
        Why it cannot be relied on, for people: not found, no answer in time, an exit code with
        the last line that it printed. Empty when there is none.
    errors : str
        Its standard error.
    """

    output: str = ''
    problem: str = ''
    errors: str = ''


class Machine:
    """A machine, asked in ways that end: nothing here raises or waits for long.

    Parameters
    ----------
    root : str or Path
        Where its files are.
    environ : mapping, optional
        Its variables; those of the process by default.
    """

    def __init__(self, root: str | Path = '/', environ: Mapping[str, str] | None = None) -> None:
        self.root = Path(root)
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        #: The user who asks.
        self.uid = os.getuid()

    def text(self, path: str) -> str:
        """Content of a file, without the NULs that end device-tree strings; '' if unreadable."""
        try:
            with self._path(path).open('rb') as file:
                content = file.read(_MOST_BYTES)
        except OSError:
            return ''
        return content.decode('utf-8', 'replace').replace('\0', ' ').strip()

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        try:
            return self._path(path).exists()
        except OSError:
            return False

    def glob(self, pattern: str) -> list[str]:
        """Paths that fit a pattern, sorted, as they are called on that machine."""
        try:
            found = sorted(self.root.glob(pattern.lstrip('/')))
        except OSError:
            return []
        return ['/' + str(path.relative_to(self.root)) for path in found]

    def find_program(self, name: str) -> str:
        """Path of a program on PATH; '' if there is none."""
        return shutil.which(name, path=self.environ.get('PATH')) or ''

    def run(self, *command: str, timeout_s: float = 10.0) -> Answer:
        """Run a program that prints something and ends; one that hangs is ended."""
        environ = {**self.environ, 'LC_ALL': 'C'}
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors='replace',
                env=environ,
                start_new_session=True,  # so that what it started ends with it
            )
        except FileNotFoundError:
            return Answer(problem=f'{command[0]} is not installed')
        except OSError as err:
            return Answer(problem=f'{command[0]} cannot be run: {err.strerror}')
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return Answer(problem=f'no answer within {timeout_s:g} s')
        except BaseException:
            _end(process)
            raise
        return Answer(output, _problem(process.returncode, errors or output), errors)

    def probe(self, name: str, *arguments: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """What one of `doctor.probes` finds, in a process of its own.

        A module that crashes, hangs or prints when it is imported does harm only there.

        Returns
        -------
        dict
            As the probe says; `{'error': reason}` where it did not come through.
        """
        answer = self.run_main(_PROBES, name, *arguments, timeout_s=timeout_s)
        return {'error': answer.problem} if answer.problem else last_object(answer.output)

    def run_main(self, module: str, *arguments: str, timeout_s: float) -> Answer:
        """Run a module's `main` in a process of its own, with the import path of this one."""
        code = f'import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()'
        return self.run(sys.executable, '-c', code, *arguments, timeout_s=timeout_s)

    def _path(self, path: str) -> Path:
        return self.root / path.lstrip('/')


def last_object(output: str) -> dict[str, Any]:
    """The JSON object that is the last line of an output, else `{'error': reason}`."""
    try:
        found = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        found = None
    return found if isinstance(found, dict) else {'error': f'it printed {quoted(output[-200:])}'}


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and what it started; one that the kernel holds on to is left alone.

    It is asked first: a participant of ROS that is killed leaves its shared memory behind.
    """
    _signal_all(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_END_S)
    _signal_all(process, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)


def _signal_all(process: subprocess.Popen[str], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _problem(code: int, text: str) -> str:
    if code == 0:
        return ''
    last = ([line.strip() for line in text.splitlines() if line.strip()] or [''])[-1]
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f'signal {-code}'
        return f'ended by {name}'
    return f'exit code {code}' + (f': {last}' if last else '')
