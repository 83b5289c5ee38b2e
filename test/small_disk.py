"""A disk that is full, for tests: a small one of its own, or a limit to the size of files."""

from __future__ import annotations

import resource
import signal
import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def file_size_limit(most_bytes):
    """Let every file of this process end after so many bytes: writing fails as on a full disk."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def small_disk(folder, mebibytes):
    """A folder that is a disk of so many MiB; skips the test where none may be mounted."""
    mount = ['mount', '-t', 'tmpfs', '-o', f'size={mebibytes}m', 'tmpfs', str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('a file system may not be mounted here')
    try:
        yield folder
    finally:
        subprocess.run(['umount', '--lazy', str(folder)], check=True)
