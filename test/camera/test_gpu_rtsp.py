"""RTSP streams on a stand-in for NVDEC, from a stand-in for a camera."""

import collections
import sys
import time

import av
import numpy as np
import pytest
import standin_pynvvideocodec
from camera.coded_videos import encoded, encoder
from camera.login_server import LoginServer
from camera.standin_rtsp import StandInH264Server, StandInRtspServer

from jetson_perception.camera import open_source, rtsp
from jetson_perception.camera.gpu_rtsp import ffmpeg_options
from jetson_perception.camera.rtsp import RtspSource
from jetson_perception.cuda.device_picture import PicturePool
from jetson_perception.errors import CudaError, SourceError

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


@pytest.fixture
def cpu_grabbers(monkeypatch):
    """What is opened to decode on the CPU."""
    opened, whole = [], rtsp._RtspGrabber

    def counted(*given):
        opened.append(given)
        return whole(*given)

    monkeypatch.setattr(rtsp, '_RtspGrabber', counted)
    return opened


def comes_from_the_cpu(server, caplog, reason, **more):
    """Frames come all the same, each time it is opened; one line says why from the CPU."""
    source = RtspSource(server.url, native=True, video_decoder='auto', **more)
    with caplog.at_level('INFO'):
        for _ in range(2):
            source.open()
            assert source.read().encoding == 'bgr8'
    source.close()
    (line,) = [each for each in caplog.records if 'is decoded on the CPU' in each.getMessage()]
    assert reason in line.getMessage()


def test_without_pyav(server, library, engine, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    comes_from_the_cpu(server, caplog, 'PyAV')


@pytest.mark.slow
def test_a_pyav_that_is_too_old(server, library, engine, caplog, monkeypatch):
    monkeypatch.setattr(av, '__version__', '12.3.0')
    comes_from_the_cpu(server, caplog, 'needs PyAV 17, and 12.3.0 is here')


def test_what_the_ffmpeg_of_pyav_cannot_open(server, library, engine, caplog, monkeypatch):
    def opens_nothing(*_, **__):
        raise av.error.ProtocolNotFoundError(1330794744, 'Protocol not found')

    monkeypatch.setattr(av, 'open', opens_nothing)
    comes_from_the_cpu(server, caplog, 'FFmpeg cannot open it (ProtocolNotFoundError)')


def test_a_server_that_refuses(library, engine, caplog):
    server = LoginServer()
    source = RtspSource(f'rtsp://{server.address}/live', video_decoder='auto')
    with caplog.at_level('INFO'), pytest.raises(SourceError, match='wants a user and a password'):
        source.open()
    server.close()
    assert 'is decoded on' not in caplog.text


def test_what_the_cpu_cannot_open_either_is_tried_on_the_gpu_again(
    server, library, engine, monkeypatch
):
    whole = av.open

    def opens_nothing(*_, **__):
        raise av.error.InvalidDataError(1094995529, 'Invalid data')

    def neither(*_):
        raise SourceError('the stream has no picture yet')

    source = RtspSource(server.url, native=True, video_decoder='auto')
    with monkeypatch.context() as patch:
        patch.setattr(av, 'open', opens_nothing)
        patch.setattr(rtsp, '_RtspGrabber', neither)
        with pytest.raises(SourceError, match='no picture yet'):
            source.open()
    assert av.open is whole
    source.open()
    assert source.read().on_device is not None
    source.close()


@pytest.mark.slow
def test_a_stream_of_which_the_decoder_shows_nothing(
    packets, standin, engine, caplog, monkeypatch
):
    library = standin_pynvvideocodec.install(monkeypatch, standin, hidden=range(10_000))
    server = StandInH264Server(packets)
    reason = 'NVDEC shows no picture of its first'
    comes_from_the_cpu(server, caplog, reason, open_timeout_s=1.0)
    server.close()
    assert library.sessions == 0


@pytest.mark.slow
def test_a_stream_of_which_the_decoder_shows_nothing_any_more(
    packets, standin, engine, monkeypatch
):
    library = standin_pynvvideocodec.install(monkeypatch, standin, hidden=range(5, 100_000))
    server = StandInH264Server(packets)
    source = RtspSource(server.url, native=True, video_decoder='auto', read_timeout_s=0.5)
    source.open()
    with pytest.raises(SourceError, match='gave no frame'):
        collections.deque(iter(source.read, None), 0)
    source.close()
    source._session.join(10)
    assert not source._session.is_alive()  # so that it can be opened again
    server.close()
    assert library.sessions == 0


def test_the_reason_is_told_where_the_decoder_refuses_all(packets, standin, engine, monkeypatch):
    standin_pynvvideocodec.install(monkeypatch, standin, refused=range(5, 100_000))
    server = StandInH264Server(packets, rate=1000)
    source = RtspSource(server.url, native=True, video_decoder='auto')
    source.open()
    with pytest.raises(SourceError, match='301 packets: NVDEC: HandlePictureDecode : stand-in'):
        collections.deque(iter(source.read, None), 0)
    source.close()
    server.close()


@pytest.mark.slow
def test_a_gpu_that_is_full_for_a_moment_has_the_stream_opened_again(
    server, library, engine, monkeypatch
):
    def full(*_):
        raise CudaError('allocating failed: out of memory; the GPU is full')

    source = RtspSource(server.url, video_decoder='auto')
    with monkeypatch.context() as patch:
        patch.setattr(PicturePool, 'copied', full)
        source.open()
        with pytest.raises(SourceError, match='the GPU is full'):
            source.read()
    source.open()
    assert source.read().encoding == 'bgr8'
    source.close()


def test_a_gpu_that_failed_for_good_is_told_as_such(server, library, engine, monkeypatch):
    def failed(*_):
        raise CudaError('a kernel failed', fatal=True)

    source = RtspSource(server.url, video_decoder='auto')
    monkeypatch.setattr(PicturePool, 'copied', failed)
    source.open()
    with pytest.raises(CudaError) as caught:
        source.read()
    source.close()
    assert caught.value.fatal


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


def test_no_error_has_the_password(packets, library, engine, cpu_grabbers):
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
    assert not cpu_grabbers  # that would take as long again


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
