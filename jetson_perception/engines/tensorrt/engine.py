"""A TensorRT engine on a stream of its own.

The same code, with named tensors, serves TensorRT 8.5 to 11 and TensorRT-RTX; `hasattr` decides
what a version has. Shapes and addresses are set once, when the engine is opened.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from jetson_perception.cuda import CudaDevice, Resources
from jetson_perception.cuda.binding import BINDING
from jetson_perception.engines.base import CudaEngine
from jetson_perception.engines.image_input import require_tensor
from jetson_perception.engines.tensor_memory import check_tensor_memory
from jetson_perception.engines.tensorrt.api import import_tensorrt
from jetson_perception.engines.tensorrt.bindings import (
    choose_input_size_wh,
    read_tensors,
    resolve_outputs,
    set_input_shape,
)
from jetson_perception.engines.tensorrt.buffers import TensorBuffers
from jetson_perception.engines.tensorrt.context import InferenceContext
from jetson_perception.engines.tensorrt.graph_runner import GraphRunner
from jetson_perception.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.model_info import ModelInfo


class TensorRTEngine(CudaEngine):
    """A serialized engine, ready to run.

    Parameters
    ----------
    plan : bytes
        What TensorRT serialized. Loading may execute code in it, so it must come from a file that
        nobody else could write.
    path : Path
        The model, for errors.
    info : ModelInfo
        What the model's metadata says.
    input_size_wh : tuple of int, optional
        Width and height of an input that the engine leaves open. Default: what `info` says, else
        what the engine's first profile was tuned for.
    device : int
        Index of the GPU.
    use_graph : bool
        Whether to capture a CUDA graph.
    dla_core : int
        Deep learning accelerator that the engine was built for; -1 for none.

    Raises
    ------
    PlanRefusedError
        When TensorRT refuses the plan; the message has what it logged, and what to do.
    ModelError
        When TensorRT is not installed, memory is short, or inputs or outputs cannot be used here.
    ParameterError
        When the input size is open and not given, or the given one does not fit, or there is no
        such deep learning accelerator.
    CudaError
        When the GPU cannot be used.
    """

    def __init__(
        self,
        plan: bytes,
        *,
        path: Path,
        info: ModelInfo,
        input_size_wh: tuple[int, int] | None = None,
        device: int = 0,
        use_graph: bool = True,
        dla_core: int = -1,
    ) -> None:
        trt = import_tensorrt()
        self._path = path
        self._thread: int | None = None
        # Before any TensorRT object: without CUDA, TensorRT crashes.
        self.device = CudaDevice.get(device)
        self._resources = Resources()
        self._resources.call(self.device.close)
        with self.device.pushed(), self._resources.closed_on_error():
            # They are closed in reverse order.
            self.stream = self._resources.add(self.device.new_stream())
            self._buffers = self._resources.add(TensorBuffers(self.device))
            self._context = self._resources.add(
                InferenceContext(trt, path, self.device, self.stream)
            )
            self._runner = self._resources.add(GraphRunner(self._context, use_graph=use_graph))
            self._resources.call(self.stream.synchronize)
            self.description = self._context.description
            self._context.load(plan, dla_core=dla_core)
            self._bind(info, input_size_wh)

    def _bind(self, info: ModelInfo, input_size_wh: tuple[int, int] | None) -> None:
        """Choose the shapes of inputs and outputs, and allocate them."""
        image, outputs = read_tensors(self._context)
        size_wh = choose_input_size_wh(self._context, image, info, input_size_wh)
        self.info = replace(info, path=str(self._path), input_size_wh=size_wh)
        self._context.make_context()
        image = set_input_shape(self._context, image, (1, 3, size_wh[1], size_wh[0]))
        self.inputs: tuple[TensorSpec, ...] = (image,)
        self.outputs = resolve_outputs(self._context, outputs)
        check_tensor_memory(self._path, (image, *self.outputs))
        self._context.set_addresses(self._buffers.allocate(image, self.outputs))
        self.input_buffer = self._buffers.input
        self.output_buffers = self._buffers.outputs

    def bind_thread(self) -> None:
        """Make the calling thread the one that may `enqueue`; the first call warms up."""
        thread = threading.get_ident()
        if thread == self._thread:
            return
        self._require_open()
        with self.device.pushed():
            self._runner.prepare(self.input_buffer)
        self._thread = thread

    def enqueue(self) -> None:
        """Enqueue one inference on `stream`; returns without waiting for the GPU."""
        if threading.get_ident() != self._thread:
            self._require_open()
            raise ModelError(f'{self._path}: call bind_thread() in this thread before enqueue()')
        self._runner.launch()

    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        """Outputs for one input tensor, both on the host; the next call overwrites them.

        The tensor must have the shape and dtype in `inputs`.
        """
        self._require_open()
        require_tensor(self._path, self.inputs[0], tensor)
        with self.device.pushed():
            self.bind_thread()
            with BINDING.working():
                self._buffers.upload(tensor, self.stream)
                self.enqueue()
                return self._buffers.download(self.stream)

    def interrupt(self) -> None:
        """Do nothing: a GPU finishes what it has begun."""

    def close(self) -> None:
        """Release what the engine holds; may be called twice.

        No other stream may still be reading `output_buffers`.
        """
        self._thread = None
        with self.device.pushed():
            self._resources.close()

    def _require_open(self) -> None:
        if not self._context.is_open:
            raise ModelError(f'{self._path}: the engine is closed')
