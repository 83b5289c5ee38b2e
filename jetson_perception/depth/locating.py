"""Where in space the objects of an image are, by a depth image registered to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jetson_perception.depth.spatial_objects import SpatialObjects
from jetson_perception.depth.surfaces import LEAST_DEPTHS, Reach, reach_in_box, reach_in_mask
from jetson_perception.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.depth.depth_image import DepthImage
    from jetson_perception.depth.rays import Rays
    from jetson_perception.tasks.results import Detections

#: Of a box, at most so many rows and columns of depths are looked at.
_MOST_SAMPLES = 64
#: The share of a box's width or height whose depths say how far away that side is.
_EDGE = 0.06
#: The share of a surface's depths at each end that is taken for noise.
_OUTLIERS = 0.01
#: Around a keypoint, how far depths are looked at, as a share of the diagonal of its object.
_KEYPOINT_RADIUS = 0.015
_SMALLEST_RADIUS, _LARGEST_RADIUS = 1, 8


class _Grid(NamedTuple):
    """The pixels of a depth image that are looked at in a box."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def locate(
    found: Detections, depth: DepthImage, rays: Rays, image_wh: tuple[int, int]
) -> SpatialObjects:
    """The objects that have a depth, and where they are.

    Each object is the surface that its mask shows, or else the nearest one with a considerable
    share of the middle of its box (`surfaces`). Width and height are those of the box in the
    image, each side as far away as the surface beside it; along the optical axis it is the
    surface's extent.

    Parameters
    ----------
    found : Detections
        What was found in the image.
    depth : DepthImage
        Registered to the image: of the same view, at this or another resolution.
    rays : Rays
        Of the image's camera.
    image_wh : tuple of int
        Width and height of the image, pixels.

    Raises
    ------
    ImageError
        When the depth image has another aspect ratio.
    ParameterError
        When the calibration has.
    """
    _require_same_view(depth.size_wh, image_wh)
    locator = _Locator(found, depth, rays.for_size(image_wh), image_wh)
    rows, boxes, reaches = [], [], []
    for row in range(len(found)):
        located = locator.locate(row)
        if located is not None:
            rows.append(row)
            boxes.append(located[0])
            reaches.append(located[1])
    lows_and_highs = np.array(boxes, np.float64).reshape(-1, 2, 3)
    kept = replace(found, instance_ids=None)  # they are of the image, and take long to renumber
    if len(rows) < len(found):
        kept = kept[np.array(rows, np.intp)]
    return SpatialObjects(
        kept,
        lows_and_highs.mean(axis=1),
        lows_and_highs[:, 1] - lows_and_highs[:, 0],
        None if found.keypoints is None else locator.keypoints(rows, reaches),
        len(found) - len(rows),
    )


def _require_same_view(depth_wh: tuple[int, int], image_wh: tuple[int, int]) -> None:
    (width, height), (image_width, image_height) = depth_wh, image_wh
    # As far as rounding to whole pixels explains.
    if abs(width * image_height - height * image_width) > max(*depth_wh, *image_wh):
        raise ImageError(
            f'the depth image is {width}×{height}, the image {image_width}×{image_height}, which '
            'is another aspect ratio: it cannot be registered to the image; take the depth topic '
            "that the camera's driver aligns to the colour image"
        )


class _Locator:
    """Locates the objects of one image."""

    def __init__(
        self, found: Detections, depth: DepthImage, rays: Rays, image_wh: tuple[int, int]
    ) -> None:
        self._found = found
        self._depth = depth
        self._rays = rays
        self._scale = np.array(depth.size_wh, np.float64) / image_wh
        self._corners = self._slopes_of_sides(found.xyxy.astype(np.float64))

    def _slopes_of_sides(self, xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Slopes of the middles of the left, upper, right and lower side, shape (n, 4, 2)."""
        left, top, right, bottom = xyxy.T
        middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
        points = [(left, middle_y), (middle_x, top), (right, middle_y), (middle_x, bottom)]
        stacked = np.stack([np.stack(point, axis=-1) for point in points], axis=1)
        return self._rays.slopes(stacked.reshape(-1, 2)).reshape(-1, 4, 2)

    def locate(self, row: int) -> tuple[list[list[float]], Reach] | None:
        """The lowest and highest x, y and z of an object, and its surface; None without depth."""
        grid = self._grid(row)
        if grid is None or not np.isfinite(self._corners[row]).all():
            return None
        depth = self._depth.meters(*grid)
        mask = self._mask(row, grid)
        if mask is None:
            reach = reach_in_box(depth)
        else:
            depth = np.where(mask, depth, np.float32(np.nan))
            reach = reach_in_mask(depth[mask])
        if reach is None:
            return None
        surface = np.where(reach.holds(depth), depth, np.float32(np.nan))
        return self._box(row, surface), reach

    def _box(self, row: int, surface: NDArray[np.float32]) -> list[list[float]]:
        depths = np.sort(surface[np.isfinite(surface)])
        trimmed = int(_OUTLIERS * len(depths))
        nearest, farthest = depths[trimmed], depths[len(depths) - 1 - trimmed]
        usual = float(depths[len(depths) // 2])
        tall, wide = (max(1, round(_EDGE * side)) for side in surface.shape)
        left, top, right, bottom = self._corners[row]
        return [
            [
                left[0] * _depth_of(surface[:, :wide], usual),
                top[1] * _depth_of(surface[:tall], usual),
                float(nearest),
            ],
            [
                right[0] * _depth_of(surface[:, -wide:], usual),
                bottom[1] * _depth_of(surface[-tall:], usual),
                float(farthest),
            ],
        ]

    def _grid(self, row: int) -> _Grid | None:
        """The depths of a box; None where it is empty or outside of the image."""
        low = self._found.xyxy[row, :2].astype(np.float64) * self._scale
        high = self._found.xyxy[row, 2:].astype(np.float64) * self._scale
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            return None
        if (high <= low).any() or (high <= 0).any() or (low >= self._depth.size_wh).any():
            return None
        # Pixels whose centers are in the box, or else the one in its middle.
        first = np.ceil(low - 0.5)
        last = np.floor(high - 0.5)
        middle = np.floor((low + high) / 2)
        first, last = (np.where(last < first, middle, each) for each in (first, last))
        most = np.array(self._depth.size_wh) - 1
        first = np.clip(first, 0, most).astype(np.intp)
        last = np.clip(last, 0, most).astype(np.intp)
        columns, rows = (_sampled(first[axis], last[axis]) for axis in (0, 1))
        return _Grid(rows, columns)

    def _mask(self, row: int, grid: _Grid) -> NDArray[np.bool_] | None:
        """Which of a grid's pixels the mask of an object has; None without masks."""
        ids = self._found.instance_ids
        if ids is None:
            return None
        height, width = ids.shape
        depth_width, depth_height = self._depth.size_wh
        rows = ((grid.rows + 0.5) * (height / depth_height)).astype(np.intp)
        columns = ((grid.columns + 0.5) * (width / depth_width)).astype(np.intp)
        return np.asarray(ids[rows[:, None], columns] == row + 1)

    def keypoints(self, rows: list[int], reaches: list[Reach]) -> NDArray[np.float64]:
        """Keypoints of objects in space, shape (n, k, 3); NaN where they have no depth."""
        points = self._found.keypoints
        assert points is not None, 'only of a model that has them'
        chosen = points[rows, :, :2].astype(np.float64)
        slopes = self._rays.slopes(chosen.reshape(-1, 2)).reshape(chosen.shape)
        depths = np.full(chosen.shape[:2], np.nan)
        for index, (row, reach) in enumerate(zip(rows, reaches, strict=True)):
            left, top, right, bottom = self._found.xyxy[row].astype(np.float64)
            radius_xy = _KEYPOINT_RADIUS * np.hypot(right - left, bottom - top) * self._scale
            radius = np.clip(np.rint(radius_xy), _SMALLEST_RADIUS, _LARGEST_RADIUS).astype(int)
            for number, point in enumerate(chosen[index] * self._scale):
                depths[index, number] = self._depth_at(point, radius, reach)
        return np.concatenate((slopes, np.ones_like(slopes[..., :1])), axis=2) * depths[..., None]

    def _depth_at(
        self, point: NDArray[np.float64], radius: NDArray[np.int_], reach: Reach
    ) -> float:
        """The object's depth around a point of the depth image; NaN where there is none.

        A wrist may be before the body and a foot behind it, but not by more than the surface is
        deep: what is farther away is the background beside a thin limb.
        """
        width, height = self._depth.size_wh
        if not (0 <= point[0] < width and 0 <= point[1] < height):
            return np.nan
        column, row = int(point[0]), int(point[1])
        rows = np.arange(max(row - radius[1], 0), min(row + radius[1] + 1, height))
        columns = np.arange(max(column - radius[0], 0), min(column + radius[0] + 1, width))
        depth = self._depth.meters(rows, columns)
        of_object = depth[reach.holds(depth)]
        return _middle(of_object) if of_object.size else np.nan


def _sampled(first: int, last: int) -> NDArray[np.intp]:
    """Whole numbers from the first to the last, or as many evenly spread as are looked at."""
    count = min(last - first + 1, _MOST_SAMPLES)
    return np.rint(np.linspace(first, last, count)).astype(np.intp)


def _depth_of(surface: NDArray[np.float32], usual: float) -> float:
    """How far a side of a box is away: as the surface beside it is, if enough of it is seen."""
    depths = surface[np.isfinite(surface)]
    return _middle(depths) if depths.size >= LEAST_DEPTHS else usual


def _middle(depths: NDArray[np.float32]) -> float:
    """The median of a few numbers, without the time that `np.median` takes for any."""
    half = len(depths) // 2
    return float(np.partition(depths, half)[half])
