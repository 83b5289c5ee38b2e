"""What makes scores of logits."""

import numpy as np
import pytest

from jetson_perception.tasks.activations import is_softmaxed, sigmoid, softmax


@pytest.mark.parametrize('shape', [(0, 3), (2, 3), (4, 16, 5)], ids=str)
def test_softmax_sums_to_one_and_keeps_its_argument(shape):
    logits = np.random.default_rng(0).normal(0, 50, shape).astype(np.float32)
    before = logits.copy()
    found = softmax(logits)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(logits, before)


def test_softmax_of_known_values_along_an_axis():
    logits = np.log(np.float32([[1, 3], [1, 1]]))
    np.testing.assert_allclose(softmax(logits), [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(softmax(logits, 0), [[0.5, 0.75], [0.5, 0.25]], rtol=1e-6)


def test_sigmoid_of_huge_logits():
    assert sigmoid(np.float32([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ('values', 'softmaxed'),
    [
        pytest.param([[0.25, 0.75], [1, 0]], True, id='sums_of_one'),
        pytest.param([[0.25, 0.7505], [1, 0]], True, id='rounded'),
        pytest.param([[0.25, 0.75], [0.5, 0.6]], False, id='another_sum'),
        pytest.param([[-0.25, 1.25], [1, 0]], False, id='below_zero'),
        pytest.param([[np.nan, 1], [1, 0]], False, id='not_a_number'),
        pytest.param([[1], [1]], False, id='one_value'),
        pytest.param(np.zeros((0, 2)), False, id='empty'),
    ],
)
def test_what_a_softmax_may_have_given(values, softmaxed):
    values = np.array(values, np.float32)
    assert is_softmaxed(values, 1) is softmaxed
    assert is_softmaxed(values.astype(np.float16).T, 0) is softmaxed
