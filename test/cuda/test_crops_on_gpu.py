"""Boxes of an image in turn and in one inference on a real GPU, against the CPU."""

import numpy as np
import pytest
from models.test_crops_on_gpu import BOXES, SIZE_WH, Cascade, raw_frame
from onnx_models import bright_pose, detector
from real_gpu import require_gpu

from jetson_perception import CropModel, CropOptions, open_model
from jetson_perception.engines.onnxruntime.session import provider_problem
from jetson_perception.models.cuda_batching import open_batches

pytestmark = pytest.mark.gpu

require_gpu()
if provider_problem():
    pytest.skip(provider_problem(), allow_module_level=True)

SPOTS = [(10, 8, 12, 12, 0.9), (20, 18, 20, 28, 0.7)]
OPTIONS = CropOptions(margin=0.1)
ROUNDS = 6


def results(paths, most, encoding):
    """The second engine's results of some frames; with `most` boxes in one inference."""
    det, pose = (open_model(path, runtime='onnxruntime_cuda', precision='fp32') for path in paths)
    if most > 1:
        open_batches(pose, most, 'crops')
        assert pose.batch == most
    found = []
    with Cascade(det, pose, lambda: OPTIONS) as cascade:
        for seed in range(ROUNDS):  # plainly, then by graphs of two blocks
            cascade.pipeline.offer(raw_frame(seed, encoding, convert=False)[0])
            found.append(cascade.next())
        assert not cascade.errors
    return found


@pytest.mark.parametrize('encoding', ['bgr8', 'nv12'])
@pytest.mark.parametrize('most', [1, 2, 3])
def test_as_on_the_cpu(tmp_path, most, encoding):
    paths = (
        detector(tmp_path / 'det.onnx', BOXES, size_wh=SIZE_WH),
        bright_pose(tmp_path / 'pose.onnx', SPOTS, size_wh=(32, 32)),
    )
    found = results(paths, most, encoding)
    det, pose = (open_model(path, runtime='onnxruntime_cpu') for path in paths)
    with det, pose:
        for seed, result in enumerate(found):
            bgr = raw_frame(seed, encoding)[1]
            expected = CropModel(pose, 1)(bgr, det(bgr), OPTIONS)
            assert result.parent_ids == expected.parent_ids
            np.testing.assert_allclose(result.xyxy, expected.xyxy, atol=0.5)
            np.testing.assert_allclose(result.score, expected.score, atol=4e-3)
