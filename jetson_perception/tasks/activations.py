"""What makes scores of a network's logits: the sigmoid and the softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray


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

    Logits are so by chance only. An axis of one value tells nothing.
    """
    if not values.size or values.shape[axis] < 2 or values.min() < 0 or values.max() > 1:
        return False
    sums = values.sum(axis=axis, dtype=np.float64)
    return bool(np.abs(sums - 1).max() < _MOST_OFF)
