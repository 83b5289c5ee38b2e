"""What makes scores of a network's logits: the sigmoid and the softmax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray


_ONE_OFF = 1e-6
_MOST_OFF_OF_EIGHT_BITS = 0.5
_MOST_STEPS = 256
_SAMPLE = 10_000
_MOST_OFF = 2e-3  # the sum of a softmax over a thousand classes in float16


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of logits, each by itself; any shape, a new array."""
    with np.errstate(over='ignore'):  # exp gives infinity, and 1 / infinity is 0
        return np.float32(1) / (1 + np.exp(-logits))


def softmax(logits: NDArray[np.float32], axis: int = 1) -> NDArray[np.float32]:
    """Probabilities of logits that sum to 1 along an axis; any shape, a new array."""
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def is_softmaxed(values: NDArray[Any], axis: int) -> bool:
    """Whether values are those of a softmax: from 0 to 1, with a sum of 1 along an axis.

    Each may be rounded to eight bits, as in an INT8 export; then the sum is off by up to half a
    step a class. Where most of many classes are rounded to 0, so that it is off by more than a
    half, nothing tells.

    Logits are so by chance only. An axis of one value tells nothing.
    """
    count = values.shape[axis]
    # A 1 in steps of float32(1 / 255) may be a little more.
    if not values.size or count < 2 or not (values.min() >= 0 and values.max() <= 1 + _ONE_OFF):
        return False
    off = np.abs(values.sum(axis=axis, dtype=np.float64) - 1).max()
    if off < _MOST_OFF:
        return True
    rounding = min(count / 2 / 255 + _MOST_OFF, _MOST_OFF_OF_EIGHT_BITS)
    return bool(off <= rounding and _are_of_eight_bits(values))


def _are_of_eight_bits(values: NDArray[Any]) -> bool:
    """Whether values from 0 to 1 are multiples of one step, as those of eight bits are."""
    flat = values.reshape(-1)
    # Few values are enough to see that they are of more bits, and maps have millions.
    if len(np.unique(flat[:_SAMPLE])) > _MOST_STEPS:
        return False
    distinct = np.unique(flat).astype(np.float64)
    if len(distinct) > _MOST_STEPS:
        return False
    highest = distinct[-1]
    rounding = _MOST_STEPS * float(np.finfo(values.dtype).eps)
    # A calibration may have found less than 1, and integers with a sign have half the steps.
    for count in range(math.ceil(highest * 100), min(int(highest * 510), _MOST_STEPS) + 1):
        places = distinct / highest * count
        if np.abs(places - np.rint(places)).max() <= rounding:
            return True
    return False
