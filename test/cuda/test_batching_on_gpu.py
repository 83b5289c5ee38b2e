"""Frames of several cameras in one inference on a real GPU, against each of them one by one.

For the rate: `tools/measure_cameras.py --runtime onnxruntime_cuda --cameras 4 8 --size 1280x720`.
"""

import queue

import numpy as np
import pytest
from models.test_cuda import assert_same_detections, picture
from models.test_cuda_batching import AllTogether, colors
from onnx_models import bright_pose
from pipeline.waiting import wait_until
from real_gpu import require_gpu

from jetson_perception import open_model
from jetson_perception.engines.onnxruntime.session import provider_problem
from jetson_perception.models.cuda_batching import open_batches
from jetson_perception.pipeline import Frame, Pipeline, make_lane
from jetson_perception.tasks.detection_options import DetectionOptions

pytestmark = pytest.mark.gpu

require_gpu()
if provider_problem():
    pytest.skip(provider_problem(), allow_module_level=True)

NETWORK_WH = (320, 192)
#: Of each camera; some in portrait, some smaller than the network.
SIZES_WH = ((1280, 720), (640, 480), (300, 500), (64, 48), (1920, 1080))
ROUNDS = 12
WAIT_S = 30


def pose(folder):
    """Objects of a brightness that differs from image to image, so that none can be mixed up."""
    boxes = [(20 + 25 * n, 30 + 12 * n, 20, 16, 1 - 0.08 * n) for n in range(10)]
    return bright_pose(folder / 'pose.onnx', boxes, size_wh=NETWORK_WH)


def shown(camera, turn):
    """A picture; its brightness depends on camera and turn."""
    share = 0.35 + 0.6 * ((7 * camera + 3 * turn) % 11) / 11
    return (picture(camera + 5 * turn, SIZES_WH[camera]) * share).astype(np.uint8)


def results(model, cameras, together, options):
    """The results of all rounds, by round and camera; `together` in one inference."""
    published = queue.Queue()
    errors = []
    lane = make_lane(
        'det',
        model,
        lambda frame, result: published.put((*frame.header, result)),
        options,
        errors.append,
    )
    if together:
        lane.batching = AllTogether(model.batch)
    pipeline = Pipeline([lane], inputs=cameras)
    pipeline.start()
    found = {}
    try:
        for turn in range(ROUNDS):
            for camera in range(cameras):
                bgr = shown(camera, turn)
                frame = Frame(lambda bgr=bgr: bgr, header=(turn, camera))
                frame.input_index = camera
                pipeline.offer(frame)
                if not together:
                    turned, of, result = published.get(timeout=WAIT_S)
                    found[turned, of] = result
            if together:
                for _ in range(cameras):
                    turned, of, result = published.get(timeout=WAIT_S)
                    found[turned, of] = result
        wait_until(lambda: lane.counts.processed == ROUNDS * cameras)
        assert not errors
    finally:
        pipeline.close()
    return found


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
@pytest.mark.parametrize('cameras', [2, 3, 5])
def test_boxes_equal_those_of_each_image_alone(tmp_path, cameras, precision):
    options = DetectionOptions(score_threshold=0.2)
    path = pose(tmp_path)
    with open_model(path, runtime='onnxruntime_cuda', precision=precision) as model:
        assert model.device_path is not None
        expected = results(model, cameras, together=False, options=lambda: options)
        open_batches(model, cameras)
        assert model.batch == cameras
        found = results(model, cameras, together=True, options=lambda: options)
        again = results(model, cameras, together=True, options=lambda: options)
    for key, wanted in expected.items():
        assert_alike(found[key], wanted)
        assert_alike(again[key], wanted)
    assert len({len(each) for each in expected.values()}) > 2


def assert_alike(found, wanted):
    """Fail unless two results are of one image: a near score may be on the threshold's other side.

    Kernels for batches add in another order, and in FP16 that shows.
    """
    kept = [each[np.abs(each.score - 0.2) > 2e-3] for each in (found, wanted)]
    assert len(kept[0]) == len(kept[1])
    np.testing.assert_allclose(kept[0].score, kept[1].score, atol=4e-3)
    np.testing.assert_allclose(kept[0].xyxy, kept[1].xyxy, atol=0.5)


def test_masks_equal_those_of_each_image_alone(tmp_path):
    path = colors(tmp_path)
    with open_model(path, runtime='onnxruntime_cuda', precision='fp32') as model:
        expected = results(model, 3, together=False, options=lambda: None)
        open_batches(model, 3)
        assert model.batch == 3
        found = results(model, 3, together=True, options=lambda: None)
    for key, wanted in expected.items():
        assert (found[key].mask == wanted.mask).mean() > 0.999


def test_one_camera_runs_as_it_did_next_to_batches(tmp_path):
    with open_model(pose(tmp_path), runtime='onnxruntime_cuda', precision='fp32') as model:
        expected = results(model, 1, together=False, options=lambda: None)
        open_batches(model, 4)
        found = results(model, 1, together=False, options=lambda: None)
    for key, wanted in expected.items():
        assert_same_detections(found[key], wanted)
