"""One output of a network that was run once, and what its values say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.printable import quoted
from jetson_perception.tasks.detectors.box_layout import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from jetson_perception.tasks.network_outputs import NetworkOutputs

_MOST_RELATIVE = 1.5


@dataclass(frozen=True, slots=True)
class Output:
    """One output: its index among all, its name, and what it held."""

    index: int
    name: str
    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Without the batch."""
        shape = self.array.shape
        return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape

    @property
    def columns_a_row(self) -> int:
        """Size of the last dimension."""
        return self.array.shape[-1]

    @property
    def rows(self) -> int:
        """Size of the dimension before the last."""
        return self.array.shape[-2]

    @property
    def is_integer(self) -> bool:
        """Whether it holds integers."""
        return self.array.dtype.kind in 'iu'

    @property
    def is_float(self) -> bool:
        """Whether it holds floats."""
        return self.array.dtype.kind == 'f'

    def columns(
        self, first: int = 0, count: int = -1, *, transposed: bool = False, grid: bool = False
    ) -> Columns:
        """Some of its columns."""
        return Columns(self.index, first, count, transposed, grid)


def listed(seen: Iterable[Output]) -> str:
    """Names, types and shapes, for errors."""
    return ', '.join(
        f'{quoted(each.name, 40)} {each.array.dtype} {each.array.shape}' for each in seen
    )


def one(found: list[Output]) -> Output | None:
    """The only one; None if there are others, or none."""
    return found[0] if len(found) == 1 else None


def is_relative(boxes: NDArray[Any]) -> bool:
    """Whether coordinates are fractions of the image; False without any but zeros."""
    values = np.abs(boxes[..., :4].astype(np.float32))
    return bool(values.size and 0 < values.max() <= _MOST_RELATIVE)


def relative(boxes: NDArray[Any]) -> bool | None:
    """Whether coordinates are fractions of the image; None without any but zeros."""
    return is_relative(boxes) if np.any(boxes[..., :4]) else None


def are_probabilities(values: NDArray[Any]) -> bool:
    """Whether all values are from 0 to 1."""
    return bool(values.size and values.min() >= 0 and values.max() <= 1)


def are_corners(boxes: NDArray[Any]) -> bool:
    """Whether right and bottom are never left of left or above top: no sizes are so."""
    rows = boxes.reshape(-1, 4)
    return bool((rows[:, 2] >= rows[:, 0]).all() and (rows[:, 3] >= rows[:, 1]).all())


def outputs_seen(outputs: NetworkOutputs) -> list[Output]:
    """All outputs of a run."""
    named = zip(outputs.names, outputs.arrays, strict=True)
    return [Output(index, name, array) for index, (name, array) in enumerate(named)]
