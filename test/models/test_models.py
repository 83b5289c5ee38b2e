import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx_models import (
    COLOR_CLASSES,
    color_classifier,
    color_segmentation,
    constant_model,
    detector,
    end_to_end_detector,
    instance_segmenter,
    objectness_detector,
    pose_detector,
    ultralytics_metadata,
    unknown_output,
)

from jetson_perception import resources
from jetson_perception.errors import ImageError, ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.models import (
    ClassificationModel,
    SegmentationModel,
    YoloModel,
    model_file,
    open_model,
)
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.keypoints import COCO_KEYPOINT_NAMES, COCO_SKELETON
from jetson_perception.tasks.segmentation import SegmentationOptions


def picture(width=128, height=96):
    """Quarters: red, green / blue, black; BGR."""
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[: height // 2, : width // 2, 2] = 255
    bgr[: height // 2, width // 2 :, 1] = 255
    bgr[height // 2 :, : width // 2, 0] = 255
    return bgr


class TestSegmentation:
    @pytest.mark.parametrize(
        'options',
        [
            pytest.param({}, id='logits'),
            pytest.param({'probabilities': True}, id='probabilities'),
            pytest.param({'argmax': True}, id='class_ids'),
            pytest.param({'dtype': np.float16}, id='half_precision'),
            pytest.param({'convolutions': 2}, id='with_convolutions'),
        ],
    )
    def test_follows_colors_to_classes(self, tmp_path, options):
        with SegmentationModel.open(color_segmentation(tmp_path / 'my.onnx', **options)) as model:
            result = model(picture())
        assert model.class_names == COLOR_CLASSES
        assert result.mask.shape == (96, 128)
        corners = [result.mask[y, x] for y in (2, -3) for x in (2, -3)]
        assert corners == [1, 2, 3, 0]
        assert result.pixels.sum() == 96 * 128
        np.testing.assert_allclose(result.ratio, 0.25, atol=0.02)

    def test_color_order_of_a_network_trained_on_bgr(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx')
        (tmp_path / 'my.yaml').write_text('color_order: bgr')
        result = SegmentationModel.open(path)(picture())
        assert result.mask[2, 2] == 3
        assert result.mask[-3, 2] == 1

    def test_normalization_reaches_the_network(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx')
        # Pixel / 255 - 0.8 is below the threshold of 0.3 even for 255.
        model = SegmentationModel.open(path, overrides=ModelInfo(mean=(0.8, 0.8, 0.8)))
        assert model(picture()).mask.max() == 0
        model = SegmentationModel.open(
            path, overrides=ModelInfo(mean=(0.8, 0.8, 0.8), std=(0.1, 0.1, 0.1))
        )
        assert model(picture()).mask.max() == 3

    def test_options_of_the_model_and_of_a_call(self, tmp_path):
        model = SegmentationModel.open(
            color_segmentation(tmp_path / 'my.onnx', size_wh=(32, 16)),
            options=SegmentationOptions(mask_size='network'),
        )
        assert model(picture()).mask.shape == (16, 32)
        tensor, transform = model.preprocess(picture())
        outputs = model.infer(tensor)
        assert model.postprocess(outputs, transform).mask.shape == (16, 32)
        asked = model.postprocess(outputs, transform, SegmentationOptions(mask_size='image'))
        assert asked.mask.shape == (96, 128)

    def test_stretches_unless_letterbox_is_set(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx', size_wh=(64, 64))
        wide = picture(200, 50)
        _, stretched = SegmentationModel.open(path).preprocess(wide)
        assert stretched.content_wh == (64, 64)
        model = SegmentationModel.open(path, overrides=ModelInfo(resize='letterbox'))
        assert model.preprocess(wide)[1].content_wh == (64, 16)
        assert model(wide).mask.shape == (50, 200)

    def test_names_that_are_not_given(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx', metadata={})
        model = SegmentationModel.open(path)
        assert model.class_names == ('class_0', 'class_1', 'class_2', 'class_3')

    def test_class_ids_without_names_have_names_on_demand(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx', metadata={}, argmax=True)
        model = SegmentationModel.open(path)
        assert model.class_names == ()
        assert model.class_name(3) == 'class_3'
        assert model(picture()).mask[2, 2] == 1

    def test_dynamic_model_at_a_size_of_ones_own(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx', dynamic=True)
        model = SegmentationModel.open(path, overrides=ModelInfo(input_size_wh=(48, 32)))
        assert model.network_wh == (48, 32)
        assert model(picture()).mask[2, 2] == 1
        with pytest.raises(ParameterError, match='input_size'):
            SegmentationModel.open(path)

    def test_result_outlives_the_next_frame(self, tmp_path):
        model = SegmentationModel.open(
            color_segmentation(tmp_path / 'my.onnx', argmax=True),
            options=SegmentationOptions(mask_size='network'),
        )
        first = model(picture())
        before = first.mask.copy()
        model(np.zeros((96, 128, 3), np.uint8))
        np.testing.assert_array_equal(first.mask, before)


GRAY = cv2.cvtColor(picture(), cv2.COLOR_BGR2GRAY)


class TestImagesAsPeopleGiveThem:
    """Each behind a picture of the same size, whose result it must not get."""

    @pytest.fixture(params=[(64, 48), (128, 96)], ids=['resized', 'as_it_is'])
    def model(self, tmp_path, request):
        path = color_segmentation(tmp_path / 'my.onnx', size_wh=request.param)
        with SegmentationModel.open(path) as model:
            # A gray picture has no largest channel: bright is the first, red.
            assert model(picture()).mask[-3, 2] == 3
            yield model

    @pytest.mark.parametrize(
        ('image', 'corners'),
        [
            pytest.param(picture()[::-1], [3, 0, 1, 2], id='upside_down'),
            pytest.param(picture()[:, ::-1], [2, 1, 0, 3], id='mirrored'),
            pytest.param(picture()[..., ::-1], [3, 2, 1, 0], id='rgb'),
            pytest.param(picture(256, 192)[::2, ::2], [1, 2, 3, 0], id='every_other_pixel'),
            pytest.param(np.dstack([picture()[::-1], GRAY]), [3, 0, 1, 2], id='bgra'),
            pytest.param(np.full((96, 128), 255, np.uint8), [1, 1, 1, 1], id='gray'),
            pytest.param(np.zeros((96, 128, 1), np.uint8), [0, 0, 0, 0], id='gray_of_one_channel'),
        ],
    )
    def test_is_taken(self, model, image, corners):
        mask = model(image).mask
        assert mask.shape == (96, 128)
        assert [mask[y, x] for y in (2, -3) for x in (2, -3)] == corners

    @pytest.mark.parametrize('kind', [str, Path])
    def test_a_path(self, model, tmp_path, kind):
        file = tmp_path / 'upside_down.png'
        cv2.imwrite(str(file), picture()[::-1])
        assert model(kind(file)).mask[2, 2] == 3

    @pytest.mark.parametrize(
        'image',
        [
            pytest.param(None, id='none'),
            pytest.param(np.empty((0, 0, 3), np.uint8), id='empty'),
            pytest.param(np.zeros((96, 128, 3), np.float32), id='float'),
            pytest.param(np.zeros((96, 128, 3), np.uint16), id='uint16'),
            pytest.param(np.zeros((96, 128), bool), id='bool'),
            pytest.param([np.zeros((96, 128, 3), np.uint8)], id='list'),
            pytest.param(np.zeros((3, 96, 128), np.uint8), id='channels_first'),
        ],
    )
    def test_is_refused(self, model, image):
        with pytest.raises(ImageError, match=r'expected a uint8 .*, or the path of a picture'):
            model(image)
        with pytest.raises(ImageError, match='expected a uint8 array'):
            model.preprocess(image)

    def test_a_path_to_nothing(self, model):
        with pytest.raises(ImageError, match=r'missing\.png cannot be read: No such file'):
            model('missing.png')


class TestYolo:
    def test_box_in_pixels_of_the_source_image(self, tmp_path):
        # 1280×720 becomes 640×360, 140 rows below the top of the input.
        path = detector(tmp_path / 'my.onnx', [(320, 320, 100, 80, 1, 0.75)])
        with YoloModel.open(path) as model:
            found = model(np.zeros((720, 1280, 3), np.uint8))
        np.testing.assert_allclose(found.xyxy, [[540, 280, 740, 440]], atol=0.01)
        np.testing.assert_allclose(found.score, [0.75], atol=1e-6)
        assert model.class_name(found.class_id[0]) == 'name_1'
        assert found.keypoints is None
        assert model.keypoint_names == model.skeleton == ()

    @pytest.mark.parametrize('write', [detector, objectness_detector, end_to_end_detector])
    def test_layouts_mean_the_same(self, tmp_path, write):
        found = YoloModel.open(write(tmp_path / 'my.onnx'))(np.zeros((640, 640, 3), np.uint8))
        np.testing.assert_allclose(found.xyxy, [[270, 200, 370, 280]], atol=0.01)
        np.testing.assert_allclose(found.score, [0.9], atol=1e-6)
        assert found.class_id.tolist() == [0]

    def test_half_precision(self, tmp_path):
        model = YoloModel.open(detector(tmp_path / 'my.onnx', dtype=np.float16))
        tensor, _ = model.preprocess(picture())
        assert tensor.dtype == np.float16
        np.testing.assert_allclose(
            model(np.zeros((640, 640, 3), np.uint8)).score, [0.9], atol=1e-3
        )

    def test_nothing_found_is_an_empty_result(self, tmp_path):
        assert len(YoloModel.open(detector(tmp_path / 'my.onnx', []))(picture())) == 0
        path = pose_detector(tmp_path / 'my.onnx', [])
        assert YoloModel.open(path)(picture()).keypoints.shape == (0, 3, 3)

    def test_options_of_the_model_and_of_a_call(self, tmp_path):
        path = detector(tmp_path / 'my.onnx', [(320, 320, 100, 80, 1, 0.5)])
        model = YoloModel.open(path, options=DetectionOptions(score_threshold=0.6))
        assert len(model(picture())) == 0
        tensor, transform = model.preprocess(picture())
        outputs = model.infer(tensor)
        assert len(model.postprocess(outputs, transform)) == 0
        assert len(model.postprocess(outputs, transform, DetectionOptions())) == 1

    def test_keypoints_without_names(self, tmp_path):
        model = YoloModel.open(pose_detector(tmp_path / 'my.onnx'))
        assert model.keypoint_names == ('keypoint_0', 'keypoint_1', 'keypoint_2')
        assert model.skeleton == ()
        found = model(np.zeros((640, 640, 3), np.uint8))
        expected = [[[300, 220, 0.8], [320, 230, 0.6], [340, 240, 0.4]]]
        np.testing.assert_allclose(found.keypoints, expected, atol=0.01)

    def test_seventeen_keypoints_without_names_are_cocos(self, tmp_path):
        points = [(x, 100, 0.5) for x in range(17)]
        path = pose_detector(tmp_path / 'my.onnx', keypoints=points)
        model = YoloModel.open(path)
        assert model.keypoint_names == COCO_KEYPOINT_NAMES
        assert model.skeleton == COCO_SKELETON

    def test_names_and_skeleton_of_the_yaml(self, tmp_path):
        path = pose_detector(tmp_path / 'my.onnx')
        (tmp_path / 'my.yaml').write_text('keypoint_names: [tip, mid, tail]\nskeleton: [[0, 2]]')
        model = YoloModel.open(path)
        assert model.keypoint_names == ('tip', 'mid', 'tail')
        assert model.skeleton == ((0, 2),)

    def test_names_that_are_not_given(self, tmp_path):
        path = detector(tmp_path / 'my.onnx', metadata={'task': 'detect'})
        assert YoloModel.open(path).class_names == ('class_0', 'class_1')

    def test_ambiguous_output_names_the_parameter(self, tmp_path):
        # 56 values per anchor: 52 classes, or one class and 17 keypoints.
        path = detector(tmp_path / 'my.onnx', class_count=52, metadata={})
        with pytest.raises(ParameterError, match=r"my\.onnx may hold .*; set 'task'") as error:
            YoloModel.open(path)
        assert error.value.parameter == 'task'
        assert len(YoloModel.open(path, overrides=ModelInfo(task='detect')).class_names) == 52


class TestInstances:
    @pytest.mark.parametrize('dtype', [np.float32, np.float16])
    @pytest.mark.parametrize('metadata', [None, {}], ids=['told', 'untold'])
    def test_boxes_with_masks_in_pixels_of_the_source_image(self, tmp_path, metadata, dtype):
        boxes = [(320, 240, 200, 100, 0, 0.9), (320, 260, 100, 100, 1, 0.8, 1)]
        path = instance_segmenter(tmp_path / 'my.onnx', boxes, metadata=metadata, dtype=dtype)
        with open_model(path) as model:
            assert isinstance(model, YoloModel)
            found = model(np.zeros((720, 1280, 3), np.uint8))
        assert model.layout.coefficient_count == 2
        expected = np.zeros((720, 1280), np.uint8)
        expected[140:340, 640:740] = 2
        expected[100:300, 440:840] = 1
        np.testing.assert_array_equal(found.instance_ids, expected)
        assert found.class_id.tolist() == [0, 1]

    def test_nothing_found(self, tmp_path):
        model = YoloModel.open(instance_segmenter(tmp_path / 'my.onnx', []))
        found = model(np.zeros((72, 128, 3), np.uint8))
        assert found.instance_ids.shape == (72, 128)
        assert not found.instance_ids.any()

    def test_result_outlives_the_next_frame(self, tmp_path):
        model = YoloModel.open(instance_segmenter(tmp_path / 'my.onnx'))
        first = model(np.zeros((96, 128, 3), np.uint8))
        before = first.instance_ids.copy()
        model(np.zeros((64, 64, 3), np.uint8))
        np.testing.assert_array_equal(first.instance_ids, before)


class TestClasses:
    def test_by_name(self, tmp_path):
        boxes = [(320, 240, 100, 80, 0, 0.9), (320, 440, 100, 80, 1, 0.3)]
        model = YoloModel.open(detector(tmp_path / 'my.onnx', boxes))
        image = np.zeros((640, 640, 3), np.uint8)

        def classes(names=(), thresholds=()):
            model.options = DetectionOptions(
                class_ids=model.class_ids(names),
                class_score_thresholds=model.class_score_thresholds(thresholds),
            )
            return model(image).class_id.tolist()

        assert classes() == [0, 1]
        assert classes(['name_1']) == [1]
        assert classes([], ['name_0: 0.95']) == [1]
        with pytest.raises(ParameterError, match=r"'name_2'.*did you mean 'name_[01]'"):
            classes(['name_2'])

    def test_of_a_model_that_names_none(self, tmp_path):
        path = end_to_end_detector(
            tmp_path / 'my.onnx', [(270, 200, 370, 280, 0.9, 41)], metadata={}
        )
        model = YoloModel.open(path)
        assert model.class_ids(['class_41']) == (41,)


class TestInputKey:
    def test_equal_for_models_that_take_the_same_tensor(self, tmp_path):
        one = YoloModel.open(detector(tmp_path / 'a.onnx'))
        other = YoloModel.open(pose_detector(tmp_path / 'b.onnx'))
        assert one.input_key == other.input_key
        assert hash(one.input_key) == hash(other.input_key)

    @pytest.mark.parametrize(
        ('options', 'overrides'),
        [
            pytest.param({'size_wh': (320, 320)}, {}, id='size'),
            pytest.param({'dtype': np.float16}, {}, id='dtype'),
            pytest.param({}, {'resize': 'stretch'}, id='resize'),
            pytest.param({}, {'color_order': 'bgr'}, id='color_order'),
            pytest.param({}, {'scale': 1.0}, id='scale'),
            pytest.param({}, {'mean': (0.5, 0.5, 0.5)}, id='mean'),
        ],
    )
    def test_differs_where_the_tensor_would(self, tmp_path, options, overrides):
        one = YoloModel.open(detector(tmp_path / 'a.onnx'))
        other = YoloModel.open(
            detector(tmp_path / 'b.onnx', **options), overrides=ModelInfo(**overrides)
        )
        assert one.input_key != other.input_key

    def test_shared_tensor_serves_both(self, tmp_path):
        one = YoloModel.open(detector(tmp_path / 'a.onnx'))
        other = YoloModel.open(pose_detector(tmp_path / 'b.onnx'))
        tensor, transform = one.preprocess(picture())
        again, _ = other.preprocess(picture(), np.empty_like(tensor))
        np.testing.assert_array_equal(tensor, again)
        assert len(other.postprocess(other.infer(tensor), transform)) == 1


class TestWrongTask:
    @pytest.mark.parametrize(
        ('opener', 'task', 'message'),
        [
            pytest.param(
                SegmentationModel,
                'detect',
                r"is a detector \(task 'detect'\), which SegmentationModel does not run; use "
                r'yolo_node \(yolo\.launch\.py\), or YoloModel in Python',
                id='detector_to_segment',
            ),
            pytest.param(
                SegmentationModel, 'pose', r'is a pose model .*; use yolo_node', id='pose'
            ),
            pytest.param(
                YoloModel,
                'semantic',
                r'is a semantic segmentation model .*; use seg_node \(seg.*, or SegmentationModel',
                id='semantic_to_yolo',
            ),
            pytest.param(
                SegmentationModel,
                'segment',
                r'is an instance segmentation model .*; use yolo_node \(yolo.*, or YoloModel',
                id='instances',
            ),
            pytest.param(
                SegmentationModel,
                'obb',
                r'is a detector of oriented boxes .*; use yolo_node .*, or YoloModel in Python',
                id='obb_to_segmentation',
            ),
            pytest.param(
                YoloModel,
                'classify',
                r'is an image classifier .*; use yolo_node .*, or ClassificationModel in Python',
                id='classify_to_yolo',
            ),
            pytest.param(
                open_model, 'obb', r"task of .* 'obb' and 2 names, .*expected \(1, 4 \+", id='obb'
            ),
            pytest.param(
                YoloModel,
                'depth',
                r'is a depth model .*; use yolo_node .*, or DepthModel in Python',
                id='depth_to_yolo',
            ),
            pytest.param(open_model, 'flow', r"a model for the task 'flow'", id='unheard_of'),
        ],
    )
    def test_that_the_model_says(self, tmp_path, opener, task, message):
        metadata = ultralytics_metadata(task, 2, (640, 640))
        path = detector(tmp_path / 'my.onnx', metadata=metadata)
        with pytest.raises(ModelError, match=message):
            getattr(opener, 'open', opener)(path)

    def test_that_only_the_output_shows(self, tmp_path):
        path = detector(tmp_path / 'boxes.onnx', metadata={})
        with pytest.raises(
            ModelError,
            match=r'boxes\.onnx looks like a detector, with output \(1, 6, 8400\); use yolo_node',
        ):
            SegmentationModel.open(path)
        for options in ({}, {'argmax': True}):
            path = color_segmentation(tmp_path / 'mask.onnx', metadata={}, **options)
            with pytest.raises(ModelError, match=r'looks like a semantic .*; use seg_node'):
                YoloModel.open(path)
        path = color_classifier(tmp_path / 'class.onnx', metadata={})
        for opener in (SegmentationModel.open, YoloModel.open):
            with pytest.raises(ModelError, match=r'class\.onnx looks like an image classifier'):
                opener(path)

    @pytest.mark.parametrize('opener', [SegmentationModel.open, YoloModel.open, open_model])
    def test_an_unknown_output(self, tmp_path, opener):
        with pytest.raises(
            ModelError, match=r'\(1, 7, 5, 3, 2\).*my\.onnx|my\.onnx.*\(1, 7, 5, 3, 2\)'
        ):
            opener(unknown_output(tmp_path / 'my.onnx'))


class TestOpenModel:
    @pytest.mark.parametrize(
        ('write', 'options', 'expected'),
        [
            pytest.param(detector, {}, YoloModel, id='detector'),
            pytest.param(detector, {'metadata': {}}, YoloModel, id='detector_no_metadata'),
            pytest.param(objectness_detector, {}, YoloModel, id='objectness'),
            pytest.param(end_to_end_detector, {}, YoloModel, id='end_to_end'),
            pytest.param(pose_detector, {}, YoloModel, id='pose'),
            pytest.param(color_classifier, {}, ClassificationModel, id='classifier'),
            pytest.param(
                color_classifier,
                {'metadata': {}},
                ClassificationModel,
                id='classifier_no_metadata',
            ),
            pytest.param(color_segmentation, {}, SegmentationModel, id='segmentation'),
            pytest.param(
                color_segmentation, {'metadata': {}}, SegmentationModel, id='segm_no_metadata'
            ),
            pytest.param(
                color_segmentation,
                {'metadata': {}, 'argmax': True},
                SegmentationModel,
                id='class_ids_no_metadata',
            ),
        ],
    )
    def test_picks_by_task_or_output(self, tmp_path, write, options, expected):
        assert type(open_model(write(tmp_path / 'my.onnx', **options))) is expected

    def test_class_ids_as_floats_are_set_in_the_yaml_file(self, tmp_path):
        ids = np.ones((1, 48, 64), np.float32)
        path = constant_model(tmp_path / 'my.onnx', [ids], size_wh=(64, 48))
        (tmp_path / 'my.yaml').write_text('output: class_ids')
        model = open_model(path)
        assert isinstance(model, SegmentationModel)
        assert model(picture()).mask.min() == 1

    def test_bare_name_is_a_model_of_the_package(self, tmp_path, monkeypatch):
        (tmp_path / 'models').mkdir()
        color_segmentation(tmp_path / 'models' / 'colors.onnx')
        monkeypatch.setattr(resources, 'share_directory', lambda: tmp_path)
        assert open_model('colors').info.path == str(tmp_path / 'models' / 'colors.onnx')
        with pytest.raises(ModelError, match=r"no model 'color' comes with the package; .*colors"):
            open_model('color')
        with pytest.raises(ModelError, match=r'there is no model file /.*/colors\.onnx'):
            open_model('./colors.onnx')

    def test_file_of_that_name_comes_before_the_packages(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        shutil.move(color_segmentation(tmp_path / 'a.onnx'), tmp_path / 'colors')
        assert open_model('colors').info.path == str(tmp_path / 'colors')


def test_engine_is_closed_when_the_task_does_not_fit(tmp_path, monkeypatch):
    opened = []
    original = model_file.open_engine

    def remember(*args, **kwargs):
        opened.append(original(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(model_file, 'open_engine', remember)
    for opener in (SegmentationModel.open, YoloModel.open, open_model):
        with pytest.raises(ModelError):
            opener(unknown_output(tmp_path / 'my.onnx'))
        with pytest.raises(ModelError, match='is closed'):
            opened[-1].infer(np.zeros((1, 3, 64, 64), np.float32))
    assert len(opened) == 3


def test_photo_read_by_opencv(tmp_path):
    cv2.imwrite(str(tmp_path / 'photo.png'), picture())
    model = open_model(color_segmentation(tmp_path / 'my.onnx'))
    assert model(cv2.imread(str(tmp_path / 'photo.png'))).mask[2, 2] == 1


NORMALIZATION = {'scale': '1/255', 'mean': '0', 'std': '1', 'color_order': 'rgb'}


class TestAssumptions:
    def test_a_bare_segmentation_model(self, tmp_path, caplog):
        path = color_segmentation(tmp_path / 'my.onnx', metadata={})
        with caplog.at_level('INFO', 'jetson_perception'), open_model(path) as model:
            assert model.assumed == {
                'output': 'logits',
                'resize': 'stretch',
                **NORMALIZATION,
            }
        (line,) = (line for line in caplog.messages if 'assumed' in line)
        assert line.startswith(
            'my.onnx does not specify output, resize, scale, mean, std, color_order; assumed: '
            'output logits, resize stretch, scale 1/255, mean 0, std 1, color_order rgb. '
        )
        assert 'my.yaml' in line

    @pytest.mark.parametrize('write', [detector, end_to_end_detector])
    def test_a_bare_detector(self, tmp_path, write):
        with YoloModel.open(write(tmp_path / 'my.onnx', metadata={})) as model:
            assert model.assumed == {'resize': 'letterbox', **NORMALIZATION}

    @pytest.mark.parametrize('write', [detector, objectness_detector, pose_detector])
    def test_an_export_of_yolos_own_says_all(self, tmp_path, caplog, write):
        with caplog.at_level('INFO', 'jetson_perception'):
            model = YoloModel.open(write(tmp_path / 'my.onnx'))
        assert model.assumed == {}
        assert model.assumption_text == ''
        assert 'assumed' not in caplog.text

    def test_a_segmentation_model_of_yolos_own_is_fed_as_yolo_is(self, tmp_path):
        """YOLO26-sem keeps the aspect ratio, where other segmentation networks stretch images."""
        size_wh = (64, 32)
        metadata = ultralytics_metadata('semantic', 4, size_wh)
        path = color_segmentation(tmp_path / 'my.onnx', size_wh=size_wh, metadata=metadata)
        with open_model(path) as model:
            assert (model.preprocessor.resize, model.assumed) == ('letterbox', {})

    def test_settings_that_are_given_are_not_listed(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx', metadata={})
        (tmp_path / 'my.yaml').write_text('resize: letterbox\nmean: [0, 0, 0]\noutput: logits')
        overrides = ModelInfo(scale=1 / 255, color_order='rgb')
        with SegmentationModel.open(path, overrides=overrides) as model:
            assert model.assumed == {'std': '1'}
        overrides = ModelInfo(scale=1 / 255, color_order='rgb', std=(1.0, 1.0, 1.0))
        with SegmentationModel.open(path, overrides=overrides) as model:
            assert model.assumed == {}

    def test_class_ids_are_known_by_their_type(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx', metadata={}, argmax=True)
        with SegmentationModel.open(path) as model:
            assert 'output' not in model.assumed
            assert 'resize' in model.assumed

    @pytest.mark.parametrize('name', ['oranges', 'people_detect', 'people_pose'])
    def test_models_of_the_package_say_all(self, name):
        with open_model(name, runtime='onnxruntime_cpu') as model:
            assert model.assumed == {}
