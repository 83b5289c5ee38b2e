import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import color_segmentation, detector

from jetson_perception.engines import tensor_memory
from jetson_perception.engines.base import TensorSpec
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine
from jetson_perception.engines.tensor_memory import (
    LARGEST_SHARE,
    check_tensor_memory,
    tensor_bytes,
)
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.models import open_model
from jetson_perception.process.memory import Memory, memory_bytes


def enlarging_model(path, factor, *, size='open', channels=150):
    """Logits of so many classes, at so many times the input's size; the size is open or given."""
    height, width = ('height', 'width') if size == 'open' else size
    nodes = [
        helper.make_node('Conv', ['image', 'weights'], ['small']),
        helper.make_node('Resize', ['small', '', 'scales'], ['logits'], mode='nearest'),
    ]
    weights = helper.make_tensor(
        'weights', TensorProto.FLOAT, (channels, 3, 1, 1), np.zeros(3 * channels, np.float32)
    )
    scales = helper.make_tensor('scales', TensorProto.FLOAT, (4,), [1, 1, factor, factor])
    outputs = (f'{factor}h', f'{factor}w') if size == 'open' else (factor * height, factor * width)
    graph = helper.make_graph(
        nodes,
        'enlarging',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, (1, 3, height, width))],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, (1, channels, *outputs))],
        [weights, scales],
    )
    opset = [helper.make_opsetid('', 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def spec(*shape, dtype=np.float32, name='logits'):
    return TensorSpec(name, shape, np.dtype(dtype))


def test_bytes_of_tensors():
    assert tensor_bytes([]) == 0
    assert tensor_bytes([spec(1, 150, 2160, 3840)]) == 4_976_640_000
    assert tensor_bytes([spec(1, 3, -1, -1, dtype=np.float16), spec(7, dtype=np.uint8)]) == 13


class TestRoom:
    """A model that cannot be loaded is refused before Linux ends the process for it."""

    @pytest.fixture
    def left(self, monkeypatch):
        def have(available_bytes):
            memory = Memory(10**9, available_bytes, 'the control group /yolo')
            monkeypatch.setattr(tensor_memory, 'memory_left', lambda: memory)

        return have

    def test_there_is_none(self, tmp_path, left):
        path = color_segmentation(tmp_path / 'colors.onnx')
        left(2 * path.stat().st_size - 1)
        with pytest.raises(ModelError) as caught:
            OnnxRuntimeEngine(path)
        assert re.fullmatch(
            r'.*/colors\.onnx has 0 MB, so that loading it takes 0 MB or more, and 0 of 1000 MB '
            r'are available to the control group /yolo; run fewer or smaller models, .*',
            str(caught.value),
        )

    def test_there_is_just_enough(self, tmp_path, left):
        path = color_segmentation(tmp_path / 'colors.onnx')
        left(2 * path.stat().st_size)
        OnnxRuntimeEngine(path).close()

    def test_nobody_knows(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tensor_memory, 'memory_left', lambda: None)
        OnnxRuntimeEngine(color_segmentation(tmp_path / 'colors.onnx')).close()


def test_limit_names_the_largest():
    limit = int(LARGEST_SHARE * memory_bytes())
    check_tensor_memory('my.onnx', [])
    check_tensor_memory('my.onnx', [spec(limit - 12, dtype=np.uint8), spec(3)])
    with pytest.raises(ModelError) as caught:
        check_tensor_memory('my.onnx', [spec(limit - 12, dtype=np.uint8), spec(3), spec(-1)])
    assert (
        f"my.onnx: inputs and outputs take {limit / 1e9:.1f} GB, most of it 'logits', uint8"
        in str(caught.value)
    )


@pytest.mark.parametrize(
    ('options', 'error', 'match'),
    [
        pytest.param(
            {'metadata': {'imgsz': '100000'}},
            ParameterError,
            r'the input would be 100000 x 100000 pixels, 120\.0 GB; .*Set input_size',
            id='metadata',
        ),
        pytest.param(
            {'metadata': {'imgsz': '64'}, 'asked_wh': (65536, 65536)},
            ParameterError,
            r'the input would be 65536 x 65536 pixels, 51\.5 GB',
            id='asked_for',
        ),
    ],
)
def test_absurd_size_of_an_open_input(tmp_path, options, error, match):
    asked_wh = options.pop('asked_wh', None)
    path = detector(tmp_path / 'a.onnx', dynamic=True, **options)
    with pytest.raises(error, match=match) as caught:
        OnnxRuntimeEngine(path, input_size_wh=asked_wh)
    assert caught.value.parameter == 'input_size'


def test_absurd_size_of_a_fixed_input(tmp_path):
    path = color_segmentation(tmp_path / 'a.onnx', size_wh=(90_000, 1000))
    with pytest.raises(ModelError, match=r'90000 x 1000 pixels, 1\.1 GB; .*Export the model at'):
        open_model(path)


@pytest.mark.parametrize(
    ('size', 'options'),
    [
        pytest.param((1024, 1024), {}, id='fixed'),
        pytest.param('open', {'input_size_wh': (1280, 1280)}, id='open'),
    ],
)
def test_outputs_of_gigabytes_are_refused_before_they_are_made(tmp_path, size, options):
    path = enlarging_model(tmp_path / 'a.onnx', 64, size=size)
    match = r"take \d{4}\.\d GB, most of it 'logits', float32 1 × 150 × \d+ × \d+; expected at"
    with pytest.raises(ModelError, match=match):
        OnnxRuntimeEngine(path, **options)


def test_dynamic_sizes_stay_dynamic_in_the_engine_specs(tmp_path):
    path = enlarging_model(tmp_path / 'a.onnx', 1, channels=2)
    engine = OnnxRuntimeEngine(path, input_size_wh=(1280, 1024))
    assert engine.outputs[0].shape == (1, 2, -1, -1)
    (logits,) = engine.infer(np.zeros((1, 3, 1024, 1280), np.float32))
    assert logits.shape == (1, 2, 1024, 1280)
