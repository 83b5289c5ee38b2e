"""RTSP streams on a stand-in for NVDEC, from a stand-in for a camera."""

import collections
import time

import av
import numpy as np
import pytest
import standin_pynvvideocodec
from camera.coded_videos import encoded, encoder
from camera.standin_rtsp import StandInH264Server, StandInRtspServer

from jetson_perception.camera import open_source
from jetson_perception.camera.gpu_rtsp import ffmpeg_options
from jetson_perception.camera.rtsp import RtspSource
from jetson_perception.cuda import CudaDevice
from jetson_perception.errors import SourceError

PICTURES = 12


@pytest.fixture(scope='module')
def packets(tmp_path_factory):
    path = tmp_path_factory.mktemp('video') / 'a.h264'
    with av.open(str(path), 'w') as output:
        # As one slice each, so that what lies behind the last start code is the picture's end.
        options = {'tune': 'zerolatency', 'x264-params': 'sliced-threads=0:repeat-headers=1'}
        stream = encoder(output, 'libx264', (128, 96), b_frames=0, options=options)
        return [bytes(each) for each in encoded(stream, range(0, PICTURES * 40, 40))]


@pytest.fixture
def server(packets):
    server = StandInH264Server(packets)
    yield server
    server.close()


@pytest.fixture
def library(monkeypatch, standin):
    return standin_pynvvideocodec.install(monkeypatch, standin)


@pytest.fixture
def engine(standin):
    device = CudaDevice.get(0)
    yield device
    device.close()


def test_the_newest_picture_stays_on_the_gpu(server, packets, library, engine, caplog):
    source = open_source(server.url, native=True, video_decoder='auto')
    before_ns = time.time_ns()
    with caplog.at_level('INFO'):
        source.open()
    frames = [source.read() for _ in range(3)]
    source.close()
    assert library.created == [{'gpuid': 0, 'codec': 'H264', 'latency': 'LOW'}]
    assert f'{server.url} is decoded on the GPU' in caplog.text
    assert all(frame.on_device is not None for frame in frames)
    assert {frame.size_wh for frame in frames} == {(128, 96)}
    assert before_ns < frames[0].captured_ns < frames[1].captured_ns < time.time_ns()
    known = av.CodecContext.create('h264', 'r')
    pictures = [
        picture.reformat(format='nv12').to_ndarray()
        for data in [*packets, b'']
        for picture in known.decode(av.Packet(data) if data else None)
    ]
    for frame in frames:
        assert min(np.abs(frame.pixels.astype(int) - each).max() for each in pictures) <= 1


def test_without_native_frames_are_bgr_and_may_be_scaled(server, library, engine):
    source = open_source(server.url, size_wh=(64, 48), video_decoder='gpu')
    source.open()
    frame = source.read()
    source.close()
    assert library.sessions == 0
    assert (frame.encoding, frame.pixels.shape) == ('bgr8', (48, 64, 3))


def test_a_stream_that_the_gpu_does_not_decode(library, engine, caplog):
    server = StandInRtspServer()
    source = open_source(server.url, native=True, video_decoder='auto')
    with caplog.at_level('INFO'):
        for _ in range(2):
            source.open()
            assert source.read().encoding == 'bgr8'
    source.close()
    server.close()
    assert caplog.text.count('is decoded on the CPU: it is mjpeg') == 1


@pytest.mark.slow
def test_a_camera_that_hangs_is_lost(packets, library, engine):
    server = StandInH264Server(packets)
    source = RtspSource(server.url, video_decoder='auto', native=True, read_timeout_s=0.5)
    source.open()
    source.read()
    server.freeze()
    with pytest.raises(SourceError, match=r'the server sent nothing|gave no frame'):
        collections.deque(iter(source.read, None), 0)
    source.close()
    server.close()


def test_no_error_has_the_password(packets, library, engine):
    server = StandInH264Server(packets)
    server.freeze()
    url = server.url.replace('rtsp://', 'rtsp://me:secret@')
    source = RtspSource(
        url, video_decoder='auto', native=True, open_timeout_s=0.5, read_timeout_s=0.5
    )
    with pytest.raises(SourceError) as error:
        source.open()
    server.close()
    assert 'secret' not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        (None, {'rtsp_transport': 'tcp'}),
        ('rtsp_transport;udp|timeout;5', {'rtsp_transport': 'udp', 'timeout': '5'}),
        ('', {}),
    ],
)
def test_what_opencv_is_told_is_heeded(monkeypatch, given, expected):
    monkeypatch.delenv('OPENCV_FFMPEG_CAPTURE_OPTIONS', raising=False)
    if given is not None:
        monkeypatch.setenv('OPENCV_FFMPEG_CAPTURE_OPTIONS', given)
    assert ffmpeg_options() == expected
