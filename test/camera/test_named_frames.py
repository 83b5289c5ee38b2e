"""named_frames: when each frame is shown, for videos that are written of them."""

import threading

import cv2
import numpy as np
import pytest
from bags import write_bag

from jetson_perception.camera.bag_reader import BagReader
from jetson_perception.camera.named_frames import is_live, named_frames, readable_frames
from jetson_perception.camera.pace import Pace
from jetson_perception.errors import SourceError

TIMES_MS = [0, 33, 70, 120]


@pytest.mark.parametrize('name', ['browser.webm', 'phone.mp4'])
def test_frames_of_a_video_say_when_they_are_shown(make_timed_video, name):
    frames = list(named_frames(str(make_timed_video(name, TIMES_MS))))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.offset_ns / 1e6 for frame in frames] == pytest.approx(TIMES_MS, abs=0.1)
    assert len({frame.rate_hz for frame in frames}) == 1
    assert frames[0].rate_hz < 100


def test_images_of_a_bag_are_as_far_apart_as_they_were_recorded(tmp_path):
    path = write_bag(tmp_path / 'drive', [40, 120, 200])
    reader = BagReader(path)
    logged = [image.logged_ns for image in reader.images()]
    reader.close()
    frames = list(named_frames(str(path)))
    assert [frame.offset_ns for frame in frames] == [each - logged[0] for each in logged]
    assert frames[-1].offset_ns > 0


def test_frames_of_a_scene_follow_its_rate():
    frames = list(named_frames('scene://oranges?fps=10&frames=3&width=64&height=64'))
    assert [frame.offset_ns for frame in frames] == [0, 100_000_000, 200_000_000]


def test_a_picture_is_shown_at_no_time(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((8, 8, 3), np.uint8))
    (frame,) = named_frames(str(tmp_path / 'a.png'))
    assert (frame.rate_hz, frame.offset_ns) == (0, 0)


def test_pictures_that_cannot_be_read_do_not_count(tmp_path, caplog):
    for name in ('1.png', '3.png', '4.png'):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    for name in ('0.png', '2.png'):
        (tmp_path / name).write_bytes(b'nothing')
    frames = list(readable_frames(str(tmp_path), 2))
    assert [frame.name for frame in frames] == ['1', '3']
    assert [record.getMessage().split(' is ')[0] for record in caplog.records] == [
        str(tmp_path / '0.png'),
        str(tmp_path / '2.png'),
    ]
    assert list(readable_frames(str(tmp_path), 0)) == []


@pytest.mark.parametrize(
    ('most', 'expected'), [(None, 3), (2, 2), (9, 3)], ids=['all', 'fewer', 'more']
)
def test_how_many_there_will_be(tmp_path, most, expected):
    (tmp_path / 'in').mkdir()
    for name in '012':
        cv2.imwrite(str(tmp_path / 'in' / f'{name}.png'), np.zeros((8, 8, 3), np.uint8))
    scene = 'scene://oranges?frames=3&width=64&height=64'
    video = tmp_path / 'a.avi'
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (16, 16))
    for _ in range(3):
        writer.write(np.zeros((16, 16, 3), np.uint8))
    writer.release()
    bag = write_bag(tmp_path / 'drive', [10, 20, 30])
    for source in (str(tmp_path / 'in'), scene, str(video), str(bag)):
        assert [frame.count for frame in named_frames(source, most)] == [expected] * expected


def test_nobody_knows_how_many_there_will_be_of_an_endless_one():
    endless = 'scene://oranges?width=64&height=64'
    frames = named_frames(endless)
    assert next(frames).count == 0
    frames.close()
    assert [frame.count for frame in named_frames(endless, 1)] == [1]


def test_closing_what_was_opened_ends_the_wait():
    opened = []
    slow = 'scene://oranges?width=64&height=64&fps=0.01'
    frames = named_frames(slow, pace=Pace.EVERY_FRAME, on_open=opened.append)
    next(frames)
    threading.Timer(0.05, opened[0].close).start()
    with pytest.raises(SourceError, match='was closed'):
        next(frames)


@pytest.mark.parametrize(
    ('source', 'live'),
    [
        ('v4l2:///dev/video0', True),
        ('rtsp://10.0.0.1/a', True),
        ('csi://0', True),
        ('scene://oranges', False),
        ('a.mp4', False),
        ('images://pictures', False),
    ],
)
def test_which_are_live(source, live):
    assert is_live(source) is live
