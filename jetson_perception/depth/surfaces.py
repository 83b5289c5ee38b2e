"""Which of the depths in a box are those of its object.

A box holds background too, so neither mean nor median of its depths is the object's: the mean lies
between both, and the median is the background's for anything thin. As in Frustum PointNets (Qi et
al., 2018, section 4), the box is a frustum in which the object is to be told from what is before
and behind it. Here it is the nearest surface with a considerable share of the middle of the box:
depths are counted in steps of equal ratio, as the errors of stereo and structured light grow with
the distance, and a surface is a row of steps that are filled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Depths that differ by less are of one step; a step or two without any do not end a surface.
_STEP = np.log(1.02)
_MOST_EMPTY_STEPS = 2
#: What a step's bounds are widened by: depths are assigned to steps in float32.
_ROUNDING = 1e-5
#: A step with a smaller share of the depths is noise: edges give depths in between.
_LEAST_OF_STEP = 0.005
#: What the nearest surface must have of the depths in the middle of a box.
_LEAST_OF_CORE = 0.2
#: The middle of a box, as a share of its width and height.
_CORE = 0.5
#: Fewer depths are no measurement.
LEAST_DEPTHS = 5
#: Of all pixels looked at, those with a depth must be at least this share.
_LEAST_MEASURED = 0.02


class Reach(NamedTuple):
    """From where to where a surface goes along the optical axis, metres."""

    nearest: float
    farthest: float

    def holds(self, depth: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which depths are of the surface; NaN is not."""
        return (depth >= self.nearest) & (depth <= self.farthest)


def reach_in_mask(depth: NDArray[np.float32]) -> Reach | None:
    """The surface that most pixels of a mask show; None where too little was measured.

    Parameters
    ----------
    depth : ndarray, float32
        Of the pixels of the mask, metres, more than 0; NaN where nothing was measured.
    """
    found = _surfaces(depth)
    return max(found, key=lambda each: each[1])[0] if found else None


def reach_in_box(depth: NDArray[np.float32]) -> Reach | None:
    """The surface of the object in a box; None where too little was measured.

    Parameters
    ----------
    depth : ndarray, shape (h, w), float32
        Of the box, metres, more than 0; NaN where nothing was measured.
    """
    found = _surfaces(_core(depth))
    if not found:
        return None
    large = [reach for reach, share in found if share >= _LEAST_OF_CORE]
    reach = large[0] if large else max(found, key=lambda each: each[1])[0]
    # The middle half shows half of a slanted surface, and less of a round one.
    ratio = reach.farthest / reach.nearest * np.exp(2 * _STEP)
    return Reach(reach.nearest / ratio, reach.farthest * ratio)


def _core(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = depth.shape
    top, left = (int(side * (1 - _CORE) / 2) for side in (rows, columns))
    return depth[top : rows - top, left : columns - left]


def _surfaces(depth: NDArray[np.float32]) -> list[tuple[Reach, float]]:
    """All surfaces, the nearest first, and the share that each has of the depths measured."""
    measured = depth[np.isfinite(depth)]
    if measured.size < max(LEAST_DEPTHS, _LEAST_MEASURED * depth.size):
        return []
    steps = np.floor(np.log(measured) * np.float32(1 / _STEP)).astype(np.intp)
    first = int(steps.min())
    counts = np.bincount(steps - first)
    present = np.flatnonzero(counts >= max(1.0, _LEAST_OF_STEP * measured.size))
    if not len(present):
        return []
    counts = counts[present]
    ends = np.flatnonzero(np.diff(present) > _MOST_EMPTY_STEPS + 1)
    begins = np.concatenate(([0], ends + 1))
    ends = np.concatenate((ends, [len(present) - 1]))
    return [
        (
            Reach(
                float(np.exp((first + present[begin]) * _STEP)) * (1 - _ROUNDING),
                float(np.exp((first + present[end] + 1) * _STEP)) * (1 + _ROUNDING),
            ),
            float(counts[begin : end + 1].sum() / measured.size),
        )
        for begin, end in zip(begins, ends, strict=True)
    ]
