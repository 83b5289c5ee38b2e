"""Exports of many networks: each is read as its framework reads it, or refused."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from onnx_models import constant_model

from jetson_perception.engines import open_engine
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.models import open_model
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.network_outputs import NetworkOutputs
from jetson_perception.tasks.other_networks import other_network

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
    if 'oriented' in wanted[0]:
        assert np.abs(found.oriented - [each['oriented'] for each in wanted]).max() < 0.001
    if 'keypoints' in wanted[0]:
        assert np.abs(found.keypoints - [each['keypoints'] for each in wanted]).max() < 0.01


#: Name, layout.
READ = [
    ('rt_detr_hugging_face', 'rt_detr'),
    ('d_fine_hugging_face', 'rt_detr'),
    ('rt_detr_v2_hugging_face', 'rt_detr'),
    ('conditional_detr_hugging_face', 'rt_detr'),
    ('yolos_hugging_face', 'detr'),
    ('detr_hugging_face', 'detr'),
    ('rf_detr', 'rt_detr'),
    ('rt_detr_ultralytics', 'rt_detr'),
    ('rt_detr_ultralytics_8_3', 'rt_detr'),
    ('rt_detr_documented', 'suppressed'),
    ('d_fine_documented', 'suppressed'),
    ('deim_documented', 'suppressed'),
    ('nanodet', 'nanodet'),
    ('nanodet_plus', 'nanodet'),
    ('nanodet_plus_rectangular', 'nanodet'),
    ('nanodet_strides', 'nanodet'),
    ('nanodet_strides_maps', 'nanodet'),
    ('picodet_strides', 'picodet'),
    ('picodet_strides_transposed', 'picodet'),
    ('yolov6', 'yolox'),
    ('yolov6_small', 'yolox'),
    ('yolo_nas', 'boxes_scores'),
    ('yolo_nas_small', 'boxes_scores'),
    ('pp_yoloe_documented', 'suppressed'),
    ('pp_yolo_documented', 'suppressed'),
    ('pp_yoloe_without_nms_documented', 'boxes_scores'),
    ('yolov7_end_to_end', 'suppressed'),
    ('yolov7_grid', 'objectness'),
    ('yolov5_grid', 'objectness'),
    ('yolov8_ultralytics', 'anchor_free'),
    ('yolo11_ultralytics_rectangular', 'anchor_free'),
    ('yolov8_ultralytics_with_nms', 'end_to_end'),
    ('yolov8_pose_ultralytics', 'anchor_free'),
    ('yolov10_ultralytics', 'end_to_end'),
    ('yolo26_ultralytics', 'end_to_end'),
    ('yolov8_obb_ultralytics', 'oriented'),
    ('yolo11_obb_ultralytics_rectangular', 'oriented'),
    ('yolo26_obb_ultralytics', 'oriented'),
    ('movenet_lightning_documented', 'movenet'),
    ('movenet_thunder_documented', 'movenet'),
    ('movenet_multipose_documented', 'movenet'),
    ('tf_ssd_documented', 'suppressed'),
    ('tf_onnx_zoo_ssd_documented', 'suppressed'),
    ('tf_all_outputs_documented', 'suppressed'),
    ('efficient_nms_documented', 'suppressed'),
    ('mmdetection_documented', 'suppressed'),
    ('torchvision_documented', 'suppressed'),
    ('onnx_zoo_ssd_documented', 'suppressed'),
    ('nms_centers', 'selected'),
    ('nms_keras_yolov3', 'selected'),
]
_YOLOV5 = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
_YOLOV7 = (12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401)
#: Name, what has to be set, and what the error says of it.
READ_AFTER_A_PARAMETER = [
    ('yolox', {'layout': 'yolox'}, "set 'layout' to yolox"),
    ('yolox_decoded', {'layout': 'yolox'}, "set 'layout' to yolox"),
    ('centernet', {'layout': 'centernet'}, "set 'layout' to centernet"),
    ('centernet_small', {'layout': 'centernet'}, "set 'layout' to centernet"),
    ('nanodet_plus_strides', {'layout': 'nanodet'}, "NanoDet-Plus: set 'layout' to nanodet"),
    ('picodet_strides_unnamed', {'layout': 'picodet'}, "PicoDet: set 'layout' to picodet"),
    ('yolov7_raw', {'anchors': _YOLOV7}, r"set 'anchors' .*\[12, 16, .* \(YOLOv7\)"),
    ('yolov5_raw', {'anchors': _YOLOV5}, r"set 'anchors' .*\[10, 13, .* \(YOLOv5"),
    ('nms_corners', {'box_format': 'xyxy'}, "set 'box_format': xyxy"),
]


@pytest.mark.parametrize(('name', 'layout'), READ)
def test_read_with_nothing_set(name, layout):
    with open_model(DATA / f'{name}.onnx') as model:
        assert model.layout.family == layout
        check(model.postprocess(*run(model), OPTIONS), name)


@pytest.mark.parametrize(('name', 'settings', 'text'), READ_AFTER_A_PARAMETER)
def test_read_after_the_parameter_that_the_error_names(name, settings, text):
    path = DATA / f'{name}.onnx'
    with pytest.raises(ParameterError, match=text):
        open_model(path)
    with open_model(path, overrides=ModelInfo(**settings)) as model:
        check(model.postprocess(*run(model), OPTIONS), name)


#: Name, meaning of its values.
DEPTH = [
    ('yolo26_depth_ultralytics', 'metric'),
    ('yolo26_depth_ultralytics_rectangular', 'metric'),
    ('depth_anything_v2', 'inverse'),
    ('depth_anything_v2_hugging_face', 'inverse'),
]


@pytest.mark.parametrize(('name', 'meaning'), DEPTH)
def test_depth_read_with_nothing_set(name, meaning):
    with open_model(DATA / f'{name}.onnx') as model:
        check_depth(model, name, meaning)


def test_depth_read_after_the_parameter_that_the_error_names():
    path = DATA / 'depth_anything_v2_unnamed.onnx'
    with pytest.raises(ParameterError, match=r"set 'task' to depth .*, or 'output' to logits"):
        open_model(path)
    with open_model(path, overrides=ModelInfo(task='depth')) as model:
        check_depth(model, path.stem, 'inverse')


def check_depth(model, name, meaning):
    found = model(np.zeros((48, 64, 3), np.uint8))
    assert found.meaning == meaning
    # PyTorch rounds places to float32, a 1e-6 of the way from one value to the next.
    assert np.abs(found.values - np.load(DATA / f'{name}.npy')).max() < 2e-4


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
    pytest.param({'depth': (1, 20)}, 'depth that is no map of the image', id='depth_of_objects'),
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
    pytest.param(
        {'heatmap_2': (1, 20, 20, 17), 'offset_2': (1, 20, 20, 34)},
        'heatmaps of keypoints',
        id='posenet',
    ),
    pytest.param(
        {'upscaled_confs': (1, 320, 320, 16)}, 'heatmaps of keypoints', id='efficientpose'
    ),
    pytest.param(
        {'offsets': (1, 160, 160, 4), 'scores': (1, 160, 160, 1)},
        'offsets of points or lines',
        id='m_lsd',
    ),
    pytest.param({'landmarks': (1, 468)}, 'landmarks', id='landmarks'),
    pytest.param(
        {
            'scores': (1, 512, 1),
            'more_scores': (1, 384, 1),
            'boxes': (1, 512, 16),
            'more_boxes': (1, 384, 16),
        },
        'raw scores and boxes of each scale .*export it with its decoding',
        id='blazeface_of_two_scales',
    ),
    pytest.param(
        {'boxes': (1, 896, 16), 'scores': (1, 896, 1)},
        'raw scores, boxes and keypoints of anchors',
        id='blazeface',
    ),
    pytest.param({'rows': (1, 2254, 13)}, 'raw scores, boxes and keypoints', id='blazepose'),
    pytest.param(
        {
            f'{what}_{rows}': (1, rows, columns)
            for what, columns in (('scores', 10), ('sides', 32))
            for rows in (1600, 400, 100, 25)
        },
        'raw scores and boxes of each scale',
        id='sides_of_strides_that_are_probabilities',
    ),
    pytest.param(
        {
            f'{what}_{stride}': (rows, columns)
            for what, columns in (('score', 1), ('bbox', 4), ('kps', 10))
            for stride, rows in ((8, 3200), (16, 800), (32, 200))
        },
        'raw scores and boxes of each scale',
        id='scrfd',
    ),
    pytest.param(
        {'loc': (1, 4200, 4), 'conf': (1, 4200, 2), 'landms': (1, 4200, 10)},
        'landmarks',
        id='retinaface',
    ),
    pytest.param(
        {'a': (1, 4200, 4), 'b': (1, 4200, 2), 'c': (1, 4200, 10)},
        'raw scores, boxes and landmarks of anchors',
        id='retinaface_without_names',
    ),
]


@pytest.mark.parametrize(('shapes', 'what'), REFUSED)
def test_refused(tmp_path, shapes, what):
    outputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    path = constant_model(tmp_path / 'my.onnx', outputs, size_wh=(320, 320))
    with pytest.raises(ModelError, match=what):
        open_model(path)


@pytest.mark.parametrize(
    ('shape', 'size_wh', 'what'),
    [
        pytest.param((1, 40, 6625), (320, 48), 'a line of text', id='pp_ocr'),
        pytest.param((20, 1, 8210), (160, 64), 'a line of text', id='recurrent_network'),
        pytest.param((1, 17, 64, 48), (192, 256), 'heatmaps of keypoints', id='hrnet'),
    ],
)
def test_refused_for_its_input(tmp_path, shape, size_wh, what):
    path = constant_model(tmp_path / 'my.onnx', [np.zeros(shape, np.float32)], size_wh=size_wh)
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
        pytest.param({'logits': (1, 17, 80, 80)}, id='seventeen_classes'),
        pytest.param(
            {'result': (1, 1, 320, 320), 'inner': (1, 64, 160, 160), 'more': (1, 128, 80, 80)},
            id='isnet',
        ),
    ],
)
def test_segmentation_networks_of_several_outputs(shapes):
    """They are none of those that are refused."""
    arrays = [np.zeros(shape, np.float32) for shape in shapes.values()]
    assert other_network(NetworkOutputs(list(shapes), arrays, (320, 320))) == ''


@pytest.mark.parametrize(
    ('name', 'shape', 'what'),
    [
        pytest.param('/head/offset_conv/Conv_output_0', (1, 19, 80, 80), '', id='path'),
        pytest.param('/depthwise/Conv_output_0', (1, 19, 80, 80), '', id='depthwise'),
        pytest.param('overflow', (1, 19, 80, 80), '', id='part_of_a_word'),
        pytest.param('confs', (1, 6300, 80), '', id='confs_of_anchors'),
        pytest.param('confs', (1, 6300, 1, 80), '', id='confs_of_anchors_in_four_axes'),
        pytest.param('confs', (1, 80, 1, 1), '', id='confs_of_the_image'),
        pytest.param('pass3_confs', (1, 16, 80, 80), 'heatmaps of keypoints', id='of_places'),
        pytest.param('/head/flow', (1, 2, 80, 80), 'optical flow', id='last_of_a_path'),
        pytest.param('predFlow2:0', (1, 2, 80, 80), 'optical flow', id='camel_case'),
        pytest.param('SimCC_x', (1, 17, 384), 'heatmaps of keypoints', id='capitals'),
        pytest.param('last_hidden_states', (1, 50, 384), 'features', id='several_words'),
    ],
)
def test_words_of_names(name, shape, what):
    arrays = [np.zeros(shape, np.float32)]
    assert other_network(NetworkOutputs([name], arrays, (320, 320))) == what


@pytest.mark.parametrize('task', ['', 'detect'])
@pytest.mark.parametrize('names', [('boxes', 'confs'), ('confs', 'boxes')], ids='-'.join)
def test_boxes_and_confs_of_anchors_are_no_heatmaps(tmp_path, names, task):
    """As pytorch-YOLOv4 names them; its 80 scores are not read as boxes of 75 classes."""
    shapes = {'boxes': (1, 10647, 1, 4), 'confs': (1, 10647, 80)}
    outputs = {name: np.zeros(shapes[name], np.float32) for name in names}
    path = constant_model(tmp_path / 'my.onnx', outputs, size_wh=(416, 416))
    with pytest.raises(ModelError, match='boxes of anchors apart from their scores'):
        open_model(path, overrides=ModelInfo(task=task))


def rows_with(shape, scores, *, last):
    """Zeros but for scores: one a row in the last axis, or all that follow a box in the other."""
    values = np.zeros(shape, np.float32)
    if last:
        values[..., 4] = scores
    else:
        values[:, 4:] = scores
    return values


class TestScoresThatAreNone:
    @pytest.mark.parametrize(
        ('rows', 'text'),
        [
            pytest.param(rows_with((1, 84, 2100), -6.0, last=False), 'from -6 to -6', id='logits'),
            pytest.param(
                rows_with((1, 6300, 85), -6.0, last=True), 'from -6 to 0', id='objectness'
            ),
            pytest.param(rows_with((1, 300, 6), 120.0, last=True), 'from 120 to 120', id='rows'),
        ],
    )
    def test_refused(self, tmp_path, rows, text):
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with pytest.raises(ModelError, match=f'scores are {text}, not from 0 to 1'):
            open_model(path)

    def test_read_after_the_setting_that_the_error_names(self, tmp_path):
        rows = rows_with((1, 84, 2100), -6.0, last=False)
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with pytest.raises(ModelError, match="'layout' to anchor_free"):
            open_model(path)
        with open_model(path, overrides=ModelInfo(layout='anchor_free')) as model:
            assert model.layout.class_count == 80

    @pytest.mark.parametrize('found', [0, 2], ids=['nothing', 'two'])
    @pytest.mark.parametrize('filling', [[-1] * 6, [0, 0, 0, 0, -1, -1]], ids=str)
    def test_rows_that_are_not_used_are_read(self, tmp_path, found, filling):
        rows = np.full((1, 300, 6), filling, np.float32)
        rows[0, :found] = *BOX, 0.9, 3
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with open_model(path) as model:
            assert model.layout.family == 'end_to_end'
            assert len(model(np.zeros((320, 320, 3), np.uint8))) == found

    @pytest.mark.parametrize('filling', [-0.9, -1.1], ids=str)
    def test_other_scores_below_0_are_no_filling(self, tmp_path, filling):
        rows = rows_with((1, 300, 6), filling, last=True)
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with pytest.raises(ModelError, match='its scores are from'):
            open_model(path)

    @pytest.mark.parametrize('score', [-0.005, 1.005, np.nan], ids=str)
    def test_rounded_and_broken_ones_are_read(self, tmp_path, score):
        """What is not finite is told with the frame that it came from."""
        rows = rows_with((1, 84, 2100), score, last=False)
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with open_model(path) as model:
            assert model.layout.family == 'anchor_free'


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
        {'output': np.float32([[0, *BOX, 3, 0.9], [0, *BOX, 1, 0.1], *[[-1] * 7] * 98])},
        id='padded',
    ),
    pytest.param(
        {'output': np.float32([[0, *BOX, 3, 0.9], *[[0, 0, 0, 0, 0, -1, 0]] * 9])},
        id='padded_by_class',
    ),
    pytest.param(
        {'output': np.float32([[0, *BOX, 3, 0.9], *[[-1, 0, 0, 0, 0, 0, 0]] * 9])},
        id='padded_by_image',
    ),
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


@pytest.mark.parametrize(
    'row', [[-1] * 7, [-1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, -1, 0], [0] * 7], ids=str
)
def test_the_only_row_of_a_suppression_may_be_unused(tmp_path, row):
    path = constant_model(tmp_path / 'my.onnx', [np.float32([row])], size_wh=(320, 320))
    with open_model(path) as model:
        assert model.layout.family == 'suppressed'
        assert len(model(np.zeros((320, 320, 3), np.uint8))) == 0


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


@pytest.mark.parametrize('transposed', [False, True], ids=['yolo_nas', 'pp_yoloe'])
def test_a_box_of_several_classes(tmp_path, transposed):
    """As multi_label_per_box of YOLO-NAS and multiclass_nms of PaddleDetection give it."""
    rows = 40 * 40 + 20 * 20 + 10 * 10
    boxes, scores = plain([BOX, np.array(BOX) + 4], rows=rows), np.zeros((1, rows, 5), np.float32)
    scores[0, 0, 3], scores[0, 0, 1], scores[0, 1, 1] = 0.9, 0.7, 0.6
    if transposed:
        scores = scores.transpose(0, 2, 1)
    path = constant_model(
        tmp_path / 'my.onnx', {'pred_boxes': boxes, 'pred_scores': scores}, size_wh=(320, 320)
    )
    with open_model(path) as model:
        found = model(np.zeros((320, 320, 3), np.uint8))
        agnostic = model.postprocess(*run(model), DetectionOptions(class_agnostic=True))
    assert found.xyxy.tolist() == [pytest.approx(BOX)] * 2
    assert found.class_id.tolist() == [3, 1]
    assert found.score.tolist() == pytest.approx([0.9, 0.7])
    assert agnostic.class_id.tolist() == [3]


def oriented_rows(angles, *, classes=2, size=320):
    """(1, 4 + classes + 1, A), with one likely box, before its metadata is lost."""
    count = sum((size // stride) ** 2 for stride in (8, 16, 32))
    rows = np.zeros((count, 5 + classes), np.float32)
    rows[:, :4] = 160, 160, 40, 20
    rows[3, 4 + 1] = 0.9
    rows[:, -1] = np.resize(angles, count)
    return rows.T[None]


class TestOrientedBoxesWithoutATask:
    @pytest.mark.parametrize('last', [False, True], ids=['channels_first', 'channels_last'])
    @pytest.mark.parametrize(
        'angles', [(0.3, -0.2), (0.3, 2.1), (-0.7, 2.3)], ids=['below_0', 'above_1', 'both']
    )
    def test_angles_are_no_scores(self, tmp_path, angles, last):
        rows = oriented_rows(angles)
        rows = rows.transpose(0, 2, 1) if last else rows
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with open_model(path) as model:
            assert (model.layout.family, model.layout.class_count) == ('oriented', 2)
            found = model(np.zeros((320, 320, 3), np.uint8))
        assert found.class_id.tolist() == [1]
        assert found.oriented[0].tolist() == pytest.approx([160, 160, 40, 20, angles[1]])

    def test_end_to_end(self, tmp_path):
        rows = np.zeros((1, 300, 7), np.float32)
        rows[0, 0] = 160, 160, 40, 20, 0.9, 1, 0.5
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with open_model(path) as model:
            assert model.layout.family == 'oriented'
            found = model(np.zeros((320, 320, 3), np.uint8))
        assert found.oriented[0].tolist() == pytest.approx([160, 160, 40, 20, 0.5])

    def test_what_may_be_scores_as_well(self, tmp_path):
        path = constant_model(tmp_path / 'my.onnx', [oriented_rows([0.78])], size_wh=(320, 320))
        text = r"2 classes and an angle \(set 'task' to obb\) or of 3 classes"
        with pytest.raises(ParameterError, match=text) as error:
            open_model(path)
        assert error.value.parameter == 'task'
        for task, family, count in (('obb', 'oriented', 2), ('detect', 'anchor_free', 3)):
            with open_model(path, overrides=ModelInfo(task=task)) as model:
                assert (model.layout.family, model.layout.class_count) == (family, count)

    @pytest.mark.parametrize(
        ('names', 'layout'), [('ab', ('oriented', 2)), ('abc', ('anchor_free', 3))]
    )
    def test_names_tell_as_well(self, tmp_path, names, layout):
        path = constant_model(tmp_path / 'my.onnx', [oriented_rows([0.78])], size_wh=(320, 320))
        with open_model(path, overrides=ModelInfo(class_names=tuple(names))) as model:
            assert (model.layout.family, model.layout.class_count) == layout

    def test_a_name_too_few_for_scores(self, tmp_path):
        path = constant_model(tmp_path / 'my.onnx', [oriented_rows([0.0])], size_wh=(320, 320))
        with pytest.raises(ModelError, match=r'hold 3 classes .* with 2 names'):
            open_model(path, overrides=ModelInfo(class_names=('a', 'b')))

    @pytest.mark.parametrize('last', [0.0, 0.05, 0.9], ids=str)
    def test_scores_stay_scores(self, tmp_path, last):
        """One likely box of the last class among many that are not."""
        rows = oriented_rows([0.0])
        rows[0, -1, 7] = last
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with open_model(path) as model:
            assert (model.layout.family, model.layout.class_count) == ('anchor_free', 3)

    @pytest.mark.parametrize('value', [np.nan, np.inf], ids=str)
    def test_values_that_are_no_angles(self, tmp_path, value):
        rows = oriented_rows([value])
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with open_model(path) as model:
            assert model.layout.family == 'anchor_free'

    def test_values_that_are_neither_angles_nor_scores(self, tmp_path):
        rows = oriented_rows([400.0])
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with pytest.raises(ModelError, match='its scores are from 0 to 400, not from 0 to 1'):
            open_model(path)


class TestUncertain:
    @pytest.mark.parametrize('classes', [8, 12, 14])
    @pytest.mark.parametrize('size_wh', [(384, 256), (512, 192)], ids=str)
    def test_yolox_with_as_many_cells_as_blazepalm_has_anchors(self, tmp_path, size_wh, classes):
        rows = np.zeros((1, 2016, 5 + classes), np.float32)
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=size_wh)
        with pytest.raises(ParameterError, match=r"set 'layout' to yolox.* to anchor_free"):
            open_model(path)

    def test_three_rows_a_cell_with_as_many_as_blazepalm_has(self, tmp_path):
        path = constant_model(
            tmp_path / 'my.onnx', [np.zeros((1, 2016, 13), np.float32)], size_wh=(256, 128)
        )
        with open_model(path) as model:
            assert (model.layout.family, model.layout.class_count) == ('objectness', 8)

    @pytest.mark.parametrize(
        ('shape', 'side'),
        [
            pytest.param((1, 896, 17), 128, id='face'),
            pytest.param((1, 2016, 19), 192, id='palm'),
            pytest.param((1, 2254, 13), 224, id='person'),
            pytest.param((1, 2944, 19), 256, id='large_palm'),
        ],
    )
    def test_mediapipe_at_its_own_size_is_refused(self, tmp_path, shape, side):
        path = constant_model(
            tmp_path / 'my.onnx', [np.zeros(shape, np.float32)], size_wh=(side, side)
        )
        with pytest.raises(ModelError, match='raw scores, boxes and keypoints of anchors'):
            open_model(path)

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

    @pytest.mark.parametrize('name', ['rt_detr_ultralytics', 'rt_detr_ultralytics_8_3'])
    def test_scores_of_rt_detr_are_no_logits_of_detr(self, name):
        with pytest.raises(ModelError, match="layout is 'detr', and"):
            open_model(DATA / f'{name}.onnx', overrides=ModelInfo(layout='detr'))

    def test_where_boxes_have_no_scale(self, tmp_path):
        """A black image may give no box that tells, and the first that does decides."""
        outputs = {
            'boxes': np.zeros((1, 20, 4), np.float32),
            'labels': np.zeros((1, 20), np.int64),
            'scores': np.zeros((1, 20), np.float32),
        }
        path = constant_model(tmp_path / 'my.onnx', outputs, size_wh=(320, 320))
        with open_model(path) as model:
            tensor, transform = model.preprocess(np.zeros((320, 320, 3), np.uint8))
            found = [np.array(each) for each in model.infer(tensor)]
            found[2][0, 0] = 0.9
            for scale in (1, 320):
                found[0][0, 0] = np.array(BOX) / scale
                read = model.postprocess(found, transform)
                assert read.xyxy.tolist() == [pytest.approx(BOX, abs=1e-3)]

    def test_which_rows_of_six(self, tmp_path):
        """Pixels are YOLO's, fractions are scaled, and what may be cells is an error."""
        random = np.random.default_rng(0)
        for scale, expected in ((1.0, 'suppressed'), (320.0, 'end_to_end')):
            rows = np.zeros((1, 100, 6), np.float32)
            rows[0, :, :2] = random.uniform(0, 0.5, (100, 2)) * scale
            rows[0, :, 2:4] = rows[0, :, :2] + 0.5 * scale
            rows[0, 0, :5] = *(np.array(BOX) / 320 * scale), 0.9
            path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
            with open_model(path) as model:
                assert model.layout.family == expected
                found = model(np.zeros((320, 320, 3), np.uint8))
                assert found.xyxy[0].tolist() == pytest.approx(BOX, abs=1e-3)
        rows[..., :4] /= 4
        path = constant_model(tmp_path / 'my.onnx', [rows], size_wh=(320, 320))
        with pytest.raises(ParameterError, match=r'to centernet.* to end_to_end') as error:
            open_model(path)
        assert error.value.parameter == 'layout'

    def test_names_of_tensorflow_with_boxes_in_pixels(self, tmp_path):
        outputs = {
            'detection_boxes': plain([BOX]),
            'detection_classes': np.zeros((1, 20), np.float32),
            'detection_scores': np.float32([[0.9] + [0] * 19]),
            'num_detections': np.int32([[1]]),
        }
        path = constant_model(tmp_path / 'my.onnx', outputs, size_wh=(320, 320))
        with pytest.raises(ParameterError, match="set 'box_format': xyxy") as error:
            open_model(path)
        assert error.value.parameter == 'box_format'
        left, top, right, bottom = BOX
        for said, expected in (('xyxy', BOX), ('yxyx', (top, left, bottom, right))):
            with open_model(path, overrides=ModelInfo(box_format=said)) as model:
                found = model(np.zeros((320, 320, 3), np.uint8))
            assert found.xyxy.tolist() == [pytest.approx(expected)]

    @pytest.mark.parametrize('count', [0, 2, 17, 19])
    def test_anchors_that_do_not_fit(self, count):
        with pytest.raises(ParameterError, match='18 numbers') as error:
            open_model(DATA / 'yolov5_raw.onnx', overrides=ModelInfo(anchors=(9.0,) * count))
        assert error.value.parameter == 'anchors'

    def test_nanodet_whose_distributions_may_be_scores(self, tmp_path):
        rows = 40 * 40 + 20 * 20 + 10 * 10
        output = np.full((1, rows, 36), 0.1, np.float32)
        path = constant_model(tmp_path / 'my.onnx', [output], size_wh=(320, 320))
        with pytest.raises(ParameterError, match=r'to yolox.* to anchor_free.* to nanodet'):
            open_model(path)
        with open_model(path, overrides=ModelInfo(layout='nanodet')) as model:
            assert (model.layout.family, model.layout.class_count) == ('nanodet', 4)


def test_an_oriented_box_as_a_record():
    with open_model(DATA / 'yolov8_obb_ultralytics.onnx') as model:
        found = model.postprocess(*run(model), OPTIONS)
        (first, *_) = model.task.record(model, found)['detections']
        wanted = expected('yolov8_obb_ultralytics')[0]['oriented']
        assert [*first['oriented']] == ['x', 'y', 'width', 'height', 'theta']
        assert [*first['oriented'].values()] == pytest.approx(wanted, abs=0.001)


class TestOutputName:
    def named(self, tmp_path):
        rows = np.zeros((1, 300, 6), np.float32)
        rows[0, 0] = *BOX, 0.9, 1
        outputs = {'other': np.zeros((1, 100, 6), np.float32), 'rows': rows}
        return constant_model(tmp_path / 'my.onnx', outputs, size_wh=(320, 320))

    def test_one_of_several(self, tmp_path):
        path = self.named(tmp_path)
        with pytest.raises(ParameterError):
            open_model(path)
        with open_model(path, overrides=ModelInfo(output_name='rows')) as model:
            assert [spec.name for spec in model.engine.outputs] == ['rows']
            found = model(np.zeros((320, 320, 3), np.uint8))
        assert found.xyxy.tolist() == [pytest.approx(BOX)]

    def test_several_in_the_order_of_the_names(self, tmp_path):
        path = self.named(tmp_path)
        with closing(open_engine(path, overrides=ModelInfo(output_name='rows, other'))) as engine:
            assert [each.shape[1] for each in engine.outputs] == [300, 100]
            (first, second) = engine.infer(np.zeros((1, 3, 320, 320), np.float32))
            assert (first.shape, second.shape) == ((1, 300, 6), (1, 100, 6))

    def test_an_unknown_one(self, tmp_path):
        with pytest.raises(ParameterError, match=r"has 'row', .* 'other', 'rows'; did you") as err:
            open_model(self.named(tmp_path), overrides=ModelInfo(output_name='row'))
        assert err.value.parameter == 'output_name'


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

    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize(
        ('name', 'output', 'settings'),
        [
            ('nanodet', 0, {}),
            ('movenet_lightning_documented', 0, {}),
            ('movenet_multipose_documented', 0, {}),
            ('yolov5_raw', 1, {'anchors': _YOLOV5}),
            ('centernet', 0, {'layout': 'centernet'}),
            ('nms_centers', 0, {}),
            ('tf_ssd_documented', 0, {}),
        ],
    )
    def test_of_each_decoder(self, name, output, settings, value):
        with open_model(DATA / f'{name}.onnx', overrides=ModelInfo(**settings)) as model:
            outputs, transform = run(model)
            damaged = [np.array(each) for each in outputs]
            damaged[output].reshape(-1)[:] = value
            with pytest.raises(ModelError, match='NaN or infinite'):
                model.postprocess(damaged, transform, DetectionOptions(score_threshold=0.0))

    @pytest.mark.parametrize(
        ('name', 'output', 'settings'),
        [
            ('movenet_lightning_documented', 0, {}),
            ('yolov5_raw', 1, {'anchors': _YOLOV5}),
        ],
    )
    def test_an_output_of_another_shape(self, name, output, settings):
        with open_model(DATA / f'{name}.onnx', overrides=ModelInfo(**settings)) as model:
            outputs, transform = run(model)
            outputs = list(outputs)
            outputs[output] = outputs[output][..., :-1]
            with pytest.raises(ModelError, match='when the model was loaded'):
                model.postprocess(outputs, transform)

    @pytest.mark.parametrize('row', [(0, 4, 0), (0, -1, 0), (0, 0, 10**6)], ids=str)
    def test_an_index_that_is_none(self, row):
        with open_model(DATA / 'nms_centers.onnx') as model:
            outputs, transform = run(model)
            with pytest.raises(ModelError, match='selects a box or class that the others do not'):
                model.postprocess([*outputs[:2], np.int64([row])], transform)

    @pytest.mark.parametrize('column', [0, 2], ids=['of_another_image', 'filling'])
    def test_indices_that_count_for_nothing(self, column):
        with open_model(DATA / 'nms_centers.onnx') as model:
            outputs, transform = run(model)
            boxes, scores, rows = map(np.array, outputs)
            assert len(model.postprocess([boxes, scores, rows], transform)) == len(rows) > 2
            rows[1:, column] = 1 if column == 0 else -1
            assert len(model.postprocess([boxes, scores, rows], transform)) == 1
            assert len(model.postprocess([boxes, scores, rows[:0]], transform)) == 0

    def test_nobody(self):
        for name in ('movenet_lightning_documented', 'movenet_multipose_documented'):
            with open_model(DATA / f'{name}.onnx') as model:
                outputs, transform = run(model)
                found = model.postprocess([np.zeros_like(outputs[0])], transform)
                assert (len(found), found.keypoints.shape) == (0, (0, 17, 3))
