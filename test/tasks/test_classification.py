"""Outputs of classifiers: what they hold, and the classes that are made of them."""

import numpy as np
import pytest

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.classification import (
    ClassificationLayout,
    ClassificationOptions,
    classify,
    recognize_classification_layout,
)
from jetson_perception.tasks.results import Classification

EVERYTHING = ClassificationOptions(score_threshold=0.0, top_k=100)


@pytest.mark.parametrize(
    ('shape', 'info', 'expected'),
    [
        pytest.param((1, 1000), {}, 'logits', id='untold'),
        pytest.param((1, 1000), {'stride': 1}, 'probabilities', id='of_ultralytics'),
        pytest.param((1, 1000), {'stride': 1, 'output': 'logits'}, 'logits', id='told'),
        pytest.param((1, 2), {'output': 'probabilities'}, 'probabilities', id='two_classes'),
        pytest.param((1, 2), {'class_names': ('a', 'b')}, 'logits', id='named'),
        pytest.param((1, 1000, 1, 1), {}, 'logits', id='trailing_ones'),
    ],
)
@pytest.mark.parametrize('dtype', [np.float16, np.float32])
def test_layout(shape, info, expected, dtype):
    layout = recognize_classification_layout(shape, dtype, ModelInfo(**info))
    assert layout == ClassificationLayout(expected, shape[1])


@pytest.mark.parametrize(
    ('shape', 'dtype', 'info', 'text'),
    [
        pytest.param((1, 1), np.float32, {}, 'each of two or more classes', id='one_class'),
        pytest.param((1, 0), np.float32, {}, 'each of two or more classes', id='no_class'),
        pytest.param((2, 10), np.float32, {}, r'\(2, 10\) .* for one image', id='batch'),
        pytest.param((10,), np.float32, {}, r'\(10,\)', id='no_batch'),
        pytest.param((1, 10), np.int64, {}, r'int64 \(1, 10\)', id='integers'),
        pytest.param((1, 10, 2, 2), np.float32, {}, r'\(1, 10, 2, 2\)', id='a_map'),
        pytest.param((1, 10), np.float32, {'task': 'detect'}, "is 'detect'", id='task'),
        pytest.param((1, 10), np.float32, {'output': 'class_ids'}, 'cannot hold', id='output'),
        pytest.param(
            (1, 10),
            np.float32,
            {'class_names': ('a', 'b')},
            'has 10 classes, .* has 2',
            id='names',
        ),
    ],
)
def test_no_layout(shape, dtype, info, text):
    with pytest.raises(ModelError, match=text):
        recognize_classification_layout(shape, dtype, ModelInfo(path='my.onnx', **info))


class TestClassify:
    @pytest.mark.parametrize('shape', [(1, 4), (1, 4, 1, 1)], ids=str)
    @pytest.mark.parametrize('dtype', [np.float16, np.float32])
    def test_probabilities_the_best_first(self, shape, dtype):
        output = np.array([0.125, 0.5, 0.25, 0.125], dtype).reshape(shape)
        found = classify(output, ClassificationLayout('probabilities', 4), EVERYTHING)
        assert found.class_id.tolist() == [1, 2, 0, 3]  # the lower of two that score the same
        assert found.score.tolist() == [0.5, 0.25, 0.125, 0.125]
        assert (found.class_id.dtype, found.score.dtype) == (np.int32, np.float32)

    def test_logits_get_a_softmax(self):
        output = np.log([[0.1, 0.7, 0.2]]).astype(np.float32) + 1000
        found = classify(output, ClassificationLayout('logits', 3), EVERYTHING)
        assert found.class_id.tolist() == [1, 2, 0]
        np.testing.assert_allclose(found.score, [0.7, 0.2, 0.1], atol=1e-4)

    def test_logits_of_half_precision_do_not_overflow(self):
        output = np.array([[60000, -60000]], np.float16)
        found = classify(output, ClassificationLayout('logits', 2), EVERYTHING)
        assert found.score.tolist() == [1, 0]

    @pytest.mark.parametrize(
        ('options', 'expected'),
        [
            pytest.param({}, [1, 2], id='defaults'),
            pytest.param({'score_threshold': 0.3}, [1], id='threshold'),
            pytest.param({'score_threshold': 0.2, 'top_k': 1}, [1], id='top_k'),
            pytest.param({'score_threshold': 0.9}, [], id='nothing_reaches_it'),
            pytest.param({'score_threshold': 0.5}, [1], id='just_reaches_it'),
            pytest.param({'score_threshold': 0.0, 'class_ids': (3, 0)}, [0, 3], id='classes'),
            pytest.param({'class_ids': ()}, [], id='no_class'),
            pytest.param(
                {'class_score_thresholds': ((3, 0.1), (1, 0.6))}, [2, 3], id='of_classes'
            ),
            pytest.param({'class_ids': (7, 1)}, [1], id='id_beyond'),
            pytest.param({'class_score_thresholds': ((7, 0.1),)}, [1, 2], id='threshold_beyond'),
        ],
    )
    def test_options(self, options, expected):
        output = np.array([[0.125, 0.5, 0.25, 0.125]], np.float32)
        layout = ClassificationLayout('probabilities', 4)
        found = classify(output, layout, ClassificationOptions(**options))
        assert found.class_id.tolist() == expected

    @pytest.mark.parametrize('output', ['logits', 'probabilities'])
    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf], ids=str)
    def test_a_score_that_is_not_a_number_is_an_error(self, output, value):
        values = np.array([[0.5, value, 0.5]], np.float32)
        with pytest.raises(ModelError, match='NaN or infinite scores for 1 of 3 classes'):
            classify(values, ClassificationLayout(output, 3), EVERYTHING)

    def test_values_that_are_not_probabilities_say_what_to_set(self):
        with pytest.raises(ModelError, match=r'from -2 to 3.5, .*; set output to logits'):
            classify(
                np.array([[3.5, -2]], np.float32),
                ClassificationLayout('probabilities', 2),
                EVERYTHING,
            )

    def test_rounding_is_clipped(self):
        values = np.array([[1.001, -0.001]], np.float32)
        found = classify(values, ClassificationLayout('probabilities', 2), EVERYTHING)
        assert found.score.tolist() == [1, 0]

    def test_another_shape_than_when_it_was_loaded(self):
        with pytest.raises(ModelError, match=r'\(1, 2\) does not hold 3 classes'):
            classify(np.zeros((1, 2), np.float32), ClassificationLayout('logits', 3), EVERYTHING)

    def test_result_outlives_the_output(self):
        output = np.array([[0.25, 0.75]], np.float32)
        found = classify(output, ClassificationLayout('probabilities', 2), EVERYTHING)
        output[:] = 0
        assert found.score.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ('options', 'parameter'),
    [
        pytest.param({'score_threshold': 1.5}, 'score_threshold', id='threshold'),
        pytest.param({'score_threshold': float('nan')}, 'score_threshold', id='nan'),
        pytest.param({'top_k': 0}, 'top_k', id='nothing'),
        pytest.param({'top_k': 2.5}, 'top_k', id='half'),
    ],
)
def test_options_out_of_range(options, parameter):
    with pytest.raises(ParameterError, match=f'{parameter} is') as caught:
        ClassificationOptions(**options)
    assert caught.value.parameter == parameter


def test_arrays_of_a_result_go_together():
    assert len(Classification(np.zeros(0, np.int32), np.zeros(0, np.float32))) == 0
    with pytest.raises(ValueError, match='with the same n'):
        Classification(np.zeros(2, np.int32), np.zeros(3, np.float32))
