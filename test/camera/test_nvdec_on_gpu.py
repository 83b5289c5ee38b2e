"""NVDEC on a real GPU: files and streams beside the CPU's frames; damage; memory.

Skipped with the reason if there is no GPU, PyNvVideoCodec, PyAV, or decoder. Videos are larger
than the least that decoders of H.265 take.
"""

import subprocess
import sys

import numpy as np
import pytest
from camera.coded_videos import encoded, encoder, write_coded
from camera.gpu_file_cases import (
    COLORS,
    EVEN,
    KINDS,
    UNEVEN,
    apart,
    check_same,
    frames_of,
    opened,
    pictures_of,
    times_of,
)
from camera.standin_rtsp import StandInH264Server

from jetson_perception.camera import open_source
from jetson_perception.cuda import (
    CudaDevice,
    DeviceBuffer,
    PinnedBuffer,
    Resources,
    cuda_problem,
)
from jetson_perception.cuda.compiler import find_nvcc
from jetson_perception.cuda.nvdec import nvdec_problem
from jetson_perception.cuda.preprocess import CudaPreprocessor, DeviceImage
from jetson_perception.images.video_stream import video_problem

pytestmark = pytest.mark.gpu

_problem = cuda_problem() or nvdec_problem() or video_problem()
if _problem:
    pytest.skip(_problem, allow_module_level=True)

SIZE_WH = 320, 192
needs_nvcc = pytest.mark.skipif(find_nvcc() is None, reason='no nvcc on this machine')


@pytest.fixture(autouse=True)
def engine():
    """As if an engine of this process ran on the GPU."""
    device = CudaDevice.get(0)
    yield device
    device.close()


def video(path, times_ms=EVEN, **more):
    return write_coded(path, times_ms, **{'size_wh': SIZE_WH, **more})


@pytest.mark.parametrize('times_ms', [EVEN, UNEVEN], ids=['even', 'uneven'])
@pytest.mark.parametrize(('name', 'more'), KINDS)
def test_frames_are_those_that_the_cpu_gives(tmp_path, name, more, times_ms):
    assert len(check_same(video(tmp_path / name, times_ms, **more))) == len(times_ms)


@pytest.mark.parametrize('size_wh', [(322, 182), (1280, 720), (1920, 1080)], ids=str)
@pytest.mark.parametrize('codec', ['libx264', 'libx265'])
def test_sizes_that_are_cropped(tmp_path, size_wh, codec):
    (frame, *_) = check_same(video(tmp_path / 'a.mp4', EVEN[:5], size_wh=size_wh, codec=codec))
    assert frame.size_wh == size_wh


@needs_nvcc
@pytest.mark.parametrize(
    ('colorspace', 'color_range', 'pixel_format'), COLORS.values(), ids=COLORS
)
def test_colors_are_those_that_the_video_names(tmp_path, colorspace, color_range, pixel_format):
    colors = {'colorspace': colorspace, 'color_range': color_range}
    check_same(video(tmp_path / 'a.mp4', EVEN[:6], pixel_format=pixel_format, **colors))


def test_begins_again_at_the_end(tmp_path):
    path = video(tmp_path / 'short.mp4', UNEVEN[:5])
    ours, others = (
        frames_of(opened(path, decoder, loop=True), most=13)[0] for decoder in ('auto', 'cpu')
    )
    assert times_of(ours) == times_of(others)


def test_frames_keep_while_others_are_decoded(tmp_path):
    path = video(tmp_path / 'long.mp4', range(0, 4000, 40))
    kept, _ = frames_of(opened(path, native=True))
    assert len({frame.on_device.address for frame in kept}) == 100
    assert max(apart(*pair).mean() for pair in zip(kept, pictures_of(path), strict=True)) < 2


def test_memory_goes_round(tmp_path):
    source = opened(video(tmp_path / 'long.mp4', range(0, 8000, 40)), native=True)
    addresses = {source.read().on_device.address for _ in range(200)}
    source.close()
    assert len(addresses) < 12


@needs_nvcc
def test_the_kernel_finds_in_place_what_it_finds_uploaded(tmp_path, engine):
    source = opened(video(tmp_path / 'a.mp4', EVEN[:3], size_wh=(1920, 1080)), native=True)
    picture = source.read().on_device
    resources = Resources()
    with engine.pushed(), resources.closed_on_error():
        stream = resources.add(engine.new_stream())
        fit = resources.add(CudaPreprocessor(engine, (640, 640)))
        pixels = picture.on_host()
        host = resources.add(PinnedBuffer(engine, pixels.shape, np.uint8))
        memory = resources.add(DeviceBuffer(engine, pixels.shape, np.uint8))
        host.array[:] = pixels
        memory.copy_from_host(host, stream)
        tensors = []
        stream.wait_for_event(picture.ready)
        for address, step in ((picture.address, picture.step), (memory.address, 1920)):
            tensor = resources.add(fit.new_tensor())
            back = resources.add(PinnedBuffer(engine, tensor.shape, tensor.dtype))
            fit.enqueue(DeviceImage(address, 1920, 1080, step, 'nv12'), tensor, stream)
            tensor.copy_to_host(back, stream)
            stream.synchronize()
            tensors.append(back.array.copy())
        resources.close()
    source.close()
    assert np.array_equal(*tensors)
    assert tensors[0].std() > 0.05


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('codec', ['libx264', 'libx265'])
def test_damage_ends_nothing(tmp_path, seed, codec):
    path = video(tmp_path / 'a.ts', range(0, 2400, 40), codec=codec)
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for place in rng.integers(len(content) // 4, len(content), 40):
        content[place] ^= 0xFF
    path.write_bytes(content)
    frames, _ = frames_of(opened(path, native=True))
    assert 10 < len(frames) <= 70  # damage may split a picture
    # The GPU is as well as ever.
    check_same(video(tmp_path / 'whole.mp4', EVEN[:5], codec=codec))


def test_a_file_that_is_cut_off(tmp_path):
    path = video(tmp_path / 'cut.ts')
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    (ours, _), (others, _) = (
        frames_of(opened(path, decoder, native=True)) for decoder in ('auto', 'cpu')
    )
    assert abs(len(ours) - len(others)) <= 2


def test_a_stream_comes_picture_by_picture(tmp_path):
    import av

    with av.open(str(tmp_path / 'a.h264'), 'w') as output:
        options = {'tune': 'zerolatency', 'x264-params': 'sliced-threads=0:repeat-headers=1'}
        stream = encoder(output, 'libx264', SIZE_WH, b_frames=0, options=options)
        packets = [bytes(each) for each in encoded(stream, EVEN)]
    server = StandInH264Server(packets)
    source = open_source(server.url, native=True, video_decoder='auto')
    source.open()
    frames = [source.read() for _ in range(10)]
    source.close()
    server.close()
    assert all(frame.on_device is not None for frame in frames)
    assert frames[-1].pixels.std() > 10
    gaps_ms = np.diff([frame.captured_ns for frame in frames]) / 1e6
    assert (gaps_ms > 0).all()


def test_what_is_too_small_for_it_is_decoded_on_the_cpu(tmp_path):
    """In a process of its own: the library was seen to end its process where the driver fails."""
    path = video(tmp_path / 'small.mp4', EVEN[:5], size_wh=(64, 48), codec='libx265')
    program = (
        'import logging, sys; logging.basicConfig(level="INFO")\n'
        'from jetson_perception.camera import open_source\n'
        f'source = open_source("file://{path}", frame_rate=0, video_decoder="gpu")\n'
        'source.open(); print(source.read().pixels.shape)'
    )
    run = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False, timeout=100
    )
    assert run.returncode == 0, run.stderr[-800:]
    assert '(48, 64, 3)' in run.stdout
