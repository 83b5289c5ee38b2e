"""What every engine gives: tensors in, tensors out, and what the model says of itself.

An engine knows nothing of images or boxes. `jetson_perception.engines.onnxruntime` is one; engines
on CUDA streams and TensorRT's implement the same protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.engines.metadata import ModelInfo


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    Attributes
    ----------
    name : str
        As the model names it.
    shape : tuple of int
        -1 for a dimension that is known only at run time.
    dtype : numpy dtype
        Element type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype


class Engine(Protocol):
    """A model that is ready to run. One thread at a time may call `infer`.

    Attributes
    ----------
    description : str
        Runtime and device for people, as 'ONNX Runtime 1.31.1, CPU, 2 threads'.
    info : ModelInfo
        What the model's metadata says: task, class names, input size, normalization.
    inputs, outputs : tuple of TensorSpec
        In the model's order.
    """

    description: str
    info: ModelInfo
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        """Outputs for one input tensor of shape (1, 3, h, w), in the order of `outputs`.

        The arrays are the caller's until the next call of `infer`; an engine may reuse them then.

        Raises
        ------
        ModelError
            When the tensor does not fit the model, or the runtime fails; with its own text.
        """
        ...

    def close(self) -> None:
        """Release what the engine holds; calling it twice is harmless."""
        ...
