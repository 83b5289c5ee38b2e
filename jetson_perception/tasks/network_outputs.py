"""What a network gave when it was run once, to tell what its outputs hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class NetworkOutputs:
    """The outputs of a run on a black image.

    Attributes
    ----------
    names : sequence of str
        As the file calls them.
    arrays : sequence of ndarray
        What they held.
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    """

    names: Sequence[str]
    arrays: Sequence[NDArray[Any]]
    network_wh: tuple[int, int]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of all outputs."""
        return [each.shape for each in self.arrays]

    @property
    def dtype(self) -> np.dtype:
        """Element type of the first."""
        return self.arrays[0].dtype
