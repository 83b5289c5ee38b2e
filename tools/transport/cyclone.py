"""Cyclone DDS's Python binding, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_CACHES = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
CACHE = _CACHES / 'jetson_perception/measure_transport'


class CycloneError(Exception):
    """Cyclone DDS cannot be had here."""


def environment() -> Path:
    """The Python of an environment that has cyclonedds; made at the first call.

    Raises
    ------
    CycloneError
        With what pip said, when it cannot be installed.
    """
    folder = CACHE / f'cyclone_{sys.version_info.minor}'
    python = folder / 'bin/python'
    whole = folder / 'whole'
    if whole.exists():
        return python
    variables = {'LD_LIBRARY_PATH': '', 'PYTHONPATH': ''}
    install = [str(python), '-m', 'pip', 'install', '--quiet', 'cyclonedds', 'numpy']
    for command in ([sys.executable, '-m', 'venv', '--clear', str(folder)], install):
        done = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise CycloneError(f'cyclonedds cannot be installed here: {" ".join(said)}')
    whole.touch()
    return python
