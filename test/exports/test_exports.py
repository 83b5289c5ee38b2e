"""Exports of many networks: each is read as its framework reads it, or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from onnx_models import constant_model

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.models import open_model
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.exports import other_network
from jetson_perception.tasks.network_outputs import NetworkOutputs

DATA = Path(__file__).with_name('data')
IMAGE = np.zeros((480, 640, 3), np.uint8)
#: As in make_exports.py; only YOLOX suppresses.
OPTIONS = DetectionOptions(score_threshold=0.5, iou_threshold=0.45)


def expected(name):
    """What the framework makes of the outputs."""
    found = json.loads((DATA / f'{name}.json').read_text())
    assert found
    return found


def check(found, name):
    wanted = expected(name)
    assert found.class_id.tolist() == [each['class_id'] for each in wanted]
    assert found.score.tolist() == pytest.approx([each['score'] for each in wanted], abs=2e-5)
    assert np.abs(found.xyxy - [each['xyxy'] for each in wanted]).max() < 0.01


#: Name, layout.
READ = [
    ('rt_detr_hugging_face', 'rt_detr'),
    ('d_fine_hugging_face', 'rt_detr'),
    ('yolos_hugging_face', 'detr'),
    ('detr_hugging_face', 'detr'),
    ('rf_detr', 'rt_detr'),
    ('rt_detr_ultralytics', 'rt_detr'),
    ('rt_detr_ultralytics_8_3', 'rt_detr'),
]
#: Name, layout that has to be set.
READ_AFTER_A_PARAMETER = [('yolox', 'yolox'), ('yolox_decoded', 'yolox')]


@pytest.mark.parametrize(('name', 'layout'), READ)
def test_read_with_nothing_set(name, layout):
    with open_model(DATA / f'{name}.onnx') as model:
        assert model.layout.family == layout
        check(model.postprocess(*run(model), OPTIONS), name)


@pytest.mark.parametrize(('name', 'layout'), READ_AFTER_A_PARAMETER)
def test_read_after_the_parameter_that_the_error_names(name, layout):
    path = DATA / f'{name}.onnx'
    with pytest.raises(ParameterError, match=f"set 'layout' to {layout}") as error:
        open_model(path)
    assert error.value.parameter == 'layout'
    with open_model(path, overrides=ModelInfo(layout=layout)) as model:
        check(model.postprocess(*run(model), OPTIONS), name)


def run(model):
    tensor, transform = model.preprocess(IMAGE)
    return model.infer(tensor), transform


def test_what_is_assumed_of_each_family():
    with open_model(DATA / 'yolos_hugging_face.onnx') as model:
        assert model.assumed['resize'] == 'stretch'
        assert model.assumed['mean'] == '0.485 0.456 0.406'
    overrides = ModelInfo(layout='yolox')
    with open_model(DATA / 'yolox.onnx', overrides=overrides) as model:
        assert model.assumed['resize'] == 'letterbox_top_left'
        assert (model.assumed['scale'], model.assumed['color_order']) == ('1', 'bgr')
        tensor, _ = model.preprocess(np.full((8, 8, 3), (1, 2, 3), np.uint8))
        assert tensor[0, :, 0, 0].tolist() == [1, 2, 3]


REFUSED = [
    pytest.param({'predicted_depth': (1, 112, 112)}, 'a depth map', id='depth_by_its_name'),
    pytest.param({'output': (1, 320, 320)}, 'a map of one value a pixel', id='depth_by_its_shape'),
    pytest.param({'output': (1, 1, 17, 3)}, "MoveNet's keypoints", id='movenet_one_person'),
    pytest.param({'output': (1, 6, 56)}, "MoveNet's keypoints", id='movenet_several'),
    pytest.param({'heatmaps': (1, 17, 80, 80)}, 'heatmaps of keypoints', id='heatmaps'),
    pytest.param(
        {'hm': (1, 80, 80, 80), 'wh': (1, 2, 80, 80), 'reg': (1, 2, 80, 80)},
        'maps of centers, sizes and offsets',
        id='centernet',
    ),
    pytest.param({'flow': (1, 2, 320, 320)}, 'optical flow', id='flow'),
    pytest.param({'image_embeds': (1, 512)}, 'features', id='features'),
    pytest.param({'last_hidden_state': (1, 50, 384)}, 'features', id='features_of_patches'),
    pytest.param(
        {'p3': (1, 144, 40, 40), 'p4': (1, 144, 20, 20), 'p5': (1, 144, 10, 10)},
        'the raw maps of a detector',
        id='raw_maps',
    ),
]


@pytest.mark.parametrize(('shapes', 'what'), REFUSED)
def test_refused(tmp_path, shapes, what):
    outputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    path = constant_model(tmp_path / 'my.onnx', outputs, size_wh=(320, 320))
    with pytest.raises(ModelError, match=what):
        open_model(path)


@pytest.mark.parametrize(
    'shapes',
    [
        pytest.param({f'd{index}': (1, 1, 320, 320) for index in range(7)}, id='u2net'),
        pytest.param({'out': (1, 21, 320, 320), 'aux': (1, 21, 320, 320)}, id='deeplab'),
        pytest.param(
            {'a': (1, 5, 80, 80), 'b': (1, 5, 40, 40), 'c': (1, 5, 20, 20)}, id='supervised_deeply'
        ),
        pytest.param({'logits': (1, 19, 80, 80)}, id='segformer'),
    ],
)
def test_segmentation_networks_of_several_outputs(shapes):
    """They are none of those that are refused."""
    arrays = [np.zeros(shape, np.float32) for shape in shapes.values()]
    assert other_network(NetworkOutputs(list(shapes), arrays, (320, 320))) == ''


def plain(boxes, *, rows=20):
    """Rows of zeros that begin with these boxes."""
    values = np.zeros((1, rows, 4), np.float32)
    values[0, : len(boxes)] = boxes
    return values


def scores_of_queries(first):
    """Of 20 queries and four classes: these of the first one, else the last class."""
    values = np.full((1, 20, 4), (0.02, 0.02, 0.01, 0.95), np.float32)
    values[0, 0] = first
    return values


@pytest.mark.parametrize(
    ('scores', 'settings', 'wanted'),
    [
        pytest.param(
            scores_of_queries((0.05, 0.05, 0.8, 0.1)), {}, [('detr', 2, 0.8)], id='softmax'
        ),
        pytest.param(
            scores_of_queries((0.05, 0.05, 0.8, 0.1)),
            {'layout': 'detr'},
            [('detr', 2, 0.8)],
            id='softmax_as_set',
        ),
        pytest.param(
            scores_of_queries((0.05, 0.05, 0.8, 0.1)),
            {'class_names': ('a', 'b', 'c', 'd')},
            [('rt_detr', 3, 0.95)] * 19 + [('rt_detr', 2, 0.8)],
            id='softmax_of_names',
        ),
        pytest.param(
            scores_of_queries((0.0, 0.0, 1.0, 0.0)) * np.float32(0.9),
            {'layout': 'detr'},
            [],  # the best is softmax(0, 0, 0.9, 0): 0.45
            id='small_logits_as_set',
        ),
        pytest.param(
            scores_of_queries((0.1, 0.6, 0.8, 0.7)) * np.float32([1, 1, 1, 0.4]),
            {},
            [('rt_detr', 2, 0.8), ('rt_detr', 1, 0.6)],
            id='sigmoid',
        ),
    ],
)
def test_scores_of_queries_that_the_network_computes(tmp_path, scores, settings, wanted):
    boxes = np.full((1, 20, 4), 0.5, np.float32)
    path = constant_model(
        tmp_path / 'my.onnx', {'boxes': boxes, 'scores': scores}, size_wh=(320, 320)
    )
    with open_model(path, overrides=ModelInfo(**settings)) as model:
        found = model.postprocess(*run(model), OPTIONS)
        assert [
            (model.layout.family, int(class_id), pytest.approx(score, abs=1e-3))
            for class_id, score in zip(found.class_id, found.score, strict=True)
        ] == wanted
        assert model.layout.class_count == (3 if model.layout.family == 'detr' else 4)


def test_a_single_score_leaves_no_class_beside_no_object(tmp_path):
    outputs = {'boxes': np.full((1, 20, 4), 0.5, np.float32), 'scores': np.ones((1, 20, 1))}
    outputs['scores'] = outputs['scores'].astype(np.float32)
    path = constant_model(tmp_path / 'my.onnx', outputs, size_wh=(320, 320))
    with pytest.raises(ModelError, match=r"layout is 'detr', and .*my\.onnx gives 'boxes'"):
        open_model(path, overrides=ModelInfo(layout='detr'))


BOX = (100, 50, 200, 150)
#: What a suppression in a network leaves of a box of class 3, however it is written.
SUPPRESSED = [
    pytest.param(
        {
            'num_dets': np.int32([[1]]),
            'det_boxes': plain([BOX, (0, 0, 300, 300)]),
            'det_scores': np.float32([[0.9, 0.8] + [0] * 18]),
            'det_classes': np.int32([[3, 1] + [0] * 18]),
        },
        id='efficient_nms',
    ),
    pytest.param(
        {
            'dets': np.concatenate(
                (plain([BOX]), np.float32([0.9] + [0] * 19).reshape(1, 20, 1)), -1
            ),
            'labels': np.int64([[3] + [0] * 19]),
        },
        id='mmdetection',
    ),
    pytest.param(
        {
            'boxes': plain([BOX], rows=1)[0],
            'labels': np.int64([3]),
            'scores': np.float32([0.9]),
        },
        id='torchvision',
    ),
    pytest.param({'output': np.float32([[0, *BOX, 3, 0.9]])}, id='yolov7'),
    pytest.param(
        {
            'labels': np.int64([[3] + [0] * 19]),
            'boxes': plain([np.array(BOX) / 320]),
            'scores': np.float32([[0.9] + [0] * 19]),
        },
        id='fractions',
    ),
]


@pytest.mark.parametrize('outputs', SUPPRESSED)
def test_what_is_suppressed_already(tmp_path, outputs):
    path = constant_model(tmp_path / 'my.onnx', outputs, size_wh=(320, 320))
    with open_model(path) as model:
        assert model.layout.family == 'suppressed'
        found = model(np.zeros((320, 320, 3), np.uint8))
    assert found.xyxy.tolist() == [pytest.approx(BOX, abs=1e-3)]
    assert found.class_id.tolist() == [3]
    assert found.score.tolist() == pytest.approx([0.9])


@pytest.mark.parametrize('transposed', [False, True], ids=['yolo_nas', 'pp_yoloe'])
def test_boxes_and_scores_of_every_cell(tmp_path, transposed):
    rows = 40 * 40 + 20 * 20 + 10 * 10
    boxes, scores = plain([BOX, np.array(BOX) + 4], rows=rows), np.zeros((1, rows, 5), np.float32)
    scores[0, 0, 3], scores[0, 1, 3] = 0.9, 0.8
    if transposed:
        scores = scores.transpose(0, 2, 1)
    path = constant_model(
        tmp_path / 'my.onnx', {'pred_boxes': boxes, 'pred_scores': scores}, size_wh=(320, 320)
    )
    with open_model(path) as model:
        assert model.layout.family == 'boxes_scores'
        found = model(np.zeros((320, 320, 3), np.uint8))
    assert (found.xyxy.tolist(), found.class_id.tolist()) == ([pytest.approx(BOX)], [3])


class TestUncertain:
    def test_how_many_classes_logits_of_queries_have(self, tmp_path):
        outputs = {
            'logits': np.full((1, 20, 8), -3, np.float32),
            'pred_boxes': np.full((1, 20, 4), 0.5, np.float32),
        }
        path = constant_model(tmp_path / 'my.onnx', outputs)
        with pytest.raises(ParameterError, match=r'set .layout. to rt_detr.*set .layout. to detr'):
            open_model(path)
        for layout, count in (('rt_detr', 8), ('detr', 7)):
            with open_model(path, overrides=ModelInfo(layout=layout)) as model:
                assert (model.layout.family, model.layout.class_count) == (layout, count)
        for count, layout in ((8, 'rt_detr'), (7, 'detr')):
            names = tuple(f'name_{index}' for index in range(count))
            with open_model(path, overrides=ModelInfo(class_names=names)) as model:
                assert model.layout.family == layout

    def test_a_layout_that_outputs_do_not_have(self, tmp_path):
        path = constant_model(tmp_path / 'my.onnx', [np.zeros((1, 84, 8400), np.float32)])
        for layout in ('rt_detr', 'detr', 'boxes_scores', 'suppressed'):
            with pytest.raises(ModelError, match=f"layout is '{layout}'"):
                open_model(path, overrides=ModelInfo(layout=layout))


class TestDamage:
    @pytest.mark.parametrize('value', [np.nan, np.inf])
    @pytest.mark.parametrize('name', ['logits', 'pred_boxes'])
    def test_values_that_are_none(self, tmp_path, name, value):
        outputs = {
            'logits': np.full((1, 20, 80), 3, np.float32),
            'pred_boxes': np.full((1, 20, 4), 0.5, np.float32),
        }
        outputs['logits'][0, 3, 0] = 4
        path = constant_model(tmp_path / 'my.onnx', outputs)
        with open_model(path) as model:
            tensor, transform = model.preprocess(IMAGE)
            damaged = [np.array(each) for each in model.infer(tensor)]
            damaged[list(outputs).index(name)][0, 3, 2] = value
            with pytest.raises(ModelError, match='NaN or infinite'):
                model.postprocess(damaged, transform)

    def test_nothing_is_found(self, tmp_path):
        outputs = {
            'logits': np.full((1, 20, 80), -9, np.float32),
            'pred_boxes': np.full((1, 20, 4), 0.5, np.float32),
        }
        with open_model(constant_model(tmp_path / 'my.onnx', outputs)) as model:
            found = model(IMAGE)
        assert (found.xyxy.shape, found.score.shape) == ((0, 4), (0,))
