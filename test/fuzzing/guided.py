"""Inputs made of bytes that a coverage-guided search chooses, and the corpora that it found.

A generator takes its numbers from a `random.Random`. Here that one takes them from given bytes, so
the search steers each choice of the generator. Where a parser takes bytes or text, it may steer
them directly, too: bytes that begin with `DIRECT` stand for themselves.
"""

from __future__ import annotations

import base64
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fuzzing.targets import Target

CORPORA = Path(__file__).with_name('corpora')

DIRECT = b'\x01'

MOST_CORPUS_BYTES = 6_000
"""Of the inputs of one target that are kept in the repository."""


class ChosenNumbers(Random):
    """Numbers from bytes; zeros when there are none left."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._data = data
        self._at = 0

    def getrandbits(self, k: int, /) -> int:
        """The next bytes that hold `k` bits, as a number of `k` bits."""
        size = -(-k // 8)
        taken = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken.ljust(size, b'\0'), 'little') & ((1 << k) - 1)

    def random(self) -> float:
        """The next two bytes as a number from 0 to below 1."""
        return self.getrandbits(16) / 65536


def chosen_input(target: Target, data: bytes) -> Any:
    """The input of a target that bytes of the search stand for."""
    if data.startswith(DIRECT):
        content = data[len(DIRECT) :]
        kind = type(target.inputs(Random(0)))
        if kind is bytes:
            return content
        if kind is str:
            return content.decode('utf-8', 'surrogateescape')
    return target.inputs(ChosenNumbers(data[len(DIRECT) :]))


def first_inputs(target: Target, count: int) -> list[bytes]:
    """Bytes that the search begins with: any numbers, and inputs that the generator gives."""
    rng = Random(target.name)
    found = []
    for _ in range(count):
        found.append(b'\0' + rng.randbytes(64))
        value = target.inputs(rng)
        if isinstance(value, str):
            value = value.encode('utf-8', 'surrogateescape' if _is_foreign(value) else 'replace')
        if isinstance(value, bytes):
            found.append(DIRECT + value)
    return found


def read_corpus(target: Target) -> list[bytes]:
    """The inputs in the repository that reach what others of the target do not."""
    path = _corpus_path(target)
    if not path.exists():
        return []
    return [base64.b64decode(line, validate=True) for line in path.read_text().splitlines()]


def write_corpus(target: Target, inputs: Iterable[bytes]) -> None:
    """Keep inputs in the repository, the shortest first, up to `MOST_CORPUS_BYTES`."""
    lines = []
    left = MOST_CORPUS_BYTES
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        left -= len(data)
        if left < 0:
            break
        lines.append(base64.b64encode(data).decode())
    path = _corpus_path(target)
    path.parent.mkdir(exist_ok=True)
    path.write_text(''.join(f'{line}\n' for line in lines))


def _corpus_path(target: Target) -> Path:
    return CORPORA / f'{target.name.replace(" ", "_")}.txt'


def _is_foreign(text: str) -> bool:
    try:
        text.encode('utf-8', 'surrogateescape')
    except UnicodeEncodeError:
        return False
    return True
