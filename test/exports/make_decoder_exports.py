"""Writes more of data/: detectors with heads, anchors or a suppression of their own, and MoveNet.

    pip install torch ultralytics transformers
    python test/exports/make_decoder_exports.py CHECKOUTS

CHECKOUTS is a folder with checkouts of github.com: RangiLyu+nanodet, WongKinYiu+yolov7,
xingyizhou+CenterNet, Deci-AI+super-gradients, meituan+YOLOv6, PaddlePaddle+PaddleDetection.
Answers are of their own post-processing, whose functions are taken out of their files. Files that
are called `documented` are of what does not run here: TensorFlow, PaddleDetection's networks,
MMDetection, NVIDIA's plugin. They have outputs as the exporters document them, and the answer is
what they say that these mean.
"""

from __future__ import annotations

import ast
import math
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from make_exports import IMAGE_WH, THRESHOLD, write
from onnx import helper, numpy_helper
from ultralytics.utils.nms import TorchNMS

W, H = IMAGE_WH
BOX = (100, 50, 200, 150)
OTHER = (150, 100, 300, 200)
YOLOV5 = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
YOLOV7 = (12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401)


def main(folder: str) -> None:
    """Write all."""
    checkouts, random = Path(folder), np.random.default_rng(1)
    nanodet = checkouts / 'RangiLyu+nanodet/nanodet'
    nanodet_export(random, nanodet, 'nanodet_plus', (416, 416), (8, 16, 32, 64), 80)
    nanodet_export(random, nanodet, 'nanodet_plus_rectangular', (320, 256), (8, 16, 32, 64), 7)
    nanodet_export(random, nanodet, 'nanodet', (320, 320), (8, 16, 32), 80)
    centernet_export(random, checkouts / 'xingyizhou+CenterNet/src/lib', 'centernet', 512, 80)
    centernet_export(random, checkouts / 'xingyizhou+CenterNet/src/lib', 'centernet_small', 256, 3)
    yolov7 = checkouts / 'WongKinYiu+yolov7'
    for name, size, anchors, kind in (
        ('yolov7_raw', (640, 640), YOLOV7, 'raw'),
        ('yolov5_raw', (320, 256), YOLOV5, 'raw'),
        ('yolov7_grid', (320, 320), YOLOV7, 'grid'),
        ('yolov5_grid', (640, 384), YOLOV5, 'grid'),
        ('yolov7_end_to_end', (640, 640), YOLOV7, 'rows'),
    ):
        yolov7_export(random, yolov7, name, size, anchors, kind)
    yolo_nas(random, checkouts / 'Deci-AI+super-gradients', 'yolo_nas', 640)
    yolo_nas(random, checkouts / 'Deci-AI+super-gradients', 'yolo_nas_small', 320)
    yolov6(random, checkouts / 'meituan+YOLOv6', 'yolov6', 640)
    yolov6(random, checkouts / 'meituan+YOLOv6', 'yolov6_small', 320)
    for name, size, layout in (
        ('yolov8_ultralytics', (640, 640), 'rows'),
        ('yolo11_ultralytics_rectangular', (640, 384), 'rows'),
        ('yolov8_ultralytics_with_nms', (320, 320), 'nms'),
        ('yolov8_pose_ultralytics', (640, 640), 'pose'),
        ('yolov10_ultralytics', (640, 640), 'end2end'),
        ('yolo26_ultralytics', (320, 320), 'end2end'),
    ):
        ultralytics_yolo(random, name, size, layout)
    movenet(random)
    documented(random)
    for name, size, end_to_end in (
        ('yolov8_obb_ultralytics', (640, 640), False),
        ('yolo11_obb_ultralytics_rectangular', (640, 384), False),
        ('yolo26_obb_ultralytics', (320, 320), True),
    ):
        oriented(random, name, size, end_to_end=end_to_end)
    an_output_a_stride(np.random.default_rng(2), nanodet, checkouts)


def taken_out(path, names, **known):
    """Functions and classes of a file, without what else it imports."""
    tree = ast.parse(path.read_text())
    found = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names
    }
    module = ast.Module([found[name] for name in names], [])
    space = {
        'torch': torch,
        'nn': torch.nn,
        'np': np,
        'math': math,
        'time': time,
        'cv2': cv2,
        'F': torch.nn.functional,
        # torchvision's, which it computes in C++
        'torchvision': SimpleNamespace(
            ops=SimpleNamespace(
                nms=suppress,
                boxes=SimpleNamespace(batched_nms=suppress_by_class),
            )
        ),
        **known,
    }
    exec('from __future__ import annotations\n' + ast.unparse(module), space)
    return SimpleNamespace(**space)


def suppress(boxes, scores, iou_threshold):
    """The usual suppression."""
    return TorchNMS.nms(boxes, scores, iou_threshold)


def suppress_by_class(boxes, scores, idxs, iou_threshold):
    """The usual suppression, of each class by itself."""
    return suppress(boxes + (idxs * 10000).reshape(-1, 1), scores, iou_threshold)


def save(name, size_wh, outputs, answer, **settings):
    """The file, and the answer that has rows of left, top, right, bottom, score, class."""
    answer = np.asarray(answer, np.float64).reshape(-1, 6)
    answer = {'scores': answer[:, 4], 'labels': answer[:, 5], 'boxes': answer[:, :4]}
    write(name, size_wh, outputs, settings.pop('input_name', 'images'), answer, **settings)


def nanodet_export(random, folder, name, size_wh, strides, classes):
    """Scores and distributions in one output."""
    logits, sides, answer = nanodet_outputs(random, folder, size_wh, strides, classes)
    output = np.concatenate((1 / (1 + np.exp(-logits)), sides), -1).astype(np.float32)
    save(name, size_wh, {'output': output}, answer, input_name='data')


def nanodet_outputs(random, folder, size_wh, strides, classes, bins=8):
    """Logits, distributions, and the answer of the head's `get_bboxes` and `warp_boxes`."""
    plus = len(strides) == 4
    kind = 'NanoDetPlusHead' if plus else 'GFLHead'
    path = folder / f'model/head/{"nanodet_plus_head" if plus else "gfl_head"}.py'
    nms = taken_out(
        folder / 'model/module/nms.py', ['multiclass_nms', 'batched_nms'], nms=suppress
    )
    box = taken_out(folder / 'util/box_transform.py', ['distance2bbox'])
    integral = taken_out(path.with_name('gfl_head.py'), ['Integral']).Integral(bins - 1)
    head = taken_out(
        path, [kind], multiclass_nms=nms.multiclass_nms, distance2bbox=box.distance2bbox
    )
    warp = taken_out(folder / 'data/transform/warp.py', ['get_resize_matrix', 'warp_boxes'])
    methods = getattr(head, kind)
    logits, sides = distributions(random, size_wh, strides, classes, bins)
    this = SimpleNamespace(strides=strides, distribution_project=integral)
    for method in ('get_single_level_center_priors', 'get_single_level_center_point'):
        if hasattr(methods, method):
            setattr(this, method, partial(getattr(methods, method), this))
    metas = {'img': np.zeros((1, 3, *size_wh[::-1]))}
    found, labels = methods.get_bboxes(
        this, torch.from_numpy(logits), torch.from_numpy(sides), metas
    )[0]
    matrix = warp.get_resize_matrix(IMAGE_WH, size_wh, not plus)
    answer = np.concatenate((found.numpy(), labels.numpy()[:, None]), 1)
    answer = answer[answer[:, 4] > THRESHOLD]
    answer[:, :4] = warp.warp_boxes(answer[:, :4], np.linalg.inv(matrix), *IMAGE_WH)
    answer = answer[(answer[:, 2:4] > answer[:, :2]).all(1)]  # without what is padding alone
    return logits, sides, answer


def distributions(random, size_wh, strides, classes, bins):
    """Logits of classes and of distances, of which some cells have objects."""
    rows = sum(math.prod(each) for each in grids(size_wh, strides))
    logits = np.full((1, rows, classes), -9, np.float32)
    sides = np.full((1, rows, 4 * bins), -1, np.float32)
    for row in random.choice(rows, 9, replace=False):
        logits[0, row, random.integers(classes)] = random.uniform(0.4, 4)
        sides[0, row] = random.normal(0, 2, 4 * bins)
    logits[0, row, :2] = 2.5, 2  # one cell, two classes
    sides[0, row] = random.normal(0, 2, 4 * bins)
    return logits, sides


def grids(size_wh, strides):
    """Height and width of the grid of each stride."""
    return [(-(-size_wh[1] // each), -(-size_wh[0] // each)) for each in strides]


def an_output_a_stride(random, nanodet, checkouts):
    """The older exports of NanoDet, and PicoDet without its post-processing."""
    three, four = (8, 16, 32), (8, 16, 32, 64)
    logits, sides, answer = nanodet_outputs(random, nanodet, (320, 320), three, 80)
    scores, sides = (by_stride(each, (320, 320), three) for each in (probabilities(logits), sides))
    outputs = named('cls_pred_stride_', three, scores) | named('dis_pred_stride_', three, sides)
    save('nanodet_strides', (320, 320), outputs, answer, input_name='input.1')

    size = (416, 288)  # distributions of NanoDet-g, and maps before the sigmoid
    logits, sides, answer = nanodet_outputs(random, nanodet, size, three, 5, bins=11)
    maps = (by_stride(each, size, three, maps=True) for each in (logits, sides))
    pairs = [each for pair in zip(*maps, strict=True) for each in pair]
    save('nanodet_strides_maps', size, named('', range(6), pairs), answer, input_name='data')

    logits, sides, answer = nanodet_outputs(random, nanodet, (416, 416), four, 32)
    scores, sides = (by_stride(each, (416, 416), four) for each in (probabilities(logits), sides))
    outputs = named('', range(4), sides) | named('', range(4, 8), scores)
    save('nanodet_plus_strides', (416, 416), outputs, answer, input_name='data')

    postprocess = checkouts / 'PaddlePaddle+PaddleDetection/deploy/python/picodet_postprocess.py'
    for name, size, classes, transposed, names in (
        ('picodet_strides', (320, 320), 20, False, ('transpose_', '.tmp_0')),
        ('picodet_strides_transposed', (608, 800), 10, True, ('fetch_name_', '')),
        ('picodet_strides_unnamed', (416, 416), 3, False, ('', '')),
    ):
        logits, sides = distributions(random, size, four, classes, 8)
        scores, sides = (
            by_stride(each, size, four, transposed=transposed)
            for each in (probabilities(logits), sides)
        )
        answer = picodet(postprocess, size, scores, sides, transposed=transposed)
        outputs = named(names[0], range(8), [*scores, *sides], names[1])
        save(name, size, outputs, answer, input_name='image')


def probabilities(logits):
    """What a sigmoid makes of them."""
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def by_stride(rows, size_wh, strides, *, maps=False, transposed=False):
    """Rows of each stride by themselves: (1, n, m), or transposed, or (1, m, height, width)."""
    sides = grids(size_wh, strides)
    ends = np.cumsum([math.prod(each) for each in sides])[:-1]
    parts = np.split(rows, ends, 1)
    if maps:
        named_sides = zip(parts, sides, strict=True)
        return [part.transpose(0, 2, 1).reshape(1, -1, *side) for part, side in named_sides]
    return [part.transpose(0, 2, 1) for part in parts] if transposed else parts


def named(name, numbers, arrays, ending=''):
    """Arrays by name."""
    names = (f'{name or "out"}{each}{ending}' for each in numbers)
    return dict(zip(names, arrays, strict=True))


def picodet(path, size_wh, scores, sides, *, transposed):
    """By `PicoDetPostProcess`; the image is stretched."""
    after = taken_out(
        path,
        ['hard_nms', 'iou_of', 'area_of', 'PicoDetPostProcess'],
        softmax=lambda x, axis: np.exp(x) / np.exp(x).sum(axis, keepdims=True),
    ).PicoDetPostProcess
    scale = np.float32([[size_wh[1] / H, size_wh[0] / W]])
    shape = np.float32([size_wh[::-1]])
    process = after(shape[0], shape, scale, score_threshold=THRESHOLD, nms_threshold=0.45)
    if transposed:
        scores, sides = ([part.transpose(0, 2, 1) for part in each] for each in (scores, sides))
    rows, _ = process(scores, sides)
    return rows[:, [2, 3, 4, 5, 1, 0]]


def centernet_export(random, folder, name, size, classes):
    """By `ctdet_decode`, which the export includes, and `ctdet_post_process`."""
    gather = taken_out(folder / 'models/utils.py', ['_gather_feat', '_transpose_and_gather_feat'])
    decode = taken_out(
        folder / 'models/decode.py',
        ['_nms', '_topk', 'ctdet_decode'],
        _gather_feat=gather._gather_feat,
        _transpose_and_gather_feat=gather._transpose_and_gather_feat,
    )
    image = taken_out(
        folder / 'utils/image.py',
        [
            'transform_preds',
            'get_affine_transform',
            'affine_transform',
            'get_3rd_point',
            'get_dir',
        ],
    )
    process = taken_out(
        folder / 'utils/post_process.py',
        ['ctdet_post_process'],
        transform_preds=image.transform_preds,
    )
    grid = size // 4
    heat = random.uniform(0, 0.3, (1, classes, grid, grid)).astype(np.float32)
    for _ in range(5):
        heat[
            0,
            random.integers(classes),
            random.integers(grid // 4, grid * 3 // 4),
            random.integers(grid),
        ] = random.uniform(0.6, 0.95)
    sizes = random.uniform(3, grid / 4, (1, 2, grid, grid)).astype(np.float32)
    offsets = random.uniform(0, 1, (1, 2, grid, grid)).astype(np.float32)
    rows = decode.ctdet_decode(*map(torch.from_numpy, (heat, sizes, offsets))).numpy()
    center, scale = np.array([W / 2, H / 2], np.float32), float(max(IMAGE_WH))
    by_class = process.ctdet_post_process(rows.copy(), [center], [scale], grid, grid, classes)[0]
    answer = [[*box, label - 1] for label, boxes in by_class.items() for box in boxes]
    answer = [row for row in answer if row[4] > THRESHOLD]
    save(name, (size, size), {'dets': rows}, answer, input_name='input')


def yolov7_export(random, folder, name, size_wh, anchors, kind):
    """By `Detect`, `non_max_suppression` and `scale_coords`."""
    general = taken_out(
        folder / 'utils/general.py',
        ['non_max_suppression', 'xywh2xyxy', 'scale_coords', 'clip_coords'],
    )
    detect = taken_out(folder / 'models/yolo.py', ['Detect']).Detect
    by_level = np.array(anchors).reshape(3, -1).tolist()
    head = detect(4, by_level, (1, 1, 1)).eval()
    head.stride = torch.tensor([8.0, 16.0, 32.0])
    head.m = torch.nn.ModuleList(torch.nn.Identity() for _ in range(3))
    maps = []
    for stride in (8, 16, 32):
        width, height = size_wh[0] // stride, size_wh[1] // stride
        raw = np.zeros((3, 9, height, width), np.float32)
        raw[:, 4:] = -8
        for _ in range(3):
            # in the middle, where there is no padding
            place = (
                random.integers(height // 3, height * 2 // 3),
                random.integers(width // 4, width * 3 // 4),
            )
            anchor = random.integers(3)
            raw[(anchor, slice(5), *place)] = [*random.normal(0, 1, 4), random.uniform(2, 5)]
            raw[(anchor, 5 + random.integers(4), *place)] = random.uniform(2, 5)
        maps.append(torch.from_numpy(raw.reshape(1, 27, height, width)))
    decoded, raw = head(list(maps))
    found = general.non_max_suppression(decoded.clone(), THRESHOLD, 0.45)[0]
    rows = found.clone()
    found[:, :4] = general.scale_coords(size_wh[::-1], found[:, :4], IMAGE_WH[::-1])
    outputs = {f'output{index}': each.numpy() for index, each in enumerate(raw)}
    if kind == 'grid':
        decoded[decoded[..., 4] < THRESHOLD / 10] = 0  # the file keeps the rest alone
        outputs = {'output': decoded.numpy()}
    if kind == 'rows':  # as `ONNX_ORT` gives them
        first = torch.zeros(len(rows), 1)
        rows = torch.cat((first, rows[:, :4], rows[:, 5:6], rows[:, 4:5]), 1)
        outputs = {'output': rows.numpy()}
    save(name, size_wh, outputs, found)


def dense(random, size_wh, classes):
    """Boxes of cells, as corners, and scores: some objects, of which two are nearly the same."""
    count = sum((size_wh[0] // each) * (size_wh[1] // each) for each in (8, 16, 32))
    boxes, scores = np.zeros((count, 4), np.float32), np.zeros((count, classes), np.float32)
    boxes[:] = 0, 0, 8, 8
    width, height = size_wh
    for row in range(6):
        x, y = random.uniform(0.1, 0.6) * width, random.uniform(0.3, 0.5) * height
        boxes[row] = x, y, x + random.uniform(0.1, 0.3) * width, y + 0.2 * height
        scores[row, random.integers(classes)] = random.uniform(0.6, 0.95)
    boxes[6], scores[6] = boxes[0] + 1, scores[0] - 0.01 * (scores[0] > 0)
    return boxes, scores


def letterboxed(rows, size_wh):
    """Rows in pixels of the image, clipped."""
    ratio = min(size_wh[0] / W, size_wh[1] / H)
    rows = np.array(rows, np.float64)
    rows[:, [0, 2]] = ((rows[:, [0, 2]] - (size_wh[0] - W * ratio) / 2) / ratio).clip(0, W)
    rows[:, [1, 3]] = ((rows[:, [1, 3]] - (size_wh[1] - H * ratio) / 2) / ratio).clip(0, H)
    return rows


def yolo_nas(random, folder, name, size):
    """By `PPYoloEPostPredictionCallback`."""
    path = next(folder.rglob('pp_yolo_e/post_prediction_callback.py'))
    kind = taken_out(
        path, ['PPYoloEPostPredictionCallback'], DetectionPostPredictionCallback=torch.nn.Module
    ).PPYoloEPostPredictionCallback
    after = kind(
        score_threshold=THRESHOLD, nms_threshold=0.45, nms_top_k=1000, max_predictions=300
    )
    boxes, scores = (each[None] for each in dense(random, (size, size), 80))
    rows = after((torch.from_numpy(boxes), torch.from_numpy(scores)))[0]
    answer = letterboxed(rows.numpy(), (size, size))
    save(
        name,
        (size, size),
        {'pred_bboxes': boxes, 'pred_scores': scores},
        answer,
        input_name='input',
    )


def yolov6(random, folder, name, size):
    """By `non_max_suppression`; `Inferer.rescale` takes boxes out of the padding."""
    nms = taken_out(folder / 'yolov6/utils/nms.py', ['xywh2xyxy', 'non_max_suppression'])
    boxes, scores = dense(random, (size, size), 80)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    output = np.concatenate(
        (middle, boxes[:, 2:] - boxes[:, :2], np.ones((len(boxes), 1), np.float32), scores), 1
    )[None]
    rows = nms.non_max_suppression(torch.from_numpy(output.copy()), THRESHOLD, 0.45)[0]
    save(name, (size, size), {'outputs': output}, letterboxed(rows.numpy(), (size, size)))


def ultralytics_yolo(random, name, size_wh, layout):
    """By `non_max_suppression` and `scale_boxes`."""
    from ultralytics.utils.nms import non_max_suppression
    from ultralytics.utils.ops import scale_boxes, scale_coords

    pose, rows_of_six = layout == 'pose', layout in ('end2end', 'nms')
    classes = 1 if pose else 80
    boxes, scores = dense(random, size_wh, classes)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    output = np.concatenate((middle, boxes[:, 2:] - boxes[:, :2], scores), 1)
    if pose:
        points = np.zeros((len(boxes), 17, 3), np.float32)
        points[:7, :, :2] = random.uniform(0.3, 0.7, (7, 17, 2)) * size_wh
        points[:7, :, 2] = random.uniform(0, 1, (7, 17))
        output = np.concatenate((output, points.reshape(-1, 51)), 1)
    output = output.T[None]
    if rows_of_six:
        output = np.zeros((1, 300, 6), np.float32)
        output[0, :7] = np.concatenate(
            (boxes[:7], scores[:7].max(1, keepdims=True), scores[:7].argmax(1)[:, None]), 1
        )
    rows = non_max_suppression(
        torch.from_numpy(output.copy()), THRESHOLD, 0.45, nc=classes, end2end=rows_of_six
    )[0]
    keypoints = rows[:, 6:].reshape(-1, 17, 3) if pose else None
    if pose:
        keypoints = scale_coords(size_wh[::-1], keypoints, (H, W)).numpy()
    rows = rows[:, :6]
    rows[:, :4] = scale_boxes(size_wh[::-1], rows[:, :4], (H, W))
    metadata = {
        'task': 'pose' if pose else 'detect',
        'stride': '32',
        'imgsz': str(list(size_wh[::-1])),
        'names': str({index: f'name_{index}' for index in range(classes)}),
        'end2end': str(layout == 'end2end'),
        'args': str({'nms': layout == 'nms'}),
        **({'kpt_shape': '[17, 3]'} if pose else {}),
    }
    output = np.ascontiguousarray(output)
    save(name, size_wh, {'output0': output}, rows, metadata=metadata, keypoints=keypoints)


def oriented(random, name, size_wh, *, end_to_end):
    """By `non_max_suppression`, `scale_boxes` and `xywhr2xyxyxyxy`."""
    from ultralytics.utils.nms import non_max_suppression
    from ultralytics.utils.ops import scale_boxes, xywhr2xyxyxyxy

    boxes, scores = dense(random, size_wh, 15)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    angle = np.zeros((len(boxes), 1), np.float32)
    angle[:7] = random.uniform(-math.pi / 4, math.pi * 3 / 4, (7, 1))
    angle[6] = angle[0] + 0.05
    box = np.concatenate((middle, boxes[:, 2:] - boxes[:, :2]), 1)
    output = np.concatenate((box, scores, angle), 1).T[None]
    if end_to_end:
        best = scores.max(1, keepdims=True), scores.argmax(1)[:, None]
        output = np.zeros((1, 300, 7), np.float32)
        output[0, :6] = np.concatenate((box, *best, angle), 1)[:6]
    output = np.ascontiguousarray(output, np.float32)
    rows = non_max_suppression(
        torch.from_numpy(output.copy()), THRESHOLD, 0.45, nc=15, rotated=True, end2end=end_to_end
    )[0]
    rows[:, :4] = scale_boxes(size_wh[::-1], rows[:, :4], (H, W), xywh=True)
    turned = torch.cat((rows[:, :4], rows[:, -1:]), 1)
    corners = xywhr2xyxyxyxy(turned)
    answer = torch.cat((corners.amin(1), corners.amax(1), rows[:, 4:6]), 1)
    metadata = {
        'task': 'obb',
        'stride': '32',
        'imgsz': str(list(size_wh[::-1])),
        'names': str({index: f'name_{index}' for index in range(15)}),
        'end2end': str(end_to_end),
    }
    save(name, size_wh, {'output0': output}, answer, metadata=metadata, oriented=turned.numpy())


def movenet(random):
    """As the tutorial of TensorFlow Hub reads it: y, x, score, fractions of a padded square."""
    for name, size, rows in (
        ('movenet_lightning_documented', 192, 1),
        ('movenet_thunder_documented', 256, 1),
        ('movenet_multipose_documented', 256, 6),
    ):
        points = random.uniform(0.3, 0.7, (rows, 17, 3)).astype(np.float32)
        points[..., 2] = random.uniform(0.3, 0.95, (rows, 17))
        # the image fills the width of the square, and three quarters of its height
        in_image = points[..., [1, 0, 2]] * [W, W, 1] - [0, (W - H) / 2, 0]
        box = np.concatenate((points[..., :2].min(1), points[..., :2].max(1)), 1)
        score = points[..., 2].mean(1)
        output = points[None]
        if rows > 1:
            score = np.float32([0.9, 0.8, 0.7, 0.4, 0.1, 0])
            output = np.concatenate((points.reshape(6, 51), box, score[:, None]), 1)[None]
        corners = box[:, [1, 0, 3, 2]] * W - np.array([0, (W - H) / 2] * 2)
        kept = score > THRESHOLD
        answer = np.concatenate((corners, score[:, None], np.zeros((rows, 1))), 1)[kept]
        shape = (1, size, size, 3)
        save(
            name,
            shape,
            {'output_0': output},
            answer,
            input_name='input',
            input_type='int32',
            keypoints=in_image[kept],
        )


def documented(random):
    """Boxes of two classes, in the outputs that exporters document."""
    size = (320, 320)
    rows = np.float32([[*BOX, 0.9, 3], [*OTHER, 0.8, 1]])
    answer = rows.copy()
    answer[:, [0, 2]] *= W / 320  # stretched
    answer[:, [1, 3]] *= H / 320
    boxed = letterboxed(rows, size)
    filled = np.zeros((1, 20, 6), np.float32)
    filled[0, :2] = rows
    boxes, scores, classes = filled[..., :4], filled[..., 4], filled[..., 5]
    for name, shape, ending in (
        ('tf_ssd_documented', (1, 320, 320, 3), ''),
        ('tf_onnx_zoo_ssd_documented', (1, 320, 320, 3), ':0'),
    ):
        save(
            name,
            shape,
            {
                f'detection_boxes{ending}': boxes[..., [1, 0, 3, 2]] / 320,
                f'detection_classes{ending}': classes,
                f'detection_scores{ending}': scores,
                f'num_detections{ending}': np.float32([2]),
            },
            boxed,
            input_name='input_tensor',
            input_type='uint8',
        )
    save(
        'tf_all_outputs_documented',
        (1, 320, 320, 3),
        {
            'detection_anchor_indices': np.zeros((1, 20), np.float32),
            'detection_boxes': boxes[..., [1, 0, 3, 2]] / 320,
            'detection_classes': classes,
            'detection_multiclass_scores': np.zeros((1, 20, 5), np.float32),
            'detection_scores': scores,
            'num_detections': np.float32([2]),
            'raw_detection_boxes': np.zeros((1, 50, 4), np.float32),
            'raw_detection_scores': np.zeros((1, 50, 5), np.float32),
        },
        boxed,
        input_name='input_tensor',
        input_type='uint8',
    )
    plugin = {
        'num_dets': np.int32([[2]]),
        'det_boxes': boxes,
        'det_scores': scores,
        'det_classes': classes.astype(np.int32),
    }
    save('efficient_nms_documented', size, plugin, boxed)
    save(
        'mmdetection_documented',
        size,
        {'dets': filled[..., :5], 'labels': classes.astype(np.int64)},
        boxed,
        input_name='input',
    )
    save(
        'torchvision_documented',
        size,
        {'boxes': rows[:, :4], 'labels': rows[:, 5].astype(np.int64), 'scores': rows[:, 4]},
        boxed,
        input_name='input',
    )
    save(
        'onnx_zoo_ssd_documented',
        size,
        {'bboxes': boxes / 320, 'labels': classes.astype(np.int64), 'scores': scores},
        boxed,
        input_name='image',
    )
    for name in ('rt_detr_documented', 'd_fine_documented', 'deim_documented'):
        save(
            name,
            size,
            {'labels': classes.astype(np.int64), 'boxes': boxes, 'scores': scores},
            boxed,
            second=('orig_target_sizes', 'int64'),
        )
    paddle = np.concatenate((rows[:, 5:6], rows[:, 4:5], rows[:, :4]), 1)
    for name, second in (
        ('pp_yoloe_documented', ('scale_factor', 'float32')),
        ('pp_yolo_documented', ('im_shape', 'float32')),
    ):
        save(
            name,
            size,
            {'multiclass_nms3_0.tmp_0': paddle, 'multiclass_nms3_0.tmp_2': np.int32([2])},
            boxed,
            input_name='image',
            second=second,
        )
    corners, of_classes = dense(random, size, 4)
    planes = {'boxes': corners[None], 'scores': of_classes.T[None]}
    save(
        'pp_yoloe_without_nms_documented',
        size,
        planes,
        best(corners, of_classes, size),
        input_name='image',
    )
    suppressed_in_the_graph(corners, of_classes, size)


def best(corners, scores, size):
    """What the usual suppression leaves."""
    of_row = np.concatenate((corners, scores.max(1)[:, None], scores.argmax(1)[:, None]), 1)
    likely = of_row[of_row[:, 4] > THRESHOLD]
    kept = suppress_by_class(
        *map(torch.from_numpy, (likely[:, :4], likely[:, 4], likely[:, 5])), 0.45
    )
    return letterboxed(likely[kept.numpy()], size)


def suppressed_in_the_graph(corners, scores, size):
    """ONNX's NonMaxSuppression itself, on boxes written in three ways."""
    answer = best(corners, scores, size)
    middle, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    for name, boxes, prefix in (
        ('nms_corners', corners, ''),
        ('nms_centers', np.concatenate((middle, sides), 1), ''),
        ('nms_keras_yolov3', corners[:, [1, 0, 3, 2]], 'yolonms_layer_1/'),
    ):
        limits = [
            numpy_helper.from_array(value, key)
            for key, value in (
                ('most', np.int64([100])),
                ('iou', np.float32([0.45])),
                ('least', np.float32([THRESHOLD])),
            )
        ]
        names = [f'{prefix}boxes', f'{prefix}scores']
        node = helper.make_node(
            'NonMaxSuppression',
            [*names, 'most', 'iou', 'least'],
            [f'{prefix}selected_indices'],
            center_point_box=int(name == 'nms_centers'),
        )
        save(
            name,
            size,
            dict(zip(names, (boxes[None], scores.T[None]), strict=True)),
            answer,
            more=([node], limits, [(f'{prefix}selected_indices', 'int64', ['n', 3])]),
        )


if __name__ == '__main__':
    main(*sys.argv[1:])
