"""Paths for libraries that take them as UTF-8: OpenCV, FFmpeg, ONNX Runtime, TensorRT.

A file's name is bytes, and old archives hold names that are no UTF-8. Python carries such bytes as
halves of surrogate pairs. Of a text with these OpenCV makes a segmentation fault, and others an
error about types.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jetson_perception.files.foreign_files import MakeError


def is_utf8(text: str | os.PathLike[str]) -> bool:
    """Whether a text or a path can be encoded as UTF-8."""
    try:
        os.fspath(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def native_path(path: str | Path, *, what: str, error: MakeError) -> str:
    """A path as a text that any library can take.

    Parameters
    ----------
    path : str or Path
        Of a file.
    what : str
        What the file is, for the error: 'model'.
    error : callable
        Makes the error of its text.

    Raises
    ------
    PerceptionError
        By `error`: the name is not UTF-8.
    """
    if is_utf8(path):
        return str(path)
    raise error(
        f'{what} {printable(path)}: the path is not UTF-8, which libraries need; rename the file '
        'or folder (convmv does so for many)'
    )


@contextmanager
def native_path_to_read(path: str | Path) -> Iterator[str]:
    """A path to an existing file as a text that any library can take, whatever its name.

    A name that is not UTF-8 is replaced by that of an open descriptor, which is closed at the end:
    what opened the file meanwhile keeps it.

    Raises
    ------
    OSError
        When such a file cannot be opened.
    """
    if is_utf8(path):
        yield str(path)
        return
    with _by_descriptor(path) as native:
        yield native


@contextmanager
def native_path_to_write(path: Path) -> Iterator[str]:
    """A path to a file to write, likewise, in a folder whose name may not be UTF-8.

    The file's own name has to be UTF-8: libraries choose a format by its ending.

    Raises
    ------
    OSError
        When such a folder cannot be opened.
    """
    if is_utf8(path):
        yield str(path)
        return
    with _by_descriptor(path.parent, os.O_DIRECTORY) as folder:
        yield f'{folder}/{path.name}'


@contextmanager
def _by_descriptor(path: str | Path, flags: int = 0) -> Iterator[str]:
    """Another name of a file or folder, valid while it is held open here."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        yield f'/proc/self/fd/{descriptor}'
    finally:
        os.close(descriptor)
