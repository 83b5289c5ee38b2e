"""How far tensors, outputs and results of two machines lie apart."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

#: Objects that score less are about the threshold of `run`, 0.25.
BORDERLINE = 0.27


def farthest(
    one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]], kind: str
) -> tuple[float, float]:
    """The largest difference of any array whose name's last part begins with KIND.

    Returns
    -------
    absolute, relative : float
        The second is relative to the largest value of the array in which it is. Both are infinite
        where an array is missing, of another shape, or not finite on one side.
    """
    names = {name for name in {*one, *other} if name.rpartition('/')[2].startswith(kind)}
    absolute = relative = 0.0 if names else float('inf')
    for name in names:
        a, b = one.get(name), other.get(name)
        if a is None or b is None or a.shape != b.shape:
            return float('inf'), float('inf')
        a, b = a.astype(np.float64), b.astype(np.float64)
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return float('inf'), float('inf')
        difference = float(np.abs(a - b).max(initial=0))
        absolute = max(absolute, difference)
        relative = max(relative, difference / max(float(np.abs(a).max(initial=0)), 1e-9))
    return absolute, relative


@dataclass
class RecordDifference:
    """How the JSON lines of `jetson-perception run` differ.

    Attributes
    ----------
    records : int
        Lines that were compared.
    other : list of str
        What is not a matter of degree: another number of objects, another class, another key.
    largest : dict of str to float
        Largest difference of each number, by its key: 'score', 'xyxy', 'pixels'…
    """

    records: int = 0
    other: list[str] = field(default_factory=list)
    largest: dict[str, float] = field(default_factory=dict)


def compare_records(one: Sequence[str], other: Sequence[str]) -> RecordDifference:
    """Compare the lines that `jetson-perception run --json` printed on two machines.

    They are paired by the picture's name; where it lies is not compared.
    """
    found = RecordDifference()
    sides = [
        {_name(record): record for record in map(json.loads, lines)} for lines in (one, other)
    ]
    if sides[0].keys() != sides[1].keys():
        found.other.append(f'pictures: {sorted(sides[0])} and {sorted(sides[1])}')
    for name in sides[0].keys() & sides[1].keys():
        found.records += 1
        _compare(sides[0][name], sides[1][name], name, '', found)
    return found


def _name(record: dict[str, Any]) -> str:
    return str(record.pop('source')).rpartition('/')[2]


def _compare(a: Any, b: Any, where: str, key: str, found: RecordDifference) -> None:
    """Compare two values of JSON: numbers by their distance, all else for equality."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for each in a:
            _compare(a[each], b[each], f'{where}.{each}', each, found)
    elif isinstance(a, list) and isinstance(b, list) and (both := _of_both(a, b)) is not None:
        a, b = both
        for index, (first, second) in enumerate(zip(a, b, strict=True)):
            _compare(first, second, f'{where}[{index}]', key, found)
    elif _is_measured(a, key) and _is_measured(b, key):
        found.largest[key] = max(found.largest.get(key, 0.0), abs(a - b))
    elif a != b:
        found.other.append(f'{where}: {a} and {b}')


def _of_both(a: list[Any], b: list[Any]) -> tuple[list[Any], list[Any]] | None:
    """Two lists, without the last objects of the longer one that score about the threshold.

    One machine may score them just above it, and the other just below. None if the lists still
    differ in length.
    """
    longer = a if len(a) > len(b) else b
    extra = longer[min(len(a), len(b)) :]
    if all(isinstance(each, dict) and each.get('score', 1) < BORDERLINE for each in extra):
        return a[: len(b)], b[: len(a)]
    return None


def _is_measured(value: Any, key: str) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and not key.endswith('_id') and key != 'frame'


def masks(one: Path, other: Path) -> Iterator[tuple[str, float]]:
    """Names of the masks that two runs wrote, and which share of their pixels is equal."""
    import cv2

    names = {path.name for folder in (one, other) for path in folder.glob('*_mask.png')}
    for name in sorted(names):
        a, b = (cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED) for folder in (one, other))
        same = a is not None and b is not None and a.shape == b.shape
        yield name, float((a == b).mean()) if same else 0.0
