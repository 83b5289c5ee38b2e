"""Pictures to calibrate on, those put aside, and the pictures of bags."""

import itertools
import sys

import cv2
import numpy as np
import pytest
from bags import write_bag
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from jetson_perception.camera.uri import is_bag
from jetson_perception.commands.bag_pictures import bag_pictures
from jetson_perception.commands.calibration_pictures import (
    MOST_HELD_OUT,
    SplitPictures,
    calibration_pictures,
)
from jetson_perception.errors import ParameterError, PerceptionError, SourceError


def write_folder(folder, count):
    """Pictures whose blue says which they are."""
    folder.mkdir()
    for index in range(count):
        assert cv2.imwrite(str(folder / f'{index}.png'), np.full((8, 8, 3), index % 256, np.uint8))
    return str(folder)


def write_video(path, count, rate=10.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate, (64, 48))
    for _ in range(count):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    return str(path)


def indices(pictures):
    return [int(bgr[0, 0, 0]) for _, bgr in pictures]


class TestCalibrationPictures:
    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(SourceError):
            list(calibration_pictures(write_folder(tmp_path / 'f', 0)))

    @pytest.mark.parametrize(
        ('every', 'expected'),
        [(0, [0, 1, 2, 3, 4, 5, 6]), (1, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 3, 6])],
    )
    def test_a_folder(self, tmp_path, every, expected):
        folder = write_folder(tmp_path / 'f', 7)
        assert indices(calibration_pictures(folder, every=every)) == expected

    def test_pictures_stay_as_they_are_when_others_are_read(self, tmp_path):
        pictures = list(calibration_pictures(write_folder(tmp_path / 'f', 3)))
        assert indices(pictures) == [0, 1, 2]

    def test_a_damaged_picture_is_left_out(self, tmp_path, caplog):
        folder = write_folder(tmp_path / 'f', 3)
        (tmp_path / 'f/1.png').write_bytes(b'no picture')
        assert indices(calibration_pictures(folder)) == [0, 2]
        assert '1.png' in caplog.text

    @pytest.mark.parametrize(('every', 'count'), [(0, 5), (1, 24), (10, 3)])
    def test_a_video(self, tmp_path, every, count):
        video = write_video(tmp_path / 'v.mp4', 24)
        assert len(list(calibration_pictures(video, every=every))) == count

    @pytest.mark.parametrize('name', ['oranges', 'people'])
    def test_a_scene_has_training_stills(self, name):
        pictures = list(itertools.islice(calibration_pictures(f'scene://{name}'), 2))
        assert [each for each, _ in pictures] == [f'{name}-0', f'{name}-1']
        assert pictures[0][1].shape == (720, 1280, 3)

    def test_a_scene_with_settings_is_a_camera(self):
        pictures = calibration_pictures('scene://oranges?width=96&height=64&fps=0', every=1)
        assert [bgr.shape for _, bgr in itertools.islice(pictures, 2)] == [(64, 96, 3)] * 2

    def test_no_source(self, tmp_path):
        with pytest.raises(SourceError):
            list(calibration_pictures(str(tmp_path / 'nothing')))


class TestSplit:
    def test_every_fifth_is_put_aside(self, tmp_path):
        split = SplitPictures(write_folder(tmp_path / 'f', 12), 100)
        assert indices(split.to_calibrate()) == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]
        assert indices(split.to_compare()) == [4, 9]

    def test_as_many_as_are_wanted(self, tmp_path):
        split = SplitPictures(write_folder(tmp_path / 'f', 12), 6)
        assert indices(split.to_calibrate()) == [0, 1, 2, 3, 5, 6]
        assert indices(split.to_compare()) == [4]

    def test_too_few_to_put_any_aside(self, tmp_path):
        split = SplitPictures(write_folder(tmp_path / 'f', 4), 100)
        assert indices(split.to_calibrate()) == [0, 1, 2, 3]
        with pytest.raises(ParameterError, match=r'fewer than 5 pictures.*--held-out') as error:
            split.to_compare()
        assert error.value.parameter == 'held_out'

    def test_others_to_compare_on(self, tmp_path):
        split = SplitPictures(
            write_folder(tmp_path / 'f', 6), 100, held_out=write_folder(tmp_path / 'g', 3)
        )
        assert indices(split.to_calibrate()) == [0, 1, 2, 3, 4, 5]
        assert indices(split.to_compare()) == [0, 1, 2]

    def test_of_a_scene_those_of_the_evaluation(self):
        split = SplitPictures('scene://oranges', 1)
        assert [name for name, _ in split.to_calibrate()] == ['oranges-0']
        name, _ = next(split.to_compare())
        assert name == 'oranges-1000000'

    def test_not_more_than_memory_bears(self, tmp_path):
        split = SplitPictures(write_folder(tmp_path / 'f', 5 * MOST_HELD_OUT + 20), 10_000)
        assert len(list(split.to_calibrate())) == 4 * MOST_HELD_OUT + 16
        assert len(list(split.to_compare())) == MOST_HELD_OUT


@pytest.fixture
def bag(tmp_path):
    """Write a bag with these images of these topics."""
    store = get_typestore(Stores.ROS2_JAZZY)

    def header():
        stamp = store.types['builtin_interfaces/msg/Time'](0, 0)
        return store.types['std_msgs/msg/Header'](stamp, '')

    def write(*topics, encoding='rgb8', compressed=False):
        kind = 'sensor_msgs/msg/CompressedImage' if compressed else 'sensor_msgs/msg/Image'
        folder = tmp_path / 'bag'
        with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            for topic in topics:
                connection = writer.add_connection(topic, kind, typestore=store)
                for index in range(3):
                    rgb = np.zeros((4, 6, 3), np.uint8)
                    rgb[..., 2] = 10 * index
                    if compressed:
                        data = cv2.imencode('.png', rgb[..., ::-1])[1].ravel()
                        message = store.types[kind](header(), 'png', data)
                    else:
                        message = store.types[kind](header(), 4, 6, encoding, 0, 18, rgb.ravel())
                    writer.write(connection, index, store.serialize_cdr(message, kind))
        return folder

    return write


class TestBags:
    @pytest.mark.parametrize('compressed', [False, True])
    def test_pictures(self, bag, compressed):
        pictures = list(bag_pictures(bag('/camera', compressed=compressed)))
        assert indices(pictures) == [0, 10, 20]  # RGB in the bag, BGR here
        assert pictures[1][0] == 'bag/camera, image 1'
        assert pictures[1][1].shape == (4, 6, 3)

    def test_an_image_that_cannot_be_used_is_left_out(self, tmp_path, caplog):
        folder = write_bag(tmp_path / 'drive', [40, None, 200], compressed=True)
        assert indices(bag_pictures(folder)) == [40, 200]
        assert 'drive/camera/image_raw, image 1: ' in caplog.text

    def test_its_file(self, bag):
        (file,) = bag('/camera').glob('*.mcap')
        assert is_bag(file)
        assert len(list(bag_pictures(file))) == 3

    def test_which_paths_are_bags(self, bag, tmp_path):
        assert is_bag(bag('/camera'))
        assert is_bag('old.bag')
        assert not is_bag(tmp_path)
        assert not is_bag('scene://people')

    def test_of_several_topics_one(self, bag):
        folder = bag('/left', '/right')
        assert len(list(bag_pictures(folder, '/right'))) == 3
        with pytest.raises(
            ParameterError, match='has images on /left, /right; write --topic /left, or'
        ):
            list(bag_pictures(folder))

    def test_a_topic_that_does_not_exist(self, bag):
        with pytest.raises(
            ParameterError, match=r'no images on /up, but on /left; write --topic /left$'
        ):
            list(bag_pictures(bag('/left'), '/up'))

    def test_an_encoding_that_is_not_a_picture(self, bag):
        with pytest.raises(
            SourceError, match=r'can be used; the last one, bag/camera, image \d+: .*32FC1'
        ):
            list(bag_pictures(bag('/camera', encoding='32FC1')))

    @pytest.mark.parametrize('name', ['nothing.bag', 'broken.bag'])
    def test_no_bag(self, tmp_path, name):
        (tmp_path / 'broken.bag').write_bytes(b'no bag')
        with pytest.raises(SourceError, match='cannot be read as a bag'):
            list(bag_pictures(tmp_path / name))

    def test_no_rosbags(self, bag, monkeypatch):
        monkeypatch.setitem(sys.modules, 'rosbags.highlevel', None)
        with pytest.raises(PerceptionError, match='pip install rosbags'):
            list(bag_pictures('a.bag'))

    def test_as_a_source(self, bag):
        assert indices(calibration_pictures(str(bag('/camera')), every=2)) == [0, 20]
