"""How far a depth model is off: the figures of KITTI's and NYU's benchmarks.

Written after Eigen, Puhrsch, Fergus: Depth Map Prediction from a Single Image using a Multi-Scale
Deep Network, NIPS 2014, arXiv:1406.2283; depth without a unit is aligned first, after Ranftl,
Lasinger, Hafner, Schindler, Koltun: Towards Robust Monocular Depth Estimation (MiDaS), TPAMI 2022,
arXiv:1907.01341.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.evaluation.evaluators import FigureTable, or_none

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.evaluation.datasets import DepthDataset, LabelledDepth
    from jetson_perception.models import DepthModel
    from jetson_perception.tasks.results import DepthMap

_LEAST_M = 1e-3


class DepthErrors(NamedTuple):
    """How far depth is off in one picture, or on average.

    Attributes
    ----------
    abs_rel : float
        Mean of |found - true| / true.
    rmse_m : float
        Root of the mean of (found - true)**2, metres.
    within : tuple of 3 floats
        Share of the pixels where max(found / true, true / found) is below 1.25, 1.5625 and 1.9531.
    """

    abs_rel: float
    rmse_m: float
    within: tuple[float, float, float]


def depth_errors(found: NDArray[np.float64], true: NDArray[np.float64]) -> DepthErrors:
    """How far depths are off, both in metres, more than 0, of the same shape and not empty."""
    off = found - true
    ratio = np.maximum(found / true, true / found)
    first, second, third = (float(np.mean(ratio < 1.25**power)) for power in (1, 2, 3))
    return DepthErrors(
        float(np.mean(np.abs(off) / true)),
        math.sqrt(float(np.mean(off**2))),
        (first, second, third),
    )


def aligned(values: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values times a scale plus a shift, by which they are nearest to others (least squares).

    The scale is not negative: values that fall where the others rise are of another meaning, and
    all become the others' mean, as equal ones do.
    """
    around, middle = values - values.mean(), wanted.mean()
    square = float(np.mean(around**2))
    covariance = float(np.mean(around * (wanted - middle)))
    scale = covariance / square if square > 0 and covariance > 0 else 0.0
    return np.asarray(middle + scale * around)


class DepthEvaluator:
    """Evaluates depth from one image against measured depth, picture by picture.

    Metres are compared as they are. Relative depth is aligned by a scale and a shift of each
    picture, and relative inverse depth likewise, to 1 / depth. Figures are means over pictures;
    what is farther than the dataset's `most_m` does not count, and what is found is at most that.

    Parameters
    ----------
    model : DepthModel
        The model to evaluate.
    dataset : DepthDataset
        The dataset to compare it with.
    """

    class_names: tuple[str, ...] = ()

    def __init__(self, model: DepthModel, dataset: DepthDataset) -> None:
        self.picture_count = 0
        #: How many pictures have no pixel with a depth that counts.
        self.empty_count = 0
        self.errors: list[DepthErrors] = []
        self._model, self._most_m = model, dataset.most_m

    def add(self, picture: LabelledDepth) -> None:
        """Run the model on a picture and count.

        Raises
        ------
        ImageError
            When the truth has another size than the picture.
        """
        if picture.truth.shape != picture.bgr.shape[:2]:
            raise ImageError(
                f'{picture.name}: its depth is {picture.truth.shape}; expected '
                f'{picture.bgr.shape[:2]}, as the picture'
            )
        self.picture_count += 1
        with np.errstate(invalid='ignore'):
            counts = picture.truth <= self._most_m  # not NaN
        if not counts.any():
            self.empty_count += 1
            return
        true = picture.truth[counts].astype(np.float64)
        found = self._in_meters(self._model(picture.bgr), counts, true)
        self.errors.append(depth_errors(found, true))

    def mean(self) -> DepthErrors:
        """The means over all pictures; NaN if there is none."""
        if not self.errors:
            return DepthErrors(math.nan, math.nan, (math.nan,) * 3)
        rows = [(each.abs_rel, each.rmse_m, *each.within) for each in self.errors]
        abs_rel, rmse_m, *within = np.mean(rows, axis=0).tolist()
        return DepthErrors(abs_rel, rmse_m, tuple(within))

    def table(self) -> FigureTable:
        """All figures."""
        means = self.mean()
        shares = (
            (f'δ < {limit}', (share,))
            for limit, share in zip(('1.25', '1.5625', '1.9531'), means.within, strict=True)
        )
        rows: list[tuple[str, tuple[float | str, ...]]] = [
            ('abs rel', (means.abs_rel,)),
            ('RMSE, m', (means.rmse_m,)),
            *shares,
        ]
        return FigureTable((self._what(), 'mean'), rows, [])

    def means(self) -> dict[str, float]:
        """The figures that tables show for several models side by side."""
        means = self.mean()
        return {
            'abs rel': means.abs_rel,
            'RMSE, m': means.rmse_m,
            'δ < 1.25': means.within[0],
        }

    def classes_left_out(self) -> tuple[str, ...]:
        """None: there are no classes."""
        return ()

    def figures(self) -> dict[str, Any]:
        """What was measured, in JSON's types; None for what has no value."""
        means = self.mean()
        first, second, third = map(or_none, means.within)
        return {
            'pictures': self.picture_count,
            'pictures_without_depth': self.empty_count,
            'values': self._model.layout.values,
            'max_depth_m': self._most_m,
            'abs_rel': or_none(means.abs_rel),
            'rmse_m': or_none(means.rmse_m),
            'delta_1_25': first,
            'delta_1_25_2': second,
            'delta_1_25_3': third,
        }

    def _what(self) -> str:
        return 'depth' if self._model.layout.values == 'metric' else 'depth, aligned'

    def _in_meters(
        self, found: DepthMap, counts: NDArray[np.bool_], true: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What was found at the pixels that count, 1 mm to `most_m`."""
        values = found.values[counts].astype(np.float64)
        if found.meaning == 'relative':
            values = aligned(values, true)
        elif found.meaning == 'inverse':
            # As MiDaS: what is farther than anything, or behind the camera, is as far as can be.
            values = 1 / np.maximum(aligned(values, 1 / true), 1 / self._most_m)
        else:  # no depth in front of the camera
            values[np.isnan(values)] = _LEAST_M
        return np.clip(values, _LEAST_M, self._most_m)
