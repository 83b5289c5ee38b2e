"""What comes from outside: valid examples, damaged a little or a lot.

Each generator takes a `random.Random` and gives one input. Hypothesis draws the one number that
the Random begins with, for some inputs at once: to draw every byte and list by itself takes it
longer than parsers take to read them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import strategies as st

Generator = Callable[[Random], Any]

_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 62, (1 << 64) - 1)
_FORMS = ('<Q', '>Q', '<I', '>I', '<H', '>H')
_LETTERS = ('a', 'b', '0', '9', ' ', '_', ':', '/', '.', '-', '\n', '\0', 'é', '٣', '²', '\u2028')
_SCALARS = (
    *(None, True, False, '', '..', '/', '~nobody/x', 'a\0b', '1e999', 'nan', 'x' * 300),
    *(0.5, -0.0, 1e308, float('inf'), float('nan'), 1e-320, 2**31, 2**63, -(2**63) - 1, 10**40),
)


BATCH = 10
"""Inputs of one example of hypothesis."""


def batches(generate: Generator) -> st.SearchStrategy[list[Any]]:
    """A hypothesis strategy of `BATCH` inputs that a generator gives."""

    def several_of(seed: int) -> list[Any]:
        rng = Random(seed)
        return [generate(rng) for _ in range(BATCH)]

    return st.integers(0, (1 << 64) - 1).map(several_of)


def text(most: int = 12) -> Generator:
    """Any characters, also those that no text should have, but for halves of surrogate pairs."""

    def generate(rng: Random) -> str:
        return ''.join(
            rng.choice(_LETTERS) if rng.random() < 0.7 else chr(rng.randrange(0xD800))
            for _ in range(rng.randrange(most + 1))
        )

    return generate


def value(rng: Random, depth: int = 3) -> Any:
    """A value of YAML, JSON or a Python literal."""
    kind = rng.randrange(8 if depth else 5)
    if kind == 0:
        return rng.randint(-3, 300)
    if kind == 1:
        return rng.uniform(-2, 2)
    if kind == 2:
        return text(8)(rng)
    if kind <= 4:
        return rng.choice(_SCALARS)
    if kind <= 6:
        return [value(rng, depth - 1) for _ in range(rng.randrange(5))]
    return {
        rng.choice((0, 1, -1, None, True, 1.5, 'a', 'b', '')): value(rng, depth - 1)
        for _ in range(rng.randrange(4))
    }


def one_of(*generators: Generator) -> Generator:
    """What one of the generators gives."""
    return lambda rng: rng.choice(generators)(rng)


def together(*generators: Generator) -> Generator:
    """What all of the generators give, as a tuple."""
    return lambda rng: tuple(generate(rng) for generate in generators)


def several(generate: Generator, most: int) -> Generator:
    """A list of what the generator gives."""
    return lambda rng: [generate(rng) for _ in range(rng.randrange(most + 1))]


def damaged(*examples: bytes, vocabulary: tuple[bytes, ...] = ()) -> Generator:
    """Bytes of an example after some edits; now and then any bytes at all.

    Parameters
    ----------
    examples : bytes
        Valid ones.
    vocabulary : tuple of bytes
        What edits insert, among others.
    """

    def generate(rng: Random) -> bytes:
        if rng.random() < 0.1:
            return rng.randbytes(rng.randrange(64))
        data = bytearray(rng.choice(examples))
        for _ in range(rng.randrange(7)):
            _edit(data, rng, vocabulary)
        return bytes(data)

    return generate


def damaged_text(*examples: str, vocabulary: tuple[str, ...] = ()) -> Generator:
    """As `damaged`, of text; bytes that are no UTF-8 stand as in file names: `surrogateescape`."""
    words = tuple(word.encode('utf-8', 'surrogatepass') for word in vocabulary)
    generate = damaged(*(example.encode() for example in examples), vocabulary=words)
    return lambda rng: generate(rng).decode('utf-8', 'surrogateescape')


def changed(example: dict[str, Any], most: int = 3) -> Generator:
    """A dict with some of its values replaced by any, and some keys missing."""

    def generate(rng: Random) -> dict[str, Any]:
        made = dict(example)
        for _ in range(rng.randrange(most + 1)):
            key = rng.choice(list(example))
            if rng.random() < 0.2:
                made.pop(key, None)
            else:
                made[key] = value(rng)
        return made

    return generate


def _edit(data: bytearray, rng: Random, vocabulary: tuple[bytes, ...]) -> None:
    at = rng.randrange(len(data) + 1)
    kind = rng.randrange(8)
    if kind == 0:
        data[at : at + 1] = rng.randbytes(1)
    elif kind == 1:
        del data[at : at + rng.randrange(1, 16)]
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        data[at:at] = data[at : at + rng.randrange(256)]
    elif kind == 4:
        form = rng.choice(_FORMS)
        size = struct.calcsize(form)
        data[at : at + size] = struct.pack(form, rng.choice(_NUMBERS) & ((1 << 8 * size) - 1))
    elif kind == 5:
        data[at:at] = rng.randbytes(1) * rng.randrange(40)
    elif vocabulary:
        data[at:at] = rng.choice(vocabulary)
    elif at < len(data):
        data[at] ^= 1 << rng.randrange(8)
