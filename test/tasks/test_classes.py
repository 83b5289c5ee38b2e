"""Classes as users name them."""

import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.tasks.classes import class_ids, class_score_thresholds

NAMES = ('person', 'bicycle', 'car', 'traffic light', 'on: off', 'car')


@pytest.mark.parametrize(
    ('names', 'ids'),
    [
        pytest.param([], None, id='none_given'),
        pytest.param(['', ' '], None, id='blank'),
        pytest.param(['person'], (0,), id='one'),
        pytest.param(['traffic light', '', ' bicycle '], (1, 3), id='in_any_order'),
        pytest.param(['person', 'person'], (0,), id='twice'),
        pytest.param(['car'], (2, 5), id='a_name_of_two_classes'),
    ],
)
def test_ids_of_names(names, ids):
    assert class_ids(names, NAMES) == ids


def test_a_model_that_names_none():
    assert class_ids(['class_7', 'class_0'], ()) == (0, 7)
    with pytest.raises(ParameterError, match="it names none: set class_names, or write 'class_0'"):
        class_ids(['person'], ())
    with pytest.raises(ParameterError, match='class_99999'):
        class_ids(['class_99999'], ())
    with pytest.raises(ParameterError, match='class_0'):
        class_ids(['class_0'], NAMES)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        (
            'persn',
            "classes has 'persn', but the model has no class of that name; did you mean 'per",
        ),
        ('zebra', "'zebra'.*; it has person, bicycle, car, traffic light, on: off, car$"),
        ('Person', "did you mean 'person'"),
    ],
)
def test_a_name_that_no_class_has(name, text):
    with pytest.raises(ParameterError, match=text) as caught:
        class_ids(['car', name], NAMES)
    assert caught.value.parameter == 'classes'


def test_long_lists_of_names_are_cut():
    with pytest.raises(ParameterError, match=r'n9 and \d+ more$'):
        class_ids(['x'], [f'n{i}' for i in range(80)])


@pytest.mark.parametrize(
    ('entries', 'thresholds'),
    [
        pytest.param([], (), id='none'),
        pytest.param([''], (), id='blank'),
        pytest.param(['person: 0.5'], ((0, 0.5),), id='one'),
        pytest.param(['traffic light:1', 'bicycle :0'], ((1, 0.0), (3, 1.0)), id='limits'),
        pytest.param(['on: off: .25'], ((4, 0.25),), id='a_colon_in_the_name'),
        pytest.param(['car: 0.5'], ((2, 0.5), (5, 0.5)), id='a_name_of_two_classes'),
        pytest.param(['person: 0', 'bicycle: 1e-1'], ((0, 0.0), (1, 0.1)), id='whole_and_small'),
        pytest.param({'person': 0, 'bicycle': 0.25}, ((0, 0.0), (1, 0.25)), id='mapping'),
    ],
)
def test_thresholds_of_names(entries, thresholds):
    found = class_score_thresholds(entries, NAMES)
    assert found == thresholds
    assert all(type(threshold) is float for _, threshold in found)


@pytest.mark.parametrize(
    ('entries', 'text'),
    [
        (['person'], "has 'person'; expected 'name: threshold' with a number from 0 to 1"),
        (['person:'], 'expected'),
        ([': 0.5'], 'expected'),
        (['person: much'], 'expected'),
        (['person: 1.5'], 'expected'),
        (['person: -0.1'], 'expected'),
        (['person: nan'], 'expected'),
        (['on: off'], 'expected'),
        (['person: true'], "has 'person: true'; expected"),
        (['person: inf'], 'expected'),
        (['person: 0_1'], 'expected'),
        (['person: \x1f2.5'], 'expected'),
        (['person: \u0661'], 'expected'),
        ([('person', 0.5)], 'expected'),
        ([0.5], 'has 0.5; expected'),
        ({'person': True}, "has 'person: True'; expected"),
        ({'person': None}, 'expected'),
        (['persn: 0.5'], "class_score_thresholds has 'persn'.*did you mean 'person'"),
        (['person: 0.5', 'person: 0.6'], "has 'person' twice"),
    ],
)
def test_invalid_thresholds_are_refused(entries, text):
    with pytest.raises(ParameterError, match=text) as caught:
        class_score_thresholds(entries, NAMES)
    assert caught.value.parameter == 'class_score_thresholds'


def test_a_long_invalid_number_is_refused_quickly():
    # A pattern that tries every way to split the digits takes an hour for these, not milliseconds.
    with pytest.raises(ParameterError, match='0 to 1'):
        class_score_thresholds(['person: ' + '1' * 1_000_000 + 'x'], NAMES)
