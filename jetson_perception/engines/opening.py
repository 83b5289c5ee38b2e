"""From a model file to an engine that is ready to run: which runtime, and what the model says."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING

from jetson_perception.engines.metadata import (
    ModelInfo,
    did_you_mean,
    find_problem,
    merge,
    read_sidecar,
    sidecar_path,
)
from jetson_perception.engines.onnxruntime import OnnxRuntimeEngine, check_model_file
from jetson_perception.engines.request import PRECISIONS, EngineRequest
from jetson_perception.errors import ModelError, ParameterError

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from jetson_perception.engines.base import Engine

_log = logging.getLogger('jetson_perception')

_Factory = Callable[[EngineRequest], 'Engine']


def _open_onnxruntime_cpu(request: EngineRequest) -> Engine:
    _require_int8(request)
    return OnnxRuntimeEngine(
        request.path, threads=request.threads, input_size_wh=request.input_size_wh
    )


# Fastest first: the order in which 'auto' tries them. None marks one that this version lacks.
_FACTORIES: dict[str, _Factory | None] = {
    'tensorrt': None,
    'onnxruntime_cuda': None,
    'onnxruntime_cpu': _open_onnxruntime_cpu,
}

ENGINES = ('auto', *_FACTORIES)
"""What the parameter `engine` may hold."""


def open_engine(
    path: str | Path,
    *,
    engine: str = 'auto',
    threads: int = 0,
    input_size_wh: tuple[int, int] | None = None,
    overrides: ModelInfo | None = None,
    precision: str = 'fp16',
    progress: Callable[[float | None, str], None] | None = None,
    cancel: threading.Event | None = None,
    device: int = 0,
) -> Engine:
    """A model on a runtime, ready to run. Building one may take minutes, the first time.

    Its `info` is what the ONNX metadata says, then the YAML file beside it, then `overrides`.

    Parameters
    ----------
    path : str or Path
        The ONNX file.
    engine : str
        One of `ENGINES`. 'auto' takes the fastest that is there and logs which, and why.
    threads : int
        Threads that compute one frame on a CPU; 0 for as many as the cores this process may use.
    input_size_wh : tuple of int, optional
        Width and height of the input, for a model that leaves them open. Default: what
        `overrides`, the YAML file or the metadata say, in this order.
    overrides : ModelInfo, optional
        What the user says of the model.
    precision : str
        One of `PRECISIONS`, for an engine that is built; others compute in the types of the file.
        'int8' is refused for a model that holds nothing quantized.
    progress, cancel, device
        As `EngineRequest` says.

    Raises
    ------
    ModelError
        When the file or the YAML beside it cannot be used, or the engine is not to be had.
    ParameterError
        When a setting is out of range, or one is missing; the error names it.
    """
    if engine not in ENGINES:
        raise ParameterError(
            f'engine is {engine!r}; expected one of {", ".join(ENGINES)}'
            f'{did_you_mean(engine, ENGINES)}',
            'engine',
        )
    if precision not in PRECISIONS:
        raise ParameterError(
            f'precision is {precision!r}; expected one of {", ".join(PRECISIONS)}'
            f'{did_you_mean(precision, PRECISIONS)}',
            'precision',
        )
    overrides = overrides or ModelInfo()
    problem = find_problem(overrides)
    if problem:
        raise ParameterError(f'{problem[0]}: {problem[1]}', problem[0])
    path = check_model_file(path)
    beside = sidecar_path(path)
    sidecar = read_sidecar(beside) if beside else ModelInfo()
    size_wh = input_size_wh or overrides.input_size_wh or sidecar.input_size_wh
    name, factory = _choose(engine)
    opened = factory(EngineRequest(path, threads, size_wh, precision, progress, cancel, device))
    _log.info('%s: %s%s', path.name, opened.description, _reason(name) if engine == 'auto' else '')
    # The size that the engine runs at was chosen above, from all of them.
    fixed = ModelInfo(path=str(path), input_size_wh=opened.info.input_size_wh)
    opened.info = merge(opened.info, sidecar, overrides, fixed)
    problem = find_problem(opened.info)
    if problem:
        opened.close()
        raise ModelError(
            f'{path}: {problem[0]}: {problem[1]}, when metadata, {beside or "YAML file"} and '
            'parameters are put together'
        )
    return opened


def _require_int8(request: EngineRequest) -> None:
    """Refuse 'int8' where the runtime takes the file as it is and nothing in it is quantized."""
    if request.precision != 'int8':
        return
    with (
        request.path.open('rb') as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m,
    ):
        quantized = m.find(b'QuantizeLinear') >= 0
    if not quantized:
        raise ModelError(
            f'{request.path} is asked for in int8, and nothing in it is quantized; make an INT8 '
            f'model of it: jetson-perception quantize {request.path}, or set precision to fp16'
        )


def _choose(engine: str) -> tuple[str, _Factory]:
    if engine == 'auto':
        return next((name, factory) for name, factory in _FACTORIES.items() if factory)
    factory = _FACTORIES[engine]
    if factory is None:
        there = ', '.join(name for name, each in _FACTORIES.items() if each)
        raise ModelError(
            f"engine '{engine}' is not in this version of jetson_perception; use 'auto' or one of "
            f'{there}'
        )
    return engine, factory


def _reason(chosen: str) -> str:
    lacking = [name for name, factory in _FACTORIES.items() if factory is None]
    return f" (engine 'auto' took {chosen}: this version has no {' or '.join(lacking)})"
