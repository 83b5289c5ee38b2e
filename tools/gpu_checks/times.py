"""GPU time of each kernel chain in the cases of its tests; printed without bars.

It runs only with `--only times`, because the other parts check what matters.
"""

from __future__ import annotations

import itertools
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from gpu_checks.timer import GraphTimer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpu_checks.checks import Checks, Options
    from jetson_perception.cuda import Resources
    from jetson_perception.cuda.device import CudaDevice

# The modules of the kernels' tests make the inputs.
sys.path.append(str(Path(__file__).resolve().parents[2] / 'test/cuda'))

_REPEATS = 50
_RUNS = 5
_ENCODINGS = ('bgr8', 'bgra8', 'mono8', 'yuyv', 'nv12', 'bayer_rggb8')
_SIZES = ((640, 480), (1280, 720), (1920, 1080))
_DTYPES = (np.float32, np.float16)
_GRIDS = ((21, (512, 512)), (19, (90, 160)), (19, (360, 640)), (1, (640, 640)))  # classes, (h, w)


def run(options: Options, checks: Checks) -> None:
    """Time every chain; does nothing without a GPU."""
    if options.device == 'cpu':
        return
    from jetson_perception.cuda.device import CudaDevice

    device = CudaDevice.get(0)
    try:
        for time in (_preprocessing, _segmentation, _tinting, _yolo_head, _yolo_decoding):
            with _timing(device) as (timer, held):
                time(timer, held, checks)
        _enqueueing(device, options, checks)
    finally:
        device.close()


@contextmanager
def _timing(device: CudaDevice) -> Iterator[tuple[GraphTimer, Resources]]:
    """A timer, and resources that are closed at the end; the GPU's context is current."""
    from jetson_perception.cuda import Resources

    held = Resources()
    with (
        held.closed_on_error(),
        device.pushed(),
        closing(GraphTimer(device, _REPEATS, _RUNS)) as timer,
    ):
        yield timer, held
    held.close()


def _preprocessing(timer: GraphTimer, held: Resources, checks: Checks) -> None:
    import preprocess_cases

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.preprocess import CudaPreprocessor, DeviceImage

    for encoding, size_wh, dtype in itertools.product(_ENCODINGS, _SIZES, _DTYPES):
        case = preprocess_cases.Case(size_wh, (640, 640), encoding, dtype=dtype)
        data, step = preprocess_cases.image_bytes(case)
        preprocessor = held.add(CudaPreprocessor(timer.device, case.network_wh, dtype=dtype))
        source = held.add(DeviceBuffer(timer.device, data.shape, np.uint8))
        target = held.add(preprocessor.new_tensor())
        image = DeviceImage(source.address, *size_wh, step, encoding)

        def work(made_by=preprocessor, image=image, target=target) -> None:
            made_by.enqueue(image, target, timer.stream)

        name = f'{encoding} {_by(size_wh)} to 640×640 {np.dtype(dtype).name}'
        checks.note(f'preprocess {name}, µs', _microseconds(timer, work))


def _segmentation(timer: GraphTimer, held: Resources, checks: Checks) -> None:
    import segmentation_cases

    from jetson_perception.cuda.buffers import DeviceBuffer, PinnedBuffer
    from jetson_perception.cuda.segmentation import CudaSegmenter
    from jetson_perception.tasks.segmentation import SegmentationLayout, SegmentationOptions

    for (classes, grid_hw), content, interpolation in itertools.product(
        _GRIDS, ('smooth', 'noise'), ('probabilities', 'logits')
    ):
        case = segmentation_cases.Case(
            grid_hw,
            grid_hw[::-1],
            (1280, 720),
            SegmentationLayout('logits', max(classes, 2), binary=classes == 1),
            SegmentationOptions(interpolation=interpolation),
            content=content,
        )
        data = segmentation_cases.output_of(case)
        segmenter = held.add(CudaSegmenter(timer.device, case.layout, data.shape, data.dtype))
        staging = held.add(PinnedBuffer(timer.device, data.shape, data.dtype))
        staging.array[...] = data
        output = held.add(DeviceBuffer(timer.device, data.shape, data.dtype))
        output.copy_from_host(staging, timer.stream)
        segmenter.prepare(segmentation_cases.transform_of(case), case.options)
        name = f'{classes} × {_by(grid_hw[::-1])} to 1280×720, {interpolation}, {content}'
        for what, enqueue in (
            ('kernels', segmenter.enqueue_kernels),
            ('with the copy to the host', segmenter.enqueue),
        ):

            def work(enqueue=enqueue, output=output) -> None:
                enqueue([output], timer.stream)

            checks.note(f'segmentation {name}: {what}, µs', _microseconds(timer, work))


def _tinting(timer: GraphTimer, held: Resources, checks: Checks) -> None:
    import preprocess_cases
    import tint_cases

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.preprocess import DeviceImage
    from jetson_perception.cuda.tint import CudaTinter, TintTables
    from jetson_perception.palette import palette

    size_wh = (1280, 720)
    device, stream = timer.device, timer.stream
    tinter = held.add(CudaTinter(device))
    tables = held.add(TintTables(device, palette(21)))
    mask = tint_cases.on_device(device, held, stream, tint_cases.mask_of(size_wh, 21))
    target = held.add(DeviceBuffer(device, (*size_wh[::-1], 3), np.uint8))
    for encoding in ('bgr8', 'nv12'):
        case = preprocess_cases.Case(size_wh, encoding=encoding)
        data, step = preprocess_cases.image_bytes(case)
        source = tint_cases.on_device(device, held, stream, data)
        image = DeviceImage(source.address, *size_wh, step, encoding)

        def work(image=image) -> None:
            tinter.enqueue_blend(image, mask.address, tables, target, stream)

        checks.note(f'tint {encoding} {_by(size_wh)}, µs', _microseconds(timer, work))


def _yolo_head(timer: GraphTimer, held: Resources, checks: Checks) -> None:
    import yolo_head_cases

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.yolo_head import CudaHead
    from jetson_perception.tasks.yolo_head import HeadLayout

    for (kind, values), channels_last, dtype in itertools.product(
        (('detect', (80,)), ('pose', (1, 51, 3))), (False, True), _DTYPES
    ):
        layout = HeadLayout(((80, 80), (40, 40), (20, 20)), (8, 16, 32), 16, *values)
        head = held.add(
            CudaHead(timer.device, layout, dtype, np.float32, channels_last=channels_last)
        )
        output = held.add(DeviceBuffer(timer.device, layout.output_shape, np.float32))
        maps = yolo_head_cases.maps_of(yolo_head_cases.Case(layout, dtype))
        yolo_head_cases.fill(head, maps, channels_last)

        def work(head=head, output=output) -> None:
            head.enqueue(output, timer.stream)

        order = 'channels last' if channels_last else 'channels first'
        name = f'{kind}, {order}, {np.dtype(dtype).name}'
        checks.note(f'head of YOLOv8n, {name}, µs', _microseconds(timer, work))


def _yolo_decoding(timer: GraphTimer, held: Resources, checks: Checks) -> None:
    import yolo_cases

    for parameter in yolo_cases.NETWORKS:
        (case,) = parameter.values
        with closing(yolo_cases.OnDevice(timer.device, case)) as on_device:
            on_device.decoded(case)
            decoder = on_device.decoder
            for what, enqueue in (
                ('kernels', decoder.enqueue_kernels),
                ('with copies', decoder.enqueue),
            ):

                def work(enqueue=enqueue, outputs=on_device.outputs) -> None:
                    enqueue(outputs, timer.stream)

                checks.note(f'decode {parameter.id}: {what}, µs', _microseconds(timer, work))


def _enqueueing(device: CudaDevice, options: Options, checks: Checks) -> None:
    """Time a run of ONNX Runtime, on the host alone and in total; plain runs wait for the GPU."""
    from jetson_perception.engines.onnxruntime.choices import MODES
    from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
    from jetson_perception.errors import CudaError, ModelError
    from jetson_perception.models import resolve_model

    for mode in MODES:
        name = f'enqueue by ONNX Runtime, {mode}'
        try:
            with closing(
                OnnxRuntimeCudaEngine(resolve_model(options.models[0]), modes=[mode])
            ) as engine:
                host, whole = _enqueue_microseconds(device, engine)
        except (ModelError, CudaError) as err:
            checks.note(name, str(err))
        else:
            checks.note(f'{name}: the host, µs', host)
            checks.note(f'{name}: total, µs', whole)


def _enqueue_microseconds(device: CudaDevice, engine: Any, count: int = 20) -> tuple[float, float]:
    engine.bind_thread()
    with device.pushed():
        engine.enqueue()
        engine.stream.synchronize()
        begun = perf_counter()
        for _ in range(count):
            engine.enqueue()
        host = perf_counter() - begun
        engine.stream.synchronize()
        whole = perf_counter() - begun
    return host / count * 1e6, whole / count * 1e6


def _microseconds(timer: GraphTimer, work: Any) -> float:
    return timer.milliseconds(work) * 1000


def _by(size_wh: tuple[int, int]) -> str:
    return f'{size_wh[0]}×{size_wh[1]}'
