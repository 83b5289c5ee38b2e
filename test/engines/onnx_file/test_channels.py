"""Channels added to convolutions: where they are allowed, and that results stay the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
import small_networks
from onnx import TensorProto, helper, numpy_helper

from jetson_perception.engines.onnx_file.channels import pad_channels
from jetson_perception.engines.onnx_file.precision import to_fp16
from jetson_perception.resources import model_path

SILU = [('Sigmoid', ['a'], 'gate'), ('Mul', ['a', 'gate'], 'b')]
MISH = [('Softplus', ['a'], 's'), ('Tanh', ['s'], 't'), ('Mul', ['t', 'a'], 'b')]


def network(between=SILU, *, channels=11, taken='b', outputs=('out',), last=5, **last_options):
    """A convolution 'a' of some channels, what is between, and one that takes that to 'out'."""
    rng = np.random.default_rng(0)
    nodes = [helper.make_node('Conv', ['image', 'w1', 'b1'], ['a'], pads=[1, 1, 1, 1])]
    nodes += [helper.make_node(kind, inputs, [name]) for kind, inputs, name in between]
    nodes.append(helper.make_node('Conv', [taken, 'w2', 'b2'], ['out'], **last_options))
    ins = channels // last_options.get('group', 1)
    weights = {
        'w1': rng.normal(size=(channels, 3, 3, 3)),
        'b1': rng.normal(size=channels),
        'w2': rng.normal(size=(last, ins, 1, 1)),
        'b2': rng.normal(size=last),
        'half': np.array(0.5),
        'slope': rng.random((channels, 1, 1)),
    }
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        'network',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, (1, 3, 6, 8))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, 'nchw') for name in outputs],
        [
            numpy_helper.from_array(value.astype(np.float32), name)
            for name, value in weights.items()
            if name in used
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


def shapes(model):
    return {each.name: list(each.dims) for each in model.graph.initializer}


def run(model, *, size_wh=(8, 6)):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    image = np.random.default_rng(1).random((1, 3, size_wh[1], size_wh[0]), np.float32)
    return session.run(None, {session.get_inputs()[0].name: image})


def equal_before_and_after(model, count, **options):
    before = run(model, **options)
    assert pad_channels(model) == count
    onnx.checker.check_model(model, full_check=True)
    for expected, found in zip(before, run(model, **options), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    'between',
    [
        pytest.param(SILU, id='silu'),
        pytest.param(MISH, id='mish'),
        pytest.param([('Relu', ['a'], 'b')], id='relu'),
        pytest.param([('Sigmoid', ['a'], 'b')], id='not zero for zero'),
        pytest.param([('Clip', ['a', 'half'], 'b')], id='clip'),
        pytest.param([('Identity', ['a'], 'b')], id='nothing'),
    ],
)
def test_channels_between_convolutions(between):
    model = network(between)
    equal_before_and_after(model, 1)
    assert shapes(model)['w1'] == [16, 3, 3, 3]
    assert shapes(model)['b1'] == [16]
    assert shapes(model)['w2'] == [5, 16, 1, 1]
    assert shapes(model)['b2'] == [5]
    assert pad_channels(model) == 0


def test_without_a_bias():
    model = network()
    del model.graph.node[0].input[2]
    model.graph.initializer.remove(next(x for x in model.graph.initializer if x.name == 'b1'))
    equal_before_and_after(model, 1)


def test_every_convolution_that_takes_them_gets_more():
    model = network()
    second = model.graph.node.add()
    second.CopyFrom(helper.make_node('Conv', ['b', 'w3'], ['more']))
    rng = np.random.default_rng(2)
    w3 = rng.normal(size=(9, 11, 3, 3)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(w3, 'w3'))
    model.graph.output.append(helper.make_tensor_value_info('more', TensorProto.FLOAT, 'nchw'))
    equal_before_and_after(model, 1)
    assert shapes(model)['w3'] == [9, 16, 3, 3]


def test_weights_whose_shapes_are_written_down():
    model = network()
    model.graph.value_info.append(
        helper.make_tensor_value_info('w1', TensorProto.FLOAT, (11, 3, 3, 3))
    )
    equal_before_and_after(model, 1)
    to_fp16(model)


@pytest.mark.parametrize(
    'options',
    [
        pytest.param({'channels': 16}, id='a multiple'),
        pytest.param({'channels': 7}, id='few'),
        pytest.param({'outputs': ('out', 'a')}, id='an output'),
        pytest.param({'outputs': ('out', 'gate')}, id='an output on the way'),
        pytest.param({'group': 11, 'last': 11}, id='taken one by one'),
        pytest.param({'between': [('Softmax', ['a'], 'b')]}, id='taken by what looks at all'),
        pytest.param({'between': [('PRelu', ['a', 'slope'], 'b')]}, id='of other weights too'),
        pytest.param({'between': [('Mul', ['a', 'slope'], 'b')]}, id='multiplied by weights'),
        pytest.param(
            {
                'between': [('Relu', ['a'], 'b'), ('Concat', ['a', 'b'], 'c')],
                'outputs': ('out', 'c'),
            },
            id='taken by something else besides',
        ),
    ],
)
def test_what_is_left_as_it_is(options):
    between = options.get('between', ())
    attributes = {'axis': 1} if any(kind == 'Concat' for kind, *_ in between) else {}
    model = network(**options)
    for node in model.graph.node:
        if node.op_type == 'Concat':
            node.attribute.extend(helper.make_attribute(*each) for each in attributes.items())
    before = shapes(model)
    equal_before_and_after(model, 0)
    assert shapes(model) == before


def test_weights_of_several_convolutions_are_left_as_they_are():
    model = network()
    model.graph.node.append(helper.make_node('Conv', ['image', 'w1'], ['more']))
    model.graph.output.append(helper.make_tensor_value_info('more', TensorProto.FLOAT, 'nchw'))
    equal_before_and_after(model, 0)


def test_weights_that_a_caller_may_replace_are_left_as_they_are():
    model = network()
    model.graph.input.append(helper.make_tensor_value_info('w2', TensorProto.FLOAT, (5, 11, 1, 1)))
    equal_before_and_after(model, 0)


def test_heads_of_a_network(tmp_path):
    model = onnx.load(small_networks.yolo(tmp_path / 'my.onnx', 'pose', head_channels=51))
    equal_before_and_after(model, 9, size_wh=(64, 64))


@pytest.mark.parametrize('name', ['people_pose', 'people_detect', 'oranges'])
def test_shipped_models(name):
    model = onnx.load(model_path(name))
    height, width = (
        each.dim_value for each in model.graph.input[0].type.tensor_type.shape.dim[2:]
    )
    equal_before_and_after(model, 0, size_wh=(width, height))
