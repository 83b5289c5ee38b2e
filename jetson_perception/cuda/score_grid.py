"""The grid of an output of a segmentation network, and where a mask lies on it, for kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.errors import ModelError
from jetson_perception.tasks.grids import window_on_grid, without_ones

if TYPE_CHECKING:
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.segmentation import SegmentationLayout, SegmentationOptions


@dataclass(frozen=True, slots=True)
class ScoreGrid:
    """An output tensor or a part of it: planes of scores, or one plane of class ids."""

    shape: tuple[int, ...]
    dtype: np.dtype
    class_count: int
    height: int
    width: int
    strides: tuple[int, int, int]  # from class to class, row to row, column to column: elements
    offset_bytes: int = 0

    @classmethod
    def of(cls, layout: SegmentationLayout, shape: tuple[int, ...], dtype: np.dtype) -> ScoreGrid:
        """The grid of an output of this shape and type.

        Raises
        ------
        ModelError
            When the kernels do not read the type, or the shape is not the layout's.
        """
        ids = layout.output == 'class_ids'
        if dtype not in (np.float16, np.float32) and not (ids and dtype.kind in 'iub'):
            raise ModelError(
                f'the output is {dtype} {shape}; the GPU decodes float16 and float32, and '
                'integers if they are class ids: export the model with one of these types'
            )
        if ids:
            sides = without_ones(shape)
            if sides is None:
                raise ModelError(f'output is {shape}, not one class id per pixel')
            return cls(shape, dtype, 1, *sides, (0, sides[1], 1))
        if layout.channels_last:
            height, width, classes = shape[1:]
            return cls(shape, dtype, classes, height, width, (1, width * classes, classes))
        height, width = shape[-2:]
        classes = shape[1] if len(shape) == 4 else 1
        return cls(shape, dtype, classes, height, width, (height * width, width, 1))

    def part(self, rows: slice, columns: slice) -> ScoreGrid:
        """The part that consists of these rows and columns."""
        first = rows.start * self.strides[1] + columns.start * self.strides[2]
        return replace(
            self,
            height=rows.stop - rows.start,
            width=columns.stop - columns.start,
            offset_bytes=first * self.dtype.itemsize,
        )

    @property
    def arguments(self) -> tuple[int, ...]:
        """The kernels' arguments from class_count to grid_h."""
        return self.class_count, *self.strides, self.width, self.height

    def placed(self, transform: ImageTransform, options: SegmentationOptions) -> PlacedGrid:
        """The part that a mask is made from, and where the mask lies on it."""
        window = window_on_grid((self.height, self.width), transform)
        part = self
        if options.mask_size == 'network' or window.is_whole:
            part = self.part(window.rows, window.columns)
        if options.mask_size == 'network':
            return PlacedGrid(part, (part.width, part.height), (1.0, 1.0, 0.0, 0.0))
        width, height = transform.source_wh
        if window.is_whole:  # OpenCV's resize divides like this
            steps = 1 / (width / part.width), 1 / (height / part.height)
            return PlacedGrid(part, transform.source_wh, (*steps, 0.0, 0.0))
        steps = window.width / width, window.height / height
        return PlacedGrid(part, transform.source_wh, (*steps, window.left, window.top))


@dataclass(frozen=True, slots=True)
class PlacedGrid:
    """A part of a grid; the size of a mask that is made from it; the kernels' `Place` of it."""

    part: ScoreGrid
    mask_wh: tuple[int, int]
    place: tuple[float, float, float, float]
