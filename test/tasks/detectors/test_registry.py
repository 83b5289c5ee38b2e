"""The families of detectors, as parameters and readers know them."""

import numpy as np
import pytest

from jetson_perception.errors import ModelError
from jetson_perception.model_info import LAYOUTS, ModelInfo
from jetson_perception.tasks.detectors.registry import FAMILIES, recognize_boxes
from jetson_perception.tasks.network_outputs import NetworkOutputs


def test_each_family_can_be_set_and_says_what_it_is_told_by():
    names = [each.name for each in FAMILIES]
    assert len(set(names)) == len(names) > 0
    assert set(names) <= set(LAYOUTS)
    assert all(each.told_by for each in FAMILIES)


@pytest.mark.parametrize('family', [each.name for each in FAMILIES])
@pytest.mark.parametrize('shape', [(), (0,), (4,), (1, 0, 4), (1, 20, 3), (1, 3, 8, 8)], ids=str)
def test_a_family_that_is_set_and_not_there(family, shape):
    outputs = NetworkOutputs(['output'], [np.zeros(shape, np.float32)], (64, 64))
    with pytest.raises(ModelError, match=f"layout is '{family}', and"):
        recognize_boxes(outputs, ModelInfo(layout=family))


@pytest.mark.parametrize('layout', ['anchor_free', 'selected', 'movenet'])
def test_what_is_no_family_is_left_to_others(layout):
    outputs = NetworkOutputs(['output'], [np.zeros((1, 20, 84), np.float32)], (64, 64))
    assert recognize_boxes(outputs, ModelInfo(layout=layout)) is None


@pytest.mark.parametrize(
    ('logit_count', 'names', 'family'),
    [
        pytest.param(80, (), 'rt_detr', id='as_many_as_COCO_has'),
        pytest.param(92, (), 'detr', id='as_DETR_has'),
        pytest.param(3, ('person', 'box', 'cone'), 'rt_detr', id='as_many_as_names'),
        pytest.param(4, ('person', 'box', 'cone'), 'detr', id='one_more_than_names'),
    ],
)
def test_families_that_share_a_reader_say_what_each_is_told_by(logit_count, names, family):
    arrays = [
        np.full((1, 30, count), value, np.float32)
        for count, value in ((logit_count, -5), (4, 0.5))
    ]
    outputs = NetworkOutputs(['logits', 'boxes'], arrays, (64, 64))
    layout = recognize_boxes(outputs, ModelInfo(class_names=names))
    (own,) = [each for each in FAMILIES if each.name == family]
    assert (layout.family, layout.told_by) == (family, own.told_by)
