"""What the name of a middleware tells."""

import pytest

from jetson_perception.dds.middleware import is_dds, router_hint


@pytest.mark.parametrize(
    ('rmw', 'expected'),
    [
        pytest.param('', False, id='none'),
        ('rmw_fastrtps_cpp', True),
        ('rmw_fastrtps_dynamic_cpp', True),
        ('rmw_cyclonedds_cpp', True),
        ('rmw_connextdds', True),
        ('rmw_zenoh_cpp', False),
        pytest.param('rmw_of_tomorrow_cpp', False, id='unknown'),
    ],
)
def test_whether_it_is_dds(rmw, expected):
    assert is_dds(rmw) is expected


def test_a_router_is_asked_for_where_there_is_one():
    assert 'ros2 run rmw_zenoh_cpp rmw_zenohd' in router_hint('rmw_zenoh_cpp')
    assert router_hint('rmw_fastrtps_cpp') == router_hint('rmw_of_tomorrow_cpp') == ''
