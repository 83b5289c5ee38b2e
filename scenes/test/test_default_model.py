"""The model that comes with the package is what docs/oranges.md says it is."""

from __future__ import annotations

from contextlib import closing

import onnx
import pytest

from jetson_perception.evaluation import ConfusionMatrix
from jetson_perception.models import SegmentationModel
from jetson_perception.resources import model_path
from jetson_perception_scenes.oranges import CLASS_NAMES, evaluation_stills

# What TensorRT 8.5 imports, on a Jetson with JetPack 5.
PLAIN_OPERATORS = {'Add', 'Concat', 'Constant', 'Conv', 'Mul', 'Relu', 'Resize', 'Sigmoid'}


@pytest.fixture(scope='module')
def graph():
    return onnx.load(model_path('oranges'))


def sizes(value) -> list[int]:
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def test_file_is_small_and_plain(graph):
    assert model_path('oranges').stat().st_size <= 2_000_000
    assert {node.op_type for node in graph.graph.node} <= PLAIN_OPERATORS
    assert [entry.version for entry in graph.opset_import if not entry.domain] == [17]


def test_shapes_are_static(graph):
    (image,), (logits,) = graph.graph.input, graph.graph.output
    assert (image.name, sizes(image)) == ('images', [1, 3, 224, 224])
    assert (logits.name, sizes(logits)) == ('logits', [1, len(CLASS_NAMES), 224, 224])


def test_metadata_and_yaml_name_the_scene_s_classes(graph):
    props = {prop.key: prop.value for prop in graph.metadata_props}
    assert props['task'] == 'semantic'
    assert props['names'] == str(dict(enumerate(CLASS_NAMES)))
    with closing(SegmentationModel.open('oranges', threads=1)) as model:
        assert model.class_names == CLASS_NAMES
        assert model.info.resize == 'stretch'
        assert model.info.output == 'logits'


def test_masks_agree_with_unseen_scenes():
    matrix = ConfusionMatrix(len(CLASS_NAMES))
    with closing(SegmentationModel.open('oranges', threads=1)) as model:
        for _, bgr, truth in evaluation_stills(6, (640, 360)):
            matrix.add(truth, model(bgr).mask)
    # 0.94 over 200 scenes at 1280×720; six small ones vary.
    assert matrix.mean_iou() > 0.85, matrix.iou()
