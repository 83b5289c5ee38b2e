"""What a node answers for a model that another node runs: it names the node that fits."""

import pytest
from onnx_models import color_classifier, color_segmentation, detector, ultralytics_metadata

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.nodes.seg_node import SegParams
from jetson_perception.nodes.yolo_node import EngineParams
from jetson_perception.ros import task_models
from jetson_perception.ros.task_models import open_node_model, tasks_of

DETECTOR = ultralytics_metadata('detect', 2, (640, 640))
SEMANTIC = {'task': 'semantic'}
SEG, YOLO = ('seg_node', SegParams), ('yolo_node', EngineParams)


@pytest.mark.parametrize(
    ('node', 'write', 'metadata', 'told'),
    [
        pytest.param(SEG, detector, DETECTOR, 'seg_node does not run; use yolo_node', id='named'),
        pytest.param(SEG, detector, {}, 'looks like a detector, .*; use yolo_node', id='boxes'),
        pytest.param(
            SEG, color_classifier, {}, 'an image classifier, .*; use yolo_', id='classes'
        ),
        pytest.param(
            YOLO, color_segmentation, SEMANTIC, 'yolo_node does not run; use seg_', id='semantic'
        ),
        pytest.param(
            YOLO, color_segmentation, {}, 'looks like a semantic .*; use seg_node', id='pixels'
        ),
    ],
)
def test_a_model_of_another_node(tmp_path, node, write, metadata, told):
    name, params = node
    path = write(tmp_path / 'my.onnx', metadata=metadata)
    with pytest.raises(ModelError, match=told):
        open_node_model(name, params(model=str(path), runtime='onnxruntime_cpu'))


def test_settings_of_the_node_reach_its_task(tmp_path):
    path = str(color_segmentation(tmp_path / 'my.onnx'))
    params = SegParams(model=path, runtime='onnxruntime_cpu', output='probabilities')
    with open_node_model('seg_node', params) as model:
        assert model.layout.output == 'probabilities'
        assert (model.task,) == tasks_of('seg_node')


def test_a_dla_core_is_for_tensorrt(tmp_path):
    path = str(color_segmentation(tmp_path / 'my.onnx'))
    params = SegParams(model=path, runtime='onnxruntime_cpu', dla_core=0)
    with pytest.raises(ParameterError, match="dla_core is 0, and runtime is 'onnxruntime_cpu'"):
        open_node_model('seg_node', params)


def test_tiles_are_for_models_that_find_objects(tmp_path):
    path = str(color_classifier(tmp_path / 'my.onnx'))
    params = EngineParams(model=path, runtime='onnxruntime_cpu', tiles=(2, 1))
    with pytest.raises(ParameterError, match=r'tiles is \[2, 1\], but .* is an image classifier'):
        open_node_model('yolo_node', params)


@pytest.mark.parametrize(('max_batch', 'together'), [(0, 0), (1, 1), (2, 2), (8, 3)])
def test_on_a_gpu_cameras_are_batched_only_if_asked_for(
    tmp_path, monkeypatch, max_batch, together
):
    asked = []
    monkeypatch.setattr(task_models, 'open_batches', lambda _, most: asked.append(most))
    path = str(detector(tmp_path / 'my.onnx', size_wh=(64, 64)))
    params = EngineParams(model=path, runtime='onnxruntime_cpu', max_batch=max_batch)
    open_node_model('yolo_node', params, cameras=3).close()
    assert asked == [together]
