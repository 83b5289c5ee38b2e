"""Numbers and names in the words of models."""

import pytest

from jetson_perception.models.describing import counted, listed


@pytest.mark.parametrize(
    ('number', 'text'),
    [(0, 'classes unknown'), (1, '1 class'), (2, '2 classes')],
)
def test_counted(number, text):
    assert counted(number, 'class', 'es') == text


@pytest.mark.parametrize(
    ('names', 'text'),
    [
        pytest.param([], '', id='none'),
        pytest.param(['a', 'b'], 'a, b', id='all'),
        pytest.param(['a', 'b', 'c', 'd'], 'a, b, c, … (4 in all)', id='the_first_of_many'),
        pytest.param(['\x07'], r'\x07', id='not_printable'),
    ],
)
def test_listed(names, text):
    assert listed(names, most=3) == text
