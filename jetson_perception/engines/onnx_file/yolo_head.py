"""Finds the last convolutions of an anchor-free YOLO network, and cuts the model behind them.

Exporters write what follows in many ways, so no code interprets it: the sizes of the maps suggest
a head (`find_head`), and a run on the CPU confirms it (`head_problem`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.engines.onnx_file.graph import last_weighted, needs, require_onnx
from jetson_perception.tasks.yolo_head import MAX_BINS, HeadLayout, decode_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import onnx
    from numpy.typing import NDArray

# Relative to a row's largest value: many times the float32 error of some thirty operators.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class FoundHead:
    """A head that a model may have.

    Attributes
    ----------
    layout : HeadLayout
    maps : tuple of str
        Names of the maps: for each level, those of `HeadLayout.channels`.
    output : int
        Index of the model's output that is computed from them.
    is_half : bool
        Whether the maps are float16.
    """

    layout: HeadLayout
    maps: tuple[str, ...]
    output: int
    is_half: bool


def find_head(
    model: onnx.ModelProto,
    size_wh: tuple[int, int],
    output_shapes: Sequence[tuple[int, ...]],
    *,
    class_count: int = 0,
    keypoint_shape: tuple[int, int] | None = None,
) -> FoundHead | None:
    """The head whose maps and output fit together; None if there is none, or more than one.

    Parameters
    ----------
    model : ModelProto
        Its nodes have names.
    size_wh : tuple of int
        Width and height of its input.
    output_shapes : sequence of tuple of int
        Shapes of all its outputs.
    class_count : int
        How many classes there are; 0 if unknown.
    keypoint_shape : tuple of int, optional
        Keypoints, and values per keypoint.
    """
    shapes, halves = _tensors(model, size_wh)
    levels: dict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
    last = set(last_weighted(model))
    for node in model.graph.node:
        shape = shapes.get(node.output[0], ()) if node.name in last else ()
        if node.op_type == 'Conv' and len(shape) == 4 and shape[0] == 1:
            levels[shape[3], shape[2]].append((shape[1], node.output[0]))
    levels = {grid: maps for grid, maps in levels.items() if len(maps) > 1}
    grids = tuple(sorted(levels, reverse=True))
    by_channels = [dict(levels[grid]) for grid in grids]
    strides = tuple(size_wh[0] // width for width, _ in grids)
    exact = ((w * s, h * s) == size_wh for (w, h), s in zip(grids, strides, strict=True))
    if (
        not grids
        or not all(exact)
        or any(each.keys() != by_channels[0].keys() for each in by_channels)
    ):
        return None
    if any(len(maps) != len(by_channels[0]) for maps in levels.values()):
        return None  # two maps of the same size
    anchors = sum(width * height for width, height in grids)
    found = []
    for output, shape in enumerate(output_shapes):
        if len(shape) != 3 or shape[0] != 1 or shape[2] != anchors:
            continue
        others = [each for index, each in enumerate(output_shapes) if index != output]
        for bins, classes, extra in _readings(list(by_channels[0]), shape[1]):
            depth = _keypoint_depth(extra, keypoint_shape, others)
            if depth is None or (class_count and classes != class_count):
                continue
            layout = HeadLayout(grids, strides, bins, classes, extra, depth)
            maps = tuple(each[count] for each in by_channels for count in layout.channels)
            kinds = {name in halves for name in maps}
            if len(kinds) == 1:
                found.append(FoundHead(layout, maps, output, kinds.pop()))
    return found[0] if len(found) == 1 else None


def _readings(channels: list[int], values: int) -> Iterator[tuple[int, int, int]]:
    """Possible bins, classes and extra values for maps of these sizes."""
    for box, classes, *extra in permutations(channels):
        bins, rest = divmod(box, 4)
        if (
            not rest
            and bins <= MAX_BINS
            and len(extra) <= 1
            and 4 + classes + sum(extra) == values
        ):
            yield bins, classes, sum(extra)


def _keypoint_depth(
    extra: int, keypoint_shape: tuple[int, int] | None, others: Sequence[tuple[int, ...]]
) -> int | None:
    """Values per keypoint, 0 without keypoints; None if the extra values have no meaning."""
    if keypoint_shape is not None:
        return keypoint_shape[1] if extra == keypoint_shape[0] * keypoint_shape[1] else None
    if not extra:
        return 0
    # Mask coefficients, one for each prototype.
    return 0 if any(len(shape) == 4 and shape[1] == extra for shape in others) else None


def head_problem(model: onnx.ModelProto, head: FoundHead, size_wh: tuple[int, int]) -> str:
    """How a run of the model differs from `tasks.yolo_head.decode_head`; empty if it does not.

    Parameters
    ----------
    model : ModelProto
        Run unchanged on the CPU, with random pixels.
    head : FoundHead
        From `find_head`.
    size_wh : tuple of int
        Width and height of the input.
    """
    try:
        maps, expected = _run_with_maps(model, head, size_wh)
    except Exception as err:  # noqa: BLE001 - onnx's and ONNX Runtime's share no other base class
        return f'it does not run on the CPU: {" ".join(str(err).split())[:200]}'
    kinds = len(head.layout.channels)
    levels = [maps[index : index + kinds] for index in range(0, len(maps), kinds)]
    with np.errstate(all='ignore'):
        found = decode_head(head.layout, levels)
    # Scores are small and boxes large, so each row has its own tolerance.
    largest = np.abs(expected).max(axis=2, keepdims=True)
    is_near = np.abs(found - expected) <= np.maximum(_ROUNDING * largest, _ROUNDING**2)
    if is_near.all():
        return ''
    rows = np.count_nonzero(~is_near.all(axis=2))
    return f'{rows} of {is_near.shape[1]} values per anchor are computed differently'


def _run_with_maps(
    model: onnx.ModelProto, head: FoundHead, size_wh: tuple[int, int]
) -> tuple[list[NDArray[np.floating]], NDArray[np.float32]]:
    """The maps, and the output that the model computes from them."""
    import onnxruntime

    shown = _with_maps(_sized(model, size_wh), head, list(model.graph.output))
    options = onnxruntime.SessionOptions()
    # Otherwise FP16 values stay in FP32 between operators.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), options, providers=['CPUExecutionProvider']
    )
    (image,) = session.get_inputs()
    pixels = np.random.default_rng(0).random((1, 3, *size_wh[::-1]), np.float32)
    kind = np.float16 if 'float16' in image.type else np.float32
    outputs = session.run(None, {image.name: pixels.astype(kind)})
    maps, outputs = outputs[: len(head.maps)], outputs[len(head.maps) :]
    return maps, outputs[head.output].astype(np.float32)


def cut_head(
    model: onnx.ModelProto, head: FoundHead, *, channels_last: bool = False
) -> onnx.ModelProto:
    """The model up to its last convolutions.

    Parameters
    ----------
    model : ModelProto
        Not changed.
    head : FoundHead
        From `find_head`.
    channels_last : bool
        Whether the maps should be (1, height, width, channels), which saves transpositions in
        runtimes that compute in this layout.

    Returns
    -------
    ModelProto
        Its outputs are the maps, then the model's other outputs.
    """
    others = [each for index, each in enumerate(model.graph.output) if index != head.output]
    cut = _with_maps(model, head, others, channels_last=channels_last)
    _drop_unused(cut.graph)
    return cut


def _with_maps(
    model: onnx.ModelProto,
    head: FoundHead,
    others: list[onnx.ValueInfoProto],
    *,
    channels_last: bool = False,
) -> onnx.ModelProto:
    """The model with the maps, then `others`, as its outputs."""
    onnx = require_onnx()
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    kind = onnx.TensorProto.FLOAT16 if head.is_half else onnx.TensorProto.FLOAT
    outputs = []
    shapes = head.layout.map_shapes(channels_last=channels_last)
    for name, shape in zip(head.maps, shapes, strict=True):
        given = name
        if channels_last:
            given = f'{name}_channels_last'
            graph.node.append(
                onnx.helper.make_node('Transpose', [name], [given], given, perm=[0, 2, 3, 1])
            )
        outputs.append(onnx.helper.make_tensor_value_info(given, kind, shape))
    del graph.output[:]
    graph.output.extend(outputs)
    graph.output.extend(others)
    del graph.value_info[:]
    return changed


def _drop_unused(graph: onnx.GraphProto) -> None:
    wanted = {each.name for each in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(needs(node))
            kept.append(node)
    kept.reverse()
    weights = [each for each in graph.initializer if each.name in wanted]
    del graph.node[:]
    graph.node.extend(kept)
    del graph.initializer[:]
    graph.initializer.extend(weights)


def _tensors(
    model: onnx.ModelProto, size_wh: tuple[int, int]
) -> tuple[dict[str, tuple[int, ...]], set[str]]:
    """The tensor shapes that onnx can infer, and the names of tensors in float16."""
    onnx = require_onnx()
    sized = _sized(model, size_wh)
    del sized.graph.value_info[:]  # they may come from an earlier precision
    for each in sized.graph.output:
        each.type.tensor_type.ClearField('shape')
    try:
        inferred = onnx.shape_inference.infer_shapes(sized, data_prop=True)
    except Exception:  # noqa: BLE001 - onnx raises various types; then nothing is known
        return {}, set()
    shapes, halves = {}, set()
    for each in inferred.graph.value_info:
        about = each.type.tensor_type
        shapes[each.name] = tuple(size.dim_value for size in about.shape.dim)
        if about.elem_type == onnx.TensorProto.FLOAT16:
            halves.add(each.name)
    return shapes, halves


def _sized(model: onnx.ModelProto, size_wh: tuple[int, int]) -> onnx.ModelProto:
    """The model with an input of one size."""
    sized = require_onnx().ModelProto()
    sized.CopyFrom(model)
    weights = {each.name for each in sized.graph.initializer}
    image = next(each for each in sized.graph.input if each.name not in weights)
    for index, size in enumerate((1, 3, size_wh[1], size_wh[0])):
        image.type.tensor_type.shape.dim[index].dim_value = size
    return sized
