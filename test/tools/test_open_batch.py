"""A file that was exported for one image, opened for several by the tool that measures cameras."""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx_models import bright_pose

from jetson_perception import open_model
from jetson_perception.models.batching import most_together

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))

from open_batch import open_batch

BOXES = ((20, 20, 20, 16, 0.9), (44, 30, 10, 10, 1.0))


def test_a_reshape_to_one_image_takes_any_number(tmp_path):
    path = bright_pose(tmp_path / 'one.onnx', BOXES, batch=1)
    model = onnx.load(path)
    (shape,) = (each for each in model.graph.initializer if each.name == 'shape')
    shape.CopyFrom(numpy_helper.from_array(np.array([1, 1, 1]), 'shape'))
    onnx.save(model, path)
    with open_model(path, runtime='onnxruntime_cpu') as one:
        assert most_together(one, 4) == 1
        expected = one(np.full((64, 64, 3), 200, np.uint8))
    with open_model(open_batch(path, tmp_path / 'any.onnx'), runtime='onnxruntime_cpu') as several:
        assert most_together(several, 4) == 4
        found = several(np.full((64, 64, 3), 200, np.uint8))
    assert len(found) == len(expected) > 0
    np.testing.assert_array_equal(found.score, expected.score)
