"""GPU time of pre- and post-processing, for each kernel chain by itself and in the pipeline."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from gpu_checks.checks import say
from gpu_checks.timer import GraphTimer
from jetson_perception.benchmark.end_to_end import FullRate
from jetson_perception.benchmark.frames import load_frames
from jetson_perception.benchmark.session import Settings, model_options, opened_models
from jetson_perception.models import SegmentationModel, YoloModel, open_model
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.segmentation import SegmentationOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpu_checks.checks import Checks, Options
    from jetson_perception.cuda.device import CudaDevice

_BAR_MS = 0.15
_SEGMENTATION_BAR_MS = 0.1
_SEGMENTATION_SIZE = (1280, 720)
#: Launches recorded in one graph, so that the host's part in a launch is not timed.
_REPEATS = 20
_RUNS = 30
#: Boxes above the threshold in the crowded output: more than suppression ever considers.
_CROWD = 1500


def run(options: Options, checks: Checks) -> None:
    """Measure every distinct model, and the shipped one that makes masks."""
    models = tuple(dict.fromkeys((*options.models, 'oranges')))
    if options.device != 'cpu':
        from jetson_perception.cuda.device import CudaDevice

        device = CudaDevice.get(0)
        try:
            for model in models:
                with closing(open_model(model, runtime='onnxruntime_cpu')) as opened:
                    time_kernels(device, opened, options, checks)
        finally:
            device.close()
    for model in models:
        _time_in_pipeline(model, options, checks)


def time_kernels(
    device: CudaDevice,
    model: SegmentationModel | YoloModel,
    options: Options,
    checks: Checks,
    repeats: int = _REPEATS,
    runs: int = _RUNS,
) -> None:
    """Time the kernels of a model on its network's outputs for a real frame.

    This needs no engine on the GPU: the outputs are computed on the CPU and uploaded once.
    """
    segmentation = isinstance(model, SegmentationModel)
    name = model.info.path.rpartition('/')[2].removesuffix('.onnx')
    say(f'kernels of {name}')
    timer = GraphTimer(device, repeats, runs)
    with device.pushed(), closing(timer):
        for size in options.sizes:
            size_name = f'{name}, {size[0]}×{size[1]}'
            source = 'scene://oranges' if segmentation else 'scene://people'
            bgr = load_frames(source, size, 8)[-1]
            tensor, transform = model.preprocess(bgr)
            outputs = [np.array(output) for output in model.infer(tensor)]
            before_ms = _preprocess_ms(timer, model, bgr)
            checks.note(f'{size_name}: preprocess, ms', before_ms)
            after_ms, found, same = _postprocess_ms(timer, model, outputs, transform)
            checks.note(f'{size_name}: postprocess ({found}), ms', after_ms)
            checks.holds(f'{size_name}: the kernels find what the CPU finds', same, found)
            if segmentation:
                if size == _SEGMENTATION_SIZE:
                    checks.at_most(
                        f'{size_name}: after the engine, ms', after_ms, _SEGMENTATION_BAR_MS
                    )
                continue
            checks.at_most(f'{size_name}: pre- and postprocess, ms', before_ms + after_ms, _BAR_MS)
            crowd = [
                crowded(output, model) if index == model.layout.output else output
                for index, output in enumerate(outputs)
            ]
            after_ms, found, same = _postprocess_ms(timer, model, crowd, transform)
            checks.note(f'{size_name}: postprocess for a crowd ({found}), ms', after_ms)
            checks.holds(f'{size_name}: the same for a crowd', same, found)


def crowded(output: NDArray[Any], model: YoloModel) -> NDArray[Any]:
    """The output with many added boxes, more than suppression considers."""
    layout = model.layout
    crowd = np.array(output)
    rows = crowd[0] if layout.channels_last else crowd[0].T
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(rows), min(_CROWD, len(rows)), replace=False)
    width, height = model.network_wh
    if layout.family == 'end_to_end':
        low = rng.uniform(0, 0.8, (len(chosen), 2)) * (width, height)
        rows[chosen, :2], rows[chosen, 2:4] = low, low + rng.uniform(20, 120, (len(chosen), 2))
        rows[chosen, 4] = rng.uniform(0.3, 0.9, len(chosen))
        return crowd
    rows[chosen, :2] = rng.uniform(0.1, 0.9, (len(chosen), 2)) * (width, height)
    rows[chosen, 2:4] = rng.uniform(20, 120, (len(chosen), 2))
    first = 4
    if layout.family == 'objectness':
        rows[chosen, 4] = 1
        first = 5
    classes = rng.integers(layout.class_count, size=len(chosen))
    rows[chosen, first + classes] = rng.uniform(0.3, 0.9, len(chosen))
    return crowd


def _upload(timer: GraphTimer, array: NDArray[Any]) -> Any:
    from jetson_perception.cuda.buffers import DeviceBuffer, PinnedBuffer

    buffer = DeviceBuffer(timer.device, array.shape, array.dtype)
    pinned = PinnedBuffer(timer.device, array.shape, array.dtype)
    pinned.array[...] = array
    buffer.copy_from_host(pinned, timer.stream)
    timer.stream.synchronize()
    pinned.close()
    return buffer


def _preprocess_ms(
    timer: GraphTimer, model: SegmentationModel | YoloModel, bgr: NDArray[np.uint8]
) -> float:
    from jetson_perception.cuda.preprocess import CudaPreprocessor, DeviceImage

    twin = model.preprocessor
    image = _upload(timer, np.ascontiguousarray(bgr))
    height, width = bgr.shape[:2]
    description = DeviceImage(image.address, width, height, 3 * width, 'bgr8')
    try:
        with closing(
            CudaPreprocessor(
                timer.device,
                twin.network_wh,
                twin.resize,
                twin.normalization,
                twin.dtype,
                twin.pad_value,
            )
        ) as preprocessor:
            target = preprocessor.new_tensor()
            try:
                return timer.milliseconds(
                    lambda: preprocessor.enqueue(description, target, timer.stream)
                )
            finally:
                target.close()
    finally:
        image.close()


def _postprocess_ms(
    timer: GraphTimer,
    model: SegmentationModel | YoloModel,
    outputs: list[NDArray[Any]],
    transform: Any,
) -> tuple[float, str, bool]:
    """The GPU time, what was found, and whether the CPU finds the same in the same outputs."""
    shapes = [output.shape for output in outputs]
    dtypes = [output.dtype for output in outputs]
    postprocessor: Any
    options: Any
    if isinstance(model, SegmentationModel):
        from jetson_perception.cuda.segmentation import CudaSegmenter

        postprocessor = CudaSegmenter(timer.device, model.layout, shapes[0], dtypes[0])
        options = SegmentationOptions()
    else:
        from jetson_perception.cuda.yolo import CudaDecoder

        postprocessor = CudaDecoder(timer.device, model.layout, shapes, dtypes)
        options = DetectionOptions()
    buffers = [_upload(timer, output) for output in outputs]
    try:
        postprocessor.prepare(transform, options, 0)
        elapsed = timer.milliseconds(lambda: postprocessor.enqueue(buffers, timer.stream, 0))
        found = postprocessor.collect(0)
    finally:
        postprocessor.close()
        for buffer in buffers:
            buffer.close()
    expected: Any = model.postprocess(outputs, transform, options)
    if isinstance(model, SegmentationModel):
        differ = float(np.mean(found.mask != expected.mask))
        return elapsed, f'{differ:.4%} of pixels differ from the CPU', differ < 1e-3
    if len(found) != len(expected):
        return elapsed, f'{len(found)} boxes, the CPU has {len(expected)}', False
    same = np.allclose(found.xyxy, expected.xyxy, atol=0.01) and np.allclose(
        found.score, expected.score, atol=1e-4
    )
    return elapsed, f'{len(found)} boxes', bool(same)


def _time_in_pipeline(model: str, options: Options, checks: Checks) -> None:
    """Time the stages of one engine, with one frame at a time and nothing else running."""
    settings = Settings((model,), runtime=options.runtime)
    source = 'scene://oranges' if model == 'oranges' else 'scene://people'
    (name,) = settings.names()
    with (
        opened_models(settings) as models,
        FullRate(models, options=model_options(settings)) as pipeline,
    ):
        for size in options.sizes:
            frames = load_frames(source, size, options.count(20))
            done = pipeline.run(frames, options.count(200), one_at_a_time=True)
            size_name = f'{name}, {size[0]}×{size[1]}'
            for stage, times in done.stages[name].items():
                checks.note(f'{size_name}, in the pipeline: {stage}, ms', times.median_ms)
            checks.note(
                f'{size_name}, in the pipeline: image in to messages out, ms',
                done.timing.median_ms,
            )
