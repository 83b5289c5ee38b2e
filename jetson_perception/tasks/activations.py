"""What makes scores of a network's logits: the sigmoid and the softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of logits, each by itself; any shape, a new array."""
    with np.errstate(over='ignore'):  # exp gives infinity, and 1 / infinity is 0
        return np.float32(1) / (1 + np.exp(-logits))


def softmax(logits: NDArray[np.float32], axis: int = 1) -> NDArray[np.float32]:
    """Probabilities of logits that sum to 1 along an axis; any shape, a new array."""
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)
