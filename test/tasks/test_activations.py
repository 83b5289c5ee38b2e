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


def of_eight_bits(values, step):
    """As an output of eight bits gives them, dequantized."""
    return np.float32(np.rint(np.minimum(values / step, 255))) * np.float32(step)


def softmaxes(count, *, spread=4.0, places=50):
    """Of random logits, (places, count)."""
    logits = np.random.default_rng(count).normal(0, spread, (places, count))
    return softmax(logits.astype(np.float32))


class TestASoftmaxOfEightBits:
    @pytest.mark.parametrize('step', [1 / 255, 1 / 256, 0.93 / 255], ids=['255', '256', 'seen'])
    @pytest.mark.parametrize('count', [7, 20, 1000])
    def test_is_told_though_its_sum_is_rounded(self, count, step):
        values = softmaxes(count)
        values = of_eight_bits(values[values.max(axis=1) <= 255 * step], step)
        assert np.abs(values.sum(axis=1) - 1).max() > 3e-3
        assert is_softmaxed(values, 1)
        assert is_softmaxed(values.T, 0)

    def test_with_a_sign(self):
        values = of_eight_bits(softmaxes(20), 1 / 127)
        assert is_softmaxed(values, 1)

    def test_in_halves(self):
        assert is_softmaxed(of_eight_bits(softmaxes(20), 1 / 255).astype(np.float16), 1)

    @pytest.mark.parametrize('count', [7, 20, 1000])
    def test_another_sum_is_none(self, count):
        values = of_eight_bits(softmaxes(count), 1 / 255)
        values[3] = of_eight_bits(softmaxes(count)[3] * 1.6, 1 / 255)
        assert not is_softmaxed(values, 1)
        values[3] = of_eight_bits(softmaxes(count)[3] * 0.4, 1 / 255)
        assert not is_softmaxed(values, 1)

    @pytest.mark.parametrize('count', [20, 1000])
    def test_as_far_off_but_not_in_steps(self, count):
        assert not is_softmaxed(softmaxes(count) * np.float32(1.01), 1)

    def test_a_thousand_classes_below_half_a_step_are_not_told(self):
        """All are rounded to 0, and nothing is left of the sum; docs/models.md tells so."""
        assert not is_softmaxed(of_eight_bits(softmaxes(1000, spread=0.1), 1 / 255), 1)

    def test_logits_in_steps_are_none(self):
        logits = np.rint(np.random.default_rng(0).normal(0, 20, (50, 20))) / 255
        assert not is_softmaxed(logits, 1)
        assert not is_softmaxed(np.full((1, 3), 0.5, np.float32), 1)

    def test_a_one_that_is_rounded_up(self):
        values = np.float32([[0, np.nextafter(np.float32(1), np.float32(2))]])
        assert is_softmaxed(values, 1)
