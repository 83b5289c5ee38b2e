"""What an ONNX model consists of on disk: its file, and the files that its weights are kept in.

Read from the protobuf itself, so that nothing but the standard library is needed: no machine that
only runs models has to have the package onnx.
"""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Message type: field number of a part, and the part's type; from onnx.proto. Whatever is not named
# here cannot hold a tensor and is skipped.
_PARTS = {
    'model': {7: 'graph', 25: 'function'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse_tensor'},
    'function': {7: 'node', 11: 'attribute'},
    'node': {5: 'attribute'},
    'attribute': {
        5: 'tensor',
        6: 'graph',
        10: 'tensor',
        11: 'graph',
        22: 'sparse_tensor',
        23: 'sparse_tensor',
    },
    'sparse_tensor': {1: 'tensor', 2: 'tensor'},
    'tensor': {13: 'external_data'},
}
_CHUNK_BYTES = 1 << 20


def model_digest(path: str | Path) -> str:
    """SHA-256 of a model's content, weights in files beside it included.

    Parameters
    ----------
    path : str or Path
        The ONNX file.

    Returns
    -------
    str
        64 hexadecimal digits: equal for equal content, whatever the file's name and place.

    Raises
    ------
    ModelError
        When the file or one with its weights cannot be read, or is no ONNX file.
    """
    path = Path(path)
    digest = hashlib.sha256()
    _update(digest, path)
    for location in external_files(path):
        file = path.parent / location
        if not file.is_file():
            raise ModelError(
                f'{path} keeps weights in {file}, which is missing; copy it there, or export the '
                'model again as one file'
            )
        # Name and size first, so that no two lists of files give the same stream of bytes.
        digest.update(f'\0{location}\0{file.stat().st_size}\0'.encode())
        _update(digest, file)
    return digest.hexdigest()


def external_files(path: str | Path) -> tuple[str, ...]:
    """Files with weights of an ONNX model, relative to its folder, sorted; mostly none.

    Raises
    ------
    ModelError
        When the file cannot be read, is no ONNX file, or names a file outside its folder.
    """
    path = Path(path)
    locations = set()
    try:
        with path.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for entry in _external_entries(data):
                if entry.get(1) == b'location':
                    locations.add(entry.get(2, b'').decode())
    except OSError as err:
        raise ModelError(f'{path} cannot be read: {err.strerror}') from err
    except (ValueError, IndexError) as err:  # mmap refuses an empty file with a ValueError
        raise ModelError(f'{path} is not an ONNX model, or is damaged') from err
    for location in locations:
        parts = Path(location).parts
        if not parts or Path(location).is_absolute() or '..' in parts or '\0' in location:
            raise ModelError(
                f'{path} keeps weights in {location!r}; expected a file in its own folder. Export '
                'the model again'
            )
    return tuple(sorted(locations))


def _update(digest: hashlib._Hash, path: Path) -> None:
    try:
        with path.open('rb') as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as err:
        raise ModelError(f'{path} cannot be read: {err.strerror}') from err


def _external_entries(data: mmap.mmap) -> Iterator[dict[int, bytes]]:
    """Key (1) and value (2) of every entry that says where a tensor's data is."""
    waiting = [('model', 0, len(data))]
    while waiting:
        kind, start, end = waiting.pop()
        if kind == 'external_data':
            yield {
                number: data[begin:stop]
                for number, wire_type, begin, stop in _fields(data, start, end)
                if wire_type == 2
            }
            continue
        parts = _PARTS[kind]
        for number, wire_type, begin, stop in _fields(data, start, end):
            if wire_type == 2 and number in parts:
                waiting.append((parts[number], begin, stop))


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, begin, stop) of the fields of the protobuf message in `data`."""
    position = start
    while position < end:
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            _, stop = _varint(data, position)
        elif wire_type == 1:
            stop = position + 8
        elif wire_type == 2:
            length, position = _varint(data, position)
            stop = position + length
        elif wire_type == 5:
            stop = position + 4
        else:
            raise ValueError(f'wire type {wire_type}')
        if not number or stop > end:
            raise ValueError('a field runs past its message')
        yield number, wire_type, position, stop
        position = stop


def _varint(data: mmap.mmap, position: int) -> tuple[int, int]:
    """An integer, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError('an integer is too long')
