"""Which nodes carry weights, and which only decode; the order of nodes."""

import sys
from pathlib import Path

import nudenet
import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_models import color_segmentation
from small_networks import segmentation, yolo

from jetson_perception.engines.onnx_file.graph import (
    decoding_nodes,
    first_convolutions,
    has_quantization,
    last_weighted,
    load_model,
    require_onnx,
    sort_nodes,
    weighted_nodes,
)
from jetson_perception.errors import ModelError, PerceptionError
from jetson_perception.resources import model_path

NUDENET = Path(nudenet.__file__).with_name('320n.onnx')


def operators(model, names):
    by_name = {node.name: node.op_type for node in model.graph.node}
    return {by_name[name] for name in names}


class TestLoading:
    def test_no_onnx(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'onnx', None)
        with pytest.raises(PerceptionError, match='pip install onnx'):
            require_onnx()

    @pytest.mark.parametrize(
        ('content', 'problem'),
        [
            pytest.param(None, 'cannot be read', id='missing'),
            pytest.param(b'', 'has no nodes', id='empty'),
            pytest.param(b'\xff' * 100, 'is not an ONNX model, or is damaged', id='other'),
        ],
    )
    def test_no_model(self, tmp_path, content, problem):
        if content is not None:
            (tmp_path / 'm.onnx').write_bytes(content)
        with pytest.raises(ModelError, match=problem):
            load_model(tmp_path / 'm.onnx')

    def test_nodes_without_names_get_names(self, tmp_path):
        model = load_model(color_segmentation(tmp_path / 'm.onnx', convolutions=2))
        names = [node.name for node in model.graph.node]
        assert all(names)
        assert len(set(names)) == len(names) == 5

    def test_names_that_are_there_twice(self, tmp_path):
        path = color_segmentation(tmp_path / 'm.onnx', convolutions=2)
        model = onnx.load(path)
        for node in model.graph.node:
            node.name = 'Conv_2'
        onnx.save(model, path)
        names = [node.name for node in load_model(path).graph.node]
        assert names[0] == 'Conv_2'
        assert len(set(names)) == 5


@pytest.mark.parametrize(
    ('content', 'found'),
    [
        pytest.param(b'', False, id='empty'),
        pytest.param(b'Conv', False, id='none'),
        pytest.param(b'..QuantizeLinear..', True, id='quantized'),
    ],
)
def test_has_quantization(tmp_path, content, found):
    (tmp_path / 'm.onnx').write_bytes(content)
    assert has_quantization(tmp_path / 'm.onnx') is found


class TestRoles:
    @pytest.mark.parametrize(('task', 'branches'), [('detect', 2), ('pose', 3)])
    def test_a_yolo(self, tmp_path, task, branches):
        model = load_model(yolo(tmp_path / 'm.onnx', task))
        last = last_weighted(model)
        assert len(last) == 3 * branches  # one a level and branch
        assert len(weighted_nodes(model)) == 5 + 6 * branches
        decoding = decoding_nodes(model)
        assert {'Softmax', 'Concat', 'Split', 'Conv'} <= operators(model, decoding)
        # The one convolution there sums up a distribution.
        assert (
            sum(node.op_type == 'Conv' for node in model.graph.node if node.name in decoding) == 1
        )
        assert not set(decoding) & {node.name for node in weighted_nodes(model)}

    def test_a_segmentation(self, tmp_path):
        model = load_model(segmentation(tmp_path / 'm.onnx'))
        assert len(last_weighted(model)) == 1
        assert operators(model, decoding_nodes(model)) == {'Resize'}

    @pytest.mark.parametrize(
        ('path', 'weighted', 'last'),
        [
            pytest.param(NUDENET, 63, 6, id='ultralytics'),
            pytest.param(model_path('people_detect'), 68, 6, id='people_detect'),
            pytest.param(model_path('people_pose'), 80, 10, id='people_pose'),
            pytest.param(model_path('oranges'), 43, 1, id='oranges'),
        ],
    )
    def test_real_models(self, path, weighted, last):
        model = load_model(path)
        assert (len(weighted_nodes(model)), len(last_weighted(model))) == (weighted, last)

    def test_ends_of_ultralytics_heads(self):
        ends = [f'/model.22/cv{branch}.{level}/' for branch in (2, 3) for level in range(3)]
        for name in last_weighted(load_model(NUDENET)):
            assert any(name.startswith(end) for end in ends)
            assert '.2/Conv' in name

    def test_a_product_of_two_activations_has_no_weights(self):
        """As in attention."""
        nodes = [
            helper.make_node('MatMul', ['x', 'x'], ['y'], name='attention'),
            helper.make_node('MatMul', ['y', 'w'], ['z'], name='linear'),
        ]
        weight = onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), 'w')
        values = [helper.make_tensor_value_info(name, 1, [4, 4]) for name in 'xz']
        graph = helper.make_graph(nodes, 'g', values[:1], values[1:], [weight])
        model = helper.make_model(graph)
        assert [node.name for node in weighted_nodes(model)] == ['linear']

    def test_first(self, tmp_path):
        model = load_model(segmentation(tmp_path / 'm.onnx'))
        assert first_convolutions(model, 0) == []
        assert first_convolutions(model, 2) == ['/conv_0', '/conv_2']
        assert len(first_convolutions(model, 99)) == 5


class TestOrder:
    def node(self, inputs, outputs, name='', **attributes):
        return helper.make_node('Sum', inputs, outputs, name=name or outputs[0], **attributes)

    def order(self, nodes, known='x'):
        return [node.name for node in sort_nodes(nodes, known)]

    def test_nothing(self):
        assert self.order([]) == []

    def test_a_right_order_stays(self):
        nodes = [self.node('x', 'a'), self.node('x', 'b'), self.node('ab', 'c')]
        assert self.order(nodes) == ['a', 'b', 'c']

    def test_a_wrong_one_is_corrected(self):
        nodes = [self.node('bc', 'd'), self.node('b', 'c'), self.node('x', 'b')]
        assert self.order(nodes) == ['b', 'c', 'd']

    def test_repeats_are_dropped(self):
        nodes = [self.node('x', 'a', 'one'), self.node('x', 'a', 'two'), self.node('a', 'b')]
        assert self.order(nodes) == ['one', 'b']

    def test_inputs_that_are_left_out(self):
        assert self.order([self.node(['x', ''], 'a')]) == ['a']

    def test_what_a_graph_within_takes(self):
        inner = helper.make_graph(
            [self.node('b', ['in']), self.node(['in'], ['out'])], 'inner', [], []
        )
        nodes = [self.node('x', 'a', body=inner), self.node('x', 'b')]
        assert self.order(nodes) == ['b', 'a']

    def test_an_input_from_nowhere(self):
        with pytest.raises(ModelError, match=r"node 'a' \(Sum\) takes 'q', which no node"):
            self.order([self.node('q', 'a')])

    def test_a_circle(self):
        with pytest.raises(ModelError, match='which no node or input provides'):
            self.order([self.node('b', 'a'), self.node('a', 'b')])
