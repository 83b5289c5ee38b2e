"""The head of an anchor-free YOLO network: from its last feature maps to boxes and keypoints.

Exported models compute this with some thirty small operators behind the last convolutions. An
engine may leave them to one kernel (`cuda.yolo_head`), which does the same as this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.tasks.activations import sigmoid, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_BINS = 16
"""Maximum number of bins in the distribution of an edge; Ultralytics' networks have 16, or 1."""


@dataclass(frozen=True)
class HeadLayout:
    """What the maps of a head hold, level by level.

    Attributes
    ----------
    grids_wh : tuple of tuple of int
        Columns and rows of cells in each level.
    strides : tuple of int
        Size of a cell in pixels of the network's input, for each level.
    bins : int
        Size of the distribution of an edge's distance in cells: 0, 1, … bins - 1. With one bin,
        its value is the distance itself.
    class_count : int
        Number of classes.
    extra_count : int
        Values per anchor after those of the classes: keypoints, or mask coefficients.
    keypoint_depth : int
        Values per keypoint, 2 (x, y) or 3 (x, y, score); 0 where the extra values are no
        keypoints and stay as they are.
    """

    grids_wh: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]
    bins: int
    class_count: int
    extra_count: int = 0
    keypoint_depth: int = 0

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each level's maps: boxes, scores and, if any, extra values."""
        some = (4 * self.bins, self.class_count, self.extra_count)
        return some if self.extra_count else some[:2]

    def map_shapes(self, *, channels_last: bool = False) -> list[tuple[int, int, int, int]]:
        """Shapes of all levels' maps: (1, channels, height, width), or with channels last."""
        return [
            (1, height, width, count) if channels_last else (1, count, height, width)
            for width, height in self.grids_wh
            for count in self.channels
        ]

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """Shape of the network's output: (1, values, anchors)."""
        anchors = sum(width * height for width, height in self.grids_wh)
        return 1, 4 + self.class_count + self.extra_count, anchors


def decode_head(
    layout: HeadLayout, maps: Sequence[Sequence[NDArray[np.floating]]]
) -> NDArray[np.float32]:
    """The network's output for the maps of its last convolutions.

    Parameters
    ----------
    layout : HeadLayout
        What the maps hold.
    maps : sequence of sequence of ndarray, shape (1, channels, height, width)
        The maps of each level, as `HeadLayout.channels` lists them; float32 or float16.

    Returns
    -------
    ndarray, shape (1, values, anchors), float32
        For each anchor: center x, y, width, height in pixels of the network's input; score of each
        class; then the extra values, such as x, y and score of each keypoint.

    Notes
    -----
    This is the head of Ultralytics' YOLOv8, 9, 11 and 12. The distances to the four edges are the
    means of distributions (Li et al., Generalized Focal Loss, https://arxiv.org/abs/2006.04388).
    """
    levels = zip(layout.grids_wh, layout.strides, maps, strict=True)
    return np.concatenate([_decode_level(layout, *level) for level in levels], axis=1)[None]


def _decode_level(
    layout: HeadLayout,
    grid_wh: tuple[int, int],
    stride: int,
    maps: Sequence[NDArray[np.floating]],
) -> NDArray[np.float32]:
    width, height = grid_wh
    boxes, scores, *extras = (
        each.astype(np.float32).reshape(count, height * width)
        for each, count in zip(maps, layout.channels, strict=True)
    )
    cells = np.indices((height, width), np.float32)[::-1].reshape(2, -1)  # x, y
    sides = _distances(boxes.reshape(4, layout.bins, -1))
    low, high = cells + 0.5 - sides[:2], cells + 0.5 + sides[2:]
    rows = [(low + high) / 2 * stride, (high - low) * stride, sigmoid(scores)]
    if extras and layout.keypoint_depth:
        points = extras[0].reshape(-1, layout.keypoint_depth, height * width)
        points[:, :2] = (points[:, :2] * 2 + cells) * stride
        points[:, 2:] = sigmoid(points[:, 2:])
        extras = [points.reshape(layout.extra_count, -1)]
    return np.concatenate(rows + extras)


def _distances(bins: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean distances: from (4, bins, cells) to (4, cells)."""
    count = bins.shape[1]
    if count == 1:
        return bins[:, 0]
    shares = softmax(bins)
    numbers = np.arange(count, dtype=np.float32)
    return np.asarray(np.einsum('sbc,b->sc', shares, numbers), np.float32)
