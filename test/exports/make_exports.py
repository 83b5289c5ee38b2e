"""Writes data/*.onnx, outputs as exports have them, and what their frameworks make of these.

    pip install torch transformers ultralytics
    python test/exports/make_exports.py YOLOX RFDETR

Each file gives fixed outputs, with the names, types and shapes of an export; beside it, the JSON
file holds the answer of the framework's own post-processing for an image of 640×480. YOLOX is a
checkout of github.com/Megvii-BaseDetection/YOLOX, RFDETR the unpacked wheel `rfdetr`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent / 'data'
IMAGE_WH = (640, 480)
THRESHOLD = 0.5
_TYPES = {
    'float32': TensorProto.FLOAT,
    'uint8': TensorProto.UINT8,
    'int32': TensorProto.INT32,
    'int64': TensorProto.INT64,
}


def main(yolox: str, rfdetr: str) -> None:
    """Write all."""
    FOLDER.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for processor, name, size, count in (
        ('RTDetrImageProcessor', 'rt_detr_hugging_face', 640, 80),
        ('RTDetrImageProcessor', 'd_fine_hugging_face', 320, 80),
        ('DetrImageProcessor', 'detr_hugging_face', 800, 91),
        ('YolosImageProcessor', 'yolos_hugging_face', 512, 91),
    ):
        hugging_face(random, processor, name, size, count)
    rf_detr(random, Path(rfdetr))
    ultralytics_rt_detr(random, 'rt_detr_ultralytics', 640, with_class=True)
    ultralytics_rt_detr(random, 'rt_detr_ultralytics_8_3', 320, with_class=False)
    for name, size, decoded in (
        ('yolox', 416, False),
        ('yolox_decoded', 320, True),
    ):
        yolox_export(random, Path(yolox), name, size, decoded=decoded)
    for processor, name, size, count in (
        ('RTDetrImageProcessor', 'rt_detr_v2_hugging_face', 384, 366),
        ('ConditionalDetrImageProcessor', 'conditional_detr_hugging_face', 512, 91),
    ):
        hugging_face(random, processor, name, size, count)


def queries(random, count, classes):
    """Logits and boxes of so many queries: some certain, most not; one near two classes."""
    logits = random.normal(-4, 1, (1, count, classes)).astype(np.float32)
    boxes = np.concatenate(
        (random.uniform(0.2, 0.8, (1, count, 2)), random.uniform(0.05, 0.5, (1, count, 2))), -1
    ).astype(np.float32)
    for query in range(0, count, 3):
        logits[0, query, random.integers(classes)] = random.uniform(0.5, 4)
    logits[0, 0, 1:3] = 1.5, 1.25  # one query, two classes
    return logits, boxes


def hugging_face(random, processor, name, size, classes):
    """By the processor's `post_process_object_detection`."""
    import transformers

    softmax = processor in ('DetrImageProcessor', 'YolosImageProcessor')
    logits, boxes = queries(random, 30, classes + softmax)
    if softmax:
        logits[..., -1] += 3  # no object, mostly
    answer = getattr(transformers, processor)().post_process_object_detection(
        SimpleNamespace(logits=torch.from_numpy(logits), pred_boxes=torch.from_numpy(boxes)),
        threshold=THRESHOLD,
        target_sizes=[IMAGE_WH[::-1]],
    )[0]
    write(name, (size, size), {'logits': logits, 'pred_boxes': boxes}, 'pixel_values', answer)


def rf_detr(random, folder):
    """By `PostProcess`, as `rfdetr` exports name their outputs."""
    module = load(folder / 'rfdetr/models/postprocess.py', folder)
    logits, boxes = queries(random, 30, 91)
    answer = module.PostProcess(num_select=30)(
        {'pred_logits': torch.from_numpy(logits), 'pred_boxes': torch.from_numpy(boxes)},
        torch.tensor([IMAGE_WH[::-1]]),
    )[0]
    answer = {key: value[answer['scores'] > THRESHOLD] for key, value in answer.items()}
    write('rf_detr', (384, 384), {'dets': boxes, 'labels': logits}, 'input', answer)


def ultralytics_rt_detr(random, name, size, *, with_class):
    """By `RTDETRPredictor.postprocess`; releases before 8.4 give a score for each class."""
    from ultralytics.models.rtdetr import RTDETRPredictor

    logits, boxes = queries(random, 30, 80)
    logits[0, 0, 2] = -4  # its predictor takes the best class alone
    scores = 1 / (1 + np.exp(-logits))
    best = np.concatenate(
        (boxes, scores.max(-1, keepdims=True), scores.argmax(-1)[..., None]), -1
    ).astype(np.float32)
    best = best[:, np.argsort(-best[0, :, 4])]
    predictor = RTDETRPredictor(overrides={'conf': THRESHOLD, 'verbose': False})
    predictor.batch = [['image']]
    predictor.model = SimpleNamespace(names={index: str(index) for index in range(80)})
    image = np.zeros((*IMAGE_WH[::-1], 3), np.uint8)
    found = predictor.postprocess(torch.from_numpy(best), None, [image])[0].boxes
    output = best if with_class else np.concatenate((boxes, scores), -1).astype(np.float32)
    names = {index: f'name_{index}' for index in range(80)}
    write(
        name,
        (size, size),
        {'output0': output},
        'images',
        {'scores': found.conf, 'labels': found.cls, 'boxes': found.xyxy},
        {'task': 'detect', 'stride': '32', 'names': str(names)},
    )


def yolox_export(random, folder, name, size, *, decoded):
    """By `demo_postprocess` and `multiclass_nms`; objects are apart, or nearly the same."""
    module = load(folder / 'yolox/utils/demo_utils.py', folder)
    rows = sum((size // stride) ** 2 for stride in (8, 16, 32))
    raw = np.zeros((1, rows, 9), np.float32)
    raw[..., 4:] = random.uniform(0, 0.2, raw[..., 4:].shape)
    raw[..., :4] = random.normal(0, 0.3, raw[..., :4].shape)
    # In the upper cells of the finest grid, where there is no padding.
    for row in random.choice((size // 8) ** 2 // 2, 6, replace=False):
        raw[0, row, 4] = random.uniform(0.8, 1)
        raw[0, row, 5 + random.integers(4)] = random.uniform(0.8, 1)
    pixels = module.demo_postprocess(raw.copy(), (size, size))
    ratio = min(size / IMAGE_WH[0], size / IMAGE_WH[1])
    boxes, scores = pixels[0, :, :4], pixels[0, :, 4:5] * pixels[0, :, 5:]
    half = boxes[:, 2:] / 2
    corners = np.concatenate((boxes[:, :2] - half, boxes[:, :2] + half), 1) / ratio
    found = module.multiclass_nms(corners, scores, 0.45, THRESHOLD, class_agnostic=False)
    write(
        name,
        (size, size),
        {'output': pixels if decoded else raw},
        'images',
        {'scores': found[:, 4], 'labels': found[:, 5], 'boxes': found[:, :4]},
    )


def write(
    name,
    size_wh,
    outputs,
    input_name,
    answer,
    metadata=(),
    *,
    input_type='float32',
    second=None,
    keypoints=None,
    oriented=None,
    more=((), (), ()),
):
    """The ONNX file, and the answer: objects by their score, or None where it has none.

    `size_wh` may be the input's whole shape; `second` is the name and type of another input, of
    two numbers; `more` are nodes, initializers and outputs.
    """
    shape = size_wh if len(size_wh) == 4 else (1, 3, size_wh[1], size_wh[0])
    nodes = [
        helper.make_node('Cast', [input_name], ['floats'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMax', ['floats'], ['largest'], keepdims=0),
        helper.make_node('Mul', ['largest', 'zero'], ['nothing']),
    ]
    initializers = [numpy_helper.from_array(np.float32(0), 'zero')]
    given = []
    for key, values in outputs.items():
        kind = _TYPES[values.dtype.name]
        planted = _planted(np.ascontiguousarray(values), key, nodes, initializers)
        nodes += [
            helper.make_node('Cast', ['nothing'], [f'{key}_nothing'], to=kind),
            helper.make_node('Add', [planted, f'{key}_nothing'], [key]),
        ]
        given.append(helper.make_tensor_value_info(key, kind, values.shape))
    taken = [helper.make_tensor_value_info(input_name, _TYPES[input_type], shape)]
    if second:
        taken.append(helper.make_tensor_value_info(second[0], _TYPES[second[1]], (1, 2)))
    nodes += more[0]
    initializers += more[1]
    given += [
        helper.make_tensor_value_info(key, _TYPES[kind], sides) for key, kind, sides in more[2]
    ]
    graph = helper.make_graph(nodes, name, taken, given, initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8, producer_name=name
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    onnx.save(model, FOLDER / f'{name}.onnx')
    if answer is None:
        return
    boxes = np.clip(np.asarray(answer['boxes']), 0, [*IMAGE_WH, *IMAGE_WH])
    rows = list(
        zip(np.asarray(answer['scores']), np.asarray(answer['labels']), boxes, strict=True)
    )
    found = []
    for index in sorted(range(len(rows)), key=lambda index: -rows[index][0]):
        score, label, box = rows[index]
        each = {
            'score': round(float(score), 6),
            'class_id': int(label),
            'xyxy': [round(float(value), 4) for value in box],
        }
        if keypoints is not None:
            each['keypoints'] = np.round(keypoints[index].astype(float), 4).tolist()
        if oriented is not None:
            each['oriented'] = np.round(oriented[index].astype(float), 5).tolist()
        found.append(each)
    assert found, name
    (FOLDER / f'{name}.json').write_text(json.dumps(found, indent=1) + '\n')


def _planted(values, key, nodes, initializers, *, are_maps=True):
    """The name of a tensor with these values, of which the file holds those that are not usual."""
    if values.ndim == 3 and values.shape[2] > 10 * values.shape[1]:
        turned = _planted(values.transpose(0, 2, 1).copy(), f'{key}_turned', nodes, initializers)
        nodes.append(helper.make_node('Transpose', [turned], [f'{key}_planted'], perm=[0, 2, 1]))
        return f'{key}_planted'
    if values.ndim == 4 and are_maps:
        last = values.transpose(0, 2, 3, 1).copy()
        turned = _planted(last, f'{key}_turned', nodes, initializers, are_maps=False)
        nodes.append(
            helper.make_node('Transpose', [turned], [f'{key}_planted'], perm=[0, 3, 1, 2])
        )
        return f'{key}_planted'
    rows = values.reshape(-1, values.shape[-1])
    usual = np.unique(rows, axis=0, return_counts=True)
    is_small = len(rows) <= 100 and rows.size <= 1000
    usual = rows[:0] if is_small else usual[0][usual[1].argmax()]
    other = np.flatnonzero((rows != usual).any(axis=1)) if usual.size else rows[:0]
    if is_small or len(other) > len(rows) // 4:
        initializers.append(numpy_helper.from_array(values, f'{key}_planted'))
        return f'{key}_planted'
    for name, value in (
        ('usual', usual),
        ('all', np.int64(rows.shape)),
        ('at', other.astype(np.int64)[:, None]),
        ('other', rows[other]),
        ('shape', np.int64(values.shape)),
    ):
        initializers.append(numpy_helper.from_array(value, f'{key}_{name}'))
    given = [f'{key}_{step}' for step in ('everywhere', 'scattered', 'planted')]
    nodes += [
        helper.make_node('Expand', [f'{key}_usual', f'{key}_all'], given[:1]),
        helper.make_node('ScatterND', [given[0], f'{key}_at', f'{key}_other'], given[1:2]),
        helper.make_node('Reshape', [given[1], f'{key}_shape'], given[2:]),
    ]
    return given[2]


def load(path, folder):
    """A module of a framework, without all that its packages import."""
    for parent in list(path.relative_to(folder).parents)[:-1]:
        package = ModuleType('.'.join(parent.parts))
        package.__path__ = [str(folder / parent)]
        sys.modules[package.__name__] = package
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == '__main__':
    main(*sys.argv[1:])
