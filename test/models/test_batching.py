"""Whether images run together in a model: tried, whatever the file says."""

import logging

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import color_segmentation, detector

from jetson_perception.errors import ModelError
from jetson_perception.models import open_model
from jetson_perception.models.batching import most_together

SIZE_WH = (64, 48)


def opened(path, **options):
    return open_model(path, runtime='onnxruntime_cpu', **options)


@pytest.fixture
def batching(tmp_path):
    with opened(dynamic(tmp_path)) as model:
        yield model


def dynamic(tmp_path, **options):
    """A model whose batch is open, at a size that its metadata names."""
    metadata = {'task': 'semantic', 'imgsz': str([SIZE_WH[1], SIZE_WH[0]])}
    path = tmp_path / 'dynamic.onnx'
    return color_segmentation(path, dynamic=True, metadata=metadata, **options)


def images(count):
    return np.random.default_rng(1).integers(0, 256, (count, 48, 64, 3), np.uint8)


@pytest.mark.parametrize('count', [1, 2, 5, 64])
@pytest.mark.parametrize('argmax', [False, True], ids=['scores', 'class_ids'])
def test_a_batch_gives_what_single_images_give(tmp_path, count, argmax):
    with opened(dynamic(tmp_path, argmax=argmax)) as model:
        assert most_together(model, count) == count
        fitted = [model.preprocess(image) for image in images(count)]
        outputs = model.infer(np.concatenate([tensor for tensor, _ in fitted]))
        for row, image in enumerate(images(count)):
            cut = [output[row : row + 1] for output in outputs]
            found = model.postprocess(cut, fitted[row][1])
            assert (found.mask == model(image).mask).all()


@pytest.mark.parametrize(
    ('most', 'expected'), [(0, 1), (1, 1), (3, 3), (64, 64), (1000, 64)], ids=str
)
def test_up_to_what_is_asked_and_what_engines_take(batching, most, expected):
    assert most_together(batching, most) == expected


def test_a_batch_that_is_fixed_at_one_takes_one(tmp_path, caplog):
    with (
        opened(color_segmentation(tmp_path / 'fixed.onnx')) as model,
        caplog.at_level(logging.INFO),
    ):
        caplog.clear()
        assert most_together(model, 4) == 1
        assert caplog.text == ''  # the file says so itself


@pytest.mark.parametrize('count', [pytest.param(0, id='none'), pytest.param(65, id='too_many')])
def test_an_engine_refuses_other_numbers_of_images(batching, count):
    with pytest.raises(ModelError, match=rf'takes float32 .*, got float32 \({count}, 3, 48, 64\)'):
        batching.infer(np.zeros((count, 3, 48, 64), np.float32))


def test_outputs_that_belong_to_no_image(tmp_path, caplog):
    path = detector(tmp_path / 'constant.onnx', size_wh=(64, 64), dynamic=True)
    with opened(path) as model, caplog.at_level(logging.INFO):
        assert most_together(model, 2) == 1
    assert 'cameras take turns, as a batch does not work: output 0 of 2 images' in caplog.text


def mixing(path):
    """A model that subtracts the mean of all images, as a careless export may."""
    shape = ['batch', 3, 48, 64]
    nodes = [
        helper.make_node('ReduceMean', ['image'], ['mean'], axes=[0]),
        helper.make_node('Sub', ['image', 'mean'], ['logits']),
    ]
    return saved(path, nodes, [], shape)


def reshaping(path):
    """A model that has a batch of one in the middle."""
    shape = numpy_helper.from_array(np.array([1, 3, 48, 64], np.int64), 'shape')
    node = helper.make_node('Reshape', ['image', 'shape'], ['logits'])
    return saved(path, [node], [shape], ['batch', 3, 48, 64])


def saved(path, nodes, constants, shape):
    values = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ('image', 'logits')
    ]
    graph = helper.make_graph(nodes, 'test', values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    helper.set_model_props(model, {'task': 'semantic'})
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize(
    ('write', 'told'),
    [
        pytest.param(mixing, 'output 0 of an image depends on the others', id='mixed_up'),
        pytest.param(reshaping, 'ONNX Runtime failed', id='one_in_the_middle'),
    ],
)
def test_a_file_that_claims_too_much(tmp_path, caplog, write, told):
    with opened(write(tmp_path / 'claims.onnx')) as model, caplog.at_level(logging.INFO):
        assert most_together(model, 4) == 1
        model(images(1)[0])  # and it still runs
    assert told in caplog.text
