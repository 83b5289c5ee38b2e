"""A TensorRT engine on a stream of its own; implements `engines.base.CudaEngine`.

One path over named tensors from TensorRT 8.5 to 11 and TensorRT-RTX; what only some versions have
is asked for with `hasattr`. Shapes and addresses are set once, when the engine is opened. The
first run warms up, the second is captured into a CUDA graph where that works, and from then on a
run is one launch of it.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda import CudaDevice, DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.graphs import BINDING, capture
from jetson_perception.engines.image_input import require_tensor
from jetson_perception.engines.tensor_memory import check_tensor_memory
from jetson_perception.engines.tensorrt.api import (
    collect_errors,
    describe_tensorrt,
    import_tensorrt,
)
from jetson_perception.engines.tensorrt.plan_context import PlanContext
from jetson_perception.errors import CudaError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jetson_perception.cuda.graphs import Graph
    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.model_info import ModelInfo

_log = logging.getLogger('jetson_perception')


class TensorRTEngine:
    """A serialized engine, ready to run.

    Parameters
    ----------
    plan : bytes
        What TensorRT serialized. Loading may execute code that is in it: give only what nobody
        else could write.
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

    Attributes
    ----------
    description, info, inputs, outputs
        As `Engine` says; no shape has an open dimension.
    device, stream, input_buffer, output_buffers
        As `CudaEngine` says.

    Raises
    ------
    PlanRefusedError
        When TensorRT does not take the plan; with what it logged, and what to do.
    ModelError
        When TensorRT is not there, memory is short, or inputs or outputs cannot be used here.
    ParameterError
        When the input size is open and nobody says it, or the one given does not fit.
    CudaError
        When the GPU is not to be had.
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
        self._use_graph = use_graph
        self._graph: Graph | None = None
        self._warm = False
        self._thread: int | None = None
        self._host: tuple[PinnedBuffer, tuple[PinnedBuffer, ...]] | None = None
        # Before anything of TensorRT, which crashes where there is no CUDA.
        self.device = CudaDevice.get(device)
        self._resources = Resources()
        self._resources.call(self.device.close)
        with self.device.pushed(), self._resources.closed_on_error():
            self.description = f'{describe_tensorrt(trt)} on {self.device.name}'
            self._plan = PlanContext(trt, path, self.description)
            self._prepare_closing()
            self._plan.load(plan, self.device.index, dla_core)
            image, outputs = self._plan.read_tensors()
            size_wh = self._plan.choose_size_wh(image, info, input_size_wh)
            shape = (1, 3, size_wh[1], size_wh[0])
            self.info = replace(info, path=str(path), input_size_wh=size_wh)
            self.inputs: tuple[TensorSpec, ...] = (replace(image, shape=shape),)
            self._plan.open(image, shape, self.stream)
            self.outputs = self._plan.resolve_outputs(outputs)
            check_tensor_memory(path, (*self.inputs, *self.outputs))
            self._make_buffers()

    # --- Running --------------------------------------------------------------------------------

    def bind_thread(self) -> None:
        """Make the calling thread the one that may `enqueue`; the first one warms up.

        Raises
        ------
        ModelError
            When TensorRT cannot run the engine; with what it logged.
        CudaError
            When the GPU fails.
        """
        thread = threading.get_ident()
        if thread == self._thread:
            return
        self._require_open()
        with BINDING, self.device.pushed():
            if not self._warm:
                self._warm_up()
                self._graph = self._capture()
                self._warm = True
        self._thread = thread

    def enqueue(self) -> None:
        """Put one inference on `stream`; returns without waiting for the GPU.

        Raises
        ------
        ModelError
            When TensorRT fails, the engine is closed, or `bind_thread` was not called on this
            thread.
        CudaError
            When the GPU fails.
        """
        if threading.get_ident() != self._thread:
            self._require_open()
            raise ModelError(f'{self._path}: call bind_thread on this thread before enqueue')
        self._launch()

    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        """Outputs for one input tensor on the host, in page-locked memory that the next call uses.

        Parameters
        ----------
        tensor : ndarray, shape (1, 3, h, w)
            Of the shape and dtype in `inputs`.

        Raises
        ------
        ModelError
            When the tensor does not fit, the engine is closed, or TensorRT fails.
        CudaError
            When the GPU fails.
        """
        self._require_open()
        require_tensor(self._path, self.inputs[0], tensor)
        with self.device.pushed():
            self.bind_thread()
            source, targets = self._host_buffers()
            np.copyto(source.array, tensor)
            self.input_buffer.copy_from_host(source, self.stream)
            self.enqueue()
            for buffer, target in zip(self.output_buffers, targets, strict=True):
                buffer.copy_to_host(target, self.stream)
            self.stream.synchronize()
        return [target.array for target in targets]

    def interrupt(self) -> None:
        """Do nothing: what a GPU has begun it finishes."""

    def close(self) -> None:
        """Release what the engine holds; calling it twice is harmless.

        Nothing that reads `output_buffers` may be under way on other streams.
        """
        self._thread = None
        with self.device.pushed():
            self._resources.close()

    def _launch(self) -> None:
        if self._graph is not None:
            self._graph.launch(self.stream)
        else:
            self._plan.execute(self.stream)

    def _warm_up(self) -> None:
        """Run once: first runs allocate, which a capture does not survive."""
        self.input_buffer.clear(self.stream)
        self._plan.execute_first(self.stream)
        self.stream.synchronize()

    def _capture(self) -> Graph | None:
        """A graph of one run; None where that does not work, which is logged."""
        if not self._use_graph:
            return None
        if not self._plan.can_be_captured(self.stream):
            self._log_without_graph('this engine cannot be captured')
            return None
        try:
            with collect_errors():
                return capture(self.stream, lambda: self._plan.execute(self.stream))
        except (ModelError, CudaError) as err:
            if isinstance(err, CudaError) and err.fatal:
                raise
            self._log_without_graph(str(err))
            return None

    def _log_without_graph(self, reason: str) -> None:
        _log.info(
            '%s: runs without a CUDA graph, each launch takes longer: %s', self._path.name, reason
        )

    def _host_buffers(self) -> tuple[PinnedBuffer, tuple[PinnedBuffer, ...]]:
        """Page-locked memory for `infer`, made when it is called first: lanes never call it."""
        if self._host is None:
            add = self._buffers.add
            self._host = (
                add(PinnedBuffer(self.device, self.inputs[0].shape, self.inputs[0].dtype)),
                tuple(
                    add(PinnedBuffer(self.device, spec.shape, spec.dtype)) for spec in self.outputs
                ),
            )
        return self._host

    def _make_buffers(self) -> None:
        """Memory for inputs and outputs, whose addresses the context gets once and for all."""
        add = self._buffers.add
        image = self.inputs[0]
        self.input_buffer = add(DeviceBuffer(self.device, image.shape, image.dtype))
        self.output_buffers = tuple(
            add(DeviceBuffer(self.device, spec.shape, spec.dtype)) for spec in self.outputs
        )
        buffers = (self.input_buffer, *self.output_buffers)
        self._plan.bind((image, *self.outputs), buffers)

    # --- Closing --------------------------------------------------------------------------------

    def _prepare_closing(self) -> None:
        """Note everything in the order in which it has to go, the last first."""
        resources = self._resources
        self.stream = resources.add(self.device.new_stream())
        self._buffers = resources.add(Resources())
        resources.call(self._plan.drop_engine)
        resources.call(self._plan.drop_context)
        resources.call(self._drop_graph)
        resources.call(self.stream.synchronize)

    def _drop_graph(self) -> None:
        graph, self._graph = self._graph, None
        if graph is not None:
            graph.close()

    def _require_open(self) -> None:
        if not self._plan.is_open:
            raise ModelError(f'{self._path}: the engine is closed')
