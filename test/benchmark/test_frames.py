"""Pictures to measure with: the size asked for, as many as asked for, and really different."""

import itertools

import cv2
import numpy as np
import pytest

from jetson_perception.benchmark.frames import load_frames
from jetson_perception.errors import ParameterError, PerceptionError, SourceError


def folder(path, count=2, size_wh=(64, 48)):
    for number in range(count):
        picture = np.full((size_wh[1], size_wh[0], 3), 10 * (number + 1), np.uint8)
        assert cv2.imwrite(str(path / f'{number}.png'), picture)
    return str(path)


def test_pictures_of_a_folder_are_resized_and_given_again(tmp_path):
    frames = load_frames(folder(tmp_path), (32, 20), 5)
    assert [frame.shape for frame in frames] == [(20, 32, 3)] * 5
    assert [int(frame[0, 0, 0]) for frame in frames] == [10, 20, 10, 20, 10]
    assert all(frame.flags.c_contiguous for frame in frames)


def test_pictures_that_have_the_size_are_kept_apart(tmp_path):
    frames = load_frames(folder(tmp_path, 3), (64, 48), 3)
    assert [int(frame[0, 0, 0]) for frame in frames] == [10, 20, 30]


def test_frames_of_a_scene_differ():
    frames = load_frames('scene://people', (320, 240), 4)
    assert [frame.shape for frame in frames] == [(240, 320, 3)] * 4
    differences = [
        np.abs(one.astype(int) - other).mean() for one, other in itertools.pairwise(frames)
    ]
    assert min(differences) > 0.1


@pytest.mark.parametrize(
    ('source', 'size_wh', 'error', 'text'),
    [
        pytest.param('scene://people', (16, 16), ParameterError, 'the smallest is', id='small'),
        pytest.param('scene://moon', (320, 240), PerceptionError, 'moon', id='no_such_scene'),
        pytest.param(
            'scene://people?seed=3', (320, 240), ParameterError, 'no settings', id='settings'
        ),
        pytest.param('/no/such/folder', (320, 240), SourceError, '/no/such/folder', id='nothing'),
    ],
)
def test_what_cannot_be_had(source, size_wh, error, text):
    with pytest.raises(error, match=text):
        load_frames(source, size_wh, 2)


def test_a_damaged_picture_is_left_out_and_named(tmp_path, caplog):
    folder(tmp_path, 2)
    (tmp_path / '0.png').write_bytes(b'nothing')
    frames = load_frames(str(tmp_path), (32, 32), 1)
    assert [int(frame[0, 0, 0]) for frame in frames] == [20]
    assert '0.png is damaged' in caplog.text


def test_nothing_but_damaged_pictures(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'nothing')
    with pytest.raises(SourceError, match='not one picture can be read'):
        load_frames(str(tmp_path), (32, 32), 2)
