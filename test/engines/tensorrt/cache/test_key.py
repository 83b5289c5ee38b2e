"""What distinguishes one engine from another."""

from dataclasses import replace

import pytest

from jetson_perception.engines.tensorrt.cache import EngineKey

KEY = EngineKey(
    model_sha256='ab' * 32,
    runtime='TensorRT 10.3.0',
    gpu='Orin',
    compute_capability='8.7',
    options={'precision': 'fp16', 'shape': (1, 3, 640, 640)},
    model='/models/my.onnx',
)


@pytest.mark.parametrize(
    'change',
    [
        {'model_sha256': 'cd' * 32},
        {'runtime': 'TensorRT 10.3.1'},
        {'gpu': 'Thor'},
        {'compute_capability': '11.0'},
        {'options': {'precision': 'fp32', 'shape': (1, 3, 640, 640)}},
        {'options': {'precision': 'fp16', 'shape': (1, 3, 640, 641)}},
        {'options': {}},
    ],
    ids=str,
)
def test_every_difference_makes_another_engine(change):
    assert replace(KEY, **change).digest != KEY.digest


def test_what_makes_no_difference():
    same = replace(KEY, model='/elsewhere/b.onnx', options=dict(reversed(KEY.options.items())))
    assert same.digest == KEY.digest
    as_json_has_it = {'precision': 'fp16', 'shape': [1, 3, 640, 640]}
    assert replace(KEY, options=as_json_has_it).digest == KEY.digest
