"""COCO's format: what is read, and how broken files are named."""

import json
import os
import re

import numpy as np
import pytest
from dataset_folders import coco_folder, coco_objects, write_picture

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.evaluation.coco_folder import open_coco
from jetson_perception.evaluation.opening import open_dataset

OBJECT = coco_objects((100, 50, 40, 30, 20))


def test_objects_of_each_picture(tmp_path):
    dataset = open_coco(coco_folder(tmp_path, [OBJECT, [], OBJECT * 2]))
    assert dataset.count == 3
    assert dataset.class_names == ('name_0', 'name_1')
    assert (dataset.keypoint_count, dataset.has_outlines) == (0, False)
    pictures = list(dataset.pictures)
    assert [picture.name for picture in pictures] == ['0.png', '1.png', '2.png']
    assert [len(picture.truth) for picture in pictures] == [1, 0, 2]
    assert pictures[0].bgr.shape == (480, 640, 3)
    truth = pictures[0].truth
    np.testing.assert_array_equal(truth.xyxy, [[100, 50, 140, 80]])
    np.testing.assert_array_equal(truth.class_id, [1])  # category id 20 is the second
    np.testing.assert_array_equal(truth.area, [1200])
    assert pictures[1].truth.xyxy.shape == (0, 4)


def test_keypoints_outlines_and_crowds(tmp_path):
    points, outline = [110, 60, 2, 0, 0, 0], [[100, 50, 140, 50, 140, 80]]
    objects = coco_objects((100, 50, 40, 30, 10), keypoints=points, segmentation=outline)
    crowd = coco_objects(
        (0, 0, 9, 9, 10), iscrowd=1, segmentation={'counts': [0, 9], 'size': [3, 3]}
    )
    path = coco_folder(tmp_path, [objects + crowd], keypoints=['head', 'tail'])
    dataset = open_coco(path)
    assert (dataset.keypoint_count, dataset.has_outlines) == (2, True)
    (picture,) = dataset.pictures
    truth = picture.truth
    np.testing.assert_array_equal(truth.keypoints[0], [[110, 60, 2], [0, 0, 0]])
    np.testing.assert_array_equal(truth.keypoints[1], np.zeros((2, 3)))
    assert truth.outlines[0] == outline
    np.testing.assert_array_equal(truth.crowd, [False, True])


def test_without_an_area_a_typical_share_of_the_box_is_used(tmp_path):
    objects = coco_objects((0, 0, 100, 10, 10))
    del objects[0]['area']
    (picture,) = open_coco(coco_folder(tmp_path, [objects])).pictures
    np.testing.assert_allclose(picture.truth.area, [530])


@pytest.mark.parametrize(
    ('annotations', 'pictures'),
    [
        pytest.param('annotations/a_val.json', 'images', id='images'),
        pytest.param('annotations/a_val.json', 'val', id='named_as_the_split'),
        pytest.param('annotations/a_val.json', 'images/val', id='split_in_images'),
        pytest.param('_annotations.coco.json', '.', id='beside'),
    ],
)
def test_pictures_are_looked_for(tmp_path, annotations, pictures):
    made = coco_folder(tmp_path / 'made', [OBJECT])
    path = tmp_path / 'set' / annotations
    path.parent.mkdir(parents=True)
    made.rename(path)
    write_picture(tmp_path / 'set' / pictures / '0.png')
    (picture,) = open_dataset(str(tmp_path / 'set')).pictures
    assert picture.name == '0.png'
    (picture,) = open_dataset(f'file://{path}').pictures
    assert len(picture.truth) == 1


def test_pictures_elsewhere(tmp_path):
    path = coco_folder(tmp_path / 'set', [OBJECT])
    (tmp_path / 'set' / 'images').rename(tmp_path / 'elsewhere')
    with pytest.raises(ParameterError, match=r'lists 0\.png, which is not in .* with --images'):
        open_coco(path)
    (picture,) = open_dataset(str(path), images=tmp_path / 'elsewhere').pictures
    assert picture.name == '0.png'


def edited(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ('edit', 'text'),
    [
        pytest.param(lambda c: c.pop('images'), r"has no list 'images'; expected", id='no_images'),
        pytest.param(lambda c: c.update(images=[]), r'lists no images', id='empty_images'),
        pytest.param(
            lambda c: c.update(annotations=[]),
            r'has no annotations, so there is nothing',
            id='empty_annotations',
        ),
        pytest.param(
            lambda c: c['images'][0].pop('file_name'),
            r"images\[0\] has no 'file_name'",
            id='no_file_name',
        ),
        pytest.param(
            lambda c: c['images'].append(c['images'][0]), r'1 of its images share an id', id='ids'
        ),
        pytest.param(
            lambda c: c['annotations'][1].update(category_id=7),
            r"annotations\[1\] has category_id 7, which 'categories' lacks; it has 10, 20$",
            id='unknown_category',
        ),
        pytest.param(
            lambda c: c['annotations'][1].update(image_id=7),
            r"annotations\[1\] has image_id 7, which 'images' lacks",
            id='unknown_image',
        ),
        pytest.param(
            lambda c: c['annotations'][0].update(bbox=[1, 2, 3]),
            r'annotations\[0\] has bbox \[1, 2, 3\]; expected left, top, width and height',
            id='short_box',
        ),
        pytest.param(
            lambda c: c['annotations'][0].update(bbox=[9, 9, -3, 4]),
            r'annotations\[0\] has bbox \[9, 9, -3, 4\]',
            id='negative_width',
        ),
        pytest.param(
            lambda c: c['annotations'][0].update(bbox=[1, 2, 3, 4] * 99),
            r'has bbox \[1, 2, 3, .*…; expected left',
            id='long_box',
        ),
        pytest.param(
            lambda c: c['annotations'][0].update(bbox=[1, 2, 3, 1e308]),
            r'has bbox \[1, 2, 3, 1e.308\]; expected left',
            id='far_box',
        ),
        pytest.param(
            lambda c: c['images'][0].update(id=[1]),
            r'images\[0\] has id \[1\]; expected a number',
            id='list_as_id',
        ),
        pytest.param(
            lambda c: c['annotations'][0].update(category_id={}),
            r'annotations\[0\] has category_id {}; expected a number',
            id='object_as_category',
        ),
        pytest.param(
            lambda c: c['annotations'][0].update(keypoints=7),
            r'annotations\[0\] has keypoints 7; expected a list',
            id='number_as_keypoints',
        ),
        pytest.param(
            lambda c: c['annotations'][0].update(area='big'),
            r"annotations\[0\] has area 'big'; expected a number of pixels",
            id='text_as_area',
        ),
        *(
            pytest.param(
                lambda c, outline=outline: c['annotations'][0].update(segmentation=outline),
                r'annotations\[0\] has segmentation .*; expected lists of x, y',
                id=f'outline_{name}',
            )
            for name, outline in {
                'text': 'x',
                'flat': [1, 2, 3, 4, 5, 6],
                'short': [[1, 2, 3, 4]],
                'odd': [[1, 2, 3, 4, 5, 6, 7]],
                'far': [[1, 2, 3, 4, 5, 1e9]],
                'words': [['a'] * 6],
                'no_counts': {'size': [3, 3]},
                'no_size': {'counts': [9]},
                'three_sizes': {'size': [3, 3, 1], 'counts': [9]},
                'negative': {'size': [3, 3], 'counts': [10, -1]},
                'beyond_size': {'size': [3, 3], 'counts': [0, 10]},
                'unended_text': {'size': [3, 3], 'counts': 'P'},
                'other_text': {'size': [3, 3], 'counts': '\x01'},
            }.items()
        ),
        pytest.param(
            lambda c: (
                c['annotations'][0].update(keypoints=[1, 2, 2] * 3),
                c['categories'][0].update(keypoints=['head', 'tail']),
            ),
            r'annotations\[0\] has 9 keypoint values; expected .* for 2',
            id='keypoints',
        ),
        pytest.param(
            lambda c: (
                c['annotations'][0].update(keypoints=[1, 2, 2]),
                c['annotations'][1].update(keypoints=[1, 2, 2] * 2),
            ),
            r'objects with 1, 2 keypoints; expected the same',
            id='keypoint_counts',
        ),
    ],
)
def test_broken_annotations(tmp_path, edit, text):
    path = edited(coco_folder(tmp_path, [OBJECT, OBJECT]), edit)
    with pytest.raises(ParameterError, match=text) as caught:
        open_coco(path)
    assert str(path) in str(caught.value)


def test_damaged_file_names_the_line(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('{"images": [],\n "annotations": [}')
    with pytest.raises(ParameterError, match=r'a\.json cannot be read as JSON: line 2'):
        open_coco(path)
    path.write_bytes(b'\xff\xfe')
    with pytest.raises(ParameterError, match='is text in UTF-16'):
        open_coco(path)
    path.write_text('{"a":' * 5000)
    with pytest.raises(ParameterError, match='nested deeper than 32 levels'):
        open_coco(path)
    with pytest.raises(ParameterError, match='cannot be read: No such file'):
        open_coco(tmp_path / 'none.json')
    os.mkfifo(tmp_path / 'fifo.json')
    with pytest.raises(ParameterError, match='is a pipe'):
        open_dataset(str(tmp_path / 'fifo.json'))


def test_some_pictures_missing(tmp_path):
    path = coco_folder(tmp_path, [OBJECT] * 3)
    (tmp_path / 'images' / '1.png').unlink()
    with pytest.raises(
        ParameterError,
        match=r'lists 3 images, 1 of which cannot be found, such as .*/images/1\.png',
    ):
        open_coco(path)


def test_damaged_picture_and_other_size(tmp_path):
    path = coco_folder(tmp_path, [OBJECT])
    write_picture(tmp_path / 'images' / '0.png', (320, 240))
    with pytest.raises(ImageError, match=r'0\.png is 320×240; objects\.json says 640×480'):
        list(open_coco(path).pictures)
    (tmp_path / 'images' / '0.png').write_bytes(b'x')
    with pytest.raises(ImageError, match=r'0\.png is damaged'):
        list(open_coco(path).pictures)


def test_several_files_in_the_folder(tmp_path):
    path = coco_folder(tmp_path, [OBJECT])
    path.with_name('other.json').write_text(path.read_text())
    with pytest.raises(ParameterError, match=re.escape('has 2 JSON files')):
        open_dataset(str(tmp_path))
