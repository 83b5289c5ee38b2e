"""The loop to compare with: several YOLO engines as tutorials run them, all in one thread.

It has the structure of a published write-up that runs two detectors and two pose models on a
Jetson, written anew. For each frame: a letterbox by OpenCV into the upper left corner and
`blobFromImage`; then the engines from host memory to host memory; then for each the whole output
transposed, thresholds, boxes turned into Python lists for `cv2.dnn.NMSBoxes` (a detector) or
suppressed by a NumPy loop (a pose model), and a Python tuple for every box and keypoint. NMSBoxes
gets boxes with width and height, as it expects; the write-up did not do this, which makes no
difference to the time. A segmentation model ends as in another write-up: softmax, an enlarged
float for every class, argmax.

The write-up uses TensorRT engines, each with its own stream and page-locked memory, and enqueues
all of them before it waits for the first: `OnStreams`. ONNX Runtime has no call that returns
before the result is ready, so with it such a loop runs one session after another: `InTurn`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.benchmark.timing import Timing, intervals_ms, timing
from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
from jetson_perception.engines.onnxruntime.source import convert_to_half

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jetson_perception.engines.base import CudaEngine
    from jetson_perception.models import Model

    Run = Callable[[Any], Sequence[Any]]
    #: Maps the blobs of all models to the outputs of all models.
    RunAll = Callable[[Sequence[Any]], Sequence[Sequence[Any]]]

SCORE_THRESHOLD = 0.3
POSE_SCORE_THRESHOLD = 0.1
KEYPOINT_THRESHOLD = 0.2
IOU_THRESHOLD = 0.1
STAGES = ('preprocess', 'inference', 'postprocess')


def run_baseline(
    models: Sequence[Model[Any, Any]],
    frames: Sequence[NDArray[np.uint8]],
    count: int,
    seconds: float = 0.0,
    run_all: RunAll | None = None,
) -> tuple[Timing, dict[str, float]]:
    """Time the loop.

    Parameters
    ----------
    models : sequence of model
        Their engines run one after another with `infer`, unless `run_all` is given.
    frames : sequence of ndarray, shape (h, w, 3), uint8
        Used in turn, again and again.
    count : int
        Frames to run.
    seconds : float
        Stop after this time, even if fewer frames were run, but not before three; 0 for no limit.
    run_all : callable, optional
        Maps the blobs of all models to their outputs, like `InTurn` and `OnStreams`.

    Returns
    -------
    all_ : Timing
        Time from the end of one frame to the end of the next.
    stages : dict
        Median milliseconds of each of `STAGES`, for all engines together.
    """
    run_all = run_all or InTurn([model.engine.infer for model in models])
    for index in range(2):  # warm-up
        _one_frame(models, run_all, frames[index % len(frames)])
    stages: list[tuple[float, ...]] = []
    ends: list[float] = []
    begun = time.perf_counter()
    for index in range(count):
        stages.append(_one_frame(models, run_all, frames[index % len(frames)]))
        ends.append(time.perf_counter())
        if seconds and index >= 2 and ends[-1] - begun > seconds:
            break
    medians = np.median(np.asarray(stages), axis=0) * 1e3
    figures = timing(len(ends), ends[-1] - begun, intervals_ms(begun, ends))
    return figures, {name: float(each) for name, each in zip(STAGES, medians, strict=True)}


def _one_frame(
    models: Sequence[Model[Any, Any]],
    run_all: RunAll,
    bgr: NDArray[np.uint8],
) -> tuple[float, float, float]:
    """Seconds of each stage."""
    begun = time.perf_counter()
    prepared: dict[tuple[int, int], tuple[Any, float]] = {}
    inputs = []
    for model in models:
        if model.network_wh not in prepared:
            prepared[model.network_wh] = preprocess(bgr, model.network_wh)
        blob, scale = prepared[model.network_wh]
        inputs.append((np.asarray(blob, model.engine.inputs[0].dtype), scale))
    preprocessed = time.perf_counter()
    outputs = run_all([blob for blob, _ in inputs])
    inferred = time.perf_counter()
    for model, (_, scale), found in zip(models, inputs, outputs, strict=True):
        model.task.usual_postprocess(model)(found, scale, bgr)
    return preprocessed - begun, inferred - preprocessed, time.perf_counter() - inferred


class InTurn:
    """Runs models one after another, each from a blob on the host to outputs on the host.

    Parameters
    ----------
    runs : sequence of callable
        One for each model.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs

    def __call__(self, blobs: Sequence[Any]) -> list[Sequence[Any]]:
        """Every model's outputs."""
        return [run(blob) for run, blob in zip(self._runs, blobs, strict=True)]


def plain_session(model: Model[Any, Any]) -> Run:
    """The `run` of a plain ONNX Runtime session for the model's file.

    On the same device as the model's engine, and in FP16, with the same rounding, if the engine
    is. Without our streams, buffers and graphs, as in a script of a few lines.
    """
    import onnxruntime

    engine = model.engine
    provider: Any = 'CPUExecutionProvider'
    content: str | bytes = model.info.path
    if isinstance(engine, OnnxRuntimeCudaEngine):
        provider = ('CUDAExecutionProvider', {'use_tf32': str(int(engine.tf32))})
        content = (convert_to_half(Path(model.info.path)) if engine.is_half else None) or content
    session: Any = onnxruntime.InferenceSession(content, providers=[provider])
    name = session.get_inputs()[0].name
    return lambda blob: session.run(None, {name: blob})


class OnStreams:
    """Runs all engines at once, on their streams, with page-locked memory; one thread waits.

    Such a loop cannot get more out of enqueued engines.

    Parameters
    ----------
    engines : sequence of CudaEngine
        They are bound to the calling thread, which must also make the calls.
    """

    def __init__(self, engines: Sequence[CudaEngine]) -> None:
        from jetson_perception.cuda import PinnedBuffer, Resources

        self._engines = engines
        self._resources = Resources()
        self._memory: list[tuple[Any, list[Any]]] = []
        with self._resources.closed_on_error():
            for engine in engines:
                engine.bind_thread()
                source, *found = (
                    self._resources.add(PinnedBuffer(engine.device, each.shape, each.dtype))
                    for each in (engine.input_buffer, *engine.output_buffers)
                )
                self._memory.append((source, found))

    def __call__(self, blobs: Sequence[Any]) -> list[Sequence[Any]]:
        """The outputs of every model; the next call overwrites them."""
        for (source, _), blob in zip(self._memory, blobs, strict=True):
            np.copyto(source.array, blob)
        for engine, (source, found) in zip(self._engines, self._memory, strict=True):
            with engine.device.pushed():
                engine.input_buffer.copy_from_host(source, engine.stream)
                engine.enqueue()
                for output, target in zip(engine.output_buffers, found, strict=True):
                    output.copy_to_host(target, engine.stream)
        for engine in self._engines:
            with engine.device.pushed():
                engine.stream.synchronize()
        return [[each.array for each in found] for _, found in self._memory]

    def close(self) -> None:
        """Release the memory; may be called twice."""
        self._resources.close()


def preprocess(bgr: NDArray[np.uint8], network_wh: tuple[int, int]) -> tuple[Any, float]:
    """The blob (1, 3, h, w), float, and the scale from source pixels to input pixels."""
    height, width = bgr.shape[:2]
    scale = min(network_wh[0] / width, network_wh[1] / height)
    new_w, new_h = int(width * scale), int(height * scale)
    resized = cv2.resize(bgr, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    padded = np.full((network_wh[1], network_wh[0], 3), 114, np.uint8)
    padded[:new_h, :new_w] = resized
    return cv2.dnn.blobFromImage(padded, 1 / 255.0, network_wh, swapRB=False), scale


def anchor_rows(output: Any) -> Any:
    """One row per anchor; YOLOv8 puts channels first."""
    return output.reshape(1, output.shape[1], -1).transpose(0, 2, 1).squeeze(0)


def postprocess_detection(rows: Any, scale: float) -> list[tuple[Any, Any, Any]]:
    """Box, score and class of each object, from rows of (cx, cy, w, h, score of each class)."""
    boxes, scores = rows[:, :4], rows[:, 4:]
    class_ids = np.argmax(scores, axis=1)
    confidences = scores[np.arange(len(rows)), class_ids]
    keep = confidences > SCORE_THRESHOLD
    boxes, confidences, class_ids = boxes[keep], confidences[keep], class_ids[keep]
    if len(boxes) == 0:
        return []
    x1, y1, x2, y2 = ((each / scale).astype(int) for each in _corners(boxes))
    corners = np.stack([x1, y1, x2, y2], axis=1)
    sized = np.stack([x1, y1, x2 - x1, y2 - y1], axis=1)
    kept = cv2.dnn.NMSBoxes(sized.tolist(), confidences.tolist(), SCORE_THRESHOLD, IOU_THRESHOLD)
    results = []
    for i in np.array(kept).flatten():
        results.append((corners[i], confidences[i], class_ids[i]))
    return results


def postprocess_pose(
    rows: Any, scale: float, keypoint_count: int
) -> list[list[tuple[int, int] | None]]:
    """Keypoints of each person, None for those that score too little; for one class."""
    scores = rows[:, 4]
    mask = scores >= POSE_SCORE_THRESHOLD
    if not np.any(mask):
        return []
    corners = np.stack([each / scale for each in _corners(rows)], axis=1)[mask]
    selected = rows[mask]
    selected = selected[_suppress(corners, scores[mask], IOU_THRESHOLD)]
    values = selected[:, rows.shape[1] - 3 * keypoint_count :]
    points = values.reshape(len(selected), keypoint_count, 3)
    valid = points[:, :, 2] >= KEYPOINT_THRESHOLD
    xs = (points[:, :, 0] / scale).astype(np.int32)
    ys = (points[:, :, 1] / scale).astype(np.int32)
    return [
        [(int(xs[i, j]), int(ys[i, j])) if valid[i, j] else None for j in range(keypoint_count)]
        for i in range(len(selected))
    ]


def postprocess_segmentation(output: Any, size_hw: tuple[int, ...]) -> tuple[Any, list[int]]:
    """Class of each pixel of the picture, and pixels per class."""
    logits = output[0].transpose(1, 2, 0).astype(np.float32)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=-1, keepdims=True)
    enlarged = cv2.resize(probabilities, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    mask = enlarged.reshape(*size_hw, -1).argmax(axis=-1)
    return mask, [int(np.sum(mask == i)) for i in range(output.shape[1])]


def _corners(rows: Any) -> tuple[Any, Any, Any, Any]:
    cx, cy, w, h = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3]
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def _suppress(boxes: Any, scores: Any, iou_threshold: float) -> list[int]:
    """Greedy non-maximum suppression, with one NumPy pass per kept box."""
    x1, y1, x2, y2 = boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]
    areas = (x2 - x1) * (y2 - y1)
    order = scores.argsort()[::-1]
    keep: list[int] = []
    while order.size > 0:
        i = order[0]
        keep.append(i)
        rest = order[1:]
        width = np.maximum(0.0, np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest]))
        height = np.maximum(0.0, np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest]))
        both = width * height
        iou = both / (areas[i] + areas[rest] - both)
        order = rest[iou <= iou_threshold]
    return keep
