"""Exports of detectors on the stand-in GPU: kernels read their outputs as their frameworks do."""

import gc
import json
import queue
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import standin_onnxruntime
import standin_pycuda
from emulated_gpu import register_kernels
from pipeline.waiting import DEADLINE_S

from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
from jetson_perception.models import YoloModel
from jetson_perception.pipeline import CudaLane, Frame, Pipeline, RawImage, make_lane
from jetson_perception.tasks.detection_options import DetectionOptions

DATA = Path(__file__).resolve().parents[1] / 'exports/data'
IMAGE = np.zeros((480, 640, 3), np.uint8)
ANCHORS = {
    'yolov5_raw': (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326),
    'yolov7_raw': (12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401),
}
KERNELS = (
    *('preprocess', 'boxes', 'oriented_boxes'),
    *('anchor_heads', 'selected_boxes', 'movenet'),
)
OPTIONS = DetectionOptions(score_threshold=0.5, iou_threshold=0.45)


@pytest.fixture
def standin(monkeypatch):
    standin = standin_pycuda.install(monkeypatch)
    standin_onnxruntime.install(monkeypatch, standin)
    for name in KERNELS:
        register_kernels(standin, name)
    yield standin
    gc.collect()
    standin.check()


@pytest.mark.parametrize(
    'name',
    [
        'rf_detr',
        'd_fine_hugging_face',
        'detr_hugging_face',
        'rt_detr_ultralytics',
        'rt_detr_ultralytics_8_3',
        'yolo_nas',
        'pp_yoloe_without_nms_documented',
        'nanodet',
        'nanodet_plus_rectangular',
        'nanodet_strides',
        'picodet_strides',
        'yolov6',
        'efficient_nms_documented',
        'tf_ssd_documented',
        'mmdetection_documented',
        'yolov8_obb_ultralytics',
        'yolo11_obb_ultralytics_rectangular',
        'yolo26_obb_ultralytics',
        'movenet_lightning_documented',
        'movenet_multipose_documented',
        'nms_centers',
        'yolov5_raw',
        'yolov7_raw',
    ],
)
def test_a_lane_finds_what_the_framework_finds(standin, name):
    engine = OnnxRuntimeCudaEngine(DATA / f'{name}.onnx')
    engine.info = replace(engine.info, anchors=ANCHORS.get(name, ()))
    model = YoloModel(engine)
    results = queue.Queue()
    lane = make_lane('a', model, lambda frame, found: results.put(found), lambda: OPTIONS)
    assert isinstance(lane, CudaLane)
    pipeline = Pipeline([lane])
    pipeline.start()
    try:
        raw = RawImage(IMAGE.reshape(480, -1), 'bgr8', 640, 480)
        pipeline.offer(Frame(lambda: IMAGE, raw=raw))
        found = results.get(timeout=DEADLINE_S)
    finally:
        pipeline.close()
        model.close()
    check(found, name)


def check(found, name):
    wanted = json.loads((DATA / f'{name}.json').read_text())
    assert found.class_id.tolist() == [each['class_id'] for each in wanted]
    assert found.score.tolist() == pytest.approx([each['score'] for each in wanted], abs=2e-5)
    assert np.abs(found.xyxy - [each['xyxy'] for each in wanted]).max() < 0.01
    if 'keypoints' in wanted[0]:
        assert np.abs(found.keypoints - [each['keypoints'] for each in wanted]).max() < 0.01
    if 'oriented' in wanted[0]:
        assert np.abs(found.oriented - [each['oriented'] for each in wanted]).max() < 0.001


@pytest.mark.parametrize('name', ['nanodet_strides_maps', 'picodet_strides_transposed'])
def test_outputs_that_no_kernel_reads_are_decoded_on_the_cpu(standin, caplog, name):
    model = YoloModel(OnnxRuntimeCudaEngine(DATA / f'{name}.onnx'), OPTIONS)
    assert model.device_path is None
    assert 'post-processing stay on the CPU: outputs' in caplog.text
    check(model(IMAGE), name)
    model.close()
