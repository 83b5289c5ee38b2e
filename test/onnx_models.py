"""Tiny ONNX models that tests write and run for real.

Each function writes a file and returns its path. Detectors give boxes that the test plants; the
segmentation model's output depends on its input, so that a picture can be followed to its mask.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

COLOR_CLASSES = ('background', 'red', 'green', 'blue')
"""Classes of `color_segmentation`: the dominant channel of each pixel, background where dark."""

_ELEMENT_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float16): TensorProto.FLOAT16,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.int64): TensorProto.INT64,
}


def detector(
    path,
    boxes=((320, 240, 100, 80, 0, 0.9),),
    *,
    class_count=2,
    size_wh=(640, 640),
    anchors=None,
    metadata=None,
    dtype=np.float32,
    **options,
):
    """YOLOv8-shaped: (1, 4 + classes, anchors).

    Parameters
    ----------
    boxes : rows of center x, center y, width, height, class, score
        In pixels of the network's input; one an anchor, the others score 0.
    metadata : dict, optional
        Default: Ultralytics' for a detector of these classes. {} for none.
    options
        `dynamic`, as `constant_model` has it.
    """
    rows = np.zeros((4 + class_count, _anchors(size_wh, anchors)), dtype)
    for index, (x, y, w, h, class_id, score) in enumerate(boxes):
        rows[:4, index] = x, y, w, h
        rows[4 + class_id, index] = score
    if metadata is None:
        metadata = ultralytics_metadata('detect', class_count, size_wh)
    return constant_model(
        path, [rows[None]], size_wh=size_wh, metadata=metadata, dtype=dtype, **options
    )


def oriented_detector(path, boxes=((320, 240, 100, 80, 0, 0.9, 0.5),), *, class_count=2):
    """Ultralytics' OBB network, (1, 4 + classes + 1, anchors), with an input of 640×640.

    Parameters
    ----------
    boxes : rows of center x, center y, width, height, class, score, angle
        In pixels of the network's input; one an anchor, the others score 0.
    """
    size_wh = (640, 640)
    rows = np.zeros((5 + class_count, _anchors(size_wh)), np.float32)
    for index, (x, y, w, h, class_id, score, angle) in enumerate(boxes):
        rows[:4, index] = x, y, w, h
        rows[4 + class_id, index], rows[-1, index] = score, angle
    metadata = ultralytics_metadata('obb', class_count, size_wh)
    return constant_model(path, [rows[None]], size_wh=size_wh, metadata=metadata)


def objectness_detector(
    path,
    boxes=((320, 240, 100, 80, 0, 0.9, 1.0),),
    *,
    class_count=2,
    size_wh=(640, 640),
    metadata=None,
):
    """YOLOv5-shaped: (1, anchors × 3, 5 + classes); a box has objectness, then its class score."""
    rows = np.zeros((3 * _anchors(size_wh), 5 + class_count), np.float32)
    for index, (x, y, w, h, class_id, objectness, score) in enumerate(boxes):
        rows[index, :5] = x, y, w, h, objectness
        rows[index, 5 + class_id] = score
    if metadata is None:
        names = {index: f'name_{index}' for index in range(class_count)}
        metadata = {'stride': '32', 'names': str(names)}
    return constant_model(path, [rows[None]], size_wh=size_wh, metadata=metadata)


def end_to_end_detector(
    path,
    boxes=((270, 200, 370, 280, 0.9, 0),),
    *,
    class_count=2,
    size_wh=(640, 640),
    max_detections=300,
    metadata=None,
):
    """YOLOv10-shaped: (1, 300, 6); rows of left, top, right, bottom, score, class."""
    rows = np.zeros((max_detections, 6), np.float32)
    for index, box in enumerate(boxes):
        rows[index] = box
    if metadata is None:
        metadata = ultralytics_metadata('detect', class_count, size_wh, end2end='True')
    return constant_model(path, [rows[None]], size_wh=size_wh, metadata=metadata)


def pose_detector(
    path,
    boxes=((320, 240, 100, 80, 0, 0.9),),
    keypoints=((300, 220, 0.8), (320, 230, 0.6), (340, 240, 0.4)),
    *,
    class_count=1,
    size_wh=(640, 640),
    metadata=None,
):
    """YOLOv8-pose-shaped: (1, 4 + classes + 3 × keypoints, anchors); all boxes share keypoints."""
    points = np.asarray(keypoints, np.float32)
    rows = np.zeros((4 + class_count + points.size, _anchors(size_wh)), np.float32)
    for index, (x, y, w, h, class_id, score) in enumerate(boxes):
        rows[:4, index] = x, y, w, h
        rows[4 + class_id, index] = score
        rows[4 + class_count :, index] = points.ravel()
    if metadata is None:
        metadata = ultralytics_metadata(
            'pose', class_count, size_wh, kpt_shape=str([len(points), 3])
        )
    return constant_model(path, [rows[None]], size_wh=size_wh, metadata=metadata)


def instance_segmenter(
    path,
    boxes=((320, 240, 100, 80, 0, 0.9),),
    *,
    class_count=2,
    size_wh=(640, 640),
    metadata=None,
    dtype=np.float32,
):
    """YOLOv8-seg-shaped: (1, 4 + classes + 2, anchors), and prototypes (1, 2, h / 4, w / 4).

    The mask of a box is all of it; of one with a seventh value below or above 0, the part of it
    in the left or right half of the input.
    """
    rows = np.zeros((4 + class_count + 2, _anchors(size_wh)), dtype)
    for index, (x, y, w, h, class_id, score, *side) in enumerate(boxes):
        rows[:4, index] = x, y, w, h
        rows[4 + class_id, index] = score
        rows[4 + class_count :, index] = (0, side[0]) if side else (1, 0)
    prototypes = np.ones((1, 2, size_wh[1] // 4, size_wh[0] // 4), dtype)
    prototypes[0, 1, :, : size_wh[0] // 8] = -1
    if metadata is None:
        metadata = ultralytics_metadata('segment', class_count, size_wh)
    return constant_model(
        path, [rows[None], prototypes], size_wh=size_wh, metadata=metadata, dtype=dtype
    )


def bright_pose(path, boxes, *, size_wh=(64, 64), keypoints=((16, 16), (48, 32)), batch='batch'):
    """A pose model of one class: scores are those given times the mean of each image, 0 to 1.

    Parameters
    ----------
    boxes : rows of center x, center y, width, height, score
        In pixels of the network's input.
    keypoints : rows of x, y
        Of all boxes.
    batch : int or str
        Of the input; a name leaves it open.
    """
    rows = np.zeros((5 + 3 * len(keypoints), _anchors(size_wh)), np.float32)
    for index, (x, y, w, h, score) in enumerate(boxes):
        rows[:5, index] = x, y, w, h, score
        rows[5:, index] = np.array([(*point, 1.0) for point in keypoints]).ravel()
    factors, fixed = np.zeros((1, len(rows), 1), np.float32), rows.copy()
    factors[0, 4], fixed[4] = 1, 0
    planted = {'scores': rows * factors[0], 'fixed': fixed, 'shape': np.array([-1, 1, 1])}
    nodes = [
        helper.make_node('ReduceMean', ['images'], ['mean'], axes=[1, 2, 3], keepdims=1),
        helper.make_node('Reshape', ['mean', 'shape'], ['brightness']),
        helper.make_node('Mul', ['brightness', 'scores'], ['scored']),
        helper.make_node('Add', ['scored', 'fixed'], ['output0']),
    ]
    metadata = ultralytics_metadata('pose', 1, size_wh, kpt_shape=str([len(keypoints), 3]))
    return _save(
        path,
        nodes,
        [('images', TensorProto.FLOAT, [batch, 3, size_wh[1], size_wh[0]])],
        [('output0', TensorProto.FLOAT, [batch, *rows.shape])],
        [numpy_helper.from_array(values, name) for name, values in planted.items()],
        metadata,
    )


def color_segmentation(
    path,
    *,
    size_wh=(64, 48),
    argmax=False,
    probabilities=False,
    metadata=None,
    dtype=np.float32,
    dynamic=False,
    convolutions=0,
):
    """Semantic segmentation of `COLOR_CLASSES` by a 1×1 convolution on an RGB input, 0 to 1.

    Class 1, 2 or 3 where red, green or blue is the largest and above 0.3, else 0.

    Parameters
    ----------
    argmax : bool
        Give class ids, (1, h, w) int64, instead of (1, 4, h, w).
    probabilities : bool
        Apply a softmax.
    dynamic : bool
        Leave batch, height and width open.
    convolutions : int
        Convolutions put in front that change nothing but cost time; see `slow_segmentation`.
    """
    weight = np.zeros((4, 3, 1, 1), dtype)
    weight[1:, :, 0, 0] = 10 * np.eye(3)
    bias = np.array([3, 0, 0, 0], dtype)
    initializers = [
        numpy_helper.from_array(weight, 'weight'),
        numpy_helper.from_array(bias, 'bias'),
    ]
    nodes = []
    source = 'image'
    if convolutions:
        # Identity on 3 channels, computed by way of many.
        channels = 64
        widen = np.zeros((channels, 3, 1, 1), dtype)
        widen[:3, :, 0, 0] = np.eye(3)
        keep = np.zeros((channels, channels, 3, 3), dtype)
        keep[np.arange(channels), np.arange(channels), 1, 1] = 1
        initializers += [
            numpy_helper.from_array(widen, 'widen'),
            numpy_helper.from_array(keep, 'keep'),
            numpy_helper.from_array(widen.transpose(1, 0, 2, 3).copy(), 'narrow'),
        ]
        nodes.append(helper.make_node('Conv', [source, 'widen'], ['wide_0']))
        for index in range(convolutions):
            nodes.append(
                helper.make_node(
                    'Conv', [f'wide_{index}', 'keep'], [f'wide_{index + 1}'], pads=[1, 1, 1, 1]
                )
            )
        nodes.append(helper.make_node('Conv', [f'wide_{convolutions}', 'narrow'], ['thin']))
        source = 'thin'
    nodes.append(helper.make_node('Conv', [source, 'weight', 'bias'], ['scores']))
    width, height = ('width', 'height') if dynamic else size_wh
    batch = 'batch' if dynamic else 1
    last, shape, output_type = 'scores', [batch, 4, height, width], _ELEMENT_TYPES[np.dtype(dtype)]
    if probabilities:
        nodes.append(helper.make_node('Softmax', [last], ['shares'], axis=1))
        last = 'shares'
    if argmax:
        nodes.append(helper.make_node('ArgMax', [last], ['class_ids'], axis=1, keepdims=0))
        last, shape, output_type = 'class_ids', [batch, height, width], TensorProto.INT64
    if metadata is None:
        metadata = {'task': 'semantic', 'names': str(dict(enumerate(COLOR_CLASSES)))}
    return _save(
        path,
        nodes,
        [('image', _ELEMENT_TYPES[np.dtype(dtype)], [batch, 3, height, width])],
        [(last, output_type, shape)],
        initializers,
        metadata,
    )


def color_classifier(
    path,
    *,
    size_wh=(32, 32),
    probabilities=True,
    metadata=None,
    dtype=np.float32,
    trailing_ones=False,
    batch=1,
):
    """A classifier of `COLOR_CLASSES` but the background, by the mean color of its RGB input.

    A logit is ten times the mean of its channel, 0 to 1.

    Parameters
    ----------
    probabilities : bool
        End with a softmax, as Ultralytics' exports do.
    metadata : dict, optional
        Default: Ultralytics' for a classifier of these names. {} for none.
    trailing_ones : bool
        Give (1, 3, 1, 1) instead of (1, 3).
    batch : int or str
        Of the input; a name leaves it open.
    """
    width, height = size_wh
    weight = (10 * np.eye(3, dtype=dtype)).reshape(3, 3, 1, 1)
    initializers = [numpy_helper.from_array(weight, 'weight')]
    nodes = [
        helper.make_node('GlobalAveragePool', ['image'], ['mean']),
        helper.make_node('Conv', ['mean', 'weight'], ['scores']),
    ]
    last, shape = 'scores', [batch, 3, 1, 1]
    if not trailing_ones:
        nodes.append(helper.make_node('Flatten', [last], ['flat'], axis=1))
        last, shape = 'flat', [batch, 3]
    if probabilities:
        nodes.append(helper.make_node('Softmax', [last], ['shares'], axis=1))
        last = 'shares'
    if metadata is None:
        names = str(dict(enumerate(COLOR_CLASSES[1:])))
        metadata = {**ultralytics_metadata('classify', 3, size_wh), 'names': names}
    element_type = _ELEMENT_TYPES[np.dtype(dtype)]
    return _save(
        path,
        nodes,
        [('image', element_type, [batch, 3, height, width])],
        [(last, element_type, shape)],
        initializers,
        metadata,
    )


def depth_network(path, *, size_wh=(64, 32), output='output0', metadata=None, dtype=np.float32):
    """Depth that is ten times the red of its RGB input, 0 to 1, shape (1, 1, h, w).

    Parameters
    ----------
    output : str
        Name of the output.
    metadata : dict, optional
        Default: Ultralytics' for depth, which is in metres. {} for none.
    """
    weight = np.array([10, 0, 0], dtype).reshape(1, 3, 1, 1)
    if metadata is None:
        metadata = ultralytics_metadata('depth', 1, size_wh)
    kind = _ELEMENT_TYPES[np.dtype(dtype)]
    return _save(
        path,
        [helper.make_node('Conv', ['images', 'weight'], [output])],
        [('images', kind, [1, 3, *size_wh[::-1]])],
        [(output, kind, [1, 1, *size_wh[::-1]])],
        [numpy_helper.from_array(weight, 'weight')],
        metadata,
    )


def quantize_input(path):
    """Quantize a model file's input to INT8 and back, as Q/DQ models have it; gives `path`."""
    model = onnx.load(path)
    image = model.graph.input[0].name
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == image:
                node.input[index] = 'dequantized'
    nodes = [
        helper.make_node('QuantizeLinear', [image, 'step', 'middle'], ['quantized']),
        helper.make_node('DequantizeLinear', ['quantized', 'step', 'middle'], ['dequantized']),
        *model.graph.node,
    ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    step, middle = np.array(1 / 127, np.float32), np.array(0, np.int8)
    model.graph.initializer.extend(
        (numpy_helper.from_array(step, 'step'), numpy_helper.from_array(middle, 'middle'))
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return Path(path)


def slow_segmentation(path, milliseconds=100, *, size_wh=(320, 240), **options):
    """`color_segmentation` that takes about so long a frame, measured here on one thread."""
    import time

    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    probe = 4
    color_segmentation(path, size_wh=size_wh, convolutions=probe, **options)
    session = onnxruntime.InferenceSession(str(path), settings, providers=['CPUExecutionProvider'])
    tensor = np.zeros((1, 3, size_wh[1], size_wh[0]), np.float32)
    session.run(None, {'image': tensor})
    begun = time.perf_counter()
    session.run(None, {'image': tensor})
    each_ms = (time.perf_counter() - begun) * 1e3 / probe
    convolutions = max(round(milliseconds / each_ms), 1)
    return color_segmentation(path, size_wh=size_wh, convolutions=convolutions, **options)


def endless_segmentation(path, *, size_wh=(64, 48)):
    """Three classes by the channel that is largest; an image that is bright anywhere never ends.

    A loop of 2^62 rounds, as ONNX has them: nothing stands in for it.
    """
    shape = [1, 3, size_wh[1], size_wh[0]]
    names = ('again', 'pixels')
    round_ = helper.make_graph(
        [helper.make_node('Identity', [name], [f'{name}_out']) for name in names],
        'round',
        [
            helper.make_tensor_value_info('number', TensorProto.INT64, []),
            helper.make_tensor_value_info('again', TensorProto.BOOL, []),
            helper.make_tensor_value_info('pixels', TensorProto.FLOAT, shape),
        ],
        [
            helper.make_tensor_value_info('again_out', TensorProto.BOOL, []),
            helper.make_tensor_value_info('pixels_out', TensorProto.FLOAT, shape),
        ],
    )
    nodes = [
        helper.make_node('ReduceMax', ['image'], ['largest'], keepdims=0),
        helper.make_node('Greater', ['largest', 'half'], ['bright']),
        helper.make_node('Loop', ['rounds', 'bright', 'image'], ['logits'], body=round_),
    ]
    return _save(
        path,
        nodes,
        [('image', TensorProto.FLOAT, shape)],
        [('logits', TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(np.array(2**62, np.int64), 'rounds'),
            numpy_helper.from_array(np.array(0.5, np.float32), 'half'),
        ],
        {'task': 'semantic'},
    )


def constant_model(
    path,
    outputs,
    *,
    size_wh=(640, 640),
    metadata=None,
    dtype=np.float32,
    dynamic=False,
    batch=1,
):
    """Gives these outputs, whatever the input: each is added to the input's mean times zero.

    Parameters
    ----------
    outputs : list of ndarray, or dict of str to ndarray
        Any shape and type; names, by default output0, output1 and so on.
    metadata : dict, optional
        Text by key.
    dtype : dtype
        Of the input.
    dynamic : bool
        Leave batch, height and width open, in the outputs too.
    """
    element_type = _ELEMENT_TYPES[np.dtype(dtype)]
    zero = numpy_helper.from_array(np.zeros((), dtype), 'zero')
    nodes = [
        helper.make_node('ReduceMax', ['images'], ['largest'], keepdims=0),
        helper.make_node('Mul', ['largest', 'zero'], ['nothing']),
    ]
    initializers, specs = [zero], []
    named = outputs
    if not isinstance(outputs, dict):
        named = {f'output{index}': values for index, values in enumerate(outputs)}
    for index, (name, values) in enumerate(named.items()):
        planted = f'planted{index}'
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), planted))
        kind = _ELEMENT_TYPES[values.dtype]
        nodes += [
            helper.make_node('Cast', ['nothing'], [f'nothing{index}'], to=kind),
            helper.make_node('Add', [planted, f'nothing{index}'], [name]),
        ]
        shape = [f'{name}_{axis}' for axis in range(values.ndim)] if dynamic else values.shape
        specs.append((name, kind, shape))
    input_shape = [batch, 3, size_wh[1], size_wh[0]]
    if dynamic:
        input_shape = ['batch', 3, 'height', 'width']
    return _save(
        path, nodes, [('images', element_type, input_shape)], specs, initializers, metadata or {}
    )


def with_input(path, source, *, shape, dtype=np.float32):
    """The model of another file, behind an input of this shape and type.

    Parameters
    ----------
    source : path
        A model that takes float32 of (1, 3, height, width), 0 to 1, or of a dynamic size.
    shape : sequence of int
        With one, three or four channels, first or last; gray is repeated, a fourth left out.
    dtype : dtype
        Integers are pixel values, which the model divides by 255.
    """
    model = onnx.load(source)
    graph, size = model.graph, list(shape)
    name = graph.input[0].name
    last = size[3] in (1, 3, 4) and size[1] not in (1, 3, 4)
    channels = size[3 if last else 1]
    nodes = [helper.make_node('Cast', ['pixels'], ['floats'], to=TensorProto.FLOAT)]
    if np.dtype(dtype).kind in 'iu':
        nodes.append(helper.make_node('Div', ['floats', 'most'], ['shares']))
        graph.initializer.append(numpy_helper.from_array(np.float32(255), 'most'))
    nodes.append(
        helper.make_node(
            'Transpose', [nodes[-1].output[0]], ['first'], perm=[0, 3, 1, 2] if last else range(4)
        )
    )
    if channels == 1:
        nodes.append(helper.make_node('Concat', ['first'] * 3, [name], axis=1))
    else:
        indices = numpy_helper.from_array(np.arange(3), 'colors')
        graph.initializer.append(indices)
        nodes.append(helper.make_node('Gather', ['first', 'colors'], [name], axis=1))
    before = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *before])
    kind = _ELEMENT_TYPES[np.dtype(dtype)]
    graph.input[0].CopyFrom(helper.make_tensor_value_info('pixels', kind, size))
    if isinstance(size[0], int):
        for output in graph.output:
            output.type.tensor_type.shape.dim[0].dim_value = size[0]
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return Path(path)


def unknown_output(path, *, shape=(1, 7, 5, 3, 2), size_wh=(64, 64), metadata=None):
    """A model whose output no decoder knows."""
    return constant_model(path, [np.zeros(shape, np.float32)], size_wh=size_wh, metadata=metadata)


def identity_model(path, input_shapes, *, dtype=np.float32):
    """One output for each input, equal to it: inputs of any number and shape, 'in0' and so on."""
    element_type = _ELEMENT_TYPES[np.dtype(dtype)]
    nodes = [
        helper.make_node('Identity', [f'in{index}'], [f'out{index}'])
        for index in range(len(input_shapes))
    ]
    inputs = [(f'in{index}', element_type, shape) for index, shape in enumerate(input_shapes)]
    outputs = [(f'out{index}', element_type, shape) for index, shape in enumerate(input_shapes)]
    return _save(path, nodes, inputs, outputs, [], {})


def ultralytics_metadata(task, class_count, size_wh, **more):
    """What Ultralytics' exporter writes, with names 'name_0' and so on."""
    names = {index: f'name_{index}' for index in range(class_count)}
    return {
        'author': 'Ultralytics',
        'task': task,
        'stride': '32',
        'batch': '1',
        'imgsz': str([size_wh[1], size_wh[0]]),
        'names': str(names),
        'args': "{'batch': 1, 'half': False, 'dynamic': False, 'nms': False}",
        **more,
    }


def _anchors(size_wh, count=None):
    return count or sum((size_wh[0] // stride) * (size_wh[1] // stride) for stride in (8, 16, 32))


def _save(path, nodes, inputs, outputs, initializers, metadata):
    graph = helper.make_graph(
        nodes,
        'test',
        [helper.make_tensor_value_info(*spec) for spec in inputs],
        [helper.make_tensor_value_info(*spec) for spec in outputs],
        initializers,
    )
    # IR 8 is what ONNX Runtime 1.15, Humble's contemporary, reads too.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    if metadata:
        helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return Path(path)
