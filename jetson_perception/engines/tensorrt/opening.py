"""Opens a model file as a TensorRT engine: from the cache, newly built, or the file itself."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jetson_perception.cuda import CudaDevice
from jetson_perception.engines.image_input import (
    choose_size_wh,
    require_one_input,
    require_usual_image,
)
from jetson_perception.engines.metadata import read_onnx_metadata
from jetson_perception.engines.onnx_file.header import model_digest, read_head
from jetson_perception.engines.tensorrt.api import describe_tensorrt, import_tensorrt
from jetson_perception.engines.tensorrt.build_options import BuildOptions
from jetson_perception.engines.tensorrt.builder import build_engine
from jetson_perception.engines.tensorrt.cache import EngineCache, EngineKey
from jetson_perception.engines.tensorrt.engine import TensorRTEngine
from jetson_perception.engines.tensorrt.loading import PlanRefusedError
from jetson_perception.engines.tensorrt.plan_file import is_plan_file, read_plan_file

if TYPE_CHECKING:
    from jetson_perception.engines.request import EngineRequest
    from jetson_perception.engines.tensorrt.cache import CachedPlan
    from jetson_perception.model_info import ModelInfo

_log = logging.getLogger('jetson_perception')

# Build options that say where to write things: they do not change the engine.
_NOT_IN_KEY = ('timing_cache', 'save_onnx')


def open_tensorrt(request: EngineRequest) -> TensorRTEngine:
    """A model on TensorRT: an ONNX file, built once per machine and kept, or an engine file.

    Raises
    ------
    ModelError
        When the file cannot be used, TensorRT cannot build or load it, or is not installed.
    ParameterError
        When the input size is open and not given, or the given one does not fit, or there is no
        such DLA core.
    BuildCanceled
        When `request.cancel` was set.
    CudaError
        When the GPU cannot be used, or its memory is full.
    """
    if is_plan_file(request.path):
        return _open_plan_file(request)
    return _open_onnx(request)


def _open_plan_file(request: EngineRequest) -> TensorRTEngine:
    path = request.path
    file = read_plan_file(path)
    return TensorRTEngine(
        file.plan,
        path=path,
        info=file.info(str(path)),
        input_size_wh=request.input_size_wh,
        device=request.device,
        dla_core=request.dla_core,
    )


def _open_onnx(request: EngineRequest) -> TensorRTEngine:
    info, options = _plan_build(request)
    key = _make_key(request, options)
    cache = EngineCache()

    def build() -> bytes:
        built = build_engine(
            request.path,
            options,
            progress=request.progress,
            cancel=request.cancel,
            device=request.device,
        )
        for note in built.notes:
            _log.info('%s: %s', request.path.name, note)
        return built.plan

    def on_wait() -> None:
        _log.info('%s: another process is building its engine; waiting', request.path.name)
        if request.progress is not None:
            request.progress(None, 'waiting for another process that is building this engine')

    plan = cache.get_or_build(key, build, cancel=request.cancel, on_wait=on_wait)
    try:
        return _make_engine(plan, request, info)
    except PlanRefusedError as err:
        if plan.built:
            raise
        # Undamaged, and for this version and GPU, but refused, as some engines with plugins are.
        plan = cache.replace(key, build, str(err))
    return _make_engine(plan, request, info)


def _make_engine(plan: CachedPlan, request: EngineRequest, info: ModelInfo) -> TensorRTEngine:
    opened = TensorRTEngine(
        plan.data,
        path=request.path,
        info=info,
        device=request.device,
        dla_core=request.dla_core,
    )
    opened.description += f', {request.precision.upper()}'
    if request.dla_core >= 0:
        opened.description += f', DLA core {request.dla_core}'
    return opened


def _plan_build(request: EngineRequest) -> tuple[ModelInfo, BuildOptions]:
    """What is known about the model, with the size to run at, and how to build its engine."""
    path = request.path
    head = read_head(path)
    require_one_input(path, [spec.name for spec in head.inputs])
    image = head.inputs[0]
    require_usual_image(path, image)
    info = replace(read_onnx_metadata(head.metadata), path=str(path))
    size_wh = choose_size_wh(path, image, info, request.input_size_wh)
    # One size: an engine is fastest at the one that it was tuned for.
    sizes = (size_wh,) * 3 if -1 in image.shape[2:] else ()
    options = BuildOptions(precision=request.precision, size_wh=sizes, dla_core=request.dla_core)
    return replace(info, input_size_wh=size_wh), options


def _make_key(request: EngineRequest, options: BuildOptions) -> EngineKey:
    gpu = CudaDevice.get(request.device)
    gpu.close()
    settings: dict[str, Any] = options.as_json()
    for name in _NOT_IN_KEY:
        del settings[name]
    return EngineKey(
        model_sha256=model_digest(request.path),
        runtime=describe_tensorrt(import_tensorrt()),
        gpu=gpu.name,
        compute_capability='.'.join(map(str, gpu.compute_capability)),
        options=settings,
        model=str(request.path),
    )
