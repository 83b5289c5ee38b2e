"""The loop to compare with does what it says: its boxes are those of the package, roughly."""

import numpy as np
import pytest
from onnx_models import color_segmentation, detector, pose_detector

from jetson_perception.benchmark.baseline import (
    STAGES,
    postprocess_detection,
    postprocess_pose,
    postprocess_segmentation,
    preprocess,
    run_baseline,
)
from jetson_perception.models import open_model


def rows(*boxes, class_count=2, count=20):
    """Rows of (cx, cy, w, h, scores); boxes of (cx, cy, w, h, class, score)."""
    output = np.zeros((count, 4 + class_count), np.float32)
    for row, (x, y, w, h, class_id, score) in zip(output, boxes):  # noqa: B905
        row[:4] = x, y, w, h
        row[4 + class_id] = score
    return output


def test_nothing_found():
    assert postprocess_detection(rows(), 1.0) == []
    assert postprocess_pose(np.zeros((20, 14), np.float32), 1.0, 3) == []


def test_overlapping_boxes_become_one_and_come_in_source_pixels():
    found = postprocess_detection(
        rows((100, 50, 40, 20, 1, 0.9), (102, 50, 40, 20, 1, 0.8), (300, 50, 40, 20, 0, 0.5)), 0.5
    )
    assert [(list(map(int, box)), int(class_id)) for box, _, class_id in found] == [
        ([160, 80, 240, 120], 1),
        ([560, 80, 640, 120], 0),
    ]
    assert found[0][1] == pytest.approx(0.9)


def test_points_of_a_person():
    output = np.zeros((20, 4 + 1 + 6), np.float32)
    output[3] = 100, 50, 40, 20, 0.9, 90, 40, 0.9, 110, 60, 0.1
    output[4] = 101, 50, 40, 20, 0.8, 0, 0, 0.9, 0, 0, 0.9
    assert postprocess_pose(output, 0.5, 2) == [[(180, 80), None]]


def test_mask_has_the_pictures_size():
    logits = np.zeros((1, 3, 4, 4), np.float32)
    logits[0, 2, :, 2:] = 5
    mask, counts = postprocess_segmentation(logits, (20, 40))
    assert mask.shape == (20, 40)
    assert sum(counts) == 800
    assert counts[1] == 0
    assert mask[0, 0] == 0
    assert mask[-1, -1] == 2


@pytest.mark.parametrize('size_wh', [(128, 96), (96, 128), (64, 64)])
def test_blob(size_wh):
    blob, scale = preprocess(np.full((size_wh[1], size_wh[0], 3), 255, np.uint8), (64, 64))
    assert blob.shape == (1, 3, 64, 64)
    assert scale == 64 / max(size_wh)
    assert blob[0, 0, 0, 0] == 1.0
    if size_wh != (64, 64):
        assert blob[0, 0, -1, -1] == pytest.approx(114 / 255)


def test_run(tmp_path):
    models = [
        open_model(
            detector(tmp_path / 'd.onnx', size_wh=(64, 64), boxes=[(32, 32, 9, 9, 1, 0.9)])
        ),
        open_model(pose_detector(tmp_path / 'p.onnx', size_wh=(64, 64))),
        open_model(color_segmentation(tmp_path / 's.onnx')),
    ]
    frames = [np.full((48, 64, 3), value, np.uint8) for value in (10, 200)]
    figures, stages = run_baseline(models, frames, 5)
    assert figures.frames == 5
    assert figures.rate_hz > 0
    assert tuple(stages) == STAGES
    assert sum(stages.values()) <= figures.p99_ms * 1.5
    figures, _ = run_baseline(models, frames, 1000, seconds=1e-9)
    assert figures.frames == 3
    for model in models:
        model.close()
