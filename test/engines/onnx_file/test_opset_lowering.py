"""Operators in older opsets: what ONNX Runtime computes is the same, or they are refused."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from jetson_perception.engines.onnx_file.opset_conversion import convert_file
from jetson_perception.errors import ModelError, ParameterError

SHAPE = (1, 8, 9, 8)
WHOLE = np.int64([1, 8, 72])


def written(path, opset, *nodes, constants=(), rank=4, **more):
    """A file of one input x, SHAPE, and one output y."""
    values = [numpy_helper.from_array(np.array(value), name) for name, value in constants]
    graph = helper.make_graph(
        list(nodes),
        'graph',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [None] * rank)],
        values,
    )
    opsets = [helper.make_opsetid('', opset), helper.make_opsetid('mine', 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, **more)
    helper.set_model_props(model, {'task': 'detect'})
    onnx.save(model, path)
    return path


def node(kind, *inputs, outputs=('y',), **attributes):
    return helper.make_node(kind, ['x', *inputs], list(outputs), **attributes)


def results(model):
    session = onnxruntime.InferenceSession(model)
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    return session.run(None, {'x': x})


@pytest.mark.parametrize(
    ('opset', 'nodes', 'constants'),
    [
        pytest.param(
            18, [node('Split', outputs=('y', 'z'), axis=1, num_outputs=2)], [], id='split'
        ),
        pytest.param(
            18,
            [node('Split', outputs=('y', 'z'), axis=-2, num_outputs=2)],
            [],
            id='split_unevenly',
        ),
        pytest.param(
            18,
            [node('Pad', 'p'), node('Identity', outputs=('z',))],
            [('p', np.int64([0, 0, 1, 1, 0, 0, 1, 1]))],
            id='pad',
        ),
        pytest.param(
            18,
            [node('ReduceMean', 'a', outputs=('m',)), helper.make_node('Relu', ['m'], ['y'])],
            [('a', np.int64([2, 3]))],
            id='reduction',
        ),
        pytest.param(18, [node('Reshape', 's', allowzero=1)], [('s', WHOLE)], id='allow_zero'),
        pytest.param(
            19,
            [node('AveragePool', outputs=('m',), kernel_shape=[2, 2], dilations=[1, 1]),
             helper.make_node('Relu', ['m'], ['y'])],
            [],
            id='pool',
        ),
        pytest.param(14, [node('HardSwish')], [], id='new_operator'),
        pytest.param(20, [node('Gelu')], [], id='new_operator_of_new_operators'),
        pytest.param(
            17,
            [node('LayerNormalization', 's')],
            [('s', np.linspace(0, 1, 8, dtype=np.float32))],
            id='new_operator_with_weights',
        ),
    ],
)  # fmt: skip
def test_results_stay_the_same(tmp_path, opset, nodes, constants):
    rank = 3 if nodes[0].op_type == 'Reshape' else 4
    path = written(tmp_path / 'my.onnx', opset, *nodes, constants=constants, rank=rank)
    made = convert_file(path, 13)
    assert (made.opsets, made.ir_versions) == ((opset, 13), (8, 7))
    assert made.changes
    converted = onnx.load_from_string(made.content)
    assert {each.version for each in converted.opset_import if not each.domain} == {13}
    assert {each.key: each.value for each in converted.metadata_props} == {'task': 'detect'}
    for before, after in zip(results(str(path)), results(made.content), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-5)


@pytest.mark.parametrize(
    ('opset', 'nodes', 'constants', 'message'),
    [
        pytest.param(
            18,
            [node('Pad', 'p', '', 'a'), node('Reshape', 's', outputs=('z',))],
            [('p', np.int64([1, 1])), ('a', np.int64([2])), ('s', WHOLE)],
            r'Pad Pad_0 cannot be written in opset 13: it has 4 inputs, and .* at most 3',
            id='axes',
        ),
        pytest.param(
            19,
            [node('AveragePool', kernel_shape=[2, 2], dilations=[2, 2]),
             node('Relu', outputs=('z',))],
            [],
            r'its dilations is \[2, 2\], which opset 13 does not have',
            id='attribute',
        ),
        pytest.param(
            20,
            [node('GridSample', 'g')],
            [('g', np.zeros((1, 4, 4, 2), np.float32))],
            'opset 13 has no GridSample, and older operators cannot replace it',
            id='no_such_operator',
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_converted(tmp_path, opset, nodes, constants, message):
    path = written(tmp_path / 'my.onnx', opset, *nodes, constants=constants)
    with pytest.raises(ModelError, match=message):
        convert_file(path, 13)


def test_functions_of_the_model_are_written_out(tmp_path):
    twice = helper.make_function(
        'mine', 'twice', ['a'], ['b'], [helper.make_node('Add', ['a', 'a'], ['b'])],
        [helper.make_opsetid('', 18)],
    )  # fmt: skip
    path = written(tmp_path / 'my.onnx', 18, node('twice', domain='mine'), functions=[twice])
    made = convert_file(path, 13)
    assert 'twice: replaced by what it consists of' in made.changes
    np.testing.assert_array_equal(results(made.content)[0], results(str(path))[0])


def test_a_branch_is_lowered_too(tmp_path):
    branch = helper.make_graph(
        [helper.make_node('Reshape', ['x', 's'], ['b'], allowzero=0)],
        'branch',
        [],
        [helper.make_tensor_value_info('b', TensorProto.FLOAT, [1, 8, 72])],
    )
    path = written(
        tmp_path / 'my.onnx',
        18,
        helper.make_node('If', ['c'], ['y'], then_branch=branch, else_branch=branch),
        constants=[('c', np.array(True)), ('s', WHOLE)],
        rank=3,
    )
    made = convert_file(path, 13)
    np.testing.assert_array_equal(results(made.content)[0], results(str(path))[0])


def test_only_the_version_of_the_format(tmp_path):
    path = written(tmp_path / 'my.onnx', 17, node('Relu'))
    made = convert_file(path, 17, 9)
    assert (made.opsets, made.ir_versions, made.changes) == ((17, 17), (8, 9), ())
    with pytest.raises(ModelError, match='has opset 17 and IR version 8 already'):
        convert_file(path, 17)


@pytest.mark.parametrize(
    ('opset', 'ir_version', 'message'),
    [(6, None, 'converts to 7 to'), (9999, None, 'converts to 7 to'), (17, 3, '8 to .* can be')],
)
def test_versions_that_there_are_not(tmp_path, opset, ir_version, message):
    with pytest.raises(ParameterError, match=message):
        convert_file(written(tmp_path / 'my.onnx', 17, node('Relu')), opset, ir_version)
