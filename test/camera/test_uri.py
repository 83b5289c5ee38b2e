import pytest

from jetson_perception.camera.shown import shown
from jetson_perception.camera.uri import EXAMPLES, parse
from jetson_perception.errors import SourceError


@pytest.mark.parametrize(
    ('source', 'scheme', 'target'),
    [
        pytest.param(0, 'v4l2', '/dev/video0', id='number'),
        pytest.param('2', 'v4l2', '/dev/video2', id='digits'),
        pytest.param('/dev/video1', 'v4l2', '/dev/video1', id='device'),
        pytest.param('v4l2:///dev/video0', 'v4l2', '/dev/video0', id='v4l2'),
        pytest.param('v4l2://3', 'v4l2', '/dev/video3', id='v4l2_number'),
        pytest.param('V4L2:///dev/video0', 'v4l2', '/dev/video0', id='upper_case'),
        pytest.param('  csi://1 ', 'csi', '1', id='spaces_around'),
        pytest.param('csi://1?memory=nvmm', 'csi', '1?memory=nvmm', id='csi_memory'),
        pytest.param('rtsp://h/s', 'rtsp', 'rtsp://h/s', id='rtsp'),
        pytest.param('rtsps://u:p@h:322/s', 'rtsp', 'rtsps://u:p@h:322/s', id='rtsps'),
        pytest.param('file:///a/b.mp4', 'file', '/a/b.mp4', id='file'),
        pytest.param('file://b.mp4', 'file', 'b.mp4', id='relative_file'),
        pytest.param('file://localhost/a/b.mp4', 'file', '/a/b.mp4', id='file_with_host'),
        pytest.param('file:///a/b%20c.mp4', 'file', '/a/b c.mp4', id='percent'),
        pytest.param('file:///a/b.PNG', 'images', '/a/b.PNG', id='file_that_is_a_picture'),
        pytest.param('images:///a', 'images', '/a', id='images'),
        pytest.param('frames/*.png', 'images', 'frames/*.png', id='pattern'),
        pytest.param('/a/nope.MP4', 'file', '/a/nope.MP4', id='video_that_is_not_there'),
        pytest.param('nope.webm', 'file', 'nope.webm', id='relative_video_that_is_not_there'),
        pytest.param('photo.jpg', 'images', 'photo.jpg', id='picture'),
        pytest.param(
            'gst://videotestsrc ! video/x-raw', 'gst', 'videotestsrc ! video/x-raw', id='gst'
        ),
        pytest.param('scene://oranges?seed=3', 'scene', 'oranges?seed=3', id='scene'),
    ],
)
def test_parse(source, scheme, target):
    uri = parse(source)
    assert (uri.scheme, uri.target) == (scheme, target)


def test_every_example_is_valid():
    assert [parse(example).scheme for example in EXAMPLES.values()] == list(EXAMPLES)


def test_paths_that_exist(tmp_path):
    (tmp_path / 'a%20b.mp4').touch()
    assert parse(str(tmp_path)).scheme == 'images'
    assert parse(str(tmp_path / 'a%20b.mp4')).scheme == 'file'
    assert parse(f'file://{tmp_path}/a%20b.mp4').target == str(tmp_path / 'a%20b.mp4')


def test_home(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert parse('file://~/b.mp4').target == str(tmp_path / 'b.mp4')


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        pytest.param('', r'the source is empty; sources are csi://0, v4l2:///dev', id='empty'),
        pytest.param('  ', 'the source is empty', id='blank'),
        pytest.param(-1, '-1 is not a camera number', id='negative'),
        pytest.param(
            'http://h/s', r'http://…: no source is called http://; .*rtsp://user', id='scheme'
        ),
        pytest.param('~no-such-user-here/x', 'no such user', id='home_of_nobody'),
        pytest.param('file://~no-such-user-here/x', 'no such user', id='home_in_a_url'),
        pytest.param('a\0b', 'holds a NUL', id='nul'),
        pytest.param('~a\0b/x', 'holds a NUL', id='nul_in_a_user'),
        pytest.param('file:///a%00b', 'holds a NUL', id='nul_in_a_url'),
        pytest.param('n' * 256, 'is neither a file', id='long_name'),
        pytest.param('n/' * 2500, 'is neither a file', id='long_path'),
        pytest.param(f'csi://{"9" * 5000}', 'expected the number of a sensor', id='digits'),
        pytest.param('nope.pt', 'nope.pt is neither a file, .*gst://', id='no_such_file'),
        pytest.param('file://', r'file:// names nothing .* file:///home/me/drive.mp4', id='bare'),
        pytest.param('csi://left', 'number of a sensor, e.g. csi://0', id='csi_name'),
        pytest.param('csi://0?mode=1', 'number of a sensor, e.g. csi://0', id='csi_query'),
        pytest.param(
            'csi://0?memory=gpu', r'^csi://0\?memory=gpu: memory is one of host, ', id='csi_memory'
        ),
        pytest.param('v4l2://dev/video0', 'v4l2:///dev/video0', id='two_slashes'),
        pytest.param('rtsp:///stream', 'has no host', id='no_host'),
        pytest.param('rtsp://h:70000/s', 'the port is over 65535; expected 1 to 65', id='port'),
        pytest.param('rtsp://u:pw@h:70000/s', 'the port is over 65535', id='port_behind_a_user'),
        pytest.param('rtsp://h:live/s', 'is no port; expected a number, 1 to', id='port_name'),
        pytest.param('rtsp://fe80::1/s', r'an IPv6 address is written \[fe80::1\]', id='ipv6'),
        pytest.param('rtsp://[fe80::1/s', r'an IPv6 address is written', id='open_bracket'),
        pytest.param('rtsp://rtsp://h/s', 'has rtsp:// twice; expected e.g. rtsp', id='twice'),
        pytest.param('rtsp://h/a\nb', 'characters that are not printable', id='newline'),
        pytest.param('rtsp://h/caf\udce9', 'characters that are not printable', id='surrogate'),
    ],
)
def test_refused(source, text):
    with pytest.raises(SourceError, match=text):
        parse(source)


@pytest.mark.parametrize(
    'source', ['rtsp://u:s3cret@h/s', 'gst://rtspsrc location=rtsp://u:s3cret@h ! decodebin']
)
def test_shown_without_password(source):
    uri = parse(source)
    assert str(uri) == shown(source)
    assert 's3cret' not in str(uri)
    assert 's3cret' not in repr(uri)


@pytest.mark.parametrize('source', ['rtsp://u:s3/cret@h/s', 'http://u:s3cret@h/'])
def test_errors_hide_passwords(source):
    with pytest.raises(SourceError) as caught:
        parse(source)
    assert 's3' not in str(caught.value)
    assert caught.value.__cause__ is None
