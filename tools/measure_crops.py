#!/usr/bin/env python3
"""Measure a classifier on boxes of a frame: all together in one inference, and in turn.

    source tools/env.sh && python tools/measure_crops.py

makes classifiers of random weights (a stem and five separable convolutions, as MobileNet has them)
for several input sizes, with an open batch, and looks at ten boxes of a frame of 1280×720 with
ONNX Runtime on the CPU. Both ways take turns, frame by frame, so that what else the machine does
falls on both alike. Prints a table of medians, and whether the classes are the same.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from jetson_perception import ClassificationModel, CropModel, CropOptions, Detections
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_WH = (1280, 720)
CHANNELS = (16, 32, 64, 128, 128, 256)
CLASSES = 10
WAYS = ('in turn', 'together')
_WARM_UP = 5


def main() -> None:
    """Measure each size, and print a row of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--sizes', type=int, nargs='+', default=[64, 128, 224])
    parser.add_argument('--boxes', type=int, default=10)
    parser.add_argument('--frames', type=int, default=100)
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    print(f'{arguments.boxes} boxes a frame, {arguments.threads} threads; medians in ms')
    print(f'{"input":>8} {"":>9} {"fitting":>8} {"inference":>9} {"all":>8} {"90th":>8}')
    for side in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = classifier(Path(folder) / 'classifier.onnx', side)
            engine = OnnxRuntimeEngine(path, threads=arguments.threads)
            with closing(ClassificationModel(engine)) as model:
                show(side, model, arguments.boxes, arguments.frames)


def classifier(path: Path, side: int) -> Path:
    """Write a small classifier of random weights; returns its path."""
    numbers = np.random.default_rng(0)
    nodes, weights = [], []

    def convolve(source: str, shape: tuple[int, ...], stride: int, group: int = 1) -> str:
        name = f'layer{len(weights)}'
        values = numbers.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f'{name}_weight'))
        pad = shape[-1] // 2
        given = {'strides': [stride] * 2, 'pads': [pad] * 4, 'group': group}
        nodes.append(helper.make_node('Conv', [source, f'{name}_weight'], [name], **given))
        nodes.append(helper.make_node('Relu', [name], [f'{name}_relu']))
        return f'{name}_relu'

    last = convolve('images', (CHANNELS[0], 3, 3, 3), 2)
    for index, (before, after) in enumerate(itertools.pairwise(CHANNELS)):
        last = convolve(last, (before, 1, 3, 3), 2 if index < 4 else 1, group=before)
        last = convolve(last, (after, before, 1, 1), 1)
    nodes.append(helper.make_node('GlobalAveragePool', [last], ['mean']))
    nodes.append(helper.make_node('Flatten', ['mean'], ['flat']))
    dense = numbers.normal(0, 1, (CHANNELS[-1], CLASSES)).astype(np.float32)
    weights.append(numpy_helper.from_array(dense, 'dense'))
    nodes.append(helper.make_node('MatMul', ['flat', 'dense'], ['scores']))
    nodes.append(helper.make_node('Softmax', ['scores'], ['output0'], axis=1))
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        'classifier',
        [helper.make_tensor_value_info('images', kind, ['batch', 3, side, side])],
        [helper.make_tensor_value_info('output0', kind, ['batch', CLASSES])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    names = str({index: f'class {index}' for index in range(CLASSES)})
    helper.set_model_props(model, {'task': 'classify', 'names': names, 'stride': '32'})
    onnx.save(model, str(path))
    return path


def boxes(count: int) -> Detections:
    """Boxes of 40 to 200 pixels anywhere in the frame."""
    numbers = np.random.default_rng(1)
    corner = numbers.uniform(0, np.array(FRAME_WH) - 200, (count, 2))
    xyxy = np.concatenate((corner, corner + numbers.uniform(40, 200, (count, 2))), axis=1)
    scores, classes = np.ones(count, np.float32), np.zeros(count, np.int32)
    return Detections(xyxy.astype(np.float32), scores, classes)


def show(side: int, model: ClassificationModel, count: int, frames: int) -> None:
    """Measure a classifier, and print its row of each way."""
    ways = dict(zip(WAYS, (CropModel(model, 1), CropModel(model)), strict=True))
    frame = np.random.default_rng(2).integers(0, 256, (*FRAME_WH[::-1], 3), np.uint8)
    found = boxes(count)
    times: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
    classes: dict[str, list[int]] = {}
    for index in range(frames + _WARM_UP):
        for way, crops in ways.items():
            measured, ids = look(crops, frame, found)
            classes[way] = ids
            if index >= _WARM_UP:
                times[way].append(measured)
    for way in ways:
        columns = (statistics.median(column) for column in zip(*times[way], strict=True))
        fitting, inference, whole = columns
        ninetieth = np.percentile([each[2] for each in times[way]], 90)
        row = f'{fitting:8.2f} {inference:9.2f} {whole:8.2f} {ninetieth:8.2f}'
        print(f'{f"{side}×{side}":>8} {way:>9} {row}')
    same = 'the same' if classes[WAYS[0]] == classes[WAYS[1]] else 'other'
    print(f'         up to {ways[WAYS[1]].together} together; classes are {same}')


def look(
    crops: CropModel, frame: NDArray[np.uint8], found: Detections
) -> tuple[tuple[float, float, float], list[int]]:
    """Times of fitting, of inference and of all, ms; and the best class of each box.

    The steps are those of `CropLane`.
    """
    options = CropOptions(most=len(found))
    fitting = inference = 0.0
    results = []
    begun = time.perf_counter()
    parts = crops.cut(found, FRAME_WH, options)
    for indices in crops.batches(parts, crops.together):
        before = time.perf_counter()
        tensor, transforms = crops.fit(frame, parts, indices)
        fitted = time.perf_counter()
        outputs = crops.model.infer(tensor)
        inferred = time.perf_counter()
        results += crops.decode(outputs, transforms)
        fitting += fitted - before
        inference += inferred - fitted
    result = crops.joined(parts, results, options)
    whole = time.perf_counter() - begun
    ids = [int(each.class_id[0]) if len(each) else -1 for each in result.classes]
    return (fitting * 1e3, inference * 1e3, whole * 1e3), ids


if __name__ == '__main__':
    main()
