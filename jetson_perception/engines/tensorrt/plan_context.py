"""A plan on the GPU with the context that runs it: what TensorRT is asked, and in which words.

TensorRT's objects are attributes here, and never variables or arguments: an exception keeps the
variables of every function that it went through, and with them memory of the GPU.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.base import TensorSpec
from jetson_perception.engines.image_input import (
    choose_size_wh,
    require_image,
    require_one_input,
)
from jetson_perception.engines.tensorrt.api import (
    collect_errors,
    first_error,
    last_errors,
    to_numpy_dtype,
)
from jetson_perception.engines.tensorrt.loading import LoadedEngines, explain
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import tensorrt

    from jetson_perception.cuda import DeviceBuffer, Stream
    from jetson_perception.model_info import ModelInfo

_loaded = LoadedEngines()


class PlanContext:
    """A plan's engine, and its context. CUDA has to be current for every call.

    Parameters
    ----------
    trt : module
        TensorRT.
    path : Path
        The model, for errors.
    description : str
        Runtime and device, for errors.

    Attributes
    ----------
    engine : ICudaEngine
        TensorRT's, after `load`.
    """

    def __init__(self, trt: Any, path: Path, description: str) -> None:
        self.engine: tensorrt.ICudaEngine
        self._context: tensorrt.IExecutionContext
        self._trt = trt
        self._path = path
        self._description = description

    @property
    def is_open(self) -> bool:
        """Whether it can run."""
        return '_context' in self.__dict__

    def load(self, plan: bytes, device: int, dla_core: int) -> None:
        """Deserialize a plan, or share the engine of an equal one.

        Raises
        ------
        ModelError
            When TensorRT refuses it.
        """
        self.engine = _loaded.load(self._trt, plan, self._path, device=device, dla_core=dla_core)

    def open(self, image: TensorSpec, shape: tuple[int, ...], stream: Stream) -> None:
        """Make the context, for an input of this shape.

        Raises
        ------
        ModelError
            When TensorRT cannot make it.
        ParameterError
            When no profile allows the shape.
        """
        with collect_errors() as errors:
            context = self.engine.create_execution_context()
            if context is None:
                what = f'{self._path} cannot be made ready by {self._description}'
                raise explain(errors, what)
        self._context = context
        del context
        self._set_shape(image, shape, stream)

    def read_tensors(self) -> tuple[TensorSpec, list[TensorSpec]]:
        """The image input and the outputs, -1 for open dimensions; refuses what cannot be used."""
        trt = self._trt
        inputs: list[TensorSpec] = []
        outputs: list[TensorSpec] = []
        for index in range(self.engine.num_io_tensors):
            name = self.engine.get_tensor_name(index)
            kind = (
                'input'
                if self.engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
                else 'output'
            )
            if self.engine.get_tensor_location(name) == trt.TensorLocation.HOST:
                raise ModelError(
                    f"{self._path}: {kind} '{name}' holds sizes, on the host; expected images and "
                    'results on the GPU. Export the model with fixed sizes'
                )
            layout = self.engine.get_tensor_format(name)
            if layout != trt.TensorFormat.LINEAR:
                raise ModelError(
                    f"{self._path}: {kind} '{name}' has the format {layout.name}; expected "
                    'LINEAR. Build the engine without --inputIOFormats and --outputIOFormats'
                )
            try:
                dtype = to_numpy_dtype(self.engine.get_tensor_dtype(name), name)
            except ModelError as err:
                raise ModelError(f'{self._path}: {err}') from err
            spec = TensorSpec(name, _tuple(self.engine.get_tensor_shape(name)), dtype)
            (inputs if kind == 'input' else outputs).append(spec)
        require_one_input(self._path, [spec.name for spec in inputs])
        require_image(self._path, inputs[0])
        return inputs[0], outputs

    def choose_size_wh(
        self,
        image: TensorSpec,
        info: ModelInfo,
        asked_wh: tuple[int, int] | None,
    ) -> tuple[int, int]:
        """The input's width and height: asked for, of the model, or what profile 0 is for."""
        if -1 in image.shape[2:] and asked_wh is None and info.input_size_wh is None:
            _, best, _ = self.engine.get_tensor_profile_shape(image.name, 0)
            return int(best[3]), int(best[2])
        return choose_size_wh(self._path, image, info, asked_wh)

    def resolve_outputs(self, outputs: list[TensorSpec]) -> tuple[TensorSpec, ...]:
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

    def bind(self, specs: Sequence[TensorSpec], buffers: Sequence[DeviceBuffer]) -> None:
        """Give every tensor its address, once and for all.

        Raises
        ------
        ModelError
            When TensorRT does not take one.
        """
        with collect_errors() as errors:
            for spec, buffer in zip(specs, buffers, strict=True):
                if not self._context.set_tensor_address(spec.name, buffer.address):
                    raise explain(
                        errors, f'{self._path}: tensor {quoted(spec.name)} takes no address'
                    )

    def execute(self, stream: Stream) -> None:
        """Enqueue a run.

        Raises
        ------
        ModelError
            When TensorRT cannot; with its last error.
        """
        if not self._context.execute_async_v3(stream.handle):
            said = first_error(last_errors()[-1:])
            raise ModelError(f'{self._path}: TensorRT cannot run it: {said}')

    def execute_first(self, stream: Stream) -> None:
        """Enqueue the first run, which allocates; its error says what to do."""
        with collect_errors() as errors:
            if not self._context.execute_async_v3(stream.handle):
                raise explain(errors, f'{self._path} cannot be run by {self._description}')

    def can_be_captured(self, stream: Stream) -> bool:
        """Whether a graph may hold a run; only TensorRT-RTX tells, of others it shows."""
        can = getattr(self._context, 'is_stream_capturable', None)
        return can is None or bool(can(stream.handle))

    def drop_context(self) -> None:
        """Free the context; TensorRT does that with the last reference, here."""
        self.__dict__.pop('_context', None)

    def drop_engine(self) -> None:
        """Free the engine, where no other shares it; after its context."""
        if 'engine' in self.__dict__:
            _loaded.release(self.engine)
            del self.engine

    def _set_shape(self, image: TensorSpec, shape: tuple[int, ...], stream: Stream) -> None:
        """Choose the profile that allows the input's shape, and set it; nothing if it is fixed."""
        if -1 not in image.shape:
            return
        profile = self._choose_profile(image.name, shape)
        with collect_errors() as errors:
            # No profile (-1) is active in further contexts of 8.x, and profile 0 in others.
            if self._context.active_optimization_profile != profile:
                if not self._context.set_optimization_profile_async(profile, stream.handle):
                    raise explain(errors, f'{self._path}: profile {profile} cannot be used')
                stream.synchronize()
            if not self._context.set_input_shape(image.name, shape):
                raise explain(errors, f'{self._path} does not take an input of {shape}')

    def _choose_profile(self, name: str, shape: tuple[int, ...]) -> int:
        ranges = []
        for index in range(self.engine.num_optimization_profiles):
            low, _, high = map(_tuple, self.engine.get_tensor_profile_shape(name, index))
            fits = zip(low, shape, high, strict=True)
            if all(least <= size <= most for least, size, most in fits):
                return index
            ranges.append(f'{low} to {high}')
        raise ParameterError(
            f'input_size is {shape[3]} x {shape[2]} (width x height), and {self._path} was built '
            f'for inputs of {", or ".join(ranges)}; change input_size, or build the engine for it',
            'input_size',
        )


def _tuple(dimensions: Any) -> tuple[int, ...]:
    """TensorRT's `Dims` as a tuple of Python ints, which is what it takes back."""
    return tuple(int(size) for size in dimensions)
