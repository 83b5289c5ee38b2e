import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from jetson_perception.camera import open_source
from jetson_perception.camera.file import FileSource
from jetson_perception.camera.gst import CsiSource, GstSource
from jetson_perception.camera.images import ImagesSource
from jetson_perception.camera.rtsp import RtspSource
from jetson_perception.camera.v4l2 import V4l2Source
from jetson_perception.errors import ParameterError, SourceError


@pytest.mark.parametrize(
    ('uri', 'cls', 'shown', 'live'),
    [
        pytest.param(0, V4l2Source, 'v4l2:///dev/video0', True, id='number'),
        pytest.param('v4l2:///dev/video0', V4l2Source, 'v4l2:///dev/video0', True, id='v4l2'),
        pytest.param('csi://0', CsiSource, 'csi://0', True, id='csi'),
        pytest.param('rtsp://u:pw@h/s', RtspSource, 'rtsp://h/s', True, id='rtsp'),
        pytest.param('gst://fdsrc ! x user-pw=pw', GstSource, 'gst://fdsrc ! x', True, id='gst'),
        pytest.param('file:///a.mp4', FileSource, 'file:///a.mp4', False, id='file'),
        pytest.param('file:///a.png', ImagesSource, 'images:///a.png', False, id='picture'),
        pytest.param('images:///a', ImagesSource, 'images:///a', False, id='images'),
    ],
)
def test_each_scheme(uri, cls, shown, live):
    source = open_source(uri, size_wh=(64, 48), frame_rate=5.0)
    assert type(source) is cls
    assert source.uri == shown
    assert source.live is live
    source.close()


def test_a_path_object(make_video):
    path = make_video()
    assert open_source(Path(path)).uri == open_source(str(path)).uri


@pytest.mark.parametrize('source', [None, 1.5, b'0', ['scene://oranges']])
def test_no_name_of_a_source(source):
    with pytest.raises(SourceError, match='is not a source; sources are'):
        open_source(source)


def test_scene():
    source = open_source('scene://oranges', size_wh=(160, 120), frame_rate=0)
    source.open()
    frame = source.read()
    assert frame.pixels.shape == (120, 160, 3)
    assert frame.truth_mask is not None
    source.close()


def test_options_reach_the_source(make_video, frame_number):
    source = open_source(make_video(count=2).as_uri(), size_wh=(20, 10), frame_rate=0, loop=True)
    source.open()
    pictures = [source.read().pixels.copy() for _ in range(3)]
    assert [frame_number(picture) for picture in pictures] == [0, 1, 0]
    assert pictures[0].shape == (10, 20, 3)


def test_sizes_beyond_the_limit(make_video, tmp_path, caplog):
    limit = {'frame_rate': 0, 'max_image_pixels': 64 * 48 - 1}
    for source in (make_video(), make_video('b.mp4', codec='mp4v')):
        with pytest.raises(SourceError, match=r'64×48 pixels; max_image_pixels is 3071$'):
            open_source(str(source), **limit).open()
    with pytest.raises(SourceError, match='64×64 pixels; max_image_pixels is 3071'):
        open_source('scene://oranges?width=64&height=64', **limit)
    with pytest.raises(ParameterError, match='the size is 64×48 pixels; max_image_pixels'):
        open_source('v4l2:///dev/video0', size_wh=(64, 48), **limit)
    for name, height in (('0.png', 48), ('1.png', 47)):
        assert cv2.imwrite(str(tmp_path / name), np.zeros((height, 64, 3), np.uint8))
    pictures = open_source(f'images://{tmp_path}/*.png', **limit)
    pictures.open()
    assert pictures.read().pixels.shape == (47, 64, 3)
    assert f'{tmp_path}/0.png is PNG of 64×48 pixels; max_image_pixels is 3071' in caplog.text


@pytest.mark.parametrize(
    ('options', 'parameter'),
    [
        ({'size_wh': (0, 480)}, 'size_wh'),
        ({'size_wh': (640, -1)}, 'size_wh'),
        ({'frame_rate': -1.0}, 'frame_rate'),
        ({'frame_rate': 1e-320}, 'frame_rate'),
        ({'frame_rate': 1e308}, 'frame_rate'),
        ({'frame_rate': float('nan')}, 'frame_rate'),
        ({'frame_rate': float('inf')}, 'frame_rate'),
        ({'pixel_format': 'JPEG2'}, 'pixel_format'),
    ],
)
def test_refused_options(options, parameter):
    with pytest.raises(ParameterError, match='expected') as caught:
        open_source('v4l2:///dev/video0', **options)
    assert caught.value.parameter == parameter


def test_refused_uri():
    with pytest.raises(SourceError, match='no source is called ftp://'):
        open_source('ftp://h/a.mp4')


def test_a_pixel_format_that_is_not_used(caplog):
    with caplog.at_level(logging.WARNING, 'jetson_perception'):
        open_source('file:///a.mp4', pixel_format='MJPG')
    assert caplog.messages == [
        'file:///a.mp4: pixel_format applies to v4l2:// only; MJPG is not used'
    ]
