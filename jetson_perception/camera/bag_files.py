"""The files of a bag: which are read, and what is wrong where they cannot be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jetson_perception.camera.shown import shown
from jetson_perception.camera.uri import BAG_FILES
from jetson_perception.errors import SourceError
from jetson_perception.files.foreign_files import check_foreign_file, read_foreign_file
from jetson_perception.printable import listed, printable

if TYPE_CHECKING:
    from pathlib import Path

_METADATA = 'metadata.yaml'
_MOST_METADATA_BYTES = 16 << 20  # a recording of a thousand topics has about 1 MiB


def place_to_read(path: Path) -> Path:
    """What to give to rosbags: the folder of a ROS 2 bag, or a file that stands alone.

    A file is read together with those beside it where their metadata names it. A recorder that was
    killed writes no metadata; then its only file is read.

    Raises
    ------
    SourceError
        When there is nothing, or a pipe or device among the files: rosbags would open it and wait.
    """
    if not os.path.lexists(path):
        raise SourceError(
            f'{shown(str(path))} cannot be read as a bag: there is no such file or folder'
        )
    if os.path.isdir(path):
        return path if _checked_metadata(path) is not None else _only_file(path)
    if path.suffix in BAG_FILES:
        metadata = _checked_metadata(path.parent)
        if metadata is not None and os.fsencode(path.name) in metadata:
            return path.parent
    if path.suffix == '.zstd':
        raise SourceError(
            f'{shown(str(path))} is compressed, and has no {_METADATA} beside it that says how; '
            f'unpack it: `unzstd {printable(path.name)}`'
        )
    check_foreign_file(path, what='bag', error=SourceError)
    return path


def mcap_file(place: Path) -> Path:
    """The file that `place_to_read` gave, or the only .mcap file in the folder that it gave."""
    files = list(place.glob('*.mcap')) if os.path.isdir(place) else []
    return files[0] if len(files) == 1 else place


def advice_without_metadata(path: Path, place: Path) -> str:
    """What to do about a ROS 2 bag without metadata that cannot be read; '' for others."""
    if os.path.isdir(place) or place.suffix not in BAG_FILES:
        return ''
    folder = path if os.path.isdir(path) else path.parent
    return (
        f'; it has no {_METADATA}: was the recording cut off? `ros2 bag reindex '
        f'{printable(folder)}` may repair it, and so may `mcap recover` an .mcap file'
    )


def _checked_metadata(folder: Path) -> bytes | None:
    """The metadata of a bag's folder, all of whose files are regular; None where it has none."""
    if not os.path.exists(folder / _METADATA):
        return None
    content = read_foreign_file(
        folder / _METADATA, what='bag', error=SourceError, limit_bytes=_MOST_METADATA_BYTES
    )
    for name in os.listdir(folder):
        file = folder / name
        if os.path.exists(file) and not os.path.isdir(file):
            check_foreign_file(file, what='bag', error=SourceError)
    return content


def _only_file(folder: Path) -> Path:
    names = sorted(name for name in os.listdir(folder) if name.endswith(BAG_FILES[:2]))
    if len(names) == 1:
        check_foreign_file(folder / names[0], what='bag', error=SourceError)
        return folder / names[0]
    where = shown(str(folder))
    if not names:
        raise SourceError(
            f'{where} cannot be read as a bag: it has no {_METADATA}, and no .mcap or .db3 file'
        )
    raise SourceError(
        f'{where} has no {_METADATA}, which says in which order to read '
        f'{listed([printable(name) for name in names], 3)}: `ros2 bag reindex '
        f'{printable(folder)}` makes one; or give one of the files'
    )
