"""Processes that run a module of this package: its code, whatever the working directory holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def module_command(module: str, *arguments: object) -> list[str]:
    """A command that runs `main` of a module.

    With `python -m`, Python would look for every module in the working directory first, which may
    be one that others write to; its own option against that, -P, came with Python 3.11.

    Parameters
    ----------
    module : str
        Its whole name.
    arguments : object
        The process finds their texts in `sys.argv[1:]`.
    """
    # With -c, the working directory is the empty entry.
    code = f'import sys; sys.path[:] = filter(None, sys.path); from {module} import main; main()'
    return [sys.executable or 'python3', '-c', code, *map(str, arguments)]


def module_environment() -> dict[str, str]:
    """The environment of this process, with this package first on the path of modules."""
    # An empty entry would be the working directory.
    paths = filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(dict.fromkeys([str(_ROOT), *paths]))}
