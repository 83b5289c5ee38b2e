"""What a detector's task makes of the parameter `tracker`."""

import numpy as np
import pytest
from onnx_models import detector

from jetson_perception.models import open_model
from jetson_perception.tasks.detection_options import DetectionOptions, score_thresholds


@pytest.fixture
def model(tmp_path):
    with open_model(str(detector(tmp_path / 'a.onnx')), runtime='onnxruntime_cpu') as opened:
        yield opened


def test_without_a_tracker_nothing_changes(model):
    params = model.task.params_with(score_threshold=0.5)
    assert model.task.options(model, params).score_threshold == 0.5
    assert model.task.refiner(model, lambda: params) is None


@pytest.mark.parametrize('tracker', ['bytetrack', 'ocsort'])
def test_the_decoder_keeps_what_may_continue_a_track(model, tracker):
    params = model.task.params_with(score_threshold=0.5, tracker=tracker)
    assert model.task.options(model, params).score_threshold == params.track_low_threshold
    assert callable(model.task.refiner(model, lambda: params))


def test_thresholds_of_classes_are_lowered_too_and_none_is_raised():
    options = DetectionOptions(0.5, class_ids=(0, 2), class_score_thresholds=((0, 0.8), (2, 0.05)))
    lowest, table = score_thresholds(options.down_to(0.1))  # what kernels are given
    assert lowest == 0.05
    np.testing.assert_allclose(table, [0.1, np.inf, 0.05, np.inf])
