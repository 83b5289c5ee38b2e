"""Settings that cannot be measured with."""

import pytest

from jetson_perception.benchmark.graph.settings import GraphSettings
from jetson_perception.errors import ParameterError


@pytest.mark.parametrize(
    ('changed', 'text'),
    [
        pytest.param({'rates_hz': (0.0,)}, 'a rate is 0', id='rate 0'),
        pytest.param({'rates_hz': (30.0, -1.0)}, 'a rate is -1', id='negative rate'),
        pytest.param({'rates_hz': (float('nan'),)}, 'a rate is nan', id='no number'),
        pytest.param({'rates_hz': (1e9,)}, 'at most 5000 Hz', id='absurd rate'),
        pytest.param({'rates_hz': (), 'search': False}, 'nothing is to be measured', id='nothing'),
        pytest.param({'seconds': 0.0}, 'seconds is 0', id='no time'),
        pytest.param({'seconds': float('inf')}, 'seconds is inf', id='for ever'),
        pytest.param({'patience_s': float('nan')}, 'patience is nan', id='patience'),
        pytest.param({'size_wh': (1 << 14, 1 << 14)}, 'size is 16384x16384', id='size'),
    ],
)
def test_refused(changed, text):
    with pytest.raises(ParameterError, match=text):
        GraphSettings('/image', '/answers', **changed)
