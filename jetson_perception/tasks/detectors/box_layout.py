"""Where the outputs of a detector hold boxes, scores and classes, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.errors import ModelError
from jetson_perception.model_info import ModelInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of an output: its index, the first column, and how many; -1 for all that follow.

    Without a column (`count` 0) the output has a value a row. `transposed` outputs have a column
    for each row. A row of a `grid` is one of its cells: the output is (columns, height, width) if
    transposed, else (height, width, columns).
    """

    output: int
    first: int = 0
    count: int = -1
    transposed: bool = False
    grid: bool = False

    def read(self, outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Shape (rows, columns), or (rows,) without columns."""
        if self.grid:
            rows = _without_batch(outputs[self.output], 3)
            ends = (len(rows), -1) if self.transposed else (-1, rows.shape[2])
            rows = rows.reshape(ends)
        else:
            rows = _without_batch(outputs[self.output], 1 if self.count == 0 else 2)
        if self.count == 0:
            return rows
        rows = rows.T if self.transposed else rows
        last = None if self.count < 0 else self.first + self.count
        if last is not None and rows.shape[1] < last:
            raise ModelError(
                f'output {self.output} is {outputs[self.output].shape}, without the columns that '
                'it had when the model was loaded; load the model again'
            )
        return rows[:, self.first : last]


def _without_batch(array: NDArray[Any], dimensions: int) -> NDArray[Any]:
    """An array of so many dimensions, without those of size 1 before them, or one after them."""
    while array.ndim > dimensions and array.shape[0] == 1:
        array = array[0]
    if array.ndim == dimensions + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != dimensions:
        raise ModelError(
            f'an output is {array.shape}, which had {dimensions} dimensions when the model was '
            'loaded; load the model again'
        )
    return array


@dataclass(frozen=True, slots=True)
class JoinedColumns:
    """Columns of several outputs, whose rows follow each other."""

    parts: tuple[Columns, ...]

    def read(self, outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Shape (rows of all, columns)."""
        read = [each.read(outputs) for each in self.parts]
        if len({rows.shape[1] for rows in read}) > 1:
            raise ModelError(
                f'outputs have {", ".join(str(rows.shape[1]) for rows in read)} columns, which '
                'had equally many when the model was loaded; load the model again'
            )
        return np.concatenate(read)


@dataclass(frozen=True, slots=True)
class BoxLayout:
    """Where outputs hold boxes, scores and classes, and how.

    Attributes
    ----------
    family : str
        Name of the family, a value of the parameter `layout`.
    class_count : int
        Number of classes; 0 if unknown, which is possible where the network gives class ids.
    boxes, scores : Columns or JoinedColumns
        Four values a box, or four distributions; a value a class, or one a row where there are
        `classes`. Joined where there is an output for each stride.
    classes : Columns or None
        A class id a row.
    corners : bool
        Whether a box is left, top, right, bottom; else it is center x, center y, width, height.
    relative : bool or None
        Whether coordinates are fractions of the network's input; else they are its pixels. None
        if there was no box to tell by: then each image's boxes do.
    activation : str
        What makes scores of the values: '' (they are scores), 'sigmoid', or 'softmax', whose last
        class is "no object".
    objectness : Columns or None
        A value a row that multiplies its scores.
    grid : tuple of int
        Strides of the cells that centers and logarithmic sizes, or distances, are relative to;
        empty where boxes are decoded by the network.
    bins : int
        Values of the distribution of a side's distance; 0 where boxes are no distributions.
    clips : bool
        Whether boxes of distributions end at the input before they suppress others.
    cell_center : float
        Where in its cell distances are measured from, as a fraction of it.
    rows_first : bool
        Whether y comes before x.
    unit : int
        Pixels a coordinate's unit.
    count : int or None
        Index of the output that says how many rows are used.
    image : Columns or None
        A value a row: which image of the batch it is of.
    several_classes_a_row : bool
        Whether a row may be several objects; else it is one, of its best class.
    suppresses : bool
        Whether overlapping boxes are still to be suppressed.
    told_by : str
        What the family was told by, for people.
    usual : ModelInfo
        How images are prepared for such networks; empty where as for YOLO.
    padding : int
        Pixel value around an image that does not fill the input.
    """

    family: str
    class_count: int
    boxes: Columns | JoinedColumns
    scores: Columns | JoinedColumns
    classes: Columns | None = None
    corners: bool = False
    relative: bool | None = False
    activation: str = ''
    objectness: Columns | None = None
    grid: tuple[int, ...] = ()
    bins: int = 0
    clips: bool = True
    cell_center: float = 0.0
    rows_first: bool = False
    unit: int = 1
    count: int | None = None
    image: Columns | None = None
    several_classes_a_row: bool = False
    suppresses: bool = False
    told_by: str = ''
    usual: ModelInfo = field(default_factory=ModelInfo)
    padding: int = 114

    # What users of a `YoloLayout` ask for.
    keypoint_count: ClassVar[int] = 0
    coefficient_count: ClassVar[int] = 0
