"""Heads in ONNX files: cut off, and done again in NumPy, they give what the whole model gives."""

from pathlib import Path

import nudenet
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from small_networks import segmentation, yolo

from jetson_perception.engines.onnx_file.graph import load_model
from jetson_perception.engines.onnx_file.precision import to_fp16, widen_weights
from jetson_perception.engines.onnx_file.yolo_head import cut_head, find_head, head_problem
from jetson_perception.resources import model_path
from jetson_perception.tasks.yolo_head import HeadLayout, decode_head

NUDENET = Path(nudenet.__file__).with_name('320n.onnx')
REAL = {
    'ultralytics': (NUDENET, (320, 320)),
    'people_detect': (model_path('people_detect'), (640, 480)),
}
SMALL = HeadLayout(((8, 8), (4, 4), (2, 2)), (8, 16, 32), 16, 2)


def run(model, tensor):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )
    return session.run(None, {session.get_inputs()[0].name: tensor})


def noise(size_wh):
    return np.random.default_rng(0).random((1, 3, *size_wh[::-1]), np.float32)


@pytest.fixture
def small(tmp_path):
    return load_model(yolo(tmp_path / 'm.onnx'))


class TestFind:
    def test_detector(self, small):
        head = find_head(small, (64, 64), [(1, 6, 84)])
        assert head is not None
        assert head.layout == SMALL
        assert (len(head.maps), head.output, head.is_half) == (6, 0, False)
        assert find_head(small, (64, 64), [(1, 6, 84)], class_count=2) == head

    def test_pose(self, tmp_path):
        model = load_model(yolo(tmp_path / 'm.onnx', 'pose', class_count=1))
        head = find_head(model, (64, 64), [(1, 56, 84)], keypoint_shape=(17, 3))
        assert head is not None
        assert (head.layout.class_count, head.layout.extra_count) == (1, 51)
        assert head.layout.keypoint_depth == 3

    def test_unexplained_extra_values(self, tmp_path):
        model = load_model(yolo(tmp_path / 'm.onnx', 'pose', class_count=1))
        assert find_head(model, (64, 64), [(1, 56, 84)]) is None
        assert find_head(model, (64, 64), [(1, 56, 84)], keypoint_shape=(17, 2)) is None
        # As many prototypes of masks.
        head = find_head(model, (64, 64), [(1, 56, 84), (1, 51, 16, 16)])
        assert head is not None
        assert head.layout.keypoint_depth == 0

    @pytest.mark.parametrize(
        ('size_wh', 'shapes', 'classes'),
        [
            pytest.param((64, 64), [(1, 7, 84)], 0, id='other_values'),
            pytest.param((64, 64), [(1, 84, 6)], 0, id='other_order'),
            pytest.param((64, 64), [(1, 6, 85)], 0, id='other_anchors'),
            pytest.param((64, 64), [(6, 84)], 0, id='no_batch'),
            pytest.param((64, 64), [], 0, id='no_outputs'),
            pytest.param((64, 64), [(1, 6, 84)], 3, id='other_classes'),
            pytest.param((72, 64), [(1, 6, 84)], 0, id='other_size'),
        ],
    )
    def test_what_does_not_fit(self, small, size_wh, shapes, classes):
        assert find_head(small, size_wh, shapes, class_count=classes) is None

    def test_as_many_classes_as_box_values(self, tmp_path):
        """Which of two maps of one size is which, nobody can tell."""
        model = load_model(yolo(tmp_path / 'm.onnx', class_count=64))
        assert find_head(model, (64, 64), [(1, 68, 84)]) is None

    def test_no_head(self, tmp_path):
        model = load_model(segmentation(tmp_path / 'm.onnx'))
        assert find_head(model, (64, 64), [(1, 4, 64, 64)]) is None

    def test_what_onnx_cannot_tell(self, small):
        small.graph.node.append(
            helper.make_node('NoSuchOperator', ['output0'], ['more'], 'nobody', domain='mine')
        )
        small.graph.node[0].op_type = 'NoSuchOperator'
        assert find_head(small, (64, 64), [(1, 6, 84)]) is None


class TestProblem:
    @pytest.mark.parametrize('half', [False, True], ids=['fp32', 'fp16'])
    @pytest.mark.parametrize('name', [*REAL, 'small'])
    def test_none(self, tmp_path, name, half):
        path, size_wh = REAL.get(name) or (yolo(tmp_path / 'm.onnx'), (64, 64))
        model = load_model(path)
        widen_weights(model)
        if half:
            model = to_fp16(model)
        (output,) = run(model, noise(size_wh))
        head = find_head(model, size_wh, [output.shape])
        assert head is not None
        before = model.SerializeToString()
        assert head_problem(model, head, size_wh) == ''
        assert model.SerializeToString() == before

    def test_other_keypoints(self, tmp_path):
        model = load_model(yolo(tmp_path / 'm.onnx', 'pose', class_count=1))
        head = find_head(model, (64, 64), [(1, 56, 84)], keypoint_shape=(17, 3))
        assert head is not None
        expected = '51 of 56 values per anchor are computed differently'
        assert head_problem(model, head, (64, 64)) == expected

    @pytest.mark.parametrize(
        ('operator', 'rows', 'added'), [('Sigmoid', 2, 0.01), ('Sub', 2, 0.1)]
    )
    def test_a_little_other(self, small, operator, rows, added):
        """Something added to the logits of the scores, or to the corners of the boxes."""
        graph = small.graph
        index = max(i for i, node in enumerate(graph.node) if node.op_type == operator)
        name, graph.node[index].input[0] = graph.node[index].input[0], 'moved'
        graph.initializer.append(numpy_helper.from_array(np.float32(added), 'added'))
        graph.node.insert(index, helper.make_node('Add', [name, 'added'], ['moved'], 'move'))
        head = find_head(small, (64, 64), [(1, 6, 84)])
        assert head is not None
        assert head_problem(small, head, (64, 64)).startswith(f'{rows} of 6 values')

    def test_what_does_not_run(self, small):
        head = find_head(small, (64, 64), [(1, 6, 84)])
        assert head is not None
        small.graph.node[-1].op_type = 'NoSuchOperator'
        assert 'does not run on the CPU' in head_problem(small, head, (64, 64))


class TestCut:
    @pytest.mark.parametrize('channels_last', [False, True], ids=['first', 'last'])
    @pytest.mark.parametrize('half', [False, True], ids=['fp32', 'fp16'])
    @pytest.mark.parametrize('name', [*REAL, 'small'])
    def test_the_rest_in_numpy_gives_the_same(self, tmp_path, name, half, channels_last):
        path, size_wh = REAL.get(name) or (yolo(tmp_path / 'm.onnx'), (64, 64))
        model = load_model(path)
        widen_weights(model)
        if half:
            model = to_fp16(model)
        tensor = noise(size_wh)
        (expected,) = run(model, tensor)
        before = model.SerializeToString()
        head = find_head(model, size_wh, [expected.shape])
        assert head is not None
        assert head.is_half == half
        cut = cut_head(model, head, channels_last=channels_last)
        assert model.SerializeToString() == before
        onnx.checker.check_model(cut)
        assert not {'Softmax', 'Sub'} & {node.op_type for node in cut.graph.node}
        assert len(cut.graph.initializer) < len(model.graph.initializer)
        maps = run(cut, tensor)
        if channels_last:
            maps = [each.transpose(0, 3, 1, 2) for each in maps]
        assert {each.dtype for each in maps} == {np.dtype(np.float16 if half else np.float32)}
        kinds = len(head.layout.channels)
        levels = [maps[index : index + kinds] for index in range(0, len(maps), kinds)]
        found = decode_head(head.layout, levels)
        np.testing.assert_allclose(found[:, :4], expected[:, :4], atol=1e-3)
        np.testing.assert_allclose(found[:, 4:], expected[:, 4:], atol=1e-6)

    def test_other_outputs_stay(self, small):
        small.graph.output.append(
            helper.make_tensor_value_info('/conv_0/out0', onnx.TensorProto.FLOAT, (1, 8, 32, 32))
        )
        tensor = noise((64, 64))
        whole = run(small, tensor)
        head = find_head(small, (64, 64), [each.shape for each in whole])
        assert head is not None
        *maps, other = run(cut_head(small, head), tensor)
        assert len(maps) == 6
        np.testing.assert_array_equal(other, whole[1])

    def test_open_sizes(self, tmp_path):
        model = load_model(yolo(tmp_path / 'm.onnx'))
        for size in model.graph.input[0].type.tensor_type.shape.dim:
            size.dim_param = 'open'
        head = find_head(model, (64, 64), [(1, 6, 84)])
        assert head is not None
        assert head.layout == SMALL
