"""Installs files of a release as users do, and runs what they run first."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Each command, and what its output has to have.
COMMANDS = (
    (('--version',), '{version}'),
    (('info', 'oranges'), 'oranges.onnx'),
    (('run', 'people_detect', 'scene://people', '--frames', '3', '--output', 'out'), 'frame'),
    (('doctor',), 'Models run on images here.'),
)
#: What another installation would be found by.
_FOREIGN = ('PYTHONPATH', 'AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH', 'VIRTUAL_ENV', 'PYTHONHOME')
_LIMIT_S = 900.0


def make_environment(folder: Path, *packages: str | Path) -> Path:
    """A virtual environment with these packages, and nothing of this one.

    Returns
    -------
    Path
        Its Python.

    Raises
    ------
    SystemExit
        When pip cannot install them.
    """
    venv.create(folder, with_pip=True)
    python = folder / 'bin' / 'python'
    _run([python, '-m', 'pip', 'install', '--quiet', *packages], folder)
    return python


def try_out(folder: Path, version: str, *packages: Path) -> None:
    """Install packages into a new environment, and run the command outside of any checkout.

    Raises
    ------
    SystemExit
        When a command fails, or prints something else than is expected.
    """
    python = make_environment(folder / 'venv', *packages)
    command = python.with_name('jetson-perception')
    for arguments, expected in COMMANDS:
        printed = _run([command, *arguments], folder)
        wanted = expected.format(version=version)
        if wanted not in printed:
            raise SystemExit(
                f'jetson-perception {" ".join(arguments)}, installed from '
                f'{", ".join(each.name for each in packages)}, did not print {wanted!r} but:\n'
                f'{printed[-3000:]}'
            )
        print(f'  jetson-perception {" ".join(arguments)}: as expected', flush=True)


def _run(command: list[str | Path], folder: Path) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    environ |= {'COLUMNS': '200', 'XDG_CACHE_HOME': str(folder / 'cache')}
    done = subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-3000:] + done.stderr[-3000:])
        raise SystemExit(f'{" ".join(map(str, command))} ended with {done.returncode}; see above')
    return done.stdout + done.stderr
