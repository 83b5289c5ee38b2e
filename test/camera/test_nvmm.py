"""CSI frames in the camera's own memory: real pipelines, on stand-ins for NVMM and for a GPU."""

import gc
import logging
import threading
import time

import numpy as np
import pytest
import standin_pycuda
from camera import standin_nvmm
from camera.standin_nvmm import FRAME, FUNCTIONS, MAP, REGISTER, UNMAP, UNREGISTER
from pipeline.standin_device_path import StandInPreprocess

from jetson_perception.camera import gst, gst_library, nvmm, open_source
from jetson_perception.camera.gst_appsink import python_with_gstreamer
from jetson_perception.camera.nvmm import _MOST_LENT, NvmmGrabber
from jetson_perception.cuda import nvbufsurface
from jetson_perception.cuda.nvbufsurface import NvmmError
from jetson_perception.errors import CudaError, EndOfStream, SourceError
from jetson_perception.pipeline import Frame, StageTimes
from jetson_perception.pipeline.device_frames import DeviceFrames
from jetson_perception.pipeline.frame import TensorPool

WIDTH, HEIGHT = SIZE_WH = 64, 48
CAPS = f'video/x-raw,format=NV12,width={WIDTH},height={HEIGHT}'


def is_there():
    try:
        gst_library.library()
    except SourceError:
        return False
    return python_with_gstreamer() is not None


pytestmark = pytest.mark.skipif(
    not is_there(), reason='there is no GStreamer: apt-get install gstreamer1.0-plugins-base'
)


@pytest.fixture
def jetson(monkeypatch, standin):
    """A function that makes this machine a Jetson; options are those of `StandinNvmm`."""

    def install(**options):
        return standin_nvmm.install(monkeypatch, standin, **options)

    yield install
    gc.collect()
    assert not gst_library._kept
    nvbufsurface.library.cache_clear()


@pytest.fixture
def grabber():
    """A function that runs a pipeline; all of them are released in the end."""
    running = []

    def run(text=f'videotestsrc is-live=true ! {CAPS},framerate=200/1', wanted='nvmm'):
        made = NvmmGrabber('csi://0', text.split(), wanted, threading.Event())
        running.append(made)
        return made

    yield run
    for each in running:
        each.release()


def test_pictures_lie_where_the_camera_put_them(jetson, grabber, standin):
    jetson()
    camera = grabber()
    picture, captured_ns = camera.grab(None)
    assert (picture.size_wh, picture.step, picture.encoding) == (SIZE_WH, WIDTH, 'nv12')
    assert camera.encoding == 'nv12'
    light = standin.view(picture.address, (HEIGHT, WIDTH), np.uint8)
    colors = standin.view(picture.colors, (HEIGHT // 2, WIDTH), np.uint8)
    assert len(np.unique(light)) > 5  # the colors of a test picture
    assert not standin.pinned
    np.testing.assert_array_equal(picture.on_host(), np.vstack([light, colors]))
    assert 0 <= time.time_ns() - captured_ns < 5e9


def test_what_is_mapped_stays_for_all_frames_in_the_same_memory(jetson, grabber, standin):
    known = jetson()
    camera = grabber()
    for _ in range(40):
        camera.grab(None)
    count = len(known.surfaces)
    assert count <= 6
    assert known.calls == [MAP, REGISTER, FRAME] * count
    camera.release()
    camera.release()
    assert known.calls[3 * count :] == [UNREGISTER, UNMAP] * count
    assert not known.surfaces


def test_nothing_piles_up_over_a_thousand_frames(jetson, grabber, standin):
    known = jetson()
    camera = grabber(f'videotestsrc ! {CAPS}')
    for _ in range(1000):
        picture, _ = camera.grab(None)
        del picture
    assert len(known.surfaces) <= 6
    assert len(known.calls) == 3 * len(known.surfaces)
    assert len(standin.memory) == 2 * len(known.surfaces)
    assert len(gst_library._kept) == len(known.surfaces)


def test_a_picture_that_is_kept_is_not_written_again(jetson, grabber):
    known = jetson()
    camera = grabber(f'videotestsrc pattern=snow ! {CAPS}')
    kept = camera.grab(None)[0]
    before = kept._owner.copied(kept)
    others = [camera.grab(None)[0].on_host() for _ in range(30)]
    assert all((each != before).any() for each in others)
    np.testing.assert_array_equal(kept._owner.copied(kept), before)
    assert len(known.surfaces) > 1


def test_where_many_are_kept_others_are_copied(jetson, grabber, standin):
    """So that the camera, which has few buffers, does not stand still."""
    known = jetson()
    camera = grabber(f'videotestsrc pattern=snow ! {CAPS}')
    kept = [camera.grab(None)[0] for _ in range(20)]
    assert [bool(each.colors) for each in kept] == [True] * _MOST_LENT + [False] * 15
    assert len(known.surfaces) <= nvmm.NVMM_BUFFERS
    before = [each._owner.copied(each) for each in kept]
    assert len({each.tobytes() for each in before}) == 20
    del kept[0]
    assert camera.grab(None)[0].colors
    camera.release()
    for each, pixels in zip(kept, before[1:], strict=True):
        np.testing.assert_array_equal(each.on_host(), pixels)
    kept.clear()


def test_pictures_outlive_the_camera(jetson, grabber, standin):
    known = jetson()
    camera = grabber()
    kept = camera.grab(None)[0]
    camera.release()
    assert any(each.image for each in known.surfaces.values())
    kept.on_host()
    thread = threading.Thread(target=[kept].clear)  # as a lane's would drop it
    del kept
    thread.start()
    thread.join()
    del thread
    gc.collect()
    assert not known.surfaces
    assert known.calls[-2:] == [UNREGISTER, UNMAP]


def test_its_memory_waits_for_the_gpu(jetson, grabber, standin, engine):
    known = jetson()
    camera = grabber()
    frames, preprocess = DeviceFrames(engine), StandInPreprocess(standin, engine, 'a')
    taker = frames.add(preprocess, StageTimes())
    picture = camera.grab(None)[0]
    frame = Frame(list, picture=picture)
    frame.share(1, 1, TensorPool())
    colors = picture.colors
    with engine.pushed():
        tensor = frame.device_tensor(taker)
        frame.release()
    del picture, frame
    gc.collect()
    camera.release()
    assert tensor.image.colors == colors
    assert known.surfaces  # the kernel has not run yet
    frames.close()  # waits for it
    assert standin.launches == ['fit']
    preprocess.close()
    del tensor
    gc.collect()
    assert not known.surfaces


def test_a_camera_that_ends(jetson, grabber):
    jetson()
    camera = grabber(f'videotestsrc is-live=true num-buffers=3 ! {CAPS},framerate=20/1')
    with pytest.raises(EndOfStream, match='csi://0 ended after 3 frames'):  # noqa: PT012
        while True:
            camera.grab(None)


def test_a_camera_that_gives_nothing(jetson, grabber, standin):
    jetson()
    with pytest.raises(SourceError, match='the pipeline ended without a frame'):
        grabber(f'videotestsrc num-buffers=0 ! {CAPS}')


def test_another_size_on_the_way(jetson, grabber):
    known = jetson()
    size = 'video/x-raw,format=NV12,height=48,width='
    camera = grabber(f'videotestsrc is-live=true ! capsfilter name=size caps={size}64')
    camera.grab(None)
    gst_of_it, pipeline = gst_library.library(), camera._pipeline._pipeline
    element = gst_of_it.gst_bin_get_by_name(pipeline, b'size')
    set_argument = standin_nvmm.ctypes.CDLL('libgstreamer-1.0.so.0').gst_util_set_object_arg
    set_argument.argtypes = [standin_nvmm.ctypes.c_void_p, *2 * [standin_nvmm.ctypes.c_char_p]]
    set_argument(element, b'caps', f'{size}32'.encode())
    gst_of_it.gst_object_unref(element)
    with pytest.raises(SourceError, match='are no longer 64x48; open'):  # noqa: PT012
        while True:
            camera.grab(None)
    camera.release()
    assert not known.surfaces


def test_a_grab_under_way_is_interrupted(jetson, grabber):
    jetson()
    camera = grabber(f'videotestsrc is-live=true ! {CAPS},framerate=1/100')
    camera.grab(None)
    timer = threading.Timer(0.1, camera.interrupt)
    timer.start()
    with pytest.raises(SourceError, match='was closed'):
        camera.grab(None)
    timer.join()


@pytest.mark.parametrize('name', FUNCTIONS)
def test_a_function_that_is_missing(jetson, grabber, name):
    known = jetson(missing=[name])
    with pytest.raises(NvmmError, match=f'has no {name}'):
        grabber()
    assert not known.calls


def test_a_library_that_is_missing(monkeypatch, jetson, grabber):
    jetson()
    monkeypatch.setattr(nvbufsurface, '_NAMES', ('libnvbufsurface.so',))
    with pytest.raises(NvmmError, match='is not there, a part of JetPack'):
        grabber()


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        pytest.param(MAP, 'NvBufSurfaceMapEglImage failed: EGL has no display', id='map'),
        pytest.param(REGISTER, "registering a camera's picture failed: stand-in", id='register'),
        pytest.param(FRAME, "mapping a camera's picture failed: stand-in", id='frame'),
    ],
)
def test_a_function_that_fails_at_first(jetson, grabber, name, message):
    known = jetson()
    known.failing[name] = 1
    with pytest.raises(CudaError, match=message):
        grabber()
    assert known.calls.count(UNREGISTER) == (name == FRAME)
    assert known.calls.count(UNMAP) == (name != MAP)


@pytest.mark.parametrize('name', [MAP, REGISTER, FRAME])
def test_a_function_that_fails_later(jetson, grabber, name):
    known = jetson()
    camera = grabber(f'videotestsrc ! {CAPS}')
    kept = [camera.grab(None)[0]]
    known.failing[name] = 1
    with pytest.raises(SourceError, match=r'csi://0: .* failed'):  # noqa: PT012
        while True:  # until one comes in other memory
            kept.append(camera.grab(None)[0])
    known.failing.clear()
    kept.append(camera.grab(None)[0])


def test_a_gpu_that_fails(jetson, grabber, standin):
    known = jetson()
    camera = grabber(f'videotestsrc ! {CAPS}')
    kept = [camera.grab(None)[0]]
    known.failing[REGISTER] = 719
    with pytest.raises(CudaError) as caught:  # noqa: PT012
        while True:
            kept.append(camera.grab(None)[0])
    assert caught.value.fatal
    known.failing.clear()


def test_what_fails_at_the_end_is_said(jetson, grabber, standin, caplog):
    known = jetson()
    camera = grabber()
    camera.grab(None)
    known.failing[UNREGISTER] = 1
    camera.release()
    assert "letting go of a camera's picture failed" in caplog.text
    gc.collect()
    # As a driver that refuses would have it: what it still has is left.
    known._resources.clear()
    known._images.clear()
    known._count()
    standin.memory.clear()
    standin.faults.clear()


@pytest.mark.parametrize(
    ('told', 'message'),
    [
        pytest.param({'layout': 1}, 'block-linear, .* bl-output=false', id='block_linear'),
        pytest.param({'memory_type': 2}, r'of type 2; 4 \(surface array\)', id='memory'),
        pytest.param({'batch': 2}, 'has 1 of 2 pictures', id='batch'),
        pytest.param({'filled': 0}, 'has 0 of 1 picture;', id='empty'),
        pytest.param({'no_list': True}, 'expected 1 of 1', id='no_list'),
        pytest.param({'color_format': 7}, 'color format 7; 6 is taken', id='extended_range'),
        pytest.param({'height': 46}, '64×46 pixels; the pipeline says 64×48', id='size'),
        pytest.param({'planes': 3}, 'has 3 planes', id='planes'),
        pytest.param({'pitch': 32, 'color_pitch': 32}, 'rows of 32 and 32', id='rows'),
        pytest.param({'color_pitch': 32}, 'rows of 64 and 32 bytes', id='rows_of_colors'),
    ],
)
def test_frames_that_no_kernel_reads(jetson, grabber, told, message):
    known = jetson(told=told)
    with pytest.raises(NvmmError, match=message):
        grabber()
    assert not known.calls


@pytest.mark.parametrize('size_wh', [(64, 47), (63, 48)], ids=['height', 'width'])
def test_frames_of_odd_sizes(jetson, grabber, size_wh):
    width, height = size_wh
    known = jetson(told={'width': width, 'height': height})
    with pytest.raises(NvmmError, match=f'have {width}×{height} pixels; NV12 needs both even'):
        grabber(f'videotestsrc ! video/x-raw,format=NV12,width={width},height={height}')
    assert not known.calls


def test_frames_that_cuda_sees_as_arrays(jetson, grabber):
    known = jetson(array=True)
    with pytest.raises(NvmmError, match='as an array'):
        grabber()
    assert known.calls == [MAP, REGISTER, FRAME, UNREGISTER, UNMAP]


def test_a_library_of_another_version(jetson, grabber):
    known = jetson()
    known.mapped_bytes = 1008  # of nvbuf_utils, in L4T 32
    with pytest.raises(NvmmError, match=r'has 1008 bytes; an NvBufSurface .* has 64'):
        grabber()
    assert not known.calls


def test_no_image(jetson, grabber):
    jetson().gives_no_image = True
    with pytest.raises(NvmmError, match='gave no image'):
        grabber()


def test_an_image_that_somebody_else_mapped(jetson, grabber):
    known = jetson()
    set_image = standin_nvmm._Surface.__init__

    def mapped(surface, *args):
        set_image(surface, *args)
        surface.set_image(5)

    standin_nvmm._Surface.__init__ = mapped
    try:
        with pytest.raises(NvmmError, match='already mapped by somebody else'):
            grabber()
    finally:
        standin_nvmm._Surface.__init__ = set_image
    assert not known.calls


@pytest.fixture
def argus(monkeypatch):
    """As if this were the camera."""

    def words(sensor, size_wh, frame_rate, *, pixel_format='NV12'):
        assert (sensor, size_wh, frame_rate) == (0, SIZE_WH, 50.0)
        caps = f'video/x-raw,format={pixel_format},width={WIDTH},height={HEIGHT},framerate=50/1'
        return ['videotestsrc', 'is-live=true', '!', caps]

    monkeypatch.setattr(gst, 'csi_pipeline', words)
    monkeypatch.setattr(gst, 'csi_nvmm_pipeline', words)


def opened(uri, **more):
    source = open_source(uri, size_wh=SIZE_WH, frame_rate=50.0, **{'native': True, **more})
    source.open()
    frame = source.read()
    source.close()
    return frame


@pytest.mark.parametrize('memory', ['nvmm', 'auto'])
def test_a_source_whose_frames_stay(jetson, argus, engine, caplog, memory):
    jetson()
    with caplog.at_level(logging.INFO):
        frame = opened(f'csi://0?memory={memory}')
    assert frame.on_device is not None
    assert (frame.size_wh, frame.encoding) == (SIZE_WH, 'nv12')
    assert 'host' not in caplog.text


def test_a_source_is_in_the_hosts_memory_unless_asked(jetson, argus, engine):
    known = jetson()
    frame = opened('csi://0')
    assert frame.on_device is None
    assert (frame.image.shape, frame.encoding) == ((HEIGHT * 3 // 2, WIDTH), 'nv12')
    assert not known.calls


@pytest.mark.parametrize(
    ('options', 'why'),
    [
        pytest.param({'missing': [MAP]}, f'libnvbufsurface has no {MAP}', id='function'),
        pytest.param({'told': {'layout': 1}}, 'pictures are block-linear', id='block_linear'),
    ],
)
def test_another_way_is_said_once(jetson, argus, engine, caplog, options, why):
    jetson(**options)
    source = open_source('csi://0?memory=auto', size_wh=SIZE_WH, frame_rate=50.0, native=True)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            source.open()
            assert source.read().on_device is None
            source.close()
    said = [each for each in caplog.records if "in the host's memory" in each.message]
    assert [each.levelname for each in said] == ['INFO']
    assert why in said[0].message


def test_a_pipeline_that_stays_silent_is_left_for_the_other_way(
    jetson, argus, engine, monkeypatch, caplog
):
    jetson()
    monkeypatch.setattr(nvmm, '_FIRST_S', 0.2)
    monkeypatch.setattr(gst, 'csi_nvmm_pipeline', lambda *_: ['appsrc', '!', CAPS])
    with caplog.at_level(logging.INFO):
        assert opened('csi://0?memory=auto').on_device is None
    assert "frames come in the host's memory: csi://0?memory=auto: no frame came" in caplog.text
    with pytest.raises(SourceError, match='no frame came within'):
        opened('csi://0?memory=nvmm')


def test_auto_is_for_engines_on_the_gpu(jetson, argus, caplog):
    known = jetson()
    with caplog.at_level(logging.INFO):
        assert opened('csi://0?memory=auto').on_device is None
    assert 'no engine of this process runs on a GPU' in caplog.text
    assert not known.calls


def test_what_was_asked_for_is_not_replaced(jetson, argus, engine):
    jetson(told={'layout': 1})
    with pytest.raises(SourceError, match=r'csi://0\?memory=nvmm: frames cannot stay .*block-lin'):
        opened('csi://0?memory=nvmm')


def test_where_both_ways_fail_both_are_tried_again(jetson, engine, monkeypatch, caplog):
    jetson()
    monkeypatch.setattr(gst, 'csi_nvmm_pipeline', lambda *_: ['nosuchsrc'])
    monkeypatch.setattr(gst, 'csi_pipeline', lambda *_, **__: ['nosuchsrc'])
    source = open_source('csi://0?memory=auto', native=True)
    for _ in range(2):
        with pytest.raises(SourceError, match='no element "nosuchsrc"'):
            source.open()
    assert source._memory == 'auto'
    source.close()


def test_who_wants_bgr_gets_it(jetson, argus, engine):
    known = jetson()
    frame = opened('csi://0?memory=auto', native=False)
    assert (frame.image.shape, frame.encoding) == ((HEIGHT, WIDTH, 3), 'bgr8')
    with pytest.raises(SourceError, match=r'leave \?memory=nvmm out here'):
        open_source('csi://0?memory=nvmm', size_wh=SIZE_WH, frame_rate=50.0)
    assert not known.calls


def test_the_stand_in_is_strict(jetson, grabber, standin, engine):
    known = jetson()
    camera = grabber()
    picture = camera.grab(None)[0]
    (surface,) = [each for each in known.surfaces.values() if each.image][:1]
    at = standin_nvmm.ctypes.byref(nvbufsurface.Surface.from_address(surface.address))
    resource = next(iter(known._resources))
    handle = standin_nvmm.ctypes.c_void_p()
    call = known.functions
    assert call[MAP](at, 0) == 999  # without a context
    with engine.pushed():
        assert call[MAP](at, 0) == 999
        assert call[UNMAP](at, 0) == 999
        assert call[REGISTER](standin_nvmm.ctypes.byref(handle), surface.image, 1) == 999
        assert call[REGISTER](standin_nvmm.ctypes.byref(handle), 5, 1) == 999
        assert call[UNREGISTER](resource + 1) == 999
    said = '; '.join(standin.faults)
    for each in ('current', 'mapped already', 'registered', 'registered already', 'KeyError'):
        assert each in said
    standin.faults.clear()
    picture.on_host()
    del picture
    camera.release()
    with engine.pushed():
        assert call[UNREGISTER](resource) == 999
        assert call[UNMAP](at, 0) == 999
    with pytest.raises(standin_pycuda.MisuseError, match='StopIteration'):
        standin.check()
    standin.faults.clear()
