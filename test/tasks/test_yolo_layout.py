"""What shapes and metadata say of a YOLO network's outputs, and what they leave open."""

import pytest

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.yolo import YoloLayout, recognize_layout

COCO = tuple(f'class {i}' for i in range(80))
PERSON = ('person',)
HUMAN = (17, 3)


def recognize(shapes, network_wh=(640, 640), **info):
    shapes = [shapes] if isinstance(shapes, tuple) else shapes
    return recognize_layout(shapes, ModelInfo(path='my.onnx', **info), network_wh)


@pytest.mark.parametrize(
    ('shape', 'info', 'layout'),
    [
        pytest.param(
            (1, 84, 8400),
            {'task': 'detect', 'class_names': COCO},
            YoloLayout('anchor_free', 80, None, False),
            id='v8',
        ),
        pytest.param((1, 84, 8400), {}, YoloLayout('anchor_free', 80, None, False), id='v8_bare'),
        pytest.param(
            (1, 8400, 84), {}, YoloLayout('anchor_free', 80, None, True), id='v8_transposed'
        ),
        pytest.param(
            (1, 5, 8400),
            {'class_names': PERSON},
            YoloLayout('anchor_free', 1, None, False),
            id='v8_one_class',
        ),
        pytest.param(
            (1, 6, 8400), {}, YoloLayout('anchor_free', 2, None, False), id='two_classes_of_v8'
        ),
        pytest.param(
            (1, 6, 25200), {}, YoloLayout('objectness', 1, None, False), id='v5_transposed'
        ),
        pytest.param((1, 25200, 85), {}, YoloLayout('objectness', 80, None, True), id='v5'),
        pytest.param(
            (1, 25200, 6), {}, YoloLayout('objectness', 1, None, True), id='v5_one_class'
        ),
        pytest.param((1, 300, 6), {}, YoloLayout('end_to_end', 0, None, True), id='v10'),
        pytest.param(
            (1, 300, 6),
            {'task': 'detect', 'class_names': COCO},
            YoloLayout('end_to_end', 80, None, True),
            id='v10_names',
        ),
        pytest.param(
            (1, 300, 57),
            {'task': 'pose', 'class_names': PERSON, 'keypoint_shape': HUMAN},
            YoloLayout('end_to_end', 1, HUMAN, True),
            id='v26_pose',
        ),
        pytest.param(
            (1, 300, 57), {}, YoloLayout('end_to_end', 0, HUMAN, True), id='v26_pose_bare'
        ),
        pytest.param(
            (1, 56, 8400),
            {'task': 'pose', 'class_names': PERSON, 'keypoint_shape': HUMAN},
            YoloLayout('anchor_free', 1, HUMAN, False),
            id='v8_pose',
        ),
        pytest.param(
            (1, 8400, 56),
            {'keypoint_shape': HUMAN},
            YoloLayout('anchor_free', 1, HUMAN, True),
            id='pose_by_its_keypoint_shape',
        ),
        pytest.param(
            (1, 135, 8400),
            {'task': 'pose', 'keypoint_shape': HUMAN},
            YoloLayout('anchor_free', 80, HUMAN, False),
            id='pose_of_80_classes',
        ),
        pytest.param(
            (1, 13, 8400),
            {'task': 'pose', 'class_names': PERSON, 'keypoint_shape': (4, 2)},
            YoloLayout('anchor_free', 1, (4, 2), False),
            id='keypoints_without_score',
        ),
        pytest.param(
            (1, 56, 8400),
            {'task': 'pose', 'class_names': PERSON},
            YoloLayout('anchor_free', 1, HUMAN, False),
            id='keypoints_counted_from_names',
        ),
        pytest.param(
            (1, 56, 8400),
            {'task': 'detect'},
            YoloLayout('anchor_free', 52, None, False),
            id='56_rows_that_detect',
        ),
        pytest.param(
            (1, 56, 8400),
            {'class_names': COCO[:52]},
            YoloLayout('anchor_free', 52, None, False),
            id='56_rows_with_52_names',
        ),
        pytest.param(
            [(1, 116, 8400), (1, 32, 160, 160)],
            {'task': 'segment', 'class_names': COCO},
            YoloLayout('anchor_free', 80, None, False, 0, 32, 1),
            id='v8_seg',
        ),
        pytest.param(
            [(1, 116, 8400), (1, 32, 160, 160)],
            {},
            YoloLayout('anchor_free', 80, None, False, 0, 32, 1),
            id='v8_seg_bare',
        ),
        pytest.param(
            [(1, 32, 160, 160), (1, 8400, 37)],
            {'class_names': PERSON},
            YoloLayout('anchor_free', 1, None, True, 1, 32, 0),
            id='v8_seg_prototypes_first',
        ),
        pytest.param(
            [(1, 70, 8400), (1, 64, 160, 160)],
            {'task': 'segment'},
            YoloLayout('anchor_free', 2, None, False, 0, 64, 1),
            id='64_prototypes',
        ),
        pytest.param(
            [(1, 25200, 117), (1, 32, 160, 160)],
            {},
            YoloLayout('objectness', 80, None, True, 0, 32, 1),
            id='v5_seg',
        ),
        pytest.param(
            [(1, 300, 38), (1, 32, 160, 160)],
            {'task': 'segment', 'class_names': COCO},
            YoloLayout('end_to_end', 80, None, True, 0, 32, 1),
            id='v26_seg',
        ),
        pytest.param(
            [(1, 300, 38), (1, 32, 160, 160)],
            {},
            YoloLayout('end_to_end', 0, None, True, 0, 32, 1),
            id='v26_seg_bare',
        ),
        pytest.param(
            [(1, 84, 8400), (1, 64, 160, 160)],
            {'task': 'detect', 'class_names': COCO},
            YoloLayout('anchor_free', 80, None, False),
            id='names_prove_that_a_feature_map_is_no_prototype',
        ),
        pytest.param(
            [(1, 25200, 6), (1, 2, 640, 640)],
            {},
            YoloLayout('objectness', 1, None, True),
            id='a_mask_of_the_road_is_no_prototype',
        ),
    ],
)
def test_recognized(shape, info, layout):
    assert recognize(shape, **info) == layout


@pytest.mark.parametrize(
    ('network_wh', 'shape', 'family'),
    [
        ((320, 320), (1, 22, 2100), 'anchor_free'),
        ((640, 384), (1, 84, 5040), 'anchor_free'),
        ((640, 384), (1, 15120, 85), 'objectness'),
        ((1280, 1280), (1, 84, 34000), 'anchor_free'),
        ((1280, 1280), (1, 102000, 85), 'objectness'),  # with a fourth stride of 64
        ((640, 640), (1, 84, 34000), 'anchor_free'),  # with a fourth stride of 4
        ((640, 640), (1, 84, 2000), 'anchor_free'),  # strides 16 and 32 alone
    ],
)
def test_anchors_are_counted_for_the_inputs_size(network_wh, shape, family):
    assert recognize(shape, network_wh).family == family


def test_the_decoded_output_is_found_among_raw_heads():
    shapes = [(1, 3, 80, 80, 85), (1, 3, 40, 40, 85), (1, 3, 20, 20, 85), (1, 25200, 85)]
    assert recognize(shapes) == YoloLayout('objectness', 80, None, True, output=3)


def test_prototypes_are_found_for_the_inputs_size():
    layout = recognize([(1, 116, 5040), (1, 32, 96, 160)], (640, 384))
    assert layout == YoloLayout('anchor_free', 80, None, False, 0, 32, 1)


def test_two_numbers_of_coefficients_are_ambiguous():
    shapes = [(1, 116, 8400), (1, 32, 160, 160), (1, 64, 160, 160)]
    with pytest.raises(
        ParameterError, match=r'80 classes and 32 .*, or 48 classes and 64'
    ) as caught:
        recognize(shapes)
    assert caught.value.parameter == 'class_names'
    layout = recognize(shapes, class_names=COCO[:48])
    assert (layout.class_count, layout.coefficient_count, layout.prototypes) == (48, 64, 2)


def test_an_unusual_number_of_anchors_is_taken_when_the_layout_is_given():
    layout = recognize((1, 84, 9999), layout='anchor_free')
    assert layout == YoloLayout('anchor_free', 80, None, False)
    layout = recognize((1, 1200, 6), layout='end_to_end')
    assert layout == YoloLayout('end_to_end', 0, None, True)


@pytest.mark.parametrize(
    ('shape', 'info', 'parameter', 'text'),
    [
        pytest.param(
            (1, 56, 8400),
            {},
            'task',
            r'may hold 52 classes \(anchor_free\), or 1 class with 17 keypoints of 3 '
            r"\(anchor_free\); set 'task': detect or pose",
            id='52_classes_or_a_pose',
        ),
        pytest.param(
            (1, 135, 8400),
            {},
            'task',
            r'may hold 131 classes \(anchor_free\), or 80 classes with 17 keypoints of 3 '
            r"\(anchor_free\); set 'task': detect or pose",
            id='131_classes_or_a_pose_of_80',
        ),
        pytest.param(
            (1, 56, 8400), {'task': 'pose'}, 'keypoint_shape', 'keypoints per object', id='pose'
        ),
        pytest.param(
            (1, 8400, 1 << 31),
            {'task': 'pose'},
            'keypoint_shape',
            'keypoints per object',
            id='pose_of_any_number_of_values',
        ),
        pytest.param(
            (1, 17, 8400),
            {'task': 'pose', 'class_names': PERSON},
            'keypoint_shape',
            'with 6 keypoints of 2 .*or 1 class with 4 keypoints of 3',
            id='12_values_of_keypoints',
        ),
        pytest.param(
            (1, 300, 12), {}, 'keypoint_shape', '3 keypoints of 2 .* 2 keypoints of 3', id='e2e'
        ),
        pytest.param(
            (1, 84, 9999),
            {},
            'layout',
            r'no number of anchors that is known for a 640×640 input, .* of a YOLO with other '
            r"strides; if so, set 'layout' to one of objectness, anchor_free, end_to_end",
            id='unknown_anchors',
        ),
        pytest.param(
            (1, 84, 8400), {'layout': 'v8'}, 'layout', "'v8'; choose one of objectness", id='name'
        ),
        pytest.param(
            (1, 84, 8400),
            {'keypoint_shape': (17, 4)},
            'keypoint_shape',
            r'\(17, 4\); give the number',
            id='four_values',
        ),
    ],
)
def test_ambiguous_shapes_name_the_parameter_to_set(shape, info, parameter, text):
    with pytest.raises(ParameterError, match=text) as caught:
        recognize(shape, **info)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ('shapes', 'info', 'text'),
    [
        pytest.param([], {}, 'not those of a YOLO detector', id='no_outputs'),
        pytest.param((1, 1000), {}, r'\(1, 1000\) of my.onnx are not those', id='classifier'),
        pytest.param((1, 4, 224, 224), {}, 'not those of a YOLO detector', id='segmenter'),
        pytest.param((1, 3, 8400), {}, 'not those of a YOLO detector', id='too_few_values'),
        pytest.param((8, 84, 8400), {}, 'batch of 8.*dynamic batch', id='batch'),
        pytest.param([(100, 7)], {}, 'without --end2end and --include-nms', id='v7_with_nms'),
        pytest.param(
            [(1, 1), (1, 100, 4), (1, 100), (1, 100)], {}, 'without EfficientNMS', id='plugin'
        ),
        pytest.param(
            [(1, 116, 8400), (1, 32, 160, 160)],
            {'task': 'detect'},
            "hold 80 classes and 32 mask coefficients .anchor_free.; the .* say task 'detect'",
            id='masks_that_detect',
        ),
        pytest.param(
            [(1, 116, 8400), (1, 32, 160, 160)],
            {'task': 'segment', 'class_names': PERSON},
            'hold 80 classes and 32 mask coefficients.*class_names with 1 name:',
            id='names_of_masks',
        ),
        pytest.param(
            [(1, 300, 38), (1, 32, 160, 160)],
            {'task': 'pose'},
            "hold some classes and 32 mask coefficients .end_to_end.; the .* task 'pose'",
            id='masks_that_pose',
        ),
        pytest.param(
            (1, 116, 8400),
            {'task': 'segment'},
            r"'segment', but none of its outputs \(1, 116, 8400\) holds mask prototypes, "
            r'\(1, n, 160, 160\)',
            id='masks_without_prototypes',
        ),
        pytest.param(
            [(1, 84, 8400), (1, 96, 160, 160)],
            {'task': 'segment'},
            "hold 80 classes .anchor_free.; the metadata or parameters say task 'segment'",
            id='more_prototypes_than_values',
        ),
        pytest.param(
            [(1, 116, 8400), (1, 32, 160, 160), (1, 32, 160, 160)],
            {},
            r'several of the outputs .* have the shape of mask prototypes',
            id='prototypes_twice',
        ),
        pytest.param((1, 84, 8400), {'task': 'classify'}, "is 'classify'", id='task_classify'),
        pytest.param(
            (1, 84, 8400),
            {'class_names': PERSON},
            r'\(1, 84, 8400\) of my.onnx hold 80 classes .*class_names with 1 name:',
            id='names',
        ),
        pytest.param(
            (1, 25200, 85),
            {'class_names': COCO[:79]},
            'hold 80 classes .objectness.*class_names with 79 names',
            id='names_of_v5',
        ),
        pytest.param(
            (1, 84, 8400),
            {'layout': 'end_to_end'},
            "hold 80 classes .anchor_free.*layout 'end_to_end'",
            id='layout',
        ),
        pytest.param(
            (1, 25200, 85),
            {'layout': 'anchor_free'},
            "hold 80 classes .objectness.*layout 'anchor_free'",
            id='layout_of_v5',
        ),
        pytest.param(
            (1, 84, 8400),
            {'task': 'pose', 'class_names': COCO},
            "hold 80 classes .*task 'pose'",
            id='pose_without_keypoints',
        ),
        pytest.param(
            (1, 300, 6),
            {'task': 'pose', 'keypoint_shape': HUMAN},
            'hold some classes .*keypoint_shape',
            id='end_to_end_without_keypoints',
        ),
        pytest.param(
            (1, 25200, 57), {'task': 'pose', 'layout': 'objectness'}, 'do not go', id='v7_pose'
        ),
    ],
)
def test_other_networks_and_contradictions(shapes, info, text):
    with pytest.raises(ModelError, match=text):
        recognize(shapes, **info)
