"""Kalman filters of many boxes at once, with steps of any length.

A box is its center, width and height, and each of these four moves with a velocity that changes
little. They are filtered independently of each other, so no matrix is inverted: the covariance of
each is three numbers.

The noise grows with the box, as in DeepSORT (Wojke, Bewley, Paulus: Simple Online and Realtime
Tracking with a Deep Association Metric, ICIP 2017), along width and height as in BoT-SORT
(Aharon, Orfaig, Bobrovsky, arXiv:2206.14651). They give it for each frame of a video of 30 Hz;
here it grows with the time that has passed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HZ = 30.0
# Shares of the box's size: deviations of a measurement, and of what a frame of 1 / _HZ adds.
_MEASURED = 1 / 20
_MOVED = 1 / 20
_ACCELERATED = 1 / 160
_MOVED_A_SECOND = _MOVED**2 * _HZ
_ACCELERATED_A_SECOND = (_ACCELERATED * _HZ) ** 2 * _HZ
_FIRST_POSITION = (2 * _MEASURED) ** 2
# DeepSORT has 10, which expects nothing to move by a third of its size in a frame.
_FIRST_VELOCITY = (30 * _ACCELERATED * _HZ) ** 2

#: So near to the edge of the image, as a share of its size, a box is cut by it.
_AT_EDGE = 0.05

POSITION, VELOCITY, POSITION_VARIANCE, COVARIANCE, VELOCITY_VARIANCE = range(5)
"""The rows of a state, each with four columns: center x, center y, width, height."""

_SIZE = (2, 3, 2, 3)


def to_centers(xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
    """Center x, center y, width and height of corners, shape (n, 4)."""
    first, last = xyxy[:, :2].astype(np.float64), xyxy[:, 2:].astype(np.float64)
    return np.concatenate(((first + last) / 2, last - first), axis=1)


def to_corners(centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, top, right and bottom of centers and sizes, shape (n, 4)."""
    half = centers[:, 2:] / 2
    return np.concatenate((centers[:, :2] - half, centers[:, :2] + half), axis=1)


def first_states(measured: NDArray[np.float64]) -> NDArray[np.float64]:
    """States of boxes that are seen for the first time.

    Parameters
    ----------
    measured : ndarray, shape (n, 4)
        Centers and sizes, pixels.

    Returns
    -------
    ndarray, shape (n, 5, 4)
    """
    state = np.zeros((len(measured), 5, 4))
    variance = _scale(measured) ** 2
    state[:, POSITION] = measured
    state[:, POSITION_VARIANCE] = _FIRST_POSITION * variance
    state[:, VELOCITY_VARIANCE] = _FIRST_VELOCITY * variance
    return state


def unseen(state: NDArray[np.float64], size_wh: tuple[int, int]) -> NDArray[np.float64]:
    """States of boxes that were not seen last: their width and height stay as they are.

    Where the edge of the image cuts a box, only the other side moves with the object that comes or
    goes, and the center half as fast; from now on the center moves as that side did.

    Parameters
    ----------
    state : ndarray, shape (n, 5, 4)
        Not changed.
    size_wh : tuple of int
        The image's size.

    Returns
    -------
    ndarray, shape (n, 5, 4)
    """
    after = state.copy()
    centers, size = state[:, POSITION, :2], state[:, POSITION, 2:]
    near = _AT_EDGE * size
    is_cut_first = centers - size / 2 <= near
    is_cut_last = centers + size / 2 >= size_wh - near
    growth = state[:, VELOCITY, 2:] / 2
    after[:, VELOCITY, :2] += growth * (is_cut_first.astype(int) - is_cut_last)
    after[:, VELOCITY, 2:] = 0
    return after


def predict(
    state: NDArray[np.float64], elapsed_s: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """States after some time in which nothing was measured.

    Parameters
    ----------
    state : ndarray, shape (n, 5, 4)
        Not changed.
    elapsed_s : float or ndarray, shape (n, 1)
        How long, seconds; not negative.

    Returns
    -------
    ndarray, shape (n, 5, 4)
    """
    position, velocity, variance, covariance, velocity_variance = np.moveaxis(state, 1, 0)
    after = np.empty_like(state)
    unit = _scale(position) ** 2
    acceleration = _ACCELERATED_A_SECOND * unit
    after[:, POSITION] = position + velocity * elapsed_s
    np.maximum(after[:, POSITION, 2:], 1.0, out=after[:, POSITION, 2:])
    after[:, VELOCITY] = velocity
    after[:, POSITION_VARIANCE] = variance + elapsed_s * (
        2 * covariance
        + elapsed_s * (velocity_variance + elapsed_s / 3 * acceleration)
        + _MOVED_A_SECOND * unit
    )
    after[:, COVARIANCE] = covariance + elapsed_s * (
        velocity_variance + elapsed_s / 2 * acceleration
    )
    after[:, VELOCITY_VARIANCE] = velocity_variance + elapsed_s * acceleration
    return after


def correct(state: NDArray[np.float64], measured: NDArray[np.float64]) -> NDArray[np.float64]:
    """States after a measurement of each, shape (n, 4); shape (n, 5, 4)."""
    position, velocity, variance, covariance, velocity_variance = np.moveaxis(state, 1, 0)
    after = np.empty_like(state)
    noise = variance + (_MEASURED * _scale(position)) ** 2
    gain, velocity_gain = variance / noise, covariance / noise
    surprise = measured - position
    after[:, POSITION] = position + gain * surprise
    np.maximum(after[:, POSITION, 2:], 1.0, out=after[:, POSITION, 2:])
    after[:, VELOCITY] = velocity + velocity_gain * surprise
    after[:, POSITION_VARIANCE] = (1 - gain) * variance
    after[:, COVARIANCE] = (1 - gain) * covariance
    after[:, VELOCITY_VARIANCE] = velocity_variance - velocity_gain * covariance
    return after


def measurement_noise(centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The deviation of measured centers, along x and y, pixels; shape (n, 2)."""
    return _MEASURED * _scale(centers)[:, :2]


def _scale(centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """What noise is a share of, for each column, pixels: the width or the height, at least 1."""
    return np.maximum(centers[:, _SIZE], 1.0)
