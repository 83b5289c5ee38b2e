"""Depth from one image against measured depth: values computed by hand, and as MiDaS has them."""

import numpy as np
import pytest
from onnx_models import depth_network

from jetson_perception.evaluation.datasets import DepthDataset, LabelledDepth
from jetson_perception.evaluation.depth_errors import DepthEvaluator, aligned, depth_errors
from jetson_perception.model_info import ModelInfo
from jetson_perception.models import open_model


def test_by_hand():
    errors = depth_errors(np.array([2.0, 5.0, 9.0, 4.0]), np.array([2.0, 4.0, 6.0, 8.0]))
    assert errors.abs_rel == pytest.approx((0 + 1 / 4 + 3 / 6 + 4 / 8) / 4)
    assert errors.rmse_m == pytest.approx(((0 + 1 + 9 + 16) / 4) ** 0.5)
    # Ratios: 1, exactly 1.25, 1.5, 2.
    assert errors.within == (0.25, 0.75, 0.75)


class TestAlignment:
    def test_scale_and_shift(self):
        wanted = np.array([0.1, 0.5, 0.2, 0.9])
        assert aligned(3 * wanted + 7, wanted) == pytest.approx(wanted)

    def test_least_squares(self):
        values, wanted = np.array([0.0, 1, 2]), np.array([0.0, 0, 3])
        # By hand: the line -0.5 + 1.5 x.
        assert aligned(values, wanted) == pytest.approx([-0.5, 1, 2.5])

    def test_the_other_way_round(self):
        assert aligned(np.array([3.0, 2, 1]), np.array([1.0, 2, 3])) == pytest.approx([2, 2, 2])

    def test_all_equal(self):
        assert aligned(np.array([4.0, 4]), np.array([1.0, 3])) == pytest.approx([2, 2])


def picture(reds, truth):
    """A stripe for each value of red, which the network makes 10 times that in 0 to 1."""
    bgr = np.zeros((32, 32, 3), np.uint8)
    bgr[..., 2] = np.repeat(reds, 4)
    return LabelledDepth('a', bgr, np.tile(np.repeat(np.asarray(truth, np.float32), 4), (32, 1)))


def evaluate(path, pictures, most_m=80.0, **given):
    overrides = ModelInfo(**given)
    with open_model(path, runtime='onnxruntime_cpu', overrides=overrides) as model:
        evaluator = DepthEvaluator(model, DepthDataset(len(pictures), pictures, most_m))
        for each in pictures:
            evaluator.add(each)
        return evaluator


@pytest.fixture
def network(tmp_path):
    return depth_network(tmp_path / 'my.onnx', size_wh=(32, 32))


#: 10 times red / 255: 10, 10, 5.02, 5.02, 2, 2, 0, 0
REDS = [255, 255, 128, 128, 51, 51, 0, 0]


class TestEvaluator:
    def test_metres(self, network):
        truth = [8, np.nan, 5.0196, np.nan, 4, np.nan, 5, 90]
        evaluator = evaluate(network, [picture(REDS, truth)])
        mean = evaluator.mean()
        # What is not in front of the camera is taken for 1 mm; 90 m do not count.
        assert mean.abs_rel == pytest.approx((0.25 + 0 + 0.5 + 4.999 / 5) / 4, abs=1e-4)
        assert mean.rmse_m == pytest.approx(((4 + 0 + 4 + 4.999**2) / 4) ** 0.5, abs=1e-3)
        assert mean.within == (0.25, 0.5, 0.5)
        assert evaluator.figures()['values'] == 'metric'

    def test_a_limit_for_both(self, network):
        evaluator = evaluate(network, [picture(REDS, [8, 8, 9, 9, 9, 9, 9, 9])], most_m=8.0)
        assert evaluator.mean().rmse_m == pytest.approx(0)

    @pytest.mark.parametrize('values', ['relative', 'inverse'])
    def test_aligned_to_the_truth(self, tmp_path, values):
        network = depth_network(tmp_path / 'my.onnx', size_wh=(32, 32), metadata={})
        given = {'task': 'depth', 'depth_values': values, 'scale': 1 / 255}
        given |= {'mean': (0.0, 0.0, 0.0), 'std': (1.0, 1.0, 1.0)}
        reds = np.array([255, 200, 150, 128, 100, 51, 20, 0])
        line = 0.2 * reds / 255 + 0.05
        truth = line * 20 if values == 'relative' else 1 / line
        evaluator = evaluate(network, [picture(reds, truth)], **given)
        mean = evaluator.mean()
        assert mean.abs_rel < 1e-4
        assert mean.within == (1, 1, 1)
        # The other meaning does not fit, whichever way it is turned.
        other = {'relative': 'inverse', 'inverse': 'relative'}[values]
        wrong = evaluate(network, [picture(reds, truth)], **{**given, 'depth_values': other})
        assert wrong.mean().abs_rel > 0.2

    def test_means_are_over_pictures(self, network):
        pictures = [
            picture(REDS, [10] + [np.nan] * 7),
            picture(REDS, [5] * 2 + [np.nan] * 6),
            picture(REDS, [np.nan] * 8),
        ]
        evaluator = evaluate(network, pictures)
        assert evaluator.mean().abs_rel == pytest.approx(0.5, abs=1e-5)
        figures = evaluator.figures()
        assert (figures['pictures'], figures['pictures_without_depth']) == (3, 1)

    def test_nothing_measured(self, network):
        evaluator = evaluate(network, [picture(REDS, [np.nan] * 8)])
        assert evaluator.figures()['abs_rel'] is None
        assert np.isnan(evaluator.means()['RMSE, m'])
