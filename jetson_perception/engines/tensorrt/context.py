"""An engine on the GPU, and TensorRT's execution context to run it.

When TensorRT fails, it returns None or False; here that becomes an error with what it logged.
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
    """TensorRT's two objects for one engine. Call `load`, then `make_context`.

    They are attributes, never variables or arguments: an exception keeps those alive, and GPU
    memory with them. TensorRT frees an object with its last reference, so `close`, called with the
    CUDA context current, drops both.

    Parameters
    ----------
    trt : module
        TensorRT.
    path : Path
        The model, for errors.
    device : CudaDevice
        The GPU; its context must be current for every call.
    stream : Stream
        The stream that it runs on.

    Attributes
    ----------
    trt, path, stream
        As given.
    description : str
        Runtime and device in words.
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
        """Load a plan onto the GPU; raises what `LoadedEngines.load` raises."""
        self.engine = loaded_engines.load(
            self.trt, plan, self.path, device=self._device_index, dla_core=dla_core
        )

    def make_context(self) -> None:
        """Create the execution context, with the memory that its layers need."""
        with collect_errors() as errors:
            context = self.engine.create_execution_context()
            if context is None:
                raise explain(errors, f'{self.path} cannot be made ready by {self.description}')
        self.context = context

    def set_shape(self, name: str, shape: tuple[int, ...], profile: int) -> None:
        """Set the shape of an input that has open dimensions, with a profile that allows it."""
        with collect_errors() as errors:
            # Contexts start with profile 0; in 8.x all but an engine's first start with none (-1).
            if self.context.active_optimization_profile != profile:
                if not self.context.set_optimization_profile_async(profile, self.stream.handle):
                    raise explain(errors, f'{self.path}: profile {profile} cannot be used')
                self.stream.synchronize()
            if not self.context.set_input_shape(name, shape):
                raise explain(errors, f'{self.path} does not take an input of {shape}')

    def set_addresses(self, addresses: Mapping[str, int]) -> None:
        """Set the tensors' addresses, by name, once and for all."""
        with collect_errors() as errors:
            for name, address in addresses.items():
                if not self.context.set_tensor_address(name, address):
                    raise explain(errors, f'{self.path}: tensor {quoted(name)} takes no address')

    def execute(self) -> None:
        """Enqueue one run on the stream, without waiting for it."""
        if not self.context.execute_async_v3(self.stream.handle):
            said = first_error(last_errors()[-1:])
            raise ModelError(f'{self.path}: TensorRT cannot run it: {said}')

    def execute_first(self) -> None:
        """Run once and wait: the first run allocates, and its errors say what is missing."""
        with collect_errors() as errors:
            if not self.context.execute_async_v3(self.stream.handle):
                raise explain(errors, f'{self.path} cannot be run by {self.description}')
            self.stream.synchronize()

    def is_capturable(self) -> bool:
        """Whether a run may be captured; only TensorRT-RTX says so beforehand."""
        ask = getattr(self.context, 'is_stream_capturable', None)
        return ask is None or bool(ask(self.stream.handle))

    def close(self) -> None:
        """Release both objects; no run may be under way, and no graph of a run may be left."""
        self.__dict__.pop('context', None)
        if 'engine' in self.__dict__:
            loaded_engines.release(self.engine)
            del self.engine
