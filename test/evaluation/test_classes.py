"""Classes of models and datasets are brought together by name."""

import numpy as np
import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.evaluation.classes import ClassMap


@pytest.mark.parametrize(
    ('model', 'count', 'dataset', 'ids', 'missing'),
    [
        pytest.param(['a', 'b'], 2, ['a', 'b'], [0, 1], (), id='same'),
        pytest.param(['a', 'b'], 2, ['b', 'a'], [1, 0], (), id='other_order'),
        pytest.param(['a', 'b'], 2, ['b'], [-1, 0], (), id='dataset_has_fewer'),
        pytest.param(['b'], 1, ['a', 'b', 'c'], [1], (0, 2), id='model_has_fewer'),
        pytest.param(['Traffic_Light'], 1, ['traffic light'], [0], (), id='spelling'),
        pytest.param(['hot-dog'], 1, ['Hot  Dog'], [0], (), id='hyphen'),
        pytest.param([], 2, ['a', 'b'], [0, 1], (), id='no_names'),
        pytest.param([], 0, ['a', 'b'], [0, 1], (), id='no_names_and_no_count'),
    ],
)
def test_to_dataset(model, count, dataset, ids, missing):
    classes = ClassMap(model, count, dataset)
    np.testing.assert_array_equal(classes.to_dataset(np.arange(len(ids), dtype=np.int32)), ids)
    assert classes.missing == missing


def test_no_detections_and_ids_beyond_the_names():
    classes = ClassMap(['a'], 1, ['a'])
    assert classes.to_dataset(np.empty(0, np.int32)).shape == (0,)
    np.testing.assert_array_equal(classes.to_dataset(np.array([-1, 0, 7], np.int32)), [-1, 0, -1])


@pytest.mark.parametrize(
    ('model', 'count', 'dataset', 'text'),
    [
        pytest.param(
            ['cat'],
            1,
            ['dog'],
            'the model finds cat, the dataset has dog: they have no class in',
            id='none',
        ),
        pytest.param([], 3, ['dog'], '3 classes without names, but the dataset has 1', id='count'),
    ],
)
def test_no_way_to_bring_them_together(model, count, dataset, text):
    with pytest.raises(ParameterError, match=text):
        ClassMap(model, count, dataset)
