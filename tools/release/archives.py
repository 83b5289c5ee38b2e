"""The files of a release: wheels, source archives, and what ROS's build farm is given."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: What the ROS package is built from. Scenes are for demos, messages of others come from ROS, and
#: tests and documentation are for a checkout.
ROS_FILES = (
    'CHANGELOG.rst',
    'CMakeLists.txt',
    'LICENSE',
    'README.md',
    'config',
    'jetson_perception',
    'launch',
    'models',
    'msg',
    'package.xml',
    'resource',
    'srv',
)
#: Folders with a pyproject.toml.
PROJECTS = ('.', 'scenes')


def git(root: Path, *arguments: str) -> str:
    """What git prints.

    Raises
    ------
    SystemExit
        When it fails, with its words.
    """
    done = subprocess.run(
        ['git', '-C', str(root), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f'git {" ".join(arguments)} failed: {done.stderr.strip()}')
    return done.stdout.strip()


def export(root: Path, commit: str, folder: Path) -> None:
    """Write the files of a commit into a new folder: nothing else of the checkout gets in."""
    folder.mkdir(parents=True)
    archive = folder.with_suffix('.tar')
    git(root, 'archive', '--output', str(archive), commit)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter='data')
    archive.unlink()


def make_ros_archive(source: Path, version: str, output: Path, seconds: int) -> Path:
    """The source of the ROS package, as bloom takes it; the same bytes for the same commit."""
    name = f'ros-jetson-perception-{version}'
    path = output / f'{name}.tar.gz'

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ''
        info.mtime = seconds
        return info

    with (
        path.open('wb') as raw,
        gzip.GzipFile(filename='', mode='wb', fileobj=raw, mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode='w') as tar,
    ):
        for each in ROS_FILES:
            tar.add(source / each, f'{name}/{each}', filter=plain)
    return path


def make_python_archives(source: Path, output: Path, seconds: int, python: Path) -> list[Path]:
    """A wheel and a source archive of each project, built by `python -m build`."""
    before = set(output.iterdir())
    environ = {**os.environ, 'SOURCE_DATE_EPOCH': str(seconds)}
    for project in PROJECTS:
        command = [str(python), '-m', 'build', '--outdir', str(output), str(source / project)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.stderr.write(done.stdout[-3000:] + done.stderr[-3000:])
            raise SystemExit(f'{project} cannot be built; see above')
    return sorted(set(output.iterdir()) - before)


def write_checksums(output: Path) -> Path:
    """SHA256SUMS of all other files, as `sha256sum --check` reads it."""
    path = output / 'SHA256SUMS'
    lines = [
        f'{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n'
        for file in sorted(output.iterdir())
        if file != path
    ]
    path.write_text(''.join(lines), encoding='ascii')
    return path
