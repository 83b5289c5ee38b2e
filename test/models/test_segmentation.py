"""Semantic segmentation networks as models: which output is read, and what it holds."""

import numpy as np
import pytest
from onnx_models import constant_model

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.models import SegmentationModel, open_model

SIZE_WH = (64, 48)
IMAGE = np.zeros((48, 64, 3), np.uint8)


def opened(path, outputs, **settings):
    """A network that always gives these outputs."""
    path = constant_model(path, outputs, size_wh=SIZE_WH)
    return open_model(path, overrides=ModelInfo(**settings))


class TestWhatScoresAre:
    @pytest.mark.parametrize('dtype', [np.float32, np.float16])
    @pytest.mark.parametrize('last', [False, True], ids=['planes', 'pixels'])
    def test_a_sum_of_one_at_each_place_is_a_softmax(self, tmp_path, dtype, last):
        scores = np.empty((1, 3, 48, 64), dtype)
        scores[:] = np.reshape([0.2, 0.7, 0.1], (3, 1, 1))
        scores = scores.transpose(0, 2, 3, 1) if last else scores
        with opened(tmp_path / 'my.onnx', [scores]) as model:
            assert model.layout.output == 'probabilities'
            assert 'output' not in model.assumed
            assert (model(IMAGE).mask == 1).all()

    def test_a_softmax_of_eight_bits_is_one(self, tmp_path):
        scores = np.empty((1, 3, 48, 64), np.float32)
        scores[:] = np.reshape(np.float32([200, 40, 16]) / 255, (3, 1, 1))
        with opened(tmp_path / 'my.onnx', [scores]) as model:
            assert model.layout.output == 'probabilities'

    def test_another_sum_at_one_place_is_none(self, tmp_path):
        scores = np.full((1, 2, 48, 64), 0.5, np.float32)
        scores[0, 0, 7, 7] = 0.4
        with opened(tmp_path / 'my.onnx', [scores]) as model:
            assert model.layout.output == 'logits'
            assert model.assumed['output'] == 'logits'

    def test_a_setting_is_believed(self, tmp_path):
        scores = np.full((1, 2, 48, 64), 0.5, np.float32)
        with opened(tmp_path / 'my.onnx', [scores], output='logits') as model:
            assert model.layout.output == 'logits'


class TestSeveralOutputs:
    def test_of_different_classes_ask_which_one_it_is(self, tmp_path):
        outputs = {
            'sides': np.zeros((1, 24, 32, 4), np.float32),
            'centers': np.zeros((1, 24, 32, 1), np.float32),
        }
        path = tmp_path / 'my.onnx'
        text = r"'sides' \(1, 24, 32, 4\), 'centers' \(1, 24, 32, 1\); .* set 'output_name'"
        with pytest.raises(ParameterError, match=text) as caught:
            opened(path, outputs)
        assert caught.value.parameter == 'output_name'
        with opened(path, outputs, output_name='sides') as model:
            assert isinstance(model, SegmentationModel)
            assert model.layout.class_count == 4

    def test_of_as_many_classes_are_alike(self, tmp_path):
        outputs = [np.zeros((1, 5, *size), np.float32) for size in ((48, 64), (24, 32))]
        with opened(tmp_path / 'my.onnx', outputs) as model:
            assert model.layout.class_count == 5

    def test_smaller_ones_are_features_inside_the_network(self, tmp_path):
        """As ISNet has them, after six results of its levels."""
        outputs = [
            np.full((1, 1, 48, 64), 0.9, np.float32),
            np.full((1, 1, 48, 64), 0.1, np.float32),
            np.zeros((1, 64, 24, 32), np.float32),
        ]
        with opened(tmp_path / 'my.onnx', outputs, output='probabilities') as model:
            assert (model(IMAGE).mask == 1).all()

    def test_class_ids_beside_their_scores(self, tmp_path):
        outputs = [np.ones((1, 48, 64), np.int64), np.zeros((1, 5, 48, 64), np.float32)]
        with opened(tmp_path / 'my.onnx', outputs) as model:
            assert model.layout.output == 'class_ids'

    def test_class_ids_beside_scores_of_unlike_classes(self, tmp_path):
        outputs = [
            np.ones((1, 48, 64), np.int64),
            np.zeros((1, 1, 48, 64), np.float32),
            np.zeros((1, 5, 48, 64), np.float32),
        ]
        with opened(tmp_path / 'my.onnx', outputs) as model:
            assert model.layout.output == 'class_ids'

    @pytest.mark.parametrize(
        ('channels', 'settings', 'output'),
        [
            pytest.param((1, 19), {'output': 'class_ids'}, 'class_ids', id='mask_of_floats'),
            pytest.param((19, 1), {'output': 'logits'}, 'logits', id='edges'),
            pytest.param((19, 1), {'task': 'semantic'}, 'logits', id='task'),
        ],
    )
    def test_whoever_says_what_the_first_holds_is_believed(
        self, tmp_path, channels, settings, output
    ):
        outputs = [np.ones((1, count, 48, 64), np.float32) for count in channels]
        path = tmp_path / 'my.onnx'
        with pytest.raises(ParameterError):
            opened(path, outputs)
        with opened(path, outputs, **settings) as model:
            assert isinstance(model, SegmentationModel)
            assert model.layout.output == output
            assert model(IMAGE).mask.shape == (48, 64)


def test_one_place_is_no_mask(tmp_path):
    """As numbers of a whole image are, such as points of an eye."""
    scores = np.zeros((1, 1, 1, 228), np.float32)
    path = constant_model(tmp_path / 'my.onnx', [scores], size_wh=(64, 64))
    with pytest.raises(ModelError, match='no two axes with the aspect ratio'):
        open_model(path)
