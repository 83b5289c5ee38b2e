"""A TensorRT engine on a stream of its own.

One path over named tensors from TensorRT 8.5 to 11 and TensorRT-RTX; what only some versions have
is asked for with `hasattr`. Shapes and addresses are set once, when the engine is opened. The
first run warms up, the second is captured into a CUDA graph where that works, and from then on a
run is one launch of it.
"""

from __future__ import annotations

import logging
import threading
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from jetson_perception.cuda import CudaDevice, DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.graphs import BINDING, capture
from jetson_perception.engines.base import CudaEngine, TensorSpec
from jetson_perception.engines.image_input import (
    choose_size_wh,
    require_image,
    require_one_input,
    require_tensor,
)
from jetson_perception.engines.tensor_memory import check_tensor_memory
from jetson_perception.engines.tensorrt.api import (
    collect_errors,
    describe_tensorrt,
    first_error,
    import_tensorrt,
    last_errors,
    to_numpy_dtype,
)
from jetson_perception.engines.tensorrt.loading import LoadedEngines, explain
from jetson_perception.errors import CudaError, ModelError, ParameterError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import tensorrt
    from numpy.typing import NDArray

    from jetson_perception.cuda.graphs import Graph
    from jetson_perception.engines.tensorrt.scratch import SharedScratch
    from jetson_perception.model_info import ModelInfo

_log = logging.getLogger('jetson_perception')

_loaded = LoadedEngines()


class TensorRTEngine(CudaEngine):
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
    scratch : SharedScratch, optional
        Where layers keep what they compute, shared with engines that then take turns. Default:
        its own, so that it runs beside others.
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
        scratch: SharedScratch | None = None,
        dla_core: int = -1,
    ) -> None:
        self._trt = import_tensorrt()
        self._path = path
        self._use_graph = use_graph
        self._scratch = scratch
        self._scratch_block: DeviceBuffer | None = None
        # Only ever here, not in variables: an exception keeps those, and with them GPU memory.
        self._engine: tensorrt.ICudaEngine
        self._context: tensorrt.IExecutionContext
        self._graph: Graph | None = None
        self._warm = False
        self._thread: int | None = None
        self._host: tuple[PinnedBuffer, tuple[PinnedBuffer, ...]] | None = None
        # Before anything of TensorRT, which crashes where there is no CUDA.
        self.device = CudaDevice.get(device)
        self._resources = Resources()
        self._resources.call(self.device.close)
        with self.device.pushed(), self._resources.closed_on_error():
            self.description = f'{describe_tensorrt(self._trt)} on {self.device.name}'
            self._prepare_closing()
            self._engine = _loaded.load(
                self._trt, plan, path, device=self.device.index, dla_core=dla_core
            )
            image, outputs = self._read_tensors()
            size_wh = self._choose_size_wh(image, info, input_size_wh)
            shape = (1, 3, size_wh[1], size_wh[0])
            self.info = replace(info, path=str(path), input_size_wh=size_wh)
            self.inputs: tuple[TensorSpec, ...] = (replace(image, shape=shape),)
            self._make_context()
            self._set_shape(image, shape)
            self.outputs = self._resolve_outputs(outputs)
            check_tensor_memory(path, (*self.inputs, *self.outputs))
            self._give_scratch()
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
        with self._turn():
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

    def close(self) -> None:
        """Release what the engine holds; calling it twice is harmless.

        Nothing that reads `output_buffers` may be under way on other streams.
        """
        self._thread = None
        with self.device.pushed():
            self._resources.close()

    def _turn(self) -> AbstractContextManager[None]:
        """Within it, work that uses the scratch memory is enqueued."""
        if self._scratch is None or self._scratch_block is None:
            return nullcontext()
        return self._scratch.turn(self.stream)

    def _launch(self) -> None:
        if self._graph is not None:
            self._graph.launch(self.stream)
        else:
            self._execute()

    def _execute(self) -> None:
        if not self._context.execute_async_v3(self.stream.handle):
            said = first_error(last_errors()[-1:])
            raise ModelError(f'{self._path}: TensorRT cannot run it: {said}')

    def _warm_up(self) -> None:
        """Run once: first runs allocate, which a capture does not survive."""
        with collect_errors() as errors:
            self.input_buffer.clear(self.stream)
            with self._turn():
                if not self._context.execute_async_v3(self.stream.handle):
                    raise explain(errors, f'{self._path} cannot be run by {self.description}')
            self.stream.synchronize()

    def _capture(self) -> Graph | None:
        """A graph of one run; None where that does not work, which is logged."""
        if not self._use_graph:
            return None
        # TensorRT-RTX tells whether an engine can be captured; of others it shows.
        can = getattr(self._context, 'is_stream_capturable', None)
        if can is not None and not can(self.stream.handle):
            self._log_without_graph('this engine cannot be captured')
            return None
        try:
            with collect_errors():
                return capture(self.stream, self._execute)
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

    # --- Opening --------------------------------------------------------------------------------

    def _read_tensors(self) -> tuple[TensorSpec, list[TensorSpec]]:
        """The image input and the outputs, -1 for open dimensions; refuses what cannot be used."""
        trt = self._trt
        inputs: list[TensorSpec] = []
        outputs: list[TensorSpec] = []
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            kind = (
                'input'
                if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
                else 'output'
            )
            if self._engine.get_tensor_location(name) == trt.TensorLocation.HOST:
                raise ModelError(
                    f"{self._path}: {kind} '{name}' holds sizes, on the host; expected images and "
                    'results on the GPU. Export the model with fixed sizes'
                )
            layout = self._engine.get_tensor_format(name)
            if layout != trt.TensorFormat.LINEAR:
                raise ModelError(
                    f"{self._path}: {kind} '{name}' has the format {layout.name}; expected "
                    'LINEAR. Build the engine without --inputIOFormats and --outputIOFormats'
                )
            try:
                dtype = to_numpy_dtype(self._engine.get_tensor_dtype(name), name)
            except ModelError as err:
                raise ModelError(f'{self._path}: {err}') from err
            spec = TensorSpec(name, _tuple(self._engine.get_tensor_shape(name)), dtype)
            (inputs if kind == 'input' else outputs).append(spec)
        require_one_input(self._path, [spec.name for spec in inputs])
        require_image(self._path, inputs[0])
        return inputs[0], outputs

    def _choose_size_wh(
        self,
        image: TensorSpec,
        info: ModelInfo,
        asked_wh: tuple[int, int] | None,
    ) -> tuple[int, int]:
        if -1 in image.shape[2:] and asked_wh is None and info.input_size_wh is None:
            _, best, _ = self._engine.get_tensor_profile_shape(image.name, 0)
            return int(best[3]), int(best[2])
        return choose_size_wh(self._path, image, info, asked_wh)

    def _make_context(self) -> None:
        with collect_errors() as errors:
            if self._scratch is None:
                context = self._engine.create_execution_context()
            elif hasattr(self._trt, 'ExecutionContextAllocationStrategy'):
                strategy = self._trt.ExecutionContextAllocationStrategy.USER_MANAGED
                context = self._engine.create_execution_context(strategy)
            else:
                context = self._engine.create_execution_context_without_device_memory()
            if context is None:
                raise explain(errors, f'{self._path} cannot be made ready by {self.description}')
        self._context = context

    def _set_shape(self, image: TensorSpec, shape: tuple[int, ...]) -> None:
        """Choose the profile that allows the input's shape, and set it; nothing if it is fixed."""
        if -1 not in image.shape:
            return
        profile = self._choose_profile(image.name, shape)
        with collect_errors() as errors:
            # No profile (-1) is active in further contexts of 8.x, and profile 0 in others.
            if self._context.active_optimization_profile != profile:
                stream = self.stream.handle
                if not self._context.set_optimization_profile_async(profile, stream):
                    raise explain(errors, f'{self._path}: profile {profile} cannot be used')
                self.stream.synchronize()
            if not self._context.set_input_shape(image.name, shape):
                raise explain(errors, f'{self._path} does not take an input of {shape}')

    def _choose_profile(self, name: str, shape: tuple[int, ...]) -> int:
        ranges = []
        for index in range(self._engine.num_optimization_profiles):
            low, _, high = map(_tuple, self._engine.get_tensor_profile_shape(name, index))
            fits = zip(low, shape, high, strict=True)
            if all(least <= size <= most for least, size, most in fits):
                return index
            ranges.append(f'{low} to {high}')
        raise ParameterError(
            f'input_size is {shape[3]} x {shape[2]} (width x height), and {self._path} was built '
            f'for inputs of {", or ".join(ranges)}; change input_size, or build the engine for it',
            'input_size',
        )

    def _resolve_outputs(self, outputs: list[TensorSpec]) -> tuple[TensorSpec, ...]:
        """The outputs with the shapes that they have for the input's shape."""
        try:
            missing = self._context.infer_shapes()
        except RuntimeError as err:
            raise ModelError(f'{self._path}: TensorRT cannot infer its shapes: {err}') from err
        if missing:
            raise ModelError(
                f'{self._path}: the shapes of {", ".join(missing)} are not known; export the '
                'model with a fixed input size'
            )
        resolved = []
        for spec in outputs:
            shape = _tuple(self._context.get_tensor_shape(spec.name))
            if any(size < 0 for size in shape):
                raise ModelError(
                    f'{self._path}: the size of output {quoted(spec.name)} depends on what is in '
                    'the image; expected a fixed one. Export the model without suppression in it '
                    '(Ultralytics: nms=False)'
                )
            resolved.append(replace(spec, shape=shape))
        return tuple(resolved)

    def _give_scratch(self) -> None:
        """Scratch memory for a context that was made without."""
        if self._scratch is None:
            return
        nbytes = self._scratch_bytes()
        if nbytes == 0:
            return
        self._scratch_block = block = self._scratch.join(self.device, nbytes)
        if hasattr(self._context, 'set_device_memory'):
            self._context.set_device_memory(block.address, block.nbytes)
        else:
            # Before 10.1; the types that mypy knows are of 10.13.
            cast('Any', self._context).device_memory = block.address

    def _scratch_bytes(self) -> int:
        if hasattr(self._engine, 'device_memory_size_v2'):
            most = int(self._engine.device_memory_size_v2)
        else:
            most = int(self._engine.device_memory_size)
        if not most or not hasattr(self._context, 'update_device_memory_size_for_shapes'):
            return most
        with collect_errors() as errors:
            nbytes = int(self._context.update_device_memory_size_for_shapes())
            if nbytes == 0:
                raise explain(errors, f'{self._path}: its scratch memory is not known')
        return nbytes

    def _make_buffers(self) -> None:
        """Memory for inputs and outputs, whose addresses the context gets once and for all."""
        add = self._buffers.add
        image = self.inputs[0]
        self.input_buffer = add(DeviceBuffer(self.device, image.shape, image.dtype))
        self.output_buffers = tuple(
            add(DeviceBuffer(self.device, spec.shape, spec.dtype)) for spec in self.outputs
        )
        specs = (image, *self.outputs)
        with collect_errors() as errors:
            for spec, buffer in zip(specs, (self.input_buffer, *self.output_buffers), strict=True):
                if not self._context.set_tensor_address(spec.name, buffer.address):
                    raise explain(
                        errors, f'{self._path}: tensor {quoted(spec.name)} takes no address'
                    )

    # --- Closing --------------------------------------------------------------------------------

    def _prepare_closing(self) -> None:
        """Note everything in the order in which it has to go, the last first."""
        resources = self._resources
        self.stream = resources.add(self.device.new_stream())
        self._buffers = resources.add(Resources())
        resources.call(self._leave_scratch)
        resources.call(self._drop_engine)
        resources.call(self._drop_context)
        resources.call(self._drop_graph)
        resources.call(self.stream.synchronize)

    def _drop_graph(self) -> None:
        graph, self._graph = self._graph, None
        if graph is not None:
            graph.close()

    def _drop_context(self) -> None:
        # TensorRT frees with the last reference: here, where CUDA is current.
        self.__dict__.pop('_context', None)

    def _drop_engine(self) -> None:
        if '_engine' in self.__dict__:
            _loaded.release(self._engine)
            del self._engine

    def _leave_scratch(self) -> None:
        block, self._scratch_block = self._scratch_block, None
        if block is not None and self._scratch is not None:
            self._scratch.leave()

    def _require_open(self) -> None:
        if '_context' not in self.__dict__:
            raise ModelError(f'{self._path}: the engine is closed')


def _tuple(dimensions: Any) -> tuple[int, ...]:
    """TensorRT's `Dims` as a tuple of Python ints, which is what it takes back."""
    return tuple(int(size) for size in dimensions)
