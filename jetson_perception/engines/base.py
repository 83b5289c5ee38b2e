"""The protocols of engines: tensors in, tensors out, and the metadata of the model.

An engine knows nothing of images or boxes. One that runs on a GPU is a `CudaEngine`; check with
`isinstance`.
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
        Its name in the model.
    shape : tuple of int
        -1 for a dimension that is known only at run time.
    dtype : numpy dtype
        Element type.
    open_dimensions : tuple of str
        Which of 'batch', 'height' and 'width' of an image the model leaves open, where `shape` has
        what is in use.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    open_dimensions: tuple[str, ...] = ()


class Engine(Protocol):
    """Runs a model. One thread at a time may call `infer`.

    Attributes
    ----------
    description : str
        Runtime and device in words, such as 'ONNX Runtime 1.31.1, CPU, 2 threads'.
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
        """Outputs for one tensor of the shape and type in `inputs`, in the order of `outputs`.

        An engine that has an attribute `max_batch` takes up to so many images at a time. One
        that has `shareable`, and it is true, may be called by several threads at once.

        The arrays are valid until the next call of `infer`, which may reuse them.

        Raises
        ------
        ModelError
            When the tensor does not fit the model, or the runtime fails; the message has the
        runtime's text.
        """
        ...

    def bind_thread(self) -> None:
        """Make the calling thread the one that runs frames; does nothing on the CPU.

        Raises
        ------
        ModelError, CudaError
            When the engine cannot run there.
        """
        ...

    def interrupt(self) -> None:
        """Make a running inference fail soon, if the runtime can; from any thread."""
        ...

    def close(self) -> None:
        """Release all resources; may be called twice."""
        ...


@runtime_checkable
class CudaEngine(Engine, Protocol):
    """An engine that can also run on GPU buffers, on its own stream.

    How a lane's thread runs a frame, with the context pushed (`device.pushed()`)::

        engine.bind_thread()                                   # once
        engine.input_buffer.copy_from_device(tensor, engine.stream)
        engine.enqueue()
        ...                                                    # kernels that read output_buffers

    `infer` does all of this at once, for a tensor on the host.

    Attributes
    ----------
    device : CudaDevice
    stream : Stream
        All work of this engine runs on it.
    input_buffer : DeviceBuffer
        Shape and dtype of `inputs[0]`; its address never changes.
    output_buffers : tuple of DeviceBuffer
        In the order of `outputs`; their shapes are complete, and their addresses never change.
    """

    device: CudaDevice
    stream: Stream
    input_buffer: DeviceBuffer
    output_buffers: tuple[DeviceBuffer, ...]

    def bind_thread(self) -> None:
        """Make the calling thread the one that may `enqueue`; warms up, and captures the graph.

        Call it in that thread before the first `enqueue`; if the thread is bound already, it does
        nothing. One engine per process may do this at a time, while the GPU does no other work.

        Raises
        ------
        ModelError
            When the runtime fails; the message has the runtime's text.
        CudaError
            When the GPU fails.
        """
        ...

    def enqueue(self) -> None:
        """Enqueue one inference on `stream`: it reads `input_buffer` and writes `output_buffers`.

        Returns without waiting for the GPU. Call it only from the thread that called
        `bind_thread`, with the context pushed.

        Raises
        ------
        ModelError
            When the runtime fails, the engine is closed, or the thread is not the bound one.
        """
        ...
