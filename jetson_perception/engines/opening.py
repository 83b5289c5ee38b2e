"""Opens a model file as an engine: chooses the runtime, and combines the sources of metadata.

Code for a GPU is imported only when an engine on a GPU is opened: a machine without one does not
need most of it, nor anything that builds engines.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.cuda.device import CudaDevice, cuda_problem
from jetson_perception.engines.chosen_outputs import choose_outputs
from jetson_perception.engines.metadata import read_sidecar, sidecar_path
from jetson_perception.engines.onnx_file.graph import has_quantization
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine, check_model_file
from jetson_perception.engines.onnxruntime.session import provider_problem
from jetson_perception.engines.request import EngineRequest
from jetson_perception.engines.tensorrt.availability import tensorrt_problem
from jetson_perception.engines.tensorrt.plan_file import check_plan_file, is_plan_file
from jetson_perception.errors import BuildCanceled, CudaError, ModelError, ParameterError
from jetson_perception.model_info import (
    ISOLATIONS,
    PRECISIONS,
    RUNTIMES,
    ModelInfo,
    did_you_mean,
    find_problem,
    merge,
)
from jetson_perception.printable import quoted
from jetson_perception.process.start_times import START_TIMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jetson_perception.engines.base import Engine

_log = logging.getLogger('jetson_perception')


# Two builds at a time would disturb each other's timings, and need the memory of both.
_opens_tensorrt = threading.Lock()
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _Runtime:
    """One way to run a model.

    Attributes
    ----------
    open : callable
        Makes the engine.
    problem : callable
        Maps the index of a GPU to the reason why this cannot be used here; '' if it can.
    """

    open: Callable[[EngineRequest], Engine]
    problem: Callable[[int], str]


def _open_tensorrt(request: EngineRequest) -> Engine:
    from jetson_perception.engines.tensorrt.opening import open_tensorrt

    while not _opens_tensorrt.acquire(timeout=_POLL_SECONDS):
        if request.cancel is not None and request.cancel.is_set():
            raise BuildCanceled(f'canceled before the engine of {request.path.name} was opened')
    try:
        return open_tensorrt(request)
    finally:
        _opens_tensorrt.release()


def _open_onnxruntime_cuda(request: EngineRequest) -> Engine:
    from jetson_perception.cuda.compiler import compile_ahead
    from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine

    _require_int8(request)
    with START_TIMES.span('starting CUDA'):
        device = CudaDevice.get(request.device)
    compile_ahead(device, request.kernels)
    device.close()  # it stays, and the engine gets it again
    return OnnxRuntimeCudaEngine(
        request.path,
        device_index=request.device,
        input_size_wh=request.input_size_wh,
        half=request.precision in ('fp16', 'best'),
        tf32=request.precision != 'fp32',
    )


def _open_onnxruntime_cpu(request: EngineRequest) -> Engine:
    _require_int8(request)
    return OnnxRuntimeEngine(
        request.path, threads=request.threads, input_size_wh=request.input_size_wh
    )


def _onnxruntime_cuda_problem(device: int) -> str:
    return cuda_problem(device) or provider_problem()


# Fastest first: the order in which 'auto' tries them.
_RUNTIMES = {
    'tensorrt': _Runtime(_open_tensorrt, tensorrt_problem),
    'onnxruntime_cuda': _Runtime(_open_onnxruntime_cuda, _onnxruntime_cuda_problem),
    'onnxruntime_cpu': _Runtime(_open_onnxruntime_cpu, lambda device: ''),
}


def check_file(path: str | Path) -> Path:
    """The absolute path of a file that may be a model or an engine file; opens no engine.

    Raises
    ------
    ModelError
        As `open_engine` does.
    """
    return check_plan_file(path) if is_plan_file(path) else check_model_file(path)


def open_engine(
    path: str | Path,
    *,
    runtime: str = 'auto',
    threads: int = 0,
    input_size_wh: tuple[int, int] | None = None,
    overrides: ModelInfo | None = None,
    precision: str = 'fp16',
    progress: Callable[[float | None, str], None] | None = None,
    cancel: threading.Event | None = None,
    device: int = 0,
    kernels: tuple[str, ...] = (),
    dla_core: int = -1,
    isolation: str = 'none',
    inference_limit_s: float = 10.0,
) -> Engine:
    """Open a model on a runtime. The first time, building may take minutes.

    Its `info` combines the ONNX metadata, the YAML file beside it and `overrides`; later ones win.

    Parameters
    ----------
    path : str or Path
        The ONNX file, or an engine file that TensorRT built (.engine, .plan).
    runtime : str
        One of `RUNTIMES`. 'auto' takes the fastest that is available, and logs which and why.
    threads : int
        Threads that compute one frame on a CPU; 0 for as many as the cores this process may use.
    input_size_wh : tuple of int, optional
        Width and height of the input, for a model that leaves them open. Default: what
        `overrides`, the YAML file or the metadata say, in this order.
    overrides : ModelInfo, optional
        What the user sets for the model.
    precision : str
        One of `PRECISIONS`. TensorRT builds an engine file in it. ONNX Runtime on CUDA computes in
        the types of the file, but converts FP32 to FP16 for 'fp16' and 'best' if the package onnx
        is installed, and lets FP32 convolutions round to TF32 unless it is 'fp32'. On the CPU only
        'int8' matters; it is refused everywhere for a model without quantized layers.
    progress, cancel, device, kernels, dla_core
        See `EngineRequest`.
    isolation : str
        One of `ISOLATIONS`. 'process' opens the engine in a process of its own, which is ended
        when an inference takes longer than `inference_limit_s`, and started again.
    inference_limit_s : float
        See `isolation`; seconds.

    Raises
    ------
    ModelError
        When the file or the YAML beside it cannot be used, or the engine cannot be made.
    ParameterError
        When a setting is missing or out of range; the error names it.
    """
    if runtime not in RUNTIMES:
        raise ParameterError(
            f'runtime is {quoted(runtime)}; expected one of {", ".join(RUNTIMES)}'
            f'{did_you_mean(runtime, RUNTIMES)}',
            'runtime',
        )
    if precision not in PRECISIONS:
        raise ParameterError(
            f'precision is {quoted(precision)}; expected one of {", ".join(PRECISIONS)}'
            f'{did_you_mean(precision, PRECISIONS)}',
            'precision',
        )
    if isolation not in ISOLATIONS:
        raise ParameterError(
            f'isolation is {quoted(isolation)}; expected one of {", ".join(ISOLATIONS)}',
            'isolation',
        )
    overrides = overrides or ModelInfo()
    problem = find_problem(overrides)
    if problem:
        raise ParameterError(f'{problem[0]}: {problem[1]}', problem[0])
    path = check_file(path)
    beside = sidecar_path(path)
    sidecar = read_sidecar(beside) if beside else ModelInfo()
    size_wh = input_size_wh or overrides.input_size_wh or sidecar.input_size_wh
    request = EngineRequest(
        path, threads, size_wh, precision, progress, cancel, device, kernels, dla_core
    )
    opened: Engine
    with START_TIMES.span('opening', path.name):
        if isolation == 'process':
            from jetson_perception.engines.isolation.engine import IsolatedEngine

            isolated = IsolatedEngine(runtime, request, inference_limit_s)
            opened, reason = isolated, isolated.reason
        else:
            opened, _, reason = open_on(runtime, request)
    _log.info('%s: %s%s', path.name, opened.description, reason)
    # The size that the engine runs at was chosen above, from all of them.
    fixed = ModelInfo(path=str(path), input_size_wh=opened.info.input_size_wh)
    opened.info = merge(opened.info, sidecar, overrides, fixed)
    problem = find_problem(opened.info)
    if problem:
        opened.close()
        raise ModelError(
            f'{path}: {problem[0]}: {problem[1]}, when metadata, {beside or "YAML file"} and '
            'parameters are combined'
        )
    try:
        return choose_outputs(opened, opened.info.output_name)
    except ParameterError:
        opened.close()
        raise


def _require_int8(request: EngineRequest) -> None:
    """Refuse 'int8' for a runtime that takes the file as it is, if nothing in it is quantized."""
    if request.precision == 'int8' and not has_quantization(request.path):
        raise ModelError(
            f'{request.path}: precision is int8, but nothing in it is quantized; make it INT8: '
            f'jetson-perception quantize {request.path}, or set precision to fp16'
        )


class Opened(NamedTuple):
    """An engine; the runtime that it is on, and why it was chosen if that was left open."""

    engine: Engine
    runtime: str
    reason: str


def open_on(runtime: str, request: EngineRequest) -> Opened:
    """Open a model on one of `RUNTIMES`; see `open_engine`."""
    path, device = request.path, request.device
    is_plan = is_plan_file(path)
    if is_plan and runtime not in ('auto', 'tensorrt'):
        raise ParameterError(
            f"runtime is '{runtime}', and {path} is a TensorRT engine, which only 'tensorrt' "
            'runs; give the ONNX file that it was built from',
            'runtime',
        )
    if request.dla_core >= 0 and runtime not in ('auto', 'tensorrt'):
        raise ParameterError(
            f"dla_core is {request.dla_core}, and runtime is '{runtime}'; only 'tensorrt' runs "
            'models on a DLA core: set runtime to it, or dla_core to -1',
            'dla_core',
        )
    only_tensorrt = is_plan or request.dla_core >= 0
    if only_tensorrt or runtime != 'auto':
        name = 'tensorrt' if only_tensorrt else runtime
        problem = _RUNTIMES[name].problem(device)
        if problem:
            way_out = (
                'give the ONNX file that it was built from'
                if is_plan
                else 'set dla_core to -1, as only TensorRT runs models on a DLA core'
                if only_tensorrt
                else "use runtime 'auto' or 'onnxruntime_cpu'"
            )
            raise ModelError(f"{path}: runtime '{name}' cannot be used: {problem}; or {way_out}")
        return Opened(_RUNTIMES[name].open(request), name, '')
    return _open_fastest(request)


def _open_fastest(request: EngineRequest) -> Opened:
    lacking: dict[str, list[str]] = {}
    *faster, last = _RUNTIMES
    for name in faster:
        problem = _RUNTIMES[name].problem(request.device)
        if not problem:
            try:
                return Opened(_RUNTIMES[name].open(request), name, _reason(name, lacking))
            except BuildCanceled:
                raise
            except (CudaError, ModelError) as err:  # a full GPU, a missing operator
                if name == 'tensorrt' and isinstance(err, ModelError):
                    # If TensorRT is installed, the user wants it; a much slower runtime would
                    # hide the failure.
                    raise ModelError(
                        f"{err}. It may run without TensorRT: set runtime to 'onnxruntime_cuda' "
                        "or 'onnxruntime_cpu'"
                    ) from err
                _log.warning('%s: runtime %s is not used: %s', request.path.name, name, err)
                problem = str(err)
        lacking.setdefault(_first_sentence(problem), []).append(name)
    return Opened(_RUNTIMES[last].open(request), last, _reason(last, lacking))


#: Reasons that this process has logged already: it opens several engines for the same reasons.
_told: set[str] = set()


def _reason(name: str, lacking: dict[str, list[str]]) -> str:
    """Why this runtime was taken, given the runtimes that each problem rules out."""
    why = '; '.join(f'not {" or ".join(names)}: {each}' for each, names in lacking.items())
    if why in _told:
        why = 'as before'
    elif why:
        _told.add(why)
    return f" (runtime 'auto' took {name}; {why or 'it is the fastest'})"


def _first_sentence(text: str) -> str:
    """What is wrong, without the advice, which would make the line too long."""
    return text.partition('. ')[0].partition('; ')[0]
