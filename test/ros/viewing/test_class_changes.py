import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.ros.viewing.class_changes import changed, is_change, shown_classes

ABC = ['a', 'b', 'c']
MANY = [f'class {number}' for number in range(1200)]


@pytest.mark.parametrize(
    ('chosen', 'names', 'change', 'expected'),
    [
        pytest.param([], ABC, {'b': False}, ['a', 'c'], id='of_all'),
        pytest.param(['a', 'b'], ABC, {'b': False}, ['a'], id='of_some'),
        pytest.param(['b'], ABC, {'b': True}, ['b'], id='as_it_was'),
        pytest.param(['c', 'b'], ABC, {'a': True}, [], id='all_again'),
        pytest.param(['a'], ABC, {'a': False, 'b': True}, ['b'], id='two_at_once'),
        pytest.param(['a', 'b'], None, {'b': False}, ['a'], id='names_not_known'),
        pytest.param(['a', 'gone'], ABC, {'b': True}, ['a', 'b', 'gone'], id='another_model_s'),
        pytest.param([], MANY, {'class 3': False}, MANY[:3] + MANY[4:], id='more_than_are_shown'),
        pytest.param(MANY[:1], MANY, {'class 2': True}, [MANY[0], MANY[2]], id='few_of_many'),
        pytest.param([], ['a\n', 'b'], {'a\\n': False}, ['b'], id='shown_otherwise'),
        pytest.param([], ['x' * 200, 'b'], {'b': False}, ['x' * 200], id='longer_than_is_shown'),
    ],
)
def test_what_a_change_does_not_name_stays(chosen, names, change, expected):
    assert changed(chosen, names, change) == expected


@pytest.mark.parametrize(
    ('chosen', 'names', 'change', 'told'),
    [
        pytest.param(['a'], ABC, {'a': False}, 'at least one', id='the_last_one'),
        pytest.param([], None, {'a': False}, 'not known', id='all_of_unknown'),
        pytest.param([], ABC, {'d': False}, 'no class', id='none_of_them'),
    ],
)
def test_what_cannot_be(chosen, names, change, told):
    with pytest.raises(ParameterError, match=told):
        changed(chosen, names, change)


@pytest.mark.parametrize(
    ('chosen', 'names', 'value', 'more'),
    [
        pytest.param([], MANY, [], 200, id='all'),
        pytest.param(MANY[998:1100], MANY, MANY[998:1000], 200, id='some_beyond'),
        pytest.param(MANY[1100:], MANY, ['class 1100'], 200, id='only_beyond'),
        pytest.param(['a'], None, ['a'], 0, id='names_not_known'),
    ],
)
def test_what_is_shown(chosen, names, value, more):
    shown = shown_classes(chosen, names)
    assert (shown['value'], shown['more']) == (value, more)
    assert len(shown['choices']) <= 1000


@pytest.mark.parametrize('value', [{}, {'a': 1}, {'a': [True]}, ['a'], 'a', None, True])
def test_what_is_no_change(value):
    assert not is_change(value)
