"""Confusion matrices against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jetson_perception.evaluation.confusion import ConfusionMatrix


def bytes_of(rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, np.uint8)


def test_nothing_counted_has_no_value():
    matrix = ConfusionMatrix(3)
    assert np.isnan(matrix.iou()).all()
    assert np.isnan(matrix.mean_iou())
    assert np.isnan(matrix.accuracy())


def test_empty_image_counts_nothing():
    matrix = ConfusionMatrix(2)
    matrix.add(np.empty((0, 5), np.uint8), np.empty((0, 5), np.uint8))
    assert matrix.counts.sum() == 0


@pytest.mark.parametrize(
    ('truth', 'mask', 'iou', 'mean', 'accuracy'),
    [
        pytest.param([[0, 1], [2, 2]], [[0, 1], [2, 2]], [1, 1, 1], 1.0, 1.0, id='all_right'),
        pytest.param([[0, 0]], [[1, 1]], [0, 0, np.nan], 0.0, 0.0, id='all_wrong'),
        pytest.param(
            [[0, 0, 0, 1], [1, 1, 2, 2]],
            [[0, 0, 1, 1], [1, 2, 2, 2]],
            [2 / 3, 2 / 4, 2 / 3],
            (2 / 3 + 2 / 4 + 2 / 3) / 3,
            6 / 8,
            id='some_wrong',
        ),
        pytest.param([[0, 0]], [[0, 0]], [1, np.nan, np.nan], 1.0, 1.0, id='absent_classes'),
    ],
)
def test_iou(truth, mask, iou, mean, accuracy):
    matrix = ConfusionMatrix(3)
    matrix.add(bytes_of(truth), bytes_of(mask))
    np.testing.assert_allclose(matrix.iou(), iou)
    assert matrix.mean_iou() == pytest.approx(mean)
    assert matrix.accuracy() == pytest.approx(accuracy)


def test_images_add_up_to_one_matrix():
    rng = np.random.default_rng(3)
    truth, mask = rng.integers(0, 4, (2, 6, 11, 7), np.uint8)
    together, one_by_one = ConfusionMatrix(4), ConfusionMatrix(4)
    together.add(truth.reshape(66, 7), mask.reshape(66, 7))
    for t, m in zip(truth, mask, strict=True):
        one_by_one.add(t, m)
    np.testing.assert_array_equal(together.counts, one_by_one.counts)
    assert together.counts[2, 1] == ((truth == 2) & (mask == 1)).sum()


@pytest.mark.parametrize('count', [0, -1, 257])
def test_impossible_class_count(count):
    with pytest.raises(ValueError, match=f'class_count is {count}; expected 1 to 256'):
        ConfusionMatrix(count)


def test_sizes_that_differ():
    with pytest.raises(ValueError, match=r'truth is \(2, 3\) and the mask \(3, 2\); resize'):
        ConfusionMatrix(2).add(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))


@pytest.mark.parametrize('which', ['truth', 'mask'])
def test_unknown_class_id(which):
    images = {'truth': np.zeros((2, 2), np.uint8), 'mask': np.zeros((2, 2), np.uint8)}
    images[which][1, 1] = 4
    with pytest.raises(ValueError, match=f'the {which} has class id 4; with 4 classes'):
        ConfusionMatrix(4).add(images['truth'], images['mask'])
