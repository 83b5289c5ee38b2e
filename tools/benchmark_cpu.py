#!/usr/bin/env python3
"""Time the work around inference on the CPU and compare it with a plain implementation.

The plain implementation does what tutorials do with OpenCV and NumPy: a padded copy and
blobFromImage, boxes in Python lists for cv2.dnn.NMSBoxes, an argmax over enlarged probabilities,
colors by indexing. Runs of both alternate, so that other load on the machine affects both.

    python3 tools/benchmark_cpu.py --threads 2
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.drawing import color_mask, draw_detections, draw_segmentation
from jetson_perception.images.encodings import to_bgr, view
from jetson_perception.model_info import ModelInfo
from jetson_perception.palette import palette
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.preprocess import Preprocessor, fit
from jetson_perception.tasks.results import Detections
from jetson_perception.tasks.segmentation import (
    SegmentationLayout,
    SegmentationOptions,
    segment,
)
from jetson_perception.tasks.yolo import decode, recognize_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Stage = tuple[str, Callable[[], Any], Callable[[], Any] | None]

WIDTH, HEIGHT = 1280, 720
NETWORK_WH = (640, 640)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=100, help='runs per stage (100)')
    parser.add_argument('--threads', type=int, default=2, help="OpenCV's threads (2)")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    print(
        f'OpenCV {cv2.__version__}, NumPy {np.__version__}, {arguments.threads} threads, '
        f'{WIDTH}×{HEIGHT}, median (lowest) of {arguments.repeats} in ms'
    )
    print(f'{"":34}{"here":>16}{"plain":>16}{"ratio":>8}')
    for stages in (preprocessing(), detection(), boxes(), segmentation(), conversion()):
        for name, ours, plain in stages:
            report(name, ours, plain, arguments.repeats)


def report(
    name: str, ours: Callable[[], Any], plain: Callable[[], Any] | None, repeats: int
) -> None:
    """Print one line, from alternating runs of both."""
    functions = [ours] if plain is None else [ours, plain]
    times_ms: list[list[float]] = [[] for _ in functions]
    for turn in range(repeats + 5):
        for function, times in zip(functions, times_ms):  # noqa: B905
            start = time.perf_counter()
            function()
            if turn >= 5:
                times.append((time.perf_counter() - start) * 1e3)
    medians = [statistics.median(times) for times in times_ms]
    cells = [f'{median:.3f} ({min(times):.3f})' for median, times in zip(medians, times_ms)]  # noqa: B905
    ratio = f'{medians[1] / medians[0]:.1f}×' if plain else ''
    print(f'{name:34}' + ''.join(f'{cell:>16}' for cell in cells) + f'{ratio:>8}')


def picture() -> np.ndarray:
    """Smooth noise, so that no area is uniform."""
    coarse = np.random.default_rng(0).integers(0, 256, (45, 80, 3), np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def preprocessing() -> Iterator[Stage]:
    """Image to input tensor."""
    bgr = picture()

    def plain() -> np.ndarray:
        gain = min(NETWORK_WH[0] / WIDTH, NETWORK_WH[1] / HEIGHT)
        width, height = int(WIDTH * gain), int(HEIGHT * gain)
        resized = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_LINEAR)
        padded = np.full((*NETWORK_WH[::-1], 3), 114, np.uint8)
        padded[:height, :width] = resized
        return cv2.dnn.blobFromImage(padded, 1 / 255, NETWORK_WH, swapRB=True)

    for dtype in (np.float32, np.float16):
        preprocessor = Preprocessor(NETWORK_WH, dtype=dtype)
        tensor = preprocessor.new_tensor()

        def ours(preprocessor: Preprocessor = preprocessor, tensor: Any = tensor) -> Any:
            return preprocessor(bgr, tensor)

        yield f'preprocess, 640×640 {np.dtype(dtype)}', ours, plain


def boxes_of_a_frame(objects: int = 12, boxes_an_object: int = 8) -> np.ndarray:
    """YOLOv8's output (1, 84, 8400), with as many boxes per object as a trained network gives."""
    rng = np.random.default_rng(0)
    output = rng.uniform(0, 0.05, (1, 84, 8400)).astype(np.float32)
    anchors = iter(rng.permutation(8400))
    for _ in range(objects):
        box = np.concatenate((rng.uniform(150, 490, 2), rng.uniform(40, 140, 2)))
        class_row = 4 + rng.integers(80)
        for _ in range(boxes_an_object):
            anchor = next(anchors)
            output[0, :4, anchor] = box + rng.normal(0, 3, 4)
            output[0, class_row, anchor] = rng.uniform(0.3, 0.95)
    return output


def detection() -> Iterator[Stage]:
    """Output tensor to boxes."""
    transform = fit((WIDTH, HEIGHT), NETWORK_WH)
    options = DetectionOptions()
    channels_first = boxes_of_a_frame()

    def plain() -> list[tuple[Any, ...]]:
        rows = channels_first.transpose(0, 2, 1)[0]
        class_ids = rows[:, 4:].argmax(axis=1)
        scores = rows[np.arange(len(rows)), 4 + class_ids]
        keep = scores > options.score_threshold
        rows, scores, class_ids = rows[keep], scores[keep], class_ids[keep]
        boxes = [[x - w / 2, y - h / 2, w, h] for x, y, w, h in rows[:, :4].tolist()]
        kept = cv2.dnn.NMSBoxes(
            boxes, scores.tolist(), options.score_threshold, options.iou_threshold
        )
        return [(boxes[i], scores[i], class_ids[i]) for i in np.ravel(kept)]

    rows = np.ascontiguousarray(channels_first.transpose(0, 2, 1))
    objectness = np.concatenate((rows[..., :4], rows[..., 4:].max(axis=2)[..., None]), axis=2)
    objectness = np.concatenate((objectness, rows[..., 4:] > 0.3), axis=2).astype(np.float32)
    v5 = np.concatenate((objectness, np.zeros((1, 16800, 85), np.float32)), axis=1)
    for name, output in (
        ('decode and suppress (1, 84, 8400)', channels_first),
        ('  float16', channels_first.astype(np.float16)),
        ('  (1, 8400, 84)', rows),
        ('  YOLOv5 (1, 25200, 85)', v5),
    ):
        layout = recognize_layout([output.shape], ModelInfo(), NETWORK_WH)

        def ours(output: Any = output, layout: Any = layout) -> Any:
            return decode([output], layout, transform, options)

        yield f'{name}, {len(ours())} found', ours, plain if output is channels_first else None


def boxes() -> Iterator[Stage]:
    """Boxes and labels on an image; scores change from frame to frame."""
    numbers = np.random.default_rng(0)
    names = ('person', 'bicycle', 'car', 'traffic light', 'dog')
    canvas = picture()
    for count in (12, 50):
        center = numbers.uniform((100, 100), (WIDTH - 100, HEIGHT - 100), (count, 2))
        half = numbers.uniform(20, 100, (count, 2))
        corners = np.hstack((center - half, center + half)).astype(np.float32)
        class_ids = numbers.integers(0, len(names), count).astype(np.int32)

        def ours(corners: Any = corners, class_ids: Any = class_ids) -> Any:
            scores = numbers.uniform(0.3, 1, len(corners)).astype(np.float32)
            draw_detections(canvas, Detections(corners, scores, class_ids), names)

        def plain(corners: Any = corners, class_ids: Any = class_ids) -> Any:
            scores = numbers.uniform(0.3, 1, len(corners))
            for box, score, class_id in zip(corners.astype(int).tolist(), scores, class_ids):  # noqa: B905
                text = f'{names[class_id]} {score:.2f}'
                (width, height), below = cv2.getTextSize(text, 0, 0.55, 1)
                cv2.rectangle(canvas, box[:2], box[2:], (0, 0, 255), 2, cv2.LINE_AA)
                end = (box[0] + width, box[1] - height - below)
                cv2.rectangle(canvas, box[:2], end, (0, 0, 255), -1)
                at = (box[0], box[1] - below)
                cv2.putText(canvas, text, at, 0, 0.55, (255, 255, 255), 1, cv2.LINE_AA)

        yield f'draw {count} boxes with labels', ours, plain


def spots() -> np.ndarray:
    """Logits (1, 4, 224, 224): background with four round defects."""
    y, x = np.mgrid[:224, :224].astype(np.float32)
    logits = np.full((1, 4, 224, 224), -5, np.float32)
    logits[0, 0] = 5
    for class_id, row, column, radius in (
        (1, 60, 60, 9),
        (2, 120, 100, 14),
        (3, 100, 160, 7),
        (1, 150, 150, 10),
    ):
        inside = (radius - np.hypot(y - row, x - column)) * 1.5
        logits[0, class_id] = np.maximum(logits[0, class_id], inside)
        logits[0, 0] = np.minimum(logits[0, 0], -inside)
    return logits


def patchwork() -> np.ndarray:
    """Logits (1, 4, 224, 224): patches all over the image."""
    coarse = np.random.default_rng(0).normal(size=(14, 14, 4)).astype(np.float32) * 4
    fine = cv2.resize(coarse, (224, 224), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(fine.transpose(2, 0, 1))[None]


def segmentation() -> Iterator[Stage]:
    """Output tensor to mask and counts, mask to colors."""
    transform = fit((WIDTH, HEIGHT), (224, 224), 'stretch')
    layout = SegmentationLayout('logits', 4)
    colors = palette(4)
    bgr = picture()
    for name, logits in (('spots', spots()), ('patchwork', patchwork())):

        def plain(logits: np.ndarray = logits) -> Any:
            exponentials = np.exp(logits[0] - logits[0].max(axis=0))
            probabilities = (exponentials / exponentials.sum(axis=0)).transpose(1, 2, 0)
            enlarged = cv2.resize(probabilities, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
            mask = enlarged.argmax(axis=-1)
            return mask, [np.sum(mask == i) for i in range(4)]

        for interpolation in ('probabilities', 'logits'):
            options = SegmentationOptions(interpolation=interpolation)

            def ours(logits: np.ndarray = logits, options: Any = options) -> Any:
                return segment(logits, layout, transform, options)

            yield f'segment, {name}, {interpolation}', ours, plain
        found = segment(logits, layout, transform, SegmentationOptions())
        indices = found.mask.astype(np.int64)
        canvas, out = bgr.copy(), np.empty_like(bgr)

        def plain_color(indices: np.ndarray = indices) -> Any:
            return np.reshape(colors[np.reshape(indices, [-1])], [HEIGHT, WIDTH, -1])

        yield (
            f'color mask, {name}',
            lambda found=found, out=out: color_mask(found.mask, colors, out),  # type: ignore[misc]
            plain_color,
        )
        yield (
            f'blend, {name}',
            lambda canvas=canvas, found=found: draw_segmentation(canvas, found, colors),  # type: ignore[misc]
            lambda plain_color=plain_color: cv2.addWeighted(bgr, 0.6, plain_color(), 0.4, 0),  # type: ignore[misc]
        )


def conversion() -> Iterator[Stage]:
    """Message bytes to BGR."""
    out = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    data = np.random.default_rng(0).integers(0, 256, WIDTH * HEIGHT * 4, np.uint8).tobytes()
    for encoding, step in (
        ('bgr8', WIDTH * 3),
        ('rgb8', WIDTH * 3),
        ('yuv422_yuy2', WIDTH * 2),
        ('nv12', WIDTH),
        ('bayer_rggb8', WIDTH),
    ):

        def ours(encoding: str = encoding, step: int = step) -> Any:
            return to_bgr(view(data, HEIGHT, WIDTH, encoding, step), encoding, out)

        yield f'{encoding} to BGR', ours, None


if __name__ == '__main__':
    main()
