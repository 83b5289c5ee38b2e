import pytest

from jetson_perception.camera.gst_video import RawVideo, bgr_video, video_of_caps, wanted_caps


@pytest.mark.parametrize(
    ('line', 'video'),
    [
        pytest.param('', None, id='empty'),
        pytest.param('Setting pipeline to PAUSED ...', None, id='other'),
        pytest.param('a: caps = multipart/x-mixed-replace, boundary=(string)x', None, id='mux'),
        pytest.param('a: caps = video/x-raw, framerate=(fraction)30/1', None, id='no_size'),
        pytest.param(
            '/GstPipeline:pipeline0/GstCapsFilter:filter0.GstPad:src: caps = '
            'video/x-raw, format=(string)BGR, width=(int)1280, height=(int)720, '
            'framerate=(fraction)30/1, pixel-aspect-ratio=(fraction)1/1',
            RawVideo((1280, 720), 'BGR'),
            id='caps',
        ),
        pytest.param(
            'a: caps = video/x-raw(memory:NVMM), width=(int)1280, height=(int)720',
            RawVideo((1280, 720), ''),
            id='memory',
        ),
        pytest.param(
            r'a: caps = "video/x-raw\,\ format\=\(string\)NV12\,\ width\=\(int\)1280\,\ '
            r'height\=\(int\)720"',
            RawVideo((1280, 720), 'NV12'),
            id='escaped',
        ),
        pytest.param(
            'a: caps = video/x-raw, format=(string)I420_10LE, width=(int)8, height=(int)6',
            RawVideo((8, 6), 'I420_10LE'),
            id='unknown_format',
        ),
    ],
)
def test_video_of_a_line(line, video):
    assert video_of_caps(line) == video


@pytest.mark.parametrize(
    ('name', 'size_wh', 'encoding', 'rows', 'row_bytes', 'frame_bytes'),
    [
        pytest.param('BGR', (5, 2), 'bgr8', 2, 15, 32, id='bgr'),
        pytest.param('GRAY8', (5, 3), 'mono8', 3, 5, 24, id='gray'),
        pytest.param('NV12', (66, 50), 'nv12', 75, 66, 75 * 68, id='nv12'),
        pytest.param('NV21', (8, 6), 'nv21', 9, 8, 72, id='nv21'),
        pytest.param('YUY2', (6, 3), 'yuv422_yuy2', 3, 12, 36, id='yuy2'),
        pytest.param('UYVY', (6, 3), 'uyvy', 3, 12, 36, id='uyvy'),
    ],
)
def test_in_memory(name, size_wh, encoding, rows, row_bytes, frame_bytes):
    """As gst-launch-1.0 1.22 wrote them: rows begin at multiples of four."""
    video = RawVideo(size_wh, name)
    assert (video.encoding, video.rows, video.row_bytes) == (encoding, rows, row_bytes)
    assert video.frame_bytes == frame_bytes


def test_a_format_that_is_not_taken_has_no_frames():
    for name in ('', 'I420', 'RGB16'):
        assert (RawVideo((8, 6), name).encoding, RawVideo((8, 6), name).frame_bytes) == ('', 0)


def test_all_can_become_bgr():
    assert wanted_caps(native=False) == 'video/x-raw,format=BGR'
    assert wanted_caps(native=True).endswith(';video/x-raw,format=BGR')
    assert bgr_video((8, 6)).encoding == 'bgr8'
