"""Pictures and video of a demo."""

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from jetson_perception.ros.demo.pictures import fitted, save


def jpeg(gray, ms=0, size_wh=(64, 48)):
    pixels = np.full((size_wh[1], size_wh[0], 3), gray, np.uint8)
    data = cv2.imencode('.jpg', pixels)[1].tobytes()
    stamp = Time(sec=1_700_000_000 + ms // 1000, nanosec=ms % 1000 * 1_000_000)
    return CompressedImage(header=Header(stamp=stamp), format='jpeg', data=data)


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append((round(capture.get(cv2.CAP_PROP_POS_MSEC)), round(float(read[1].mean()))))
    return frames


def test_frames_of_the_video_have_the_times_of_their_images(tmp_path):
    times = [0, 40, 500, 540]
    jpegs = [jpeg(20 * index, ms) for index, ms in enumerate(times)]
    video, size_wh = save(jpegs, tmp_path, 25.0)
    assert size_wh == (64, 48)
    assert [ms for ms, _ in frames_of(video)] == pytest.approx(times, abs=1)
    assert [gray for _, gray in frames_of(video)] == pytest.approx([0, 20, 40, 60], abs=3)


def test_images_of_several_sizes_fit_into_one_video(tmp_path):
    sizes = [(64, 48), (48, 64), (200, 10), (65, 49)]
    jpegs = [jpeg(200, 100 * index, size_wh) for index, size_wh in enumerate(sizes)]
    video, size_wh = save(jpegs, tmp_path, 10.0)
    assert size_wh == (64, 48)
    assert len(frames_of(video)) == 4
    assert cv2.imread(str(tmp_path / 'annotated_2.png')).shape == (64, 48, 3)


@pytest.mark.parametrize('count', [1, 2, 3, 7])
def test_at_most_three_pictures_spread_over_the_time(tmp_path, count):
    save([jpeg(10 * index, 100 * index) for index in range(count)], tmp_path, 10.0)
    pictures = sorted(tmp_path.glob('*.png'))
    assert [path.name for path in pictures] == [
        f'annotated_{number}.png' for number in range(1, min(count, 3) + 1)
    ]


def test_files_of_an_earlier_demo_are_replaced(tmp_path):
    for name in ('annotated_3.png', 'annotated.avi', 'mine.png'):
        (tmp_path / name).touch()
    save([jpeg(50)], tmp_path, 10.0)
    assert {path.name for path in tmp_path.iterdir()} == {
        'annotated_1.png',
        'annotated.mp4',
        'mine.png',
    }


@pytest.mark.parametrize(
    ('size_wh', 'inside'),
    [
        pytest.param((64, 48), (0, 0, 64, 48), id='equal'),
        pytest.param((128, 96), (0, 0, 64, 48), id='twice_as_large'),
        pytest.param((48, 64), (14, 0, 36, 48), id='upright'),
        pytest.param((640, 48), (0, 22, 64, 5), id='wide'),
        pytest.param((1, 1), (8, 0, 48, 48), id='one_pixel'),
        pytest.param((5000, 1), (0, 24, 64, 1), id='a_line'),
    ],
)
def test_fitting(size_wh, inside):
    picture = fitted(np.full((size_wh[1], size_wh[0], 3), 255, np.uint8), (64, 48))
    assert picture.shape == (48, 64, 3)
    box = cv2.boundingRect(picture[..., 0])
    assert np.abs(np.subtract(box, inside)).max() <= 1
