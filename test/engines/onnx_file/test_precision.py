"""ONNX models in half precision and in other opsets: the same results, on ONNX Runtime's CPU."""

import sys
from pathlib import Path

import nudenet
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from small_networks import segmentation, yolo

from jetson_perception.engines.onnx_file.graph import load_model
from jetson_perception.engines.onnx_file.precision import (
    convert_opset,
    coordinates_in_float,
    float_weights,
    is_fp16,
    opset_of,
    to_fp16,
    widen_weights,
)
from jetson_perception.errors import ModelError, PerceptionError
from jetson_perception.resources import model_path

NUDENET = Path(nudenet.__file__).with_name('320n.onnx')


def run(model, tensor):
    """First output of a file or a model in memory."""
    content = model if isinstance(model, (str, Path)) else model.SerializeToString()
    content = str(content) if isinstance(content, Path) else content
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    return session.run(None, {session.get_inputs()[0].name: tensor})[0]


def noise(width, height):
    return np.random.default_rng(0).random((1, 3, height, width), np.float32)


def head(nodes, outputs):
    """A convolution that gives 'map', and what follows it."""
    arrays = {
        'weight': np.ones((2, 3, 1, 1), np.float32),
        'rows': np.array([1, 2, -1]),
        'anchor': np.ones((1, 2, 1), np.float32),
        'stride': np.full(1, 8, np.float32),
    }
    used = {name for node in nodes for name in node.input} | {'weight'}
    graph = helper.make_graph(
        [helper.make_node('Conv', ['image', 'weight'], ['map'], 'conv'), *nodes],
        'head',
        [helper.make_tensor_value_info('image', onnx.TensorProto.FLOAT, (1, 3, 4, 4))],
        [
            helper.make_tensor_value_info(
                name, onnx.TensorProto.INT64 if name == 'size' else onnx.TensorProto.FLOAT, None
            )
            for name in outputs
        ],
        [numpy_helper.from_array(array, name) for name, array in arrays.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)


class TestFp16:
    @pytest.mark.parametrize(
        ('make', 'most'),
        [
            pytest.param(yolo, 0.1, id='detector'),
            pytest.param(lambda path: yolo(path, 'pose'), 0.5, id='pose'),
            pytest.param(segmentation, 0.02, id='segmentation'),
            pytest.param(lambda path: segmentation(path, dynamic=True), 0.02, id='open_size'),
        ],
    )
    def test_results_stay_close(self, tmp_path, make, most):
        path = make(tmp_path / 'm.onnx')
        half = to_fp16(load_model(path))
        assert is_fp16(half)
        assert not is_fp16(load_model(path))
        onnx.checker.check_model(half)
        tensor = noise(64, 64)
        assert np.abs(run(half, tensor) - run(path, tensor)).max() < most

    @pytest.mark.parametrize(
        ('path', 'size_wh'),
        [
            pytest.param(model_path('oranges'), (224, 224), id='oranges'),
            pytest.param(model_path('people_detect'), (640, 480), id='people_detect'),
            pytest.param(NUDENET, (320, 320), id='ultralytics'),
        ],
    )
    def test_real_models(self, path, size_wh):
        model = load_model(path)
        widen_weights(model)
        whole = len(model.SerializeToString())
        half = to_fp16(model)
        assert len(half.SerializeToString()) < 0.6 * whole
        assert np.abs(run(half, noise(*size_wh)) - run(path, noise(*size_wh))).max() < 2
        types = {
            each.type.tensor_type.elem_type for each in [*half.graph.input, *half.graph.output]
        }
        assert types == {onnx.TensorProto.FLOAT}

    def test_metadata_stay(self, tmp_path):
        path = yolo(tmp_path / 'm.onnx')
        found = {each.key: each.value for each in to_fp16(load_model(path)).metadata_props}
        assert found['task'] == 'detect'

    def test_boxes_are_decoded_in_fp32(self, tmp_path):
        """At 1024 pixels FP16 has steps of one; boxes that lie between them come out there."""
        path = yolo(tmp_path / 'm.onnx', size_wh=(1024, 64))
        model = to_fp16(load_model(path))
        boxes = run(model, noise(1024, 64))[0, :4]
        steps = np.float16(boxes[boxes > 512]).astype(np.float32) - boxes[boxes > 512]
        assert np.abs(steps).max() > 0.1

    def test_no_value_goes_to_fp16_and_back(self, tmp_path):
        model = to_fp16(load_model(yolo(tmp_path / 'm.onnx')))
        casts = {
            node.output[0]: (node.attribute[0].i, node.input[0])
            for node in model.graph.node
            if node.op_type == 'Cast'
        }
        assert casts
        for kind, source in casts.values():
            assert source not in casts or casts[source][0] == kind
        used = {name for node in model.graph.node for name in node.input}
        assert set(casts) <= used | {'output0'}

    def test_maps_are_not_kept_in_fp32(self, tmp_path):
        assert coordinates_in_float(load_model(segmentation(tmp_path / 'm.onnx'))) == []
        assert coordinates_in_float(load_model(yolo(tmp_path / 'n.onnx')))

    def test_operators_that_only_move_values_are_in_fp16(self, tmp_path):
        """Copies of maps in FP32 cost twice the time, and hold nothing more."""
        model = to_fp16(load_model(yolo(tmp_path / 'm.onnx')))
        makers = {name: node for node in model.graph.node for name in node.output}
        widened = [
            makers[node.input[0]].op_type
            for node in model.graph.node
            if node.op_type == 'Cast' and node.attribute[0].i == 1 and node.input[0] in makers
        ]
        assert widened
        assert 'Conv' not in widened

    def test_values_that_are_moved_once_computed_stay_in_fp32(self):
        model = head(
            [
                helper.make_node('Reshape', ['map', 'rows'], ['moved'], 'moved_before'),
                helper.make_node('Shape', ['map'], ['size'], 'not_looked_at'),
                helper.make_node('Concat', ['moved', 'anchor'], ['joined'], 'constant', axis=2),
                helper.make_node('Mul', ['joined', 'stride'], ['scaled'], 'computed'),
                helper.make_node('Reshape', ['scaled', 'rows'], ['output'], 'moved_after'),
                helper.make_node('Concat', ['moved', 'output'], ['both'], 'mixed', axis=2),
            ],
            outputs=('output', 'size', 'both'),
        )
        assert coordinates_in_float(model) == ['constant', 'computed', 'moved_after', 'mixed']

    def test_nothing_is_computed_behind_the_maps(self):
        model = head(
            [helper.make_node('Reshape', ['map', 'rows'], ['output'], 'moved')], ('output',)
        )
        assert coordinates_in_float(model) == []
        half = to_fp16(model)
        onnx.checker.check_model(half)
        assert run(half, np.zeros((1, 3, 4, 4), np.float32)).dtype == np.float32

    def test_a_weight_beyond_the_range_of_fp16(self, tmp_path):
        path = segmentation(tmp_path / 'm.onnx')
        model = load_model(path)
        weight = next(each for each in model.graph.initializer if each.name == 'weight_0')
        weight.CopyFrom(
            numpy_helper.from_array(np.full((8, 3, 3, 3), np.inf, np.float32), 'weight_0')
        )
        with pytest.raises(ModelError, match="'weight_0' are not finite in FP16; build with"):
            to_fp16(model)

    def test_no_onnxruntime(self, tmp_path, monkeypatch):
        model = load_model(segmentation(tmp_path / 'm.onnx'))
        monkeypatch.setitem(sys.modules, 'onnxruntime.transformers.float16', None)
        with pytest.raises(PerceptionError, match='pip install onnxruntime'):
            to_fp16(model)

    def test_what_the_converter_refuses(self, tmp_path, monkeypatch):
        import onnxruntime.transformers.float16 as float16

        def refuse(*_, **__):
            raise ValueError('no such\ntype')

        model = load_model(segmentation(tmp_path / 'm.onnx'))
        monkeypatch.setattr(float16, 'convert_float_to_float16', refuse)
        with pytest.raises(
            ModelError, match=r'to FP16: no such type\. Export it in half precision'
        ):
            to_fp16(model)


class TestStoredInHalf:
    """Weights in FP16 that a Cast makes FP32: smaller files that compute in FP32."""

    @pytest.fixture
    def stored(self, tmp_path):
        path = segmentation(tmp_path / 'm.onnx')
        model = load_model(path)
        weights = [each for each in model.graph.initializer if len(each.dims) == 4]
        for each in weights:
            half = numpy_helper.to_array(each).astype(np.float16)
            cast = helper.make_node('Cast', [f'{each.name}_half'], [each.name], to=1)
            model.graph.node.insert(0, cast)
            each.CopyFrom(numpy_helper.from_array(half, f'{each.name}_half'))
        onnx.save(model, path)
        return path

    def test_they_become_fp32(self, stored):
        model = load_model(stored)
        assert is_fp16(model)
        assert widen_weights(model) == 5
        assert not is_fp16(model)
        onnx.checker.check_model(model)
        np.testing.assert_array_equal(run(model, noise(64, 64)), run(stored, noise(64, 64)))
        assert widen_weights(model) == 0

    def test_what_computes_in_fp16_stays(self, tmp_path):
        half = to_fp16(load_model(segmentation(tmp_path / 'm.onnx')))
        before = half.SerializeToString()
        assert widen_weights(half) == 0
        assert half.SerializeToString() == before

    def test_one_that_is_used_in_fp16_too(self, stored):
        model = load_model(stored)
        cast = next(node for node in model.graph.node if node.op_type == 'Cast')
        model.graph.node.append(helper.make_node('Neg', [cast.input[0]], ['unused']))
        assert widen_weights(model) == 5
        assert is_fp16(model)
        onnx.checker.check_model(model)


class TestOpset:
    @pytest.mark.parametrize('opset', [13, 18])
    def test_results_stay(self, tmp_path, opset):
        path = segmentation(tmp_path / 'm.onnx', opset=opset)
        converted = convert_opset(load_model(path))
        assert (opset_of(converted), converted.ir_version) == (17, 8)
        assert {each.key for each in converted.metadata_props} == {'task', 'names'}
        np.testing.assert_array_equal(run(converted, noise(64, 64)), run(path, noise(64, 64)))

    def test_what_cannot_be_converted(self, tmp_path):
        x, y = (helper.make_tensor_value_info(name, 1, [1]) for name in 'xy')
        node = helper.make_node('Magic', ['x'], ['y'])
        opsets = [helper.make_opsetid('', 11)]
        graph = helper.make_graph([node], 'g', [x], [y])
        model = helper.make_model(graph, opset_imports=opsets, ir_version=7)
        with pytest.raises(ModelError, match='opset 11 and IR version 7; onnx cannot convert it'):
            convert_opset(model)

    def test_none(self):
        assert opset_of(onnx.ModelProto()) == 0


class TestFloatWeights:
    @pytest.mark.parametrize('axis', [None, 0, 1])
    def test_the_same_numbers(self, axis):
        random = np.random.default_rng(0)
        stored = random.integers(-127, 128, (4, 3, 1, 1)).astype(np.int8)
        count = 1 if axis is None else stored.shape[axis]
        scales = random.random(count, np.float32) + 0.1
        if axis is None:
            scales = scales[0]
        attributes = {} if axis is None else {'axis': axis}
        nodes = [
            helper.make_node('DequantizeLinear', ['w', 's', 'z'], ['f'], name='d', **attributes),
            helper.make_node('Conv', ['x', 'f'], ['y'], name='c'),
        ]
        weights = [
            numpy_helper.from_array(stored, 'w'),
            numpy_helper.from_array(np.asarray(scales, np.float32), 's'),
            numpy_helper.from_array(np.zeros(np.shape(scales), np.int8), 'z'),
        ]
        x = helper.make_tensor_value_info('x', 1, [1, 3, 8, 8])
        y = helper.make_tensor_value_info('y', 1, [1, 4, 8, 8])
        graph = helper.make_graph(nodes, 'g', [x], [y], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
        before = run(model, noise(8, 8))
        assert float_weights(model) == 1
        onnx.checker.check_model(model)
        assert [node.op_type for node in model.graph.node] == [
            'QuantizeLinear',
            'DequantizeLinear',
            'Conv',
        ]
        assert model.graph.initializer[0].data_type == onnx.TensorProto.FLOAT
        np.testing.assert_array_equal(run(model, noise(8, 8)), before)
        assert float_weights(model) == 0

    def test_nothing_to_do(self, tmp_path):
        assert float_weights(load_model(segmentation(tmp_path / 'm.onnx'))) == 0
