"""Q/DQ models: what is quantized, how, and that results stay similar."""

import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from small_networks import segmentation, yolo

from jetson_perception.engines.onnx_file.graph import last_weighted, load_model
from jetson_perception.engines.onnx_file.precision import to_fp16
from jetson_perception.engines.onnx_file.quantization import (
    METHODS,
    QuantizationOptions,
    quantize_model,
)
from jetson_perception.errors import ModelError, ParameterError, PerceptionError


def tensors(count=4, seed=0, shape=(1, 3, 64, 64)):
    random = np.random.default_rng(seed)
    return [random.random(shape, np.float32) for _ in range(count)]


def run(path, tensor):
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return session.run(None, {session.get_inputs()[0].name: tensor})[0]


def feeders(model):
    """Name of the operator behind each input of the convolutions, by their names."""
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    return {
        node.name: [makers.get(name) for name in node.input[:2]]
        for node in model.graph.node
        if node.op_type == 'Conv'
    }


@pytest.fixture
def quantize(tmp_path):
    def run(path, images=None, **options):
        out = tmp_path / 'int8.onnx'
        taken = tensors() if images is None else images
        return quantize_model(path, out, taken, QuantizationOptions(**options)), out

    return run


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize(
    'make',
    [
        pytest.param(yolo, id='detector'),
        pytest.param(lambda path: yolo(path, 'pose'), id='pose'),
        pytest.param(segmentation, id='segmentation'),
        pytest.param(lambda path: segmentation(path, dynamic=True), id='open_size'),
        pytest.param(lambda path: segmentation(path, opset=12), id='old_opset'),
    ],
)
def test_results_stay_near(quantize, tmp_path, make, method):
    path = make(tmp_path / 'm.onnx')
    made, out = quantize(path, method=method)
    assert made.pictures == 4
    tensor = tensors(1, seed=9)[0]
    before, after = run(path, tensor), run(out, tensor)
    assert before.shape == after.shape
    assert 0 < np.abs(after - before).mean() < 0.1 * np.abs(before).mean()


class TestWhatIsQuantized:
    def test_ends_of_heads_and_first_convolutions_stay_in_float(self, quantize, tmp_path):
        path = yolo(tmp_path / 'm.onnx')
        made, out = quantize(path)
        kept = {'/conv_0', '/conv_3', *last_weighted(load_model(path))}
        behind = feeders(load_model(out))
        in_int8 = {name for name, makers in behind.items() if 'DequantizeLinear' in makers}
        decoding = {'/conv_58'} & set(behind)
        assert in_int8.isdisjoint(kept | decoding)
        assert len(in_int8) == made.nodes == 17 - len(kept)
        assert made.kept == len(kept) == 8
        for name in in_int8:
            assert behind[name] == ['DequantizeLinear', 'DequantizeLinear']

    @pytest.mark.parametrize(('count', 'kept'), [(0, 1), (1, 2), (4, 5)])
    def test_how_many_first(self, quantize, tmp_path, count, kept):
        path = segmentation(tmp_path / 'm.onnx')
        if kept == 5:
            with pytest.raises(ModelError, match='5 nodes with weights, and all of them stay'):
                quantize(path, float_first=count)
        else:
            assert quantize(path, float_first=count)[0].kept == kept

    def test_named_ones(self, quantize, tmp_path):
        path = segmentation(tmp_path / 'm.onnx')
        made, out = quantize(path, float_first=0, float_nodes=('/conv_[24]',))
        behind = feeders(load_model(out))
        assert made.kept == 3
        assert 'DequantizeLinear' not in behind['/conv_2'] + behind['/conv_4']

    def test_a_name_that_does_not_exist(self, quantize, tmp_path):
        path = segmentation(tmp_path / 'm.onnx')
        with pytest.raises(ParameterError, match=r"'/cnv_\*'; some are /conv_0, /conv_2"):
            quantize(path, float_nodes=('/cnv_*',))


class TestWhatTensorrtTakes:
    @pytest.fixture
    def model(self, quantize, tmp_path):
        return load_model(quantize(yolo(tmp_path / 'm.onnx'))[1])

    def test_zero_points_are_zero_and_int8(self, model):
        values = {each.name: each for each in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type in ('QuantizeLinear', 'DequantizeLinear'):
                zero = numpy_helper.to_array(values[node.input[2]])
                assert zero.dtype == np.int8
                assert not zero.any()

    def test_biases_are_floats(self, model):
        values = {each.name: each for each in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == 'Conv' and len(node.input) > 2:
                assert values[node.input[2]].data_type == onnx.TensorProto.FLOAT

    def test_weights_have_a_scale_a_channel(self, model):
        values = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
        weights = [
            node
            for node in model.graph.node
            if node.op_type == 'DequantizeLinear' and node.input[0] in values
        ]
        assert weights
        for node in weights:
            assert values[node.input[1]].shape == values[node.input[0]].shape[:1]

    def test_outputs_of_convolutions_are_not_quantized_twice(self, model):
        """A SiLU comes first, which TensorRT fuses."""
        makers = {name: node.op_type for node in model.graph.node for name in node.output}
        quantized = [node for node in model.graph.node if node.op_type == 'QuantizeLinear']
        assert quantized
        assert {makers[node.input[0]] for node in quantized} == {'Mul'}

    def test_metadata_stay(self, model):
        found = {each.key: each.value for each in model.metadata_props}
        assert (found['task'], found['stride']) == ('detect', '32')


class TestRefusals:
    @pytest.mark.parametrize(
        ('options', 'parameter'),
        [({'method': 'guess'}, 'method'), ({'float_first': -1}, 'float_first')],
    )
    def test_options(self, options, parameter):
        with pytest.raises(ParameterError) as error:
            QuantizationOptions(**options)
        assert error.value.parameter == parameter

    def test_a_package_that_is_missing(self, quantize, tmp_path, monkeypatch):
        path = yolo(tmp_path / 'm.onnx')
        monkeypatch.setitem(sys.modules, 'onnxruntime.quantization.shape_inference', None)
        with pytest.raises(
            PerceptionError, match=r'quantization cannot be imported: .*pip install'
        ):
            quantize(path)

    def test_no_images(self, quantize, tmp_path):
        with pytest.raises(ParameterError, match='there are no images to calibrate on'):
            quantize(yolo(tmp_path / 'm.onnx'), [])

    def test_images_of_two_sizes(self, quantize, tmp_path):
        path = segmentation(tmp_path / 'm.onnx', dynamic=True)
        images = [*tensors(1), *tensors(1, shape=(1, 3, 32, 32))]
        with pytest.raises(ModelError, match='expected one shape'):
            quantize(path, images)

    def test_another_method_may_do(self, quantize, tmp_path):
        path = yolo(tmp_path / 'm.onnx')
        with pytest.raises(ModelError, match='with the method minmax, or a newer ONNX Runtime'):
            quantize(path, tensors(2, shape=(1, 3, 32, 32)), method='entropy')

    def test_images_of_a_size_that_the_model_does_not_take(self, quantize, tmp_path):
        path = yolo(tmp_path / 'm.onnx')
        with pytest.raises(ModelError, match=r'm\.onnx cannot be quantized: .*invalid dimensions'):
            quantize(path, tensors(2, shape=(1, 3, 32, 32)))

    def test_twice(self, quantize, tmp_path):
        _, out = quantize(yolo(tmp_path / 'm.onnx'))
        with pytest.raises(ModelError, match=r'is quantized already; give the original'):
            quantize(out)

    def test_an_image_that_cannot_be_read(self, quantize, tmp_path):
        def broken():
            yield from tensors(1)
            raise PerceptionError('picture 2 is damaged')

        with pytest.raises(PerceptionError, match='picture 2 is damaged'):
            quantize(yolo(tmp_path / 'm.onnx'), broken())

    def test_nothing_is_left_of_a_failure(self, quantize, tmp_path):
        with pytest.raises(ParameterError):
            quantize(yolo(tmp_path / 'm.onnx'), [])
        assert [each.name for each in tmp_path.iterdir()] == ['m.onnx']

    def test_a_folder_in_the_place_of_the_file(self, tmp_path):
        path = yolo(tmp_path / 'm.onnx')
        (tmp_path / 'int8.onnx').mkdir()
        with pytest.raises(PerceptionError, match=r'int8\.onnx cannot be written'):
            quantize_model(path, tmp_path / 'int8.onnx', tensors())
        assert sorted(each.name for each in tmp_path.iterdir()) == ['int8.onnx', 'm.onnx']

    def test_a_folder_that_does_not_exist(self, tmp_path):
        path = yolo(tmp_path / 'm.onnx')
        with pytest.raises(PerceptionError, match=r'int8\.onnx cannot be written: No such file'):
            quantize_model(path, tmp_path / 'no/int8.onnx', tensors())

    def test_no_room_for_temporary_files(self, tmp_path, monkeypatch):
        path = yolo(tmp_path / 'm.onnx')
        monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'gone'))
        with pytest.raises(PerceptionError, match='gone cannot be written: No such file'):
            quantize_model(path, tmp_path / 'int8.onnx', tensors())


def test_converted_to_fp16_it_gives_the_same(quantize, tmp_path):
    """As TensorRT 11 is given it."""
    _, out = quantize(yolo(tmp_path / 'm.onnx'))
    half = to_fp16(load_model(out))
    onnx.checker.check_model(half)
    onnx.save(half, tmp_path / 'half.onnx')
    tensor = tensors(1, seed=9)[0]
    difference = np.abs(run(tmp_path / 'half.onnx', tensor) - run(out, tensor))
    assert difference.mean() < 0.05  # boxes in pixels among them


def test_progress(tmp_path):
    said = []
    path = segmentation(tmp_path / 'm.onnx')
    quantize_model(path, tmp_path / 'int8.onnx', tensors(3), progress=said.append)
    assert said == [1, 2, 3]
