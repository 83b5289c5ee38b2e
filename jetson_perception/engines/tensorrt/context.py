"""A plan on the GPU, and TensorRT's context to run it.

TensorRT answers failure with None or False; here it becomes an error with what TensorRT logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.engines.tensorrt.api import (
    collect_errors,
    describe_tensorrt,
    first_error,
    last_errors,
)
from jetson_perception.engines.tensorrt.loading import explain, loaded_engines
from jetson_perception.errors import ModelError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import tensorrt

    from jetson_perception.cuda import CudaDevice, Stream


class InferenceContext:
    """What TensorRT holds of one engine; `load`, then `make_context`.

    Its two objects are attributes, never variables or arguments: an exception keeps those, and
    with them GPU memory. TensorRT frees with the last reference, so `close` drops both, where CUDA
    is current.

    Parameters
    ----------
    trt : module
        TensorRT.
    path : Path
        The model, for errors.
    device : CudaDevice
        The GPU; its context has to be current in every call.
    stream : Stream
        Where it runs.

    Attributes
    ----------
    trt, path, stream
        As given.
    description : str
        Runtime and device for people.
    engine : ICudaEngine
        From `load` to `close`.
    context : IExecutionContext
        From `make_context` to `close`.
    """

    engine: tensorrt.ICudaEngine
    context: tensorrt.IExecutionContext

    def __init__(self, trt: Any, path: Path, device: CudaDevice, stream: Stream) -> None:
        self.trt = trt
        self.path = path
        self.stream = stream
        self.description = f'{describe_tensorrt(trt)} on {device.name}'
        self._device_index = device.index

    @property
    def is_open(self) -> bool:
        """Whether it can run."""
        return 'context' in self.__dict__

    def load(self, plan: bytes, *, dla_core: int = -1) -> None:
        """Put a plan on the GPU; errors as of `LoadedEngines.load`."""
        self.engine = loaded_engines.load(
            self.trt, plan, self.path, device=self._device_index, dla_core=dla_core
        )

    def make_context(self) -> None:
        """Make what runs it, with the memory that its layers need."""
        with collect_errors() as errors:
            context = self.engine.create_execution_context()
            if context is None:
                raise explain(errors, f'{self.path} cannot be made ready by {self.description}')
        self.context = context

    def set_shape(self, name: str, shape: tuple[int, ...], profile: int) -> None:
        """Set the shape of an input that has open dimensions, by a profile that allows it."""
        with collect_errors() as errors:
            # No profile (-1) is active in further contexts of 8.x, and profile 0 in others.
            if self.context.active_optimization_profile != profile:
                if not self.context.set_optimization_profile_async(profile, self.stream.handle):
                    raise explain(errors, f'{self.path}: profile {profile} cannot be used')
                self.stream.synchronize()
            if not self.context.set_input_shape(name, shape):
                raise explain(errors, f'{self.path} does not take an input of {shape}')

    def set_addresses(self, addresses: Mapping[str, int]) -> None:
        """Say once and for all where the tensors are, by their names."""
        with collect_errors() as errors:
            for name, address in addresses.items():
                if not self.context.set_tensor_address(name, address):
                    raise explain(errors, f'{self.path}: tensor {quoted(name)} takes no address')

    def execute(self) -> None:
        """Put one run on the stream, without waiting for it."""
        if not self.context.execute_async_v3(self.stream.handle):
            said = first_error(last_errors()[-1:])
            raise ModelError(f'{self.path}: TensorRT cannot run it: {said}')

    def execute_first(self) -> None:
        """Run once and wait: first runs allocate, and their errors say what is missing."""
        with collect_errors() as errors:
            if not self.context.execute_async_v3(self.stream.handle):
                raise explain(errors, f'{self.path} cannot be run by {self.description}')
            self.stream.synchronize()

    def is_capturable(self) -> bool:
        """Whether a run may be captured; TensorRT-RTX says so, of others it shows."""
        ask = getattr(self.context, 'is_stream_capturable', None)
        return ask is None or bool(ask(self.stream.handle))

    def close(self) -> None:
        """Give all of it back; no run may be under way, nor a graph of one be left."""
        self.__dict__.pop('context', None)
        if 'engine' in self.__dict__:
            loaded_engines.release(self.engine)
            del self.engine
