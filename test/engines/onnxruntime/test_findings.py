"""What engines keep about models, as JSON and back."""

import json

import numpy as np
import pytest

from jetson_perception.engines.base import TensorSpec
from jetson_perception.engines.onnxruntime.findings import Findings, Head, Node
from jetson_perception.engines.onnxruntime.variant import Variant
from jetson_perception.tasks.yolo_head import HeadLayout

WHOLE = Findings(
    is_half=False,
    inputs=(Node('image', 'tensor(float)', ['batch', 3, None, 640]),),
    metadata={'names': "{0: 'Ampel'}", 'task': 'detect'},
    outputs=(TensorSpec('output0', (1, 84, 8400), np.dtype(np.float32)),),
    variant=Variant('nhwc', fuses_bias=True),
)
CUT = Findings(
    is_half=True,
    inputs=WHOLE.inputs,
    metadata={},
    outputs=WHOLE.outputs,
    variant=Variant('nchw', decodes_head=True, searches=True),
    head=Head(HeadLayout(((80, 80), (40, 40)), (8, 16), 16, 80), is_half=True, output=0),
)


@pytest.mark.parametrize('findings', [WHOLE, CUT], ids=['whole', 'cut'])
def test_there_and_back(findings):
    assert Findings.from_json(findings.to_json()) == findings


@pytest.mark.parametrize(
    'content',
    [b'', b'{', b'[]', b'{}', b'null', b'\xff', b'[' * 100],
    ids=['empty', 'cut_off', 'list', 'nothing', 'null', 'not_utf8', 'deep'],
)
def test_no_findings(content):
    assert Findings.from_json(content) is None


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('is_half', 1),
        ('inputs', None),
        ('inputs', [['image', 'tensor(float)']]),
        ('inputs', [['image', 'tensor(float)', [1, -3]]]),
        ('inputs', [['image', 'tensor(float)', [1, 2.5]]]),
        ('metadata', []),
        ('metadata', {'names': 1}),
        ('outputs', [['output0', [1, True], 'float32']]),
        ('outputs', [['output0', [1], 'float31']]),
        ('outputs', [[1, [1], 'float32']]),
        ('variant', Variant('nwhc')._asdict()),
        ('variant', {**Variant('nchw')._asdict(), 'fuses_bias': 0}),
        ('variant', {'layout': 'nchw'}),
        ('variant', {**Variant('nchw')._asdict(), 'searches': 1}),
        ('head', {}),
        ('head', {'layout': {}, 'is_half': True, 'output': 0}),
        ('head', {'layout': {'grids_wh': [[1, 1]] * 9, 'strides': [1] * 9}, 'output': 0}),
    ],
)
def test_a_value_that_none_of_ours_has(name, value):
    record = json.loads(CUT.to_json())
    assert Findings.from_json(json.dumps(record | {name: value}).encode()) is None
    del record[name]
    assert Findings.from_json(json.dumps(record).encode()) is None
