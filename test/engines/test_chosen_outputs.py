"""Names of outputs that a user gives; what runs them is tested with models."""

from types import SimpleNamespace

import pytest

from jetson_perception.engines.chosen_outputs import choose_outputs
from jetson_perception.errors import ParameterError


@pytest.mark.parametrize(
    ('count', 'told'),
    [
        pytest.param(2, r"are 'out0', 'out1'; did", id='all'),
        pytest.param(30, r"'out18', 'out19' and 10 more; did", id='many'),
    ],
)
def test_an_unknown_one_says_how_many_there_are(count, told):
    outputs = [SimpleNamespace(name=f'out{number}') for number in range(count)]
    engine = SimpleNamespace(outputs=outputs, info=SimpleNamespace(path='my.onnx'))
    with pytest.raises(ParameterError, match=told):
        choose_outputs(engine, 'out_1')
