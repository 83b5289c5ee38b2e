"""What every engine offers: tensors in, tensors out, and what is known of its model.

An engine knows nothing of images or boxes. `Engine` is the protocol of all engines; those that run
on a CUDA stream derive from `CudaEngine`, and `isinstance` tells them apart.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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

    @abstractmethod
    def bind_thread(self) -> None:
        """Make the calling thread the one that runs the engine; nothing to do on a CPU.

        Raises
        ------
        ModelError
            When the runtime fails; with its own text.
        CudaError
            When the GPU does.
        """
        ...

    @abstractmethod
    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        """Outputs for one input tensor of shape (1, 3, h, w), in the order of `outputs`.

        The arrays are the caller's until the next call of `infer`; an engine may reuse them then.

        Raises
        ------
        ModelError
            When the tensor does not fit the model, or the runtime fails; with its own text.
        """
        ...

    @abstractmethod
    def interrupt(self) -> None:
        """Make a run that is under way fail soon, from any thread, where the runtime can."""
        ...

    @abstractmethod
    def close(self) -> None:
        """Release what the engine holds; calling it twice is harmless."""
        ...


class CudaEngine(Engine):
    """An engine that also runs on buffers on the GPU, on a stream of its own.

    What a lane's thread does for a frame, with the context pushed (`device.pushed()`)::

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

    @abstractmethod
    def bind_thread(self) -> None:
        """Make the calling thread the one that may `enqueue`; warms up, and captures the graph.

        Call it once in that thread, before the first `enqueue`; in a thread that is bound already
        it does nothing. Only one engine of the process does this at a time, and no other work
        should be under way on the GPU.

        Raises
        ------
        ModelError
            When the runtime fails; with its own text.
        CudaError
            When the GPU does.
        """
        ...

    @abstractmethod
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

    def interrupt(self) -> None:
        """Do nothing: what is enqueued on a GPU cannot be called back."""
