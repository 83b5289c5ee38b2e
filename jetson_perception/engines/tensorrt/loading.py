"""Loads a serialized plan as an engine on the GPU, or raises an error that says what to do."""

from __future__ import annotations

import ctypes
import hashlib
import threading
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.tensorrt.api import (
    collect_errors,
    describe_tensorrt,
    first_error,
    is_rtx,
    process_logger,
)
from jetson_perception.engines.tensorrt.dla import require_dla_core
from jetson_perception.engines.tensorrt.plan_file import plan_version
from jetson_perception.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import tensorrt


class PlanRefusedError(ModelError):
    """TensorRT refuses a plan: of another version or GPU, or damaged. Building again helps."""


# What TensorRT 8.5 to 11 logs, in lower case, and what it means; the first match counts.
_MEMORY = ('could not be allocated', 'outofmemory', 'out of memory')
_CUDA = ('cuda runtime', 'cudaerror', 'cuda initialization')
_REASONS = (
    (  # before the next, because it also mentions versions
        ('magictag',),
        'it is not an engine of this TensorRT; give an ONNX file, or an engine built here',
    ),
    (
        ('version tag does not match', 'serialization version'),
        'it was built by another version of TensorRT; build it again here, from the ONNX file',
    ),
    (
        ('platform specific tag',),
        'it was built on another kind of machine; engines are built on the device that runs '
        'them: build it again here, from the ONNX file',
    ),
    (
        ('incompatible device', 'expecting compute', 'compute capability'),
        'it was built for another GPU; build it again here, from the ONNX file',
    ),
    (
        ('empty memory buffer', 'buffersize', 'blobsize', 'header.size'),
        'it is cut off, or something was added to it; copy or build it again',
    ),
    (
        ('plugin',),
        'it has an operator from a plugin that is not loaded; build it from an ONNX file without '
        'that operator',
    ),
)


def explain(errors: list[str], what: str) -> ModelError:
    """The error for something that TensorRT refused, from what it logged.

    Parameters
    ----------
    errors : list of str
        Oldest first; the first one explains the others.
    what : str
        What failed, such as 'my.engine cannot be loaded by TensorRT 10.3.0'.
    """
    said = first_error(errors)
    lower = said.lower()
    if any(text in lower for text in _MEMORY):
        return ModelError(
            f'{what}: the GPU has too little memory left; run fewer or smaller models, or close '
            f'other programs that use it. TensorRT says: {said}'
        )
    if any(text in lower for text in _CUDA):
        return ModelError(
            f'{what}: CUDA failed; `jetson-perception doctor` looks for the reason. TensorRT '
            f'says: {said}'
        )
    for texts, meaning in _REASONS:
        if any(text in lower for text in texts):
            return PlanRefusedError(f'{what}: {meaning}. TensorRT says: {said}')
    return PlanRefusedError(f'{what}. TensorRT says: {said}')


class LoadedEngines:
    """Engines on the GPU by the content of their plans, so that weights are loaded once.

    Contexts of one engine share its weights. Before TensorRT 10 each context of an engine with
    dynamic shapes needs an optimization profile of its own, so nothing is shared there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[tuple[int, int, bytes], tuple[tensorrt.ICudaEngine, int]] = {}
        self._runtime: tensorrt.Runtime | None = None
        self._module: Any = None

    def load(
        self, trt: Any, plan: bytes, path: Path, *, device: int, dla_core: int = -1
    ) -> tensorrt.ICudaEngine:
        """An engine; the caller returns it with `release`. The CUDA context must be current.

        Parameters
        ----------
        trt : module
            TensorRT.
        plan : bytes
        path : Path
            For errors.
        device : int
            Index of the current GPU.
        dla_core : int
            Deep learning accelerator that it was built for; -1 for none.

        Raises
        ------
        PlanRefusedError
            When TensorRT refuses the plan.
        ModelError
            When memory is short, or TensorRT does not start.
        ParameterError
            When there is no such accelerator.
        """
        plan = bytes(plan)  # before 10.13 TensorRT reads the buffer while other threads run
        key = device, dla_core, hashlib.sha256(plan).digest()
        with self._lock:
            engine, users = self._loaded.get(key, (None, 0))
            if engine is None:
                engine = self._deserialize(trt, plan, path, dla_core)
            if _shares_profiles(trt):
                self._loaded[key] = engine, users + 1
            return engine

    def release(self, engine: tensorrt.ICudaEngine) -> None:
        """Return an engine; the context must still be current when the caller drops it."""
        with self._lock:
            for key, (loaded, users) in list(self._loaded.items()):
                if loaded is engine:
                    if users > 1:
                        self._loaded[key] = engine, users - 1
                    else:
                        del self._loaded[key]

    def _deserialize(
        self, trt: Any, plan: bytes, path: Path, dla_core: int
    ) -> tensorrt.ICudaEngine:
        what = _what(trt, plan, path)
        with collect_errors() as errors:
            runtime = self._start(trt)
            if dla_core >= 0:
                require_dla_core(trt, runtime.num_DLA_cores, dla_core)
                runtime.DLA_core = dla_core
            try:
                engine = runtime.deserialize_cuda_engine(plan)
            finally:
                if dla_core > 0:  # the runtime is the process's: the next engine wants the first
                    runtime.DLA_core = 0
            if engine is None:
                raise explain(errors, what)
        return engine

    def _start(self, trt: Any) -> tensorrt.Runtime:
        """The runtime of the process."""
        if self._runtime is None or self._module is not trt:
            logger = process_logger()
            if hasattr(trt, 'init_libnvinfer_plugins'):
                trt.init_libnvinfer_plugins(logger, '')
            try:
                self._runtime = trt.Runtime(logger)
            except TypeError as err:  # pybind11 raises it for a null pointer
                raise ModelError(f'{describe_tensorrt(trt)} does not start: {err}') from err
            self._module = trt
            # A reference that nobody drops: at the end of the process, TensorRT would clean up
            # after CUDA and the logger are gone.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._runtime))
        return self._runtime


loaded_engines = LoadedEngines()
"""The engines that this process has loaded."""


def _shares_profiles(trt: Any) -> bool:
    """Whether contexts of one engine may share an optimization profile: from 10.0 on."""
    return hasattr(trt, 'ExecutionContextAllocationStrategy')


def _what(trt: Any, plan: bytes, path: Path) -> str:
    """'my.engine, of TensorRT 8.6.1, cannot be loaded by TensorRT 10.3.0', as far as known."""
    built_by = plan_version(plan)
    rtx = ' (neither runs engines of the other)'
    other = built_by and built_by.startswith('TensorRT-RTX') != is_rtx(trt)
    return (
        f'{path}{f", of {built_by}," if built_by else ""} cannot be loaded by '
        f'{describe_tensorrt(trt)}{rtx if other else ""}'
    )
