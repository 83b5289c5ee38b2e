"""Build options: what is refused, and conversion to JSON and back."""

import json

import pytest

from jetson_perception.engines.tensorrt.build_options import PRECISIONS, BuildOptions
from jetson_perception.errors import ParameterError


@pytest.mark.parametrize('precision', PRECISIONS)
def test_precisions(precision):
    assert BuildOptions(precision=precision).precision == precision


@pytest.mark.parametrize(
    ('options', 'parameter', 'problem'),
    [
        pytest.param({'precision': ''}, 'precision', 'expected one of fp32', id='no_precision'),
        pytest.param({'precision': 'fp61'}, 'precision', "did you mean 'fp16'", id='misspelt'),
        pytest.param({'batch': (0, 1, 1)}, 'batch', 'each 1 or more', id='batch_of_none'),
        pytest.param({'batch': (2, 1, 4)}, 'batch', 'smallest, best, largest', id='batch_order'),
        pytest.param({'batch': (1, 8, 4)}, 'batch', 'smallest, best, largest', id='batch_largest'),
        pytest.param({'size_wh': ((64, 64),)}, 'size_wh', 'has 1 size;', id='one_size'),
        pytest.param({'size_wh': ((64, 64),) * 4}, 'size_wh', 'has 4 sizes', id='four_sizes'),
        pytest.param({'size_wh': ((0, 64),) * 3}, 'size_wh', 'widths 0, 0, 0', id='no_width'),
        pytest.param(
            {'size_wh': ((64, 64), (64, 32), (64, 64))}, 'size_wh', 'heights 64, 32', id='height'
        ),
        pytest.param({'workspace_mib': -1}, 'workspace_mib', '0 or more', id='workspace'),
        pytest.param({'dla_core': -2}, 'dla_core', '-1 or more', id='dla'),
        pytest.param({'max_aux_streams': -2}, 'max_aux_streams', '-1 or more', id='streams'),
        pytest.param({'optimization_level': 6}, 'optimization_level', '0 to 5', id='level'),
        pytest.param(
            {'dla_core': 0, 'precision': 'fp32'}, 'precision', 'FP16 and INT8', id='dla_in_fp32'
        ),
    ],
)
def test_refused(options, parameter, problem):
    with pytest.raises(ParameterError, match=problem) as error:
        BuildOptions(**options)
    assert error.value.parameter == parameter


@pytest.mark.parametrize(
    'options',
    [
        BuildOptions(),
        BuildOptions(
            precision='best',
            batch=(1, 2, 4),
            size_wh=((32, 64), (64, 64), (96, 128)),
            dla_core=1,
            plugins=('libone.so', 'libtwo.so'),
        ),
    ],
)
def test_json_and_back(options):
    assert BuildOptions.from_json(json.loads(json.dumps(options.as_json()))) == options
