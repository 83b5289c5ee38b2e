"""What makes scores of a network's logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of logits, each by itself; any shape, a new array."""
    with np.errstate(over='ignore'):  # exp gives infinity, and 1 / infinity is 0
        return np.float32(1) / (1 + np.exp(-logits))
