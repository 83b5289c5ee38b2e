"""Reads the digest, metadata and inputs of an ONNX file, without a runtime.

It parses the protobuf itself, so that machines that only run models do not need the package onnx,
and a cached engine file opens without a session of ONNX Runtime.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.engines.base import TensorSpec
from jetson_perception.engines.model_folder import file_beside
from jetson_perception.errors import ModelError
from jetson_perception.files.foreign_files import check_foreign_file, open_foreign_file
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

# Message type: field numbers of its parts, and their types; from onnx.proto. Fields that are not
# listed here cannot contain tensors and are skipped.
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

_ELEMENT_TYPES = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
}
"""The NumPy type of each TensorProto.DataType."""


class NotOnnxError(ModelError):
    """The bytes of a file are not an ONNX model."""


@dataclass(frozen=True)
class ModelHeader:
    """The header of an ONNX model.

    Attributes
    ----------
    metadata : dict of str to str
        Its `metadata_props`.
    inputs : tuple of TensorSpec
        -1 for open dimensions.
    """

    metadata: dict[str, str]
    inputs: tuple[TensorSpec, ...]


def model_digest(path: str | Path) -> str:
    """SHA-256 of a model's content, including weights in files beside it.

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
        When the file or a file with its weights cannot be read, or it is not an ONNX file.
    """
    path = Path(path)
    digest = hashlib.sha256()
    _update(digest, path)
    for location in external_files(path):
        file = path.parent / location
        _require_weights(path, file)
        # Name and size come first, so that different lists of files give different bytes.
        digest.update(f'\0{location}\0{file.stat().st_size}\0'.encode())
        _update(digest, file)
    return digest.hexdigest()


def external_files(path: str | Path) -> tuple[str, ...]:
    """Files that hold weights of an ONNX model, relative to its folder, sorted; usually none.

    Raises
    ------
    ModelError
        When the file cannot be read, is not an ONNX file, or names a file outside its folder.
    """
    path = Path(path)
    locations = set()
    with _mapped(path) as data:
        for entry in _external_entries(data):
            if entry.get(1) == b'location':
                locations.add(entry.get(2, b'').decode())
    for location in locations:
        try:
            file_beside(path, location)
        except ValueError as err:
            raise ModelError(
                f'{path} keeps weights in another file: {err}, or export the model again'
            ) from err
    return tuple(sorted(locations))


def check_external_files(path: str | Path) -> None:
    """Refuse a model whose weights are not in regular files, because runtimes open them by path.

    Files that are not ONNX are left to the runtime, which has better messages for them.

    Raises
    ------
    ModelError
        When a file with weights is missing, outside the model's folder, a pipe, a device, or may
        not be read.
    """
    try:
        locations = external_files(path)
    except NotOnnxError:
        return
    for location in locations:
        _require_weights(Path(path), Path(path).parent / location)


def _require_weights(path: Path, file: Path) -> None:
    if not os.path.exists(file):
        raise ModelError(
            f'{path} keeps weights in {printable(file)}, which is missing; copy it there, or '
            'export the model again as one file'
        )
    check_foreign_file(file, what=f'{path} keeps weights in', error=ModelError)


def read_head(path: str | Path) -> ModelHeader:
    """Metadata and inputs of an ONNX model.

    Raises
    ------
    ModelError
        When the file cannot be read, is not ONNX, or an input is not a tensor of numbers.
    """
    path = Path(path)
    metadata: dict[str, str] = {}
    inputs: list[tuple[str, int, tuple[int, ...]]] = []
    constants: set[str] = set()
    with _mapped(path) as data:
        for number, kind, begin, stop in _fields(data, 0, len(data)):
            if (number, kind) == (14, 2):
                entry = _parts(data, begin, stop)
                metadata[entry.get(1, b'').decode()] = entry.get(2, b'').decode()
            elif (number, kind) == (7, 2):
                for part, kind_of_part, start, end in _fields(data, begin, stop):
                    if (part, kind_of_part) == (11, 2):
                        inputs.append(_read_input(data, start, end))
                    elif (part, kind_of_part) == (5, 2):
                        constants.add(_parts(data, start, end, only=8).get(8, b'').decode())
    specs = []
    for name, element_type, shape in inputs:
        if name in constants:  # up to IR version 3, weights are also listed as inputs
            continue
        if element_type not in _ELEMENT_TYPES:
            raise ModelError(f"{path}: input '{name}' is not a tensor of numbers")
        specs.append(TensorSpec(name, shape, np.dtype(_ELEMENT_TYPES[element_type])))
    return ModelHeader(metadata, tuple(specs))


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """The bytes of a file; parse errors in the block mean that it is not an ONNX file."""
    with open_foreign_file(path, what='model', error=ModelError) as descriptor:
        try:
            with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
                yield data
        except OSError as err:
            raise ModelError(f'{path} cannot be read: {err.strerror}') from err
        except (ValueError, IndexError) as err:  # mmap refuses an empty file with a ValueError
            raise NotOnnxError(f'{path} is not an ONNX model, or is damaged') from err


def _read_input(data: mmap.mmap, start: int, end: int) -> tuple[str, int, tuple[int, ...]]:
    """Name, element type and shape of a ValueInfoProto; type 0 if it is not a tensor."""
    name, element_type = '', 0
    shape: list[int] = []
    for number, kind, begin, stop in _fields(data, start, end):
        if (number, kind) == (1, 2):
            name = data[begin:stop].decode()
        elif (number, kind) == (2, 2):
            for part, _, tensor, tensor_end in _fields(data, begin, stop):
                if part != 1:
                    continue
                for each, kind_of_each, from_, to in _fields(data, tensor, tensor_end):
                    if (each, kind_of_each) == (1, 0):
                        element_type = _varint(data, from_)[0]
                    elif (each, kind_of_each) == (2, 2):
                        shape = [
                            _read_dimension(data, first, last)
                            for _, _, first, last in _fields(data, from_, to)
                        ]
    return name, element_type, tuple(shape)


def _read_dimension(data: mmap.mmap, start: int, end: int) -> int:
    for number, kind, begin, _ in _fields(data, start, end):
        if (number, kind) == (1, 0):
            size = _varint(data, begin)[0]
            return size if 0 < size < 1 << 31 else -1
    return -1


def _parts(data: mmap.mmap, start: int, end: int, only: int = 0) -> dict[int, bytes]:
    """Strings and submessages of a message by field number; all of them, or only one."""
    return {
        number: data[begin:stop]
        for number, kind, begin, stop in _fields(data, start, end)
        if kind == 2 and only in (0, number)
    }


def _update(digest: hashlib._Hash, path: Path) -> None:
    with open_foreign_file(path, what='model', error=ModelError) as descriptor:
        try:
            while chunk := os.read(descriptor, _CHUNK_BYTES):
                digest.update(chunk)
        except OSError as err:
            raise ModelError(f'{path} cannot be read: {err.strerror}') from err


def _external_entries(data: mmap.mmap) -> Iterator[dict[int, bytes]]:
    """Key (1) and value (2) of every entry that says where a tensor's data is."""
    waiting = [('model', 0, len(data))]
    while waiting:
        kind, start, end = waiting.pop()
        if kind == 'external_data':
            yield _parts(data, start, end)
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
