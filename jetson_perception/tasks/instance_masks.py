"""Instance masks of YOLO segmentation networks: prototypes and coefficients into one image of ids.

As in YOLACT (Bolya et al., 2019), a network gives prototype masks for the whole image, and for
each box the coefficients of their weighted sum. The sum is the logit of a pixel belonging to the
object.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jetson_perception.tasks.preprocess import ImageTransform

_BLOCK_PX = 1 << 16  # pixels enlarged at once: a block that fits the cache takes half the time


def instance_ids(
    prototypes: NDArray[Any],
    coefficients: NDArray[Any],
    xyxy: NDArray[np.float32],
    transform: ImageTransform,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The object that each pixel of the source image belongs to.

    Parameters
    ----------
    prototypes : ndarray, shape (c, grid height, grid width), float32 or float16
        On a grid that covers the network's input.
    coefficients : ndarray, shape (n, c)
        One row per object, best score first. An object with a non-finite coefficient gets no
        pixels.
    xyxy : ndarray, shape (n, 4), float32
        The objects' boxes in pixels of the source image, finite. A mask contains only pixels
        whose center is inside the box.
    transform : ImageTransform
        From the preprocessing of this image.

    Returns
    -------
    ndarray, shape (source height, source width), uint8, or uint16 for more than 255 objects
        Row of the object plus 1, or 0 for none; where masks overlap, the first object wins.

    Notes
    -----
    The logits are enlarged bilinearly to the source image and cut to the box. The mask is where
    they are above 0, a probability of one half. This is the order of Ultralytics'
    `process_mask_native` (`retina_masks`). Each pixel is sampled exactly where it lies in the
    network's input; cells in the padding are not used.
    """
    width, height = transform.source_wh
    count = len(xyxy)
    ids = np.zeros((height, width), np.uint8 if count <= 255 else np.uint16)
    if not count:
        return ids
    columns, rows = _sampling(transform, (prototypes.shape[2], prototypes.shape[1]))
    # Pixel i has its center at i + 0.5.
    boxes = np.ceil(np.clip(xyxy, 0, (width, height) * 2) - np.float32(0.5)).astype(int)
    with np.errstate(over='ignore', invalid='ignore'):  # NaN is no mask
        for row in range(count - 1, -1, -1):  # the best last, over the others
            left, top, right, bottom = boxes[row].tolist()
            if left < right and top < bottom:
                across, down = columns.part(left, right), rows.part(top, bottom)
                cells = prototypes[:, down.cells, across.cells]
                # Not BLAS: it is no faster, and its threads wait for each other on a busy machine.
                logits = np.einsum('i,ijk->jk', coefficients[row], cells, dtype=np.float32)
                _paint(ids[top:bottom, left:right], row + 1, _widened(logits, across), down)
    return ids


class _Axis(NamedTuple):
    """Where the pixels of one axis lie between the cells of the prototypes' grid."""

    lower: NDArray[np.intp]
    """Index of the cell before each pixel."""
    upper: NDArray[np.intp]
    """Index of the cell after each pixel."""
    share: NDArray[np.float32]
    """Weight of the upper cell, 0 to 1."""
    cells: slice = slice(None)
    """The cells that the indices refer to."""

    def part(self, first: int, end: int) -> _Axis:
        """The same for a range of pixels, with indices into the cells that they need."""
        lower, upper = self.lower[first:end], self.upper[first:end]
        start = lower[0]
        cells = slice(int(start), int(upper[-1]) + 1)
        return _Axis(lower - start, upper - start, self.share[first:end], cells)


@lru_cache(maxsize=64)
def _sampling(transform: ImageTransform, grid_wh: tuple[int, int]) -> tuple[_Axis, _Axis]:
    """Where columns and rows of the source image lie on a grid that covers the network's input."""
    columns, rows = (_axis(*sizes) for sizes in axis_sizes(transform, grid_wh))
    return columns, rows


def axis_sizes(
    transform: ImageTransform, grid_wh: tuple[int, int]
) -> Iterator[tuple[int, int, int, int, int]]:
    """The arguments of `axis_on_grid`, for the columns and for the rows."""
    return zip(
        transform.source_wh,
        transform.content_wh,
        transform.offset_xy,
        transform.network_wh,
        grid_wh,
        strict=True,
    )


class AxisOnGrid(NamedTuple):
    """Pixel i of an axis lies at begin + (i + 0.5) × step - 0.5 cells, clamped to first … last."""

    begin: float
    step: float
    first: int
    last: int


def axis_on_grid(source: int, content: int, offset: int, network: int, cells: int) -> AxisOnGrid:
    """Where an axis of the source image lies on a grid that covers the network's input."""
    cells_a_pixel = cells / network
    begin, end = offset * cells_a_pixel, (offset + content) * cells_a_pixel
    # The cells whose center lies within the content.
    first = min(max(int(np.ceil(begin - 0.5)), 0), cells - 1)
    last = min(max(int(np.ceil(end - 0.5)) - 1, first), cells - 1)
    return AxisOnGrid(begin, (end - begin) / source, first, last)


def _axis(source: int, content: int, offset: int, network: int, cells: int) -> _Axis:
    begin, step, first, last = axis_on_grid(source, content, offset, network, cells)
    position = begin + (np.arange(source) + 0.5) * step - 0.5
    position = position.clip(first, last)
    lower = np.floor(position).astype(np.intp)
    upper = np.minimum(lower + 1, last)
    return _Axis(lower, upper, (position - lower).astype(np.float32))


def _widened(logits: NDArray[np.float32], columns: _Axis) -> NDArray[np.float32]:
    """The logits enlarged to one column per pixel; still one row per cell."""
    before = logits.take(columns.lower, axis=1)
    change = logits.take(columns.upper, axis=1)
    change -= before
    change *= columns.share
    change += before
    return change


def _paint(
    ids: NDArray[np.uint8] | NDArray[np.uint16],
    value: int,
    logits: NDArray[np.float32],
    rows: _Axis,
) -> None:
    """Set the pixels whose logit is above 0; `logits` has one row per cell."""
    change = np.diff(logits, axis=0, append=logits[-1:])
    height = max(_BLOCK_PX // logits.shape[1], 1)
    for top in range(0, len(ids), height):
        block = slice(top, top + height)
        lower = rows.lower[block]
        enlarged = change.take(lower, axis=0)
        enlarged *= rows.share[block, None]
        enlarged += logits.take(lower, axis=0)
        inside = (enlarged > 0).view(np.uint8)
        # Unlike a masked assignment in NumPy, this does not branch at every pixel.
        cv2.copyTo(np.full(inside.shape, value, ids.dtype), inside, ids[block])
