import os

import pytest

from jetson_perception.camera.video_container import VideoContainer, read_video_container
from jetson_perception.errors import SourceError

WHOLE, COUNTED = VideoContainer(), VideoContainer(counts_frames=True)
CUT, COUNTED_CUT = VideoContainer(cut_off=True), VideoContainer(cut_off=True, counts_frames=True)


@pytest.mark.parametrize(
    ('name', 'codec', 'whole', 'cut'),
    [
        pytest.param('a.avi', 'MJPG', COUNTED, COUNTED_CUT, id='avi'),
        pytest.param('a.mp4', 'mp4v', WHOLE, CUT, id='mp4'),
        pytest.param('a.mkv', 'MJPG', WHOLE, CUT, id='mkv'),
    ],
)
def test_what_opencv_writes(make_video, name, codec, whole, cut):
    path = make_video(name, codec=codec)
    assert read_video_container(path) == whole
    os.truncate(path, path.stat().st_size - 1)
    assert read_video_container(path) == cut


def box(kind, size, content=b''):
    return size.to_bytes(4, 'big') + kind + content


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        pytest.param(b'', WHOLE, id='empty'),
        pytest.param(b'text, and no video', WHOLE, id='text'),
        pytest.param(b'RIFF', COUNTED, id='riff_alone'),
        pytest.param(b'RIFF' + bytes(8), COUNTED, id='riff_of_no_size'),
        pytest.param(b'RIFF\x04\0\0\0AVI RIFF\xff\0\0\0AVIX', COUNTED_CUT, id='second_riff'),
        pytest.param(b'RIFF\x04\0\0\0AVI ' + b'\0' * 9, COUNTED, id='something_behind'),
        pytest.param(b'\x1a\x45\xdf\xa3', WHOLE, id='ebml_alone'),
        pytest.param(b'\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67', WHOLE, id='segment_alone'),
        pytest.param(b'\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\0', WHOLE, id='no_size'),
        pytest.param(b'\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff', WHOLE, id='streamed'),
        pytest.param(b'\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x81', CUT, id='segment_cut'),
        pytest.param(box(b'ftyp', 8) + box(b'mdat', 0), WHOLE, id='box_to_the_end'),
        pytest.param(box(b'ftyp', 8) + box(b'mdat', 7), WHOLE, id='box_of_no_size'),
        pytest.param(box(b'ftyp', 8) + box(b'mdat', 1, b'\xff' * 8), CUT, id='huge_box'),
        pytest.param(box(b'ftyp', 8) * 20_000, WHOLE, id='boxes_without_end'),
    ],
)
def test_ugly_ones(tmp_path, content, expected):
    path = tmp_path / 'video'
    path.write_bytes(content)
    assert read_video_container(path) == expected


def test_a_file_that_is_gone(tmp_path):
    with pytest.raises(SourceError, match='cannot be read: No such file'):
        read_video_container(tmp_path / 'gone.mp4')
