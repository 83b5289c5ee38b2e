"""Packets of videos whose descriptions are damaged; of whole ones, sources have the tests."""

import pytest
from camera.coded_videos import write_coded

from jetson_perception.camera.video_packets import PyavError, VideoPackets
from jetson_perception.errors import SourceError


@pytest.fixture
def content(tmp_path):
    return bytearray(write_coded(tmp_path / 'whole.mp4', range(0, 400, 40)).read_bytes())


def packets_of(tmp_path, content):
    path = tmp_path / 'damaged.mp4'
    path.write_bytes(content)
    return VideoPackets(str(path))


@pytest.mark.parametrize('place', [6, 7], ids=['beyond its end', 'too long'])
def test_parameter_sets_with_a_wrong_length(tmp_path, content, place):
    content[content.index(b'avcC') + 4 + place] = 0xFF
    with pytest.raises(PyavError, match=r'its description is damaged \(InvalidDataError\)'):
        packets_of(tmp_path, content)


def test_a_codec_that_nobody_knows(tmp_path, content):
    with pytest.raises(PyavError, match='its codec is none'):
        packets_of(tmp_path, content.replace(b'avc1', b'zzzz'))


def test_no_video_at_all(tmp_path, content):
    with pytest.raises(PyavError, match='FFmpeg cannot open it'):
        packets_of(tmp_path, b'no video' * 100)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match='FileNotFoundError') as caught:
        VideoPackets(str(tmp_path / 'a.mp4'))
    assert not isinstance(caught.value, PyavError)
