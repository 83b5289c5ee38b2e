"""Lets other users into what is measured where it lies in somebody's private folder.

A Python of pyenv, or a checkout in a home folder of mode 750, cannot be read by another user. In a
mount namespace such a folder is covered by an empty one, in which only what is needed is there.
"""

from __future__ import annotations

import shlex
import stat
import sys
from pathlib import Path

from transport.cyclone import CACHE

ROOT = Path(__file__).resolve().parents[2]
NEEDED = (Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT, CACHE)


def private_folder(path: Path) -> Path | None:
    """The outermost folder on the way to a path that other users cannot go through."""
    for folder in reversed((path, *path.parents)):
        if not stat.S_IMODE(folder.stat().st_mode) & stat.S_IXOTH:
            return folder
    return None


def opening_script(needed: tuple[Path, ...] = NEEDED) -> str:
    """Commands for a shell in a mount namespace of its own, joined by &&; `true` for none."""
    inside: dict[Path, list[Path]] = {}
    for path in filter(Path.exists, dict.fromkeys(needed)):
        folder = private_folder(path)
        if folder is not None and not any(path.is_relative_to(x) for x in inside.get(folder, ())):
            inside.setdefault(folder, []).append(path)
    commands = []
    for folder, paths in inside.items():
        # Kept at hand while the folder is covered, then moved back to where they were.
        kept = [f'/dev/shm/{number}' for number in range(len(paths))]
        for path, aside in zip(paths, kept, strict=True):
            commands += [('mkdir', aside), ('mount', '--bind', path, aside)]
        commands.append(('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', folder))
        for path, aside in zip(paths, kept, strict=True):
            commands += [('mkdir', '-p', path), ('mount', '--move', aside, path), ('rmdir', aside)]
    return ' && '.join(shlex.join(map(str, words)) for words in commands) or 'true'
