"""Networks that are built like those people deploy, with few and random weights.

`onnx_models` has models whose outputs a test plants; here are convolutions, heads and decoding.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_models import ultralytics_metadata

_BINS = 16


class _Graph:
    """Nodes and weights in the order in which they are added; each method returns its output."""

    def __init__(self, seed):
        self.nodes, self.weights = [], []
        self._random = np.random.default_rng(seed)

    def add(self, operator, inputs, count=1, **attributes):
        name = f'/{operator.lower()}_{len(self.nodes)}'
        outputs = [f'{name}/out{index}' for index in range(count)]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, **attributes))
        return outputs[0] if count == 1 else outputs

    def constant(self, values, dtype=np.float32):
        name = f'weight_{len(self.weights)}'
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def conv(self, source, inputs, outputs, size=3, stride=1):
        shape = (outputs, inputs, size, size)
        weight = self._random.normal(0, (2 / (inputs * size * size)) ** 0.5, shape)
        bias = self._random.normal(0, 0.1, outputs)
        return self.add(
            'Conv',
            [source, self.constant(weight), self.constant(bias)],
            pads=[size // 2] * 4,
            strides=[stride, stride],
        )

    def silu(self, source):
        return self.add('Mul', [source, self.add('Sigmoid', [source])])

    def save(self, path, inputs, outputs, metadata, opset=17):
        graph = helper.make_graph(
            self.nodes,
            'small',
            [helper.make_tensor_value_info(*spec) for spec in inputs],
            [helper.make_tensor_value_info(*spec) for spec in outputs],
            self.weights,
        )
        opsets = [helper.make_opsetid('', opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
        return Path(path)


def yolo(
    path,
    task='detect',
    *,
    size_wh=(64, 64),
    class_count=2,
    batch=1,
    opset=17,
    seed=0,
    head_channels=8,
):
    """YOLOv8's shape and its decoding: (batch, 4 + classes (+ 17 × 3), anchors).

    Three levels, a box branch with 16 bins a side, one of scores, for 'pose' one of keypoints; the
    softmax over bins, the convolution that sums them up, and boxes in the input's pixels.
    """
    graph = _Graph(seed)
    source, channels, levels = 'images', 3, []
    for index in range(5):
        source = graph.silu(graph.conv(source, channels, 8, stride=2))
        channels = 8
        if index >= 2:
            levels.append(source)
    branches = {'box': 4 * _BINS, 'score': class_count}
    if task == 'pose':
        branches['points'] = 51
    joined = {
        name: graph.add(
            'Concat', [_head(graph, level, head_channels, outputs) for level in levels], axis=2
        )
        for name, outputs in branches.items()
    }
    anchors, strides = _anchors(size_wh)
    outputs = [
        _boxes(graph, joined['box'], anchors, strides),
        graph.add('Sigmoid', [joined['score']]),
    ]
    rows = 4 + class_count
    if task == 'pose':
        outputs.append(graph.add('Mul', [joined['points'], graph.constant(strides[None, None])]))
        rows += 51
    graph.nodes.append(helper.make_node('Concat', outputs, ['output0'], name='/join', axis=1))
    more = {'kpt_shape': '[17, 3]'} if task == 'pose' else {}
    return graph.save(
        path,
        [('images', TensorProto.FLOAT, [batch, 3, size_wh[1], size_wh[0]])],
        [('output0', TensorProto.FLOAT, [batch, rows, anchors.shape[1]])],
        ultralytics_metadata(task, class_count, size_wh, **more),
        opset,
    )


def _head(graph, level, inner_channels, outputs):
    inner = graph.silu(graph.conv(level, 8, inner_channels))
    last = graph.conv(inner, inner_channels, outputs, size=1)
    return graph.add('Reshape', [last, graph.constant([0, outputs, -1], np.int64)])


def _boxes(graph, box, anchors, strides):
    bins = graph.add('Reshape', [box, graph.constant([0, 4, _BINS, -1], np.int64)])
    bins = graph.add('Transpose', [bins], perm=[0, 2, 1, 3])
    bins = graph.add('Softmax', [bins], axis=1)
    numbers = graph.constant(np.arange(_BINS).reshape(1, _BINS, 1, 1))
    sides = graph.add('Conv', [bins, numbers], kernel_shape=[1, 1])
    sides = graph.add('Reshape', [sides, graph.constant([0, 4, -1], np.int64)])
    near, far = graph.add('Split', [sides, graph.constant([2, 2], np.int64)], count=2, axis=1)
    centers = graph.constant(anchors[None])
    low = graph.add('Sub', [centers, near])
    high = graph.add('Add', [centers, far])
    middle = graph.add('Mul', [graph.add('Add', [low, high]), graph.constant(0.5)])
    size = graph.add('Sub', [high, low])
    both = graph.add('Concat', [middle, size], axis=1)
    return graph.add('Mul', [both, graph.constant(strides[None, None])])


def _anchors(size_wh):
    points, strides = [], []
    for stride in (8, 16, 32):
        x, y = np.meshgrid(*(np.arange(side // stride) + 0.5 for side in size_wh))
        points.append(np.stack([x.ravel(), y.ravel()]))
        strides.append(np.full(x.size, stride))
    return np.concatenate(points, axis=1), np.concatenate(strides)


def segmentation(path, *, size_wh=(64, 64), class_count=4, dynamic=False, opset=17, seed=0):
    """Down by four, up again by a Resize, logits (batch, classes, height, width).

    Two Resize nodes share their scales, as exporters write them.
    """
    graph = _Graph(seed)
    source = graph.add('Relu', [graph.conv('image', 3, 8, stride=2)])
    source = graph.add('Relu', [graph.conv(source, 8, 8, stride=2)])
    source = graph.add('Relu', [graph.conv(source, 8, 8)])
    regions, scales = graph.constant([]), graph.constant([1, 1, 2, 2])  # opset 12 wants both
    source = graph.add('Resize', [source, regions, scales], mode='nearest')
    source = graph.add('Relu', [graph.conv(source, 8, 8)])
    source = graph.conv(source, 8, class_count, size=1)
    graph.nodes.append(
        helper.make_node(
            'Resize', [source, regions, scales], ['logits'], name='/up', mode='nearest'
        )
    )
    batch, width, height = ('batch', 'width', 'height') if dynamic else (1, *size_wh)
    return graph.save(
        path,
        [('image', TensorProto.FLOAT, [batch, 3, height, width])],
        [('logits', TensorProto.FLOAT, [batch, class_count, height, width])],
        {'task': 'semantic', 'names': str([f'class_{index}' for index in range(class_count)])},
        opset,
    )
