"""Networks whose input is not one float image of three channels that come first."""

import logging

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import color_segmentation, constant_model, detector, with_input

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.models import open_model
from jetson_perception.models.batching import most_together

WIDTH, HEIGHT = 96, 64
RANDOM = np.random.default_rng(2)
IMAGE = RANDOM.integers(0, 256, (60, 90, 3), np.uint8)


def opened(path, **options):
    return open_model(path, runtime='onnxruntime_cpu', **options)


def mask(path, image=IMAGE, **options):
    with opened(path, **options) as model:
        return model(image).mask


@pytest.fixture
def usual(tmp_path):
    return color_segmentation(tmp_path / 'usual.onnx', size_wh=(WIDTH, HEIGHT), dynamic=True)


@pytest.mark.parametrize(
    ('shape', 'dtype'),
    [
        pytest.param((1, HEIGHT, WIDTH, 3), np.float32, id='channels_last'),
        pytest.param((1, 3, HEIGHT, WIDTH), np.uint8, id='bytes'),
        pytest.param((1, HEIGHT, WIDTH, 3), np.uint8, id='bytes_channels_last'),
        pytest.param((1, HEIGHT, WIDTH, 3), np.int32, id='integers_channels_last'),
        pytest.param((1, HEIGHT, WIDTH, 4), np.float32, id='alpha_last'),
        pytest.param((1, 4, HEIGHT, WIDTH), np.uint8, id='alpha_first'),
        pytest.param((4, 3, HEIGHT, WIDTH), np.float32, id='batch_of_four'),
        pytest.param((2, HEIGHT, WIDTH, 3), np.uint8, id='batch_of_two_channels_last'),
    ],
)
def test_finds_what_the_same_network_finds_by_its_usual_input(tmp_path, usual, shape, dtype):
    path = with_input(tmp_path / 'my.onnx', usual, shape=shape, dtype=dtype)
    expected = mask(usual, overrides=ModelInfo(input_size_wh=(WIDTH, HEIGHT)))
    assert len(np.unique(expected)) == 4
    assert (mask(path) == expected).mean() > 0.999  # integers are divided by the network


@pytest.mark.parametrize('last', [False, True], ids=['first', 'last'])
def test_gray(tmp_path, usual, last):
    shape = (1, HEIGHT, WIDTH, 1) if last else (1, 1, HEIGHT, WIDTH)
    path = with_input(tmp_path / 'my.onnx', usual, shape=shape)
    found = mask(path)
    assert set(np.unique(found)) == {0, 1}  # equal colors: the first of them, or none
    bright = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    assert (mask(path, bright) == 1).all()
    assert (mask(path, bright // 4) == 0).all()


def test_an_open_size_of_a_network_with_channels_last(tmp_path, usual):
    shape = ('batch', 'height', 'width', 3)
    path = with_input(tmp_path / 'my.onnx', usual, shape=shape)
    with pytest.raises(ParameterError, match='set input_size') as error:
        opened(path)
    assert error.value.parameter == 'input_size'
    with opened(path, overrides=ModelInfo(input_size_wh=(WIDTH, HEIGHT))) as model:
        assert model.engine.inputs[0].shape == (1, HEIGHT, WIDTH, 3)
        assert model.network_wh == (WIDTH, HEIGHT)


def test_what_is_assumed_of_bytes(tmp_path, usual):
    path = with_input(tmp_path / 'my.onnx', usual, shape=(1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    with opened(path) as model:
        assert model.assumed['scale'] == '1'
    with pytest.raises(ParameterError, match='it normalizes them itself') as error:
        opened(path, overrides=ModelInfo(mean=(123.0, 117.0, 104.0)))
    assert error.value.parameter == 'scale'


class TestFixedBatch:
    def test_cameras_fill_it(self, tmp_path, usual):
        path = with_input(tmp_path / 'my.onnx', usual, shape=(4, 3, HEIGHT, WIDTH))
        images = RANDOM.integers(0, 256, (3, HEIGHT, WIDTH, 3), np.uint8)
        with opened(path) as model:
            assert most_together(model, 8) == 4
            tensors = [model.preprocess(each)[0].copy() for each in images]
            _, transform = model.preprocess(images[0])
            (together,) = model.infer(np.concatenate(tensors))
            assert len(together) == 3
            for row, image in enumerate(images):
                found = model.postprocess([together[row : row + 1]], transform)
                assert (found.mask == model(image).mask).all()
            with pytest.raises(ModelError, match='got float32'):
                model.infer(np.concatenate(tensors * 2))

    def test_rows_of_all_images_in_one_output(self, tmp_path, caplog):
        """Nothing says which rows are of the first image, so cameras take turns."""
        second = [1, 8, 8, 30, 30, 2, 0.8]
        boxes = np.float32([[0, 8, 8, 40, 40, 1, 0.9], second, second])
        path = constant_model(tmp_path / 'my.onnx', [boxes], size_wh=(WIDTH, HEIGHT), batch=2)
        with opened(path) as model, caplog.at_level(logging.INFO):
            found = model(IMAGE[:HEIGHT, :WIDTH])
            assert found.class_id.tolist() == [1]
            assert most_together(model, 2) == 1


class TestSizeInput:
    @pytest.mark.parametrize(
        ('name', 'kind', 'expected'),
        [
            ('orig_target_sizes', TensorProto.INT64, (WIDTH, HEIGHT)),
            ('target_sizes', TensorProto.INT64, (HEIGHT, WIDTH)),
            ('image_shape', TensorProto.FLOAT, (HEIGHT, WIDTH)),
            ('im_shape', TensorProto.FLOAT, (HEIGHT, WIDTH)),
            ('scale_factor', TensorProto.FLOAT, (1, 1)),
        ],
    )
    def test_is_that_of_the_network(self, tmp_path, name, kind, expected):
        path = sized_detector(tmp_path / 'my.onnx', name, kind)
        with opened(path) as model:
            sizes = model.infer(model.preprocess(IMAGE)[0])[1]
            assert sizes.tolist() == [list(expected)]
            assert len(model(IMAGE)) == 1

    def test_another_input(self, tmp_path):
        path = sized_detector(tmp_path / 'my.onnx', 'prompt', TensorProto.INT64)
        with pytest.raises(ModelError, match=r"has 2 inputs .*'prompt' int64 \(1, 2\).*its size"):
            opened(path)


def sized_detector(path, name, kind):
    """A detector that also gives what its second input holds."""
    boxes = [(30, 24, 20, 16, 0, 0.9)]
    metadata = {'task': 'detect', 'names': str(['one', 'two'])}
    model = onnx.load(detector(path, boxes, size_wh=(WIDTH, HEIGHT), metadata=metadata))
    model.graph.input.append(helper.make_tensor_value_info(name, kind, [1, 2]))
    model.graph.node.append(helper.make_node('Identity', [name], ['sizes']))
    model.graph.output.append(helper.make_tensor_value_info('sizes', kind, [1, 2]))
    onnx.save(model, path)
    return path
