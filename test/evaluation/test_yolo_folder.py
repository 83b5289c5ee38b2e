"""YOLO's format: what is read, and how broken files are named."""

import os

import numpy as np
import pytest
from dataset_folders import write_picture, yolo_folder

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.evaluation.opening import open_dataset
from jetson_perception.evaluation.yolo_folder import open_yolo

LINE = '1 0.5 0.25 0.1 0.2\n'


def test_objects_of_each_picture(tmp_path):
    path = yolo_folder(tmp_path, [LINE, None, '', f'{LINE}\n{LINE}'])
    dataset = open_yolo(path)
    assert dataset.count == 4
    assert dataset.class_names == ('name_0', 'name_1')
    pictures = list(dataset.pictures)
    assert [len(picture.truth) for picture in pictures] == [1, 0, 0, 2]
    truth = pictures[0].truth
    np.testing.assert_allclose(truth.xyxy, [[288, 72, 352, 168]])
    np.testing.assert_array_equal(truth.class_id, [1])
    assert truth.keypoints is None
    assert pictures[1].truth.xyxy.shape == (0, 4)
    assert len(list(open_dataset(str(tmp_path)).pictures)) == 4


@pytest.mark.parametrize(
    ('shape', 'values', 'expected'),
    [
        pytest.param([2, 3], '0.5 0.5 2 0 0 0', [[320, 240, 2], [0, 0, 0]], id='visibility'),
        pytest.param([2, 2], '0.5 0.5 0 0', [[320, 240, 2], [0, 0, 0]], id='none_at_the_corner'),
    ],
)
def test_keypoints(tmp_path, shape, values, expected):
    dataset = open_yolo(yolo_folder(tmp_path, [f'0 0.5 0.5 0.1 0.1 {values}'], kpt_shape=shape))
    assert dataset.keypoint_count == 2
    (picture,) = dataset.pictures
    np.testing.assert_allclose(picture.truth.keypoints[0], expected)


def test_outlines(tmp_path):
    dataset = open_yolo(yolo_folder(tmp_path, ['0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.25']))
    assert dataset.has_outlines
    (picture,) = dataset.pictures
    np.testing.assert_allclose(picture.truth.xyxy, [[64, 48, 320, 240]])
    ((outline,),) = picture.truth.outlines
    np.testing.assert_allclose(outline, [64, 48, 320, 48, 320, 240, 64, 120])


def test_corners_of_oriented_boxes_across_the_border(tmp_path):
    """Up to 1 % outside, which is kept: the box counts whole."""
    dataset = open_yolo(
        yolo_folder(tmp_path, ['1 -0.01 0.5 0.25 0.25 0.5 0.5 0.24 0.75', '', None])
    )
    first, *others = dataset.pictures
    assert dataset.has_outlines
    ((outline,),) = first.truth.outlines
    np.testing.assert_allclose(outline, [-6.4, 240, 160, 120, 320, 240, 153.6, 360])
    assert [each.truth.outlines for each in others] == [(), ()]


def test_boxes_among_outlines_leave_only_boxes(tmp_path):
    dataset = open_yolo(yolo_folder(tmp_path, [f'{LINE}0 0.1 0.1 0.5 0.1 0.5 0.5']))
    assert not dataset.has_outlines
    (picture,) = dataset.pictures
    assert len(picture.truth) == 2
    assert picture.truth.outlines is None


@pytest.mark.parametrize(
    ('line', 'text'),
    [
        pytest.param('1 0.5 0.5 0.1', r'3 values after the class; expected 4 for a box', id='few'),
        pytest.param('1 0.5 0.5 0.1 0.1 0.1', r'5 values after the class', id='odd'),
        pytest.param('person 0.5 0.5 0.1 0.1', r"'person 0.5 .* is not all numeric", id='word'),
        pytest.param('2 0.5 0.5 0.1 0.1', r'class 2; data.yaml names classes 0 to 1', id='class'),
        pytest.param('-1 0.5 0.5 0.1 0.1', r'class -1;', id='negative_class'),
        pytest.param('0.5 0.5 0.5 0.1 0.1', r'class 0.5;', id='no_whole_class'),
        pytest.param(
            '1 320 240 64 48', r"'1 320 .*; expected fractions .* 0 to 1, not p", id='pixels'
        ),
        pytest.param('1 nan 0.5 0.1 0.1', r'.*; expected fractions', id='nan'),
        pytest.param('nan 0.5 0.5 0.1 0.1', r'class nan;', id='nan_class'),
    ],
)
def test_broken_lines(tmp_path, line, text):
    path = yolo_folder(tmp_path, [LINE, f'{LINE}{line}\n'])
    with pytest.raises(ParameterError, match=rf'/labels/val/1\.txt, line 2: {text}'):
        open_yolo(path)


def test_too_few_keypoints(tmp_path):
    path = yolo_folder(tmp_path, [LINE], kpt_shape=[17, 3])
    with pytest.raises(
        ParameterError, match=r'line 1: 4 values after .* 4 for the box and 17 × 3 for keyp'
    ):
        open_yolo(path)


@pytest.mark.parametrize(
    ('more', 'text'),
    [
        pytest.param({'names': None}, r"has no 'names'; expected a data\.yaml", id='no_names'),
        pytest.param({'names': {1: 'a', 5: 'b'}}, r"'names' is .* 0, 1, 2, …", id='names'),
        pytest.param({'kpt_shape': [17]}, r"'kpt_shape' is \[17\]; expected", id='shape'),
        pytest.param({'kpt_shape': [10**9, 3]}, r"'kpt_shape' is \[1000000000", id='many_points'),
        pytest.param({'val': 'n' * 256}, 'names nnn.*…, but there is no', id='long_folder'),
        pytest.param({'val': 'a\0b'}, r'names a\\x00b, but there is no', id='nul_in_a_folder'),
        pytest.param({'path': 'n' * 256, 'val': 'x'}, 'names x, but there', id='long_root'),
        pytest.param({'kpt_shape': [17, 4]}, r"'kpt_shape' is \[17, 4\]", id='depth'),
        pytest.param({'val': None}, r"has no 'val'; it has no split", id='no_split'),
        pytest.param({'val': 'other'}, r'names other, but there is no .*/other; c', id='folder'),
    ],
)
def test_broken_descriptions(tmp_path, more, text):
    names = more.pop('names', ('name_0', 'name_1'))
    path = yolo_folder(tmp_path, [LINE], **more)
    if not isinstance(names, tuple):
        path.write_text(f'val: images/val\nnames: {"" if names is None else names}\n')
    with pytest.raises(ParameterError, match=text):
        open_yolo(path)


def test_no_yaml(tmp_path):
    path = tmp_path / 'data.yaml'
    path.write_text('names:\n  - [')
    with pytest.raises(ParameterError, match=r'data\.yaml cannot be read as YAML: line \d'):
        open_yolo(path)
    path.write_text('names: [a]\nval: !!int')
    with pytest.raises(ParameterError, match='line 2: it has a tag'):
        open_yolo(path)
    with pytest.raises(ParameterError, match='cannot be read: No such file'):
        open_yolo(tmp_path / 'none.yaml')
    for name in ('~no-such-user-here/x', 'n' * 256, 'a\0b', 'scene://oranges?count=' + '9' * 5000):
        with pytest.raises(ParameterError):
            open_dataset(name)


def test_pipes_are_refused_at_once(tmp_path):
    path = yolo_folder(tmp_path, [LINE])
    label = tmp_path / 'labels' / 'val' / '0.txt'
    label.unlink()
    os.mkfifo(label)
    with pytest.raises(ParameterError, match=r'0\.txt is a pipe'):
        open_yolo(path)
    os.mkfifo(tmp_path / 'list.txt')
    path.write_text('names: [a]\nval: list.txt')
    with pytest.raises(ParameterError, match=r'list\.txt is a pipe'):
        open_yolo(path)


def test_names_as_a_mapping(tmp_path):
    path = yolo_folder(tmp_path, [LINE])
    path.write_text('val: images/val\nnames: {0: b, 1: a}\n')
    assert open_yolo(path).class_names == ('b', 'a')


@pytest.mark.parametrize('split', ['test', 'train'])
def test_splits(tmp_path, split):
    path = yolo_folder(tmp_path, [LINE, LINE])
    write_picture(tmp_path / 'images' / 'more' / '0.png')
    path.write_text(f'val: images/val\n{split}: [images/val, images/more]\nnames: [a, b]\n')
    assert open_yolo(path).count == 2
    assert open_yolo(path, split).count == 3
    with pytest.raises(ParameterError, match=f"has no '.*'; it has val, {split}"):
        open_yolo(path, {'test': 'train', 'train': 'test'}[split])


def test_a_list_of_pictures(tmp_path):
    path = yolo_folder(tmp_path, [LINE, LINE])
    path.write_text('path: .\nval: val.txt\nnames: [a, b]\n')
    (tmp_path / 'val.txt').write_text('images/val/1.png\n\n')
    (picture,) = open_yolo(path).pictures
    assert (picture.name, len(picture.truth)) == ('1.png', 1)
    (tmp_path / 'val.txt').write_text('images/val/1.png\nimages/val/7.png\n')
    with pytest.raises(ParameterError, match=r'val\.txt, line 2: there is no .*/7\.png'):
        open_yolo(path)
    (tmp_path / 'val.txt').write_text('\n')
    with pytest.raises(ParameterError, match=r'val\.txt lists no pictures'):
        open_yolo(path)


def test_paths_as_roboflow_writes_them(tmp_path):
    path = yolo_folder(tmp_path, [LINE])
    path.write_text('val: ../images/val\nnames: [a, b]\n')
    assert open_yolo(path).count == 1


def test_a_root_that_is_not_here(tmp_path):
    path = yolo_folder(tmp_path, [LINE], path='/datasets/elsewhere')
    assert open_yolo(path).count == 1


def test_not_one_label(tmp_path):
    with pytest.raises(ParameterError, match=r'none of the 2 pictures .* in .*/labels/val$'):
        open_yolo(yolo_folder(tmp_path, [None, '']))


def test_no_pictures(tmp_path):
    path = yolo_folder(tmp_path, [])
    (tmp_path / 'images' / 'val').mkdir(parents=True)
    with pytest.raises(ParameterError, match=r'data\.yaml: .*images/val'):
        open_yolo(path)


def test_damaged_picture(tmp_path):
    path = yolo_folder(tmp_path, [LINE])
    (tmp_path / 'images' / 'val' / '0.png').write_bytes(b'x')
    with pytest.raises(ImageError, match=r'0\.png is damaged'):
        list(open_yolo(path).pictures)
