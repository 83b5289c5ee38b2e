"""What every engine gives: tensors in, tensors out, and what the model says of itself.

An engine knows nothing of images or boxes. One that runs on a GPU is a `CudaEngine`, which is what
`isinstance` tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.model_info import ModelInfo


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
    """What runs a model. One thread at a time may call `infer`.

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

    def bind_thread(self) -> None:
        """Make the calling thread the one that runs frames; an engine on the CPU needs none.

        Raises
        ------
        ModelError, CudaError
            When the engine cannot run there.
        """
        ...

    def interrupt(self) -> None:
        """Make an inference under way fail soon, if the runtime can; from any thread."""
        ...

    def close(self) -> None:
        """Release what the engine holds; calling it twice is harmless."""
        ...


@runtime_checkable
class CudaEngine(Engine, Protocol):
    """An engine that can also run on buffers on the GPU, on a stream of its own.

    The way of a frame in a lane's thread, with the context pushed (`device.pushed()`)::

        engine.bind_thread()                                   # once
        engine.input_buffer.copy_from_device(tensor, engine.stream)
        engine.enqueue()
        ...                                                    # kernels that read output_buffers

    `infer` does all of that at once, for callers that have the tensor on the host.

    Attributes
    ----------
    device : CudaDevice
    stream : Stream
        Everything of this engine happens on it.
    input_buffer : DeviceBuffer
        Shape and dtype of `inputs[0]`; its address never changes.
    output_buffers : tuple of DeviceBuffer
        In the order of `outputs`, with their shapes, none of them open; their addresses never
        change.
    """

    device: CudaDevice
    stream: Stream
    input_buffer: DeviceBuffer
    output_buffers: tuple[DeviceBuffer, ...]

    def bind_thread(self) -> None:
        """Make the calling thread the one that may `enqueue`; warms up, and captures the graph.

        To be called once in that thread before the first `enqueue`; again where it is bound
        already does nothing. One engine of the process at a time does this, and no other work
        should be under way on the GPU.

        Raises
        ------
        ModelError
            When the runtime fails; with its own text.
        CudaError
            When the GPU does.
        """
        ...

    def enqueue(self) -> None:
        """Put one inference on `stream`: `input_buffer` is read, `output_buffers` are written.

        Returns without waiting for the GPU. Only from the thread that called `bind_thread`, with
        the context pushed.

        Raises
        ------
        ModelError
            When the runtime fails, the engine is closed, or the thread is another one.
        """
        ...
