"""Models on the boxes of a detector, with real networks."""

import cv2
import numpy as np
import pytest
from onnx_models import (
    bright_pose,
    color_classifier,
    color_segmentation,
    depth_network,
    detector,
    instance_segmenter,
)

from jetson_perception import (
    CropModel,
    CropOptions,
    Detections,
    ModelInfo,
    ParameterError,
    open_model,
)

COLORS = {'red': (0, 0, 255), 'green': (0, 255, 0), 'blue': (255, 0, 0)}
ORDER = ['green', 'red', 'blue', 'red', 'green']


@pytest.fixture
def opened():
    """Opens models, and closes them."""
    models = []

    def open_one(path, **options):
        models.append(open_model(path, **options))
        return models[-1]

    yield open_one
    for model in models:
        model.close()


def found(xyxy, **more):
    count = len(xyxy)
    return Detections(
        np.array(xyxy, np.float32).reshape(count, 4),
        np.linspace(0.9, 0.5, count).astype(np.float32),
        np.zeros(count, np.int32),
        **more,
    )


@pytest.fixture
def squares():
    """A picture of colored squares on gray, and their boxes."""
    picture, boxes = np.full((60, 120, 3), 128, np.uint8), []
    for index, name in enumerate(ORDER):
        left = 2 + 24 * index
        picture[10:30, left : left + 20] = COLORS[name]
        boxes.append((left, 10, left + 20, 30))
    return picture, found(boxes)


@pytest.mark.parametrize('batch', ['batch', 1, 3], ids=['open', 'one', 'three'])
def test_classes_of_each_object(tmp_path, opened, squares, batch):
    crops = CropModel(opened(color_classifier(tmp_path / 'colors.onnx', batch=batch)))
    assert crops.together == {'batch': 16, 1: 1, 3: 3}[batch]
    result = crops(*squares)
    names = crops.model.class_names
    assert [names[each.class_id[0]] for each in result.classes] == ORDER
    assert [names[i] for i in result.named().class_id] == ORDER
    assert result.objects.parent_ids == ('#0', '#1', '#2', '#3', '#4')
    assert result.objects.xyxy.tolist() == squares[1].xyxy.tolist()
    assert crops.task.found(crops.model, result).startswith('green 1.00, red 1.00')
    record = crops.task.record(crops.model, result)['detections'][1]
    assert (record['id'], record['xyxy']) == ('#1', [26, 10, 46, 30])
    assert record['classification'][0]['class_name'] == 'red'


def test_an_object_of_no_class_stays(tmp_path, opened, squares):
    crops = CropModel(opened(color_classifier(tmp_path / 'colors.onnx', batch='n')))
    picture, objects = squares
    picture[10:30, 2:22] = 128
    result = crops(picture, objects)
    kept = [classes.score[0] > 0.9 for classes in result.classes]
    assert kept == [False, True, True, True, True]
    assert len(crops(picture, found([])).classes) == 0
    assert len(crops(picture, found([])).named()) == 0
    canvas = picture.copy()
    crops.task.draw(canvas, crops.model, crops.task.scaled(result, (1.0, 1.0)))
    assert (canvas != picture).any()


@pytest.mark.parametrize('resize', ['letterbox', 'stretch', 'center_crop'])
def test_boxes_of_any_shape(tmp_path, opened, resize):
    info = ModelInfo(resize=resize)
    crops = CropModel(opened(color_classifier(tmp_path / 'colors.onnx'), overrides=info))
    picture = np.zeros((400, 500, 3), np.uint8)
    picture[..., 2] = 255
    odd = found([(0, 0, 0.2, 400), (3, 2, 500, 2.5), (7, 7, 7.01, 7.01), (-900, -9, 9e4, 9e4)])
    result = crops(picture, odd)
    assert [crops.model.class_names[i] for i in result.named().class_id] == ['red'] * 4
    with pytest.raises(ParameterError, match='together is 0'):
        CropModel(crops.model, 0)


def test_pictures_of_any_kind(tmp_path, opened, squares):
    crops = CropModel(opened(color_classifier(tmp_path / 'colors.onnx')))
    picture, objects = squares
    cv2.imwrite(str(tmp_path / 'squares.png'), picture)
    result = crops(tmp_path / 'squares.png', objects, CropOptions(most=2))
    assert [crops.model.class_names[each.class_id[0]] for each in result.classes] == ORDER[:2]
    assert len(crops(picture[..., 0], objects)) == len(ORDER)


@pytest.mark.parametrize('batch', ['batch', 1], ids=['together', 'in_turn'])
def test_a_pose_for_each_box(tmp_path, opened, batch):
    """The person is where the box is; another one, whose score is better, is beside it."""
    boxes = [(10, 10, 12, 12, 1.0), (32, 32, 40, 60, 0.8)]
    crops = CropModel(opened(bright_pose(tmp_path / 'pose.onnx', boxes, batch=batch)))
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[20:84, 30:94], picture[20:52, 120:152] = 200, 255
    people = found([(30, 20, 94, 84), (120, 20, 152, 52)], track_id=np.array([4, -1]))
    result = crops(picture, people)
    assert result.parent_ids == ('4', '#1')
    assert result.score == pytest.approx([0.8 * 200 / 255, 0.8], abs=1e-5)
    assert result.xyxy.tolist() == [[42, 22, 82, 82], [126, 21, 146, 51]]
    assert result.keypoints[:, :, :2].tolist() == [[[46, 36], [78, 52]], [[128, 28], [144, 36]]]
    everything = crops(picture, people, CropOptions())
    assert everything.parent_ids == ('4', '4', '#1', '#1')
    assert everything.score == pytest.approx([200 / 255, 0.8 * 200 / 255, 1.0, 0.8], abs=1e-5)


def test_masks_in_the_whole_image(tmp_path, opened):
    model = instance_segmenter(tmp_path / 'seg.onnx', [(32, 32, 32, 64, 1, 0.9)], size_wh=(64, 64))
    crops = CropModel(opened(model))
    objects = found([(10, 20, 74, 84), (100, 0, 132, 32)])
    result = crops(np.zeros((100, 200, 3), np.uint8), objects)
    expected = np.zeros((100, 200), np.uint8)
    expected[20:84, 26:58], expected[0:32, 108:124] = 1, 2
    assert (result.instance_ids == expected).all()
    nothing = crops(np.zeros((100, 200, 3), np.uint8), found([]))
    assert nothing.instance_ids.shape == (100, 200)


def test_objects_on_objects_on_objects(tmp_path, opened):
    """Plates on cars, letters on plates: ids are those of the cars, and each gets all."""
    small = [(16, 16, 16, 16, 0, 0.9), (48, 48, 16, 16, 0, 0.8)]
    inner = CropModel(opened(detector(tmp_path / 'det.onnx', small, size_wh=(64, 64))))
    picture = np.zeros((100, 200, 3), np.uint8)
    cars = found([(0, 0, 64, 64), (100, 0, 164, 64)])
    plates = inner(picture, cars)
    assert plates.parent_ids == ('#0', '#0', '#1', '#1')
    letters = inner(picture, plates)
    assert letters.parent_ids == ('#0',) * 4 + ('#1',) * 4
    assert letters.xyxy[:2].tolist() == [[10, 10, 14, 14], [18, 18, 22, 22]]


@pytest.mark.parametrize('make', [depth_network, color_segmentation], ids=['depth', 'semantic'])
def test_a_task_that_has_no_use_for_crops(tmp_path, opened, make):
    model = opened(make(tmp_path / 'my.onnx'))
    with pytest.raises(
        ParameterError, match=r'my.onnx is .*; expected one of: a detector'
    ) as error:
        CropModel(model)
    assert error.value.parameter == 'crop_of'
