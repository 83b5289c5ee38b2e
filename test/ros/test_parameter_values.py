"""Values in the types that a node declared."""

import pytest
from rclpy.parameter import Parameter

from jetson_perception.ros.parameter_values import in_declared_type

Type = Parameter.Type


@pytest.mark.parametrize(
    ('given', 'declared', 'value'),
    [
        pytest.param(Parameter('a', Type.BOOL_ARRAY, []), Type.STRING_ARRAY, [], id='empty_list'),
        pytest.param(Parameter('a', Type.BYTE_ARRAY, []), Type.DOUBLE_ARRAY, [], id='no_bytes'),
        pytest.param(Parameter('a', value=1), Type.DOUBLE, 1.0, id='integer'),
        pytest.param(Parameter('a', value=-(2**63)), Type.DOUBLE, -(2.0**63), id='smallest'),
        pytest.param(Parameter('a', value=[0, 1]), Type.DOUBLE_ARRAY, [0.0, 1.0], id='integers'),
        pytest.param(Parameter('a', value='1e-3'), Type.DOUBLE, 0.001, id='exponent'),
    ],
)
def test_what_means_a_value_of_the_type_becomes_one(given, declared, value):
    found = in_declared_type(given, declared)
    assert (found.name, found.type_, found.value) == ('a', declared, value)


@pytest.mark.parametrize(
    ('given', 'declared'),
    [
        pytest.param(Parameter('a', Type.NOT_SET, None), Type.DOUBLE_ARRAY, id='nothing'),
        pytest.param(Parameter('a', value=1.0), Type.DOUBLE, id='the_type_itself'),
        pytest.param(Parameter('a', value='half'), Type.DOUBLE, id='no_number'),
        pytest.param(Parameter('a', value=''), Type.DOUBLE, id='empty_text'),
        pytest.param(Parameter('a', value=True), Type.DOUBLE, id='truth'),
        pytest.param(Parameter('a', value=1.0), Type.INTEGER, id='double_for_an_integer'),
        pytest.param(Parameter('a', value=1), Type.STRING, id='integer_for_a_text'),
        pytest.param(Parameter('a', value=1), Type.BOOL, id='integer_for_a_truth'),
        pytest.param(Parameter('a', value=[1]), Type.STRING_ARRAY, id='integers_for_texts'),
        pytest.param(Parameter('a', Type.BOOL_ARRAY, []), Type.DOUBLE, id='empty_list_for_one'),
    ],
)
def test_what_means_none_stays(given, declared):
    assert in_declared_type(given, declared) is given


def test_an_integer_is_a_text_where_it_may_be():
    found = in_declared_type(Parameter('a', value=0), Type.STRING, takes_integer=True)
    assert (found.type_, found.value) == (Type.STRING, '0')
