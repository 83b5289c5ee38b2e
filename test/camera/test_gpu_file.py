"""Video files on a stand-in for NVDEC, beside the same files by OpenCV: frames, times, ends."""

import collections
import itertools
import sys

import pytest
import standin_pynvvideocodec
from camera.coded_videos import write_coded
from camera.gpu_file_cases import (
    COLORS,
    EVEN,
    KINDS,
    LEVELS,
    UNEVEN,
    apart,
    check_same,
    frames_of,
    opened,
    times_of,
)
from emulated_gpu import register_kernels

from jetson_perception.cuda import nvdec
from jetson_perception.cuda.device_picture import PicturePool
from jetson_perception.errors import CudaError, SourceError


@pytest.mark.parametrize('times_ms', [EVEN, UNEVEN], ids=['even', 'uneven'])
@pytest.mark.parametrize(('name', 'more'), KINDS)
def test_frames_are_those_that_the_cpu_gives(tmp_path, library, engine, name, more, times_ms):
    path = write_coded(tmp_path / name, times_ms, **more)
    assert len(check_same(path)) == len(times_ms)
    assert library.sessions == 0


@pytest.mark.parametrize(
    ('colorspace', 'color_range', 'pixel_format'), COLORS.values(), ids=COLORS
)
def test_colors_are_those_that_the_video_names(
    tmp_path, standin, library, engine, colorspace, color_range, pixel_format
):
    register_kernels(standin, 'recoloring')
    path = write_coded(
        tmp_path / 'colors.mp4',
        EVEN[:4],
        colorspace=colorspace,
        color_range=color_range,
        pixel_format=pixel_format,
    )
    check_same(path)
    assert ('recolor_nv12' in standin.launches) == (colorspace != 5)


def test_rows_that_the_decoder_pads(tmp_path, monkeypatch, standin, engine):
    standin_pynvvideocodec.install(monkeypatch, standin, padding=64)
    check_same(write_coded(tmp_path / 'padded.mp4', EVEN[:6]))


def test_begins_again_at_the_end(tmp_path, caplog, library, engine):
    path = write_coded(tmp_path / 'short.mp4', UNEVEN[:5])
    with caplog.at_level('INFO'):
        ours, others = (
            frames_of(opened(path, decoder, loop=True), most=13)[0] for decoder in ('auto', 'cpu')
        )
    assert times_of(ours) == times_of(others)
    assert caplog.text.count('is decoded on the GPU') == 1
    assert library.sessions == 0


def test_pixels_come_to_the_host_for_who_asks(tmp_path, standin, library, engine):
    source = opened(write_coded(tmp_path / 'a.mp4', EVEN[:8]), native=True)
    frames = [source.read() for _ in range(3)]
    assert not standin.pinned  # nothing to copy to yet
    assert frames[0].on_device.address != frames[1].on_device.address
    assert frames[1].pixels is frames[1].pixels
    assert standin.pinned
    source.close()  # frames outlive it
    assert frames[2].pixels.shape == (144, 128)
    assert frames[2].encoding == 'nv12'


def test_memory_is_used_again_when_nobody_has_the_frame(tmp_path, standin, library, engine):
    source = opened(write_coded(tmp_path / 'a.mp4', EVEN), native=True)
    kept = [source.read() for _ in range(3)]
    addresses = {frame.on_device.address for frame in kept}
    assert len(addresses) == 3
    for _ in range(4):
        source.read()
    before = standin.allocations
    assert source.read().on_device.address not in addresses
    # Those of the decoder's stand-in itself alone: it has new ones for every picture.
    assert standin.allocations - before <= 1
    source.close()


def far(frame, other):
    """How far two frames are apart at most."""
    return apart(frame, other.pixels).max()


def test_without_native_frames_are_bgr_on_the_host(tmp_path, library, engine):
    path = write_coded(tmp_path / 'a.mp4', EVEN[:4])
    (ours, _), (others, _) = (frames_of(opened(path, decoder)) for decoder in ('auto', 'cpu'))
    assert [frame.encoding for frame in ours] == ['bgr8'] * 4
    assert max(map(far, ours, others)) <= LEVELS


def test_scales_on_the_host(tmp_path, library, engine):
    path = write_coded(tmp_path / 'a.mp4', EVEN[:4])
    (ours, _), (others, _) = (
        frames_of(opened(path, decoder, size_wh=(64, 48), native=True))
        for decoder in ('auto', 'cpu')
    )
    assert {frame.size_wh for frame in ours} == {(64, 48)}
    assert max(map(far, ours, others)) <= LEVELS


def test_packets_that_the_decoder_refuses_are_left_out(tmp_path, monkeypatch, standin, engine):
    # The eleventh begins a group, so that others do not go with it.
    standin_pynvvideocodec.install(monkeypatch, standin, refused=[9])
    path = write_coded(tmp_path / 'a.mp4', EVEN[:20], b_frames=0)
    ours, end = frames_of(opened(path, native=True))
    assert len(ours) == 19
    assert end.endswith('ended after 19 frames')
    assert [frame.offset_ns for frame in ours[8:10]] == [320_000_000, 400_000_000]


LONG = range(0, 400 * 40, 40)


def test_the_reason_is_told_where_the_decoder_refuses_all_from_some_packet_on(
    tmp_path, caplog, monkeypatch, standin, engine
):
    library = standin_pynvvideocodec.install(monkeypatch, standin, refused=range(9, 10_000))
    path = write_coded(tmp_path / 'a.mp4', LONG, b_frames=0)
    frames, _ = frames_of(opened(path, native=True))
    assert 0 < len(frames) < 10
    assert 'of the last 301 packets: NVDEC: HandlePictureDecode : stand-in refuses' in caplog.text
    assert library.packets < 320


def test_the_last_packets_are_refused(tmp_path, caplog, monkeypatch, standin, engine):
    standin_pynvvideocodec.install(monkeypatch, standin, refused=range(18, 30))
    frames_of(opened(write_coded(tmp_path / 'a.mp4', EVEN[:20], b_frames=0), native=True))
    assert 'stand-in refuses' in caplog.text


def test_a_video_of_which_the_decoder_shows_nothing(
    tmp_path, caplog, monkeypatch, standin, engine
):
    library = standin_pynvvideocodec.install(monkeypatch, standin, hidden=range(10_000))
    path = write_coded(tmp_path / 'a.mp4', LONG, b_frames=0)
    stays_on_cpu(path, caplog, 'NVDEC shows no picture of its first 300 packets')
    assert (library.packets, library.sessions) == (300, 0)


def full_at(monkeypatch, name, call, *, fatal=False):
    """Have a method of the pictures' memory fail once, as on a GPU that is full for a moment."""
    whole, calls = getattr(PicturePool, name), itertools.count(1)

    def failing(pool, given):
        if next(calls) == call:
            raise CudaError('allocating failed: out of memory; the GPU is full', fatal=fatal)
        return whole(pool, given)

    monkeypatch.setattr(PicturePool, name, failing)


def test_a_gpu_that_is_full_for_a_moment_costs_a_picture(tmp_path, monkeypatch, library, engine):
    full_at(monkeypatch, 'take', 6)
    path = write_coded(tmp_path / 'a.mp4', EVEN, b_frames=0)
    frames, end = frames_of(opened(path, native=True))
    assert end.endswith('ended after 23 frames')
    assert [frame.offset_ns // 1_000_000 for frame in frames] == [*EVEN[:5], *EVEN[6:]]


def test_and_one_that_cannot_be_fetched_to_the_host(
    tmp_path, caplog, monkeypatch, library, engine
):
    full_at(monkeypatch, 'copied', 6)
    path = write_coded(tmp_path / 'a.mp4', EVEN, b_frames=0)
    frames, _ = frames_of(opened(path))
    assert [frame.offset_ns // 1_000_000 for frame in frames] == [*EVEN[:5], *EVEN[6:]]
    assert caplog.text.count('a frame is left out: allocating failed: out of memory') == 1


@pytest.mark.parametrize(('name', 'native'), [('take', True), ('copied', False)])
def test_a_gpu_that_failed_for_good_is_told_as_such(
    tmp_path, monkeypatch, library, engine, name, native
):
    full_at(monkeypatch, name, 6, fatal=True)
    source = opened(write_coded(tmp_path / 'a.mp4', EVEN, b_frames=0), native=native)
    with pytest.raises(CudaError) as caught:
        frames_of(source)
    assert caught.value.fatal


def test_an_error_of_the_decoder_by_which_the_gpu_failed(tmp_path, standin, library, engine):
    source = opened(write_coded(tmp_path / 'a.mp4', EVEN, b_frames=0), native=True)
    source.read()
    standin.failure = RuntimeError('a kernel')
    with pytest.raises(CudaError, match='until this process is restarted') as caught:
        collections.deque(iter(source.read, None), 0)
    standin.failure = None
    source.close()
    assert caught.value.fatal


def test_a_file_that_is_cut_off_ends_where_it_does_on_the_cpu(tmp_path, library, engine):
    path = write_coded(tmp_path / 'cut.ts', EVEN)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    (ours, _), (others, _) = (
        frames_of(opened(path, decoder, native=True)) for decoder in ('auto', 'cpu')
    )
    assert 0 < len(ours) < len(EVEN)
    assert times_of(ours)[: len(others)] == times_of(others)[: len(ours)]
    assert abs(len(ours) - len(others)) <= 1


def test_a_picture_larger_than_allowed(tmp_path, library, engine):
    path = write_coded(tmp_path / 'a.mp4', EVEN[:4])
    with pytest.raises(SourceError, match='max_image_pixels'):
        opened(path, max_image_pixels=128 * 96 - 1)


def stays_on_cpu(path, caplog, reason, decoder='auto'):
    """Frames come all the same, and one line says why they are the CPU's."""
    caplog.clear()
    with caplog.at_level('INFO'):
        frames, _ = frames_of(opened(path, decoder, native=True))
    assert [frame.encoding for frame in frames] == ['bgr8'] * len(frames) != []
    (line,) = [each for each in caplog.records if 'is decoded on the CPU' in each.getMessage()]
    assert reason in line.getMessage()
    return line.levelname


@pytest.mark.parametrize(
    ('name', 'more', 'reason'),
    [
        ('a.mp4', {'pixel_format': 'yuv444p'}, '8-bit 4:2:0'),
        ('a.mp4', {'codec': 'libx265', 'pixel_format': 'yuv420p10le'}, 'yuv420p10le'),
        ('a.avi', {}, 'no times of frames'),
        ('a.mp4', {'codec': 'mpeg4'}, 'it is mpeg4; h264 and hevc are decoded there'),
    ],
    ids=['4:4:4', '10 bits', 'avi', 'mpeg4'],
)
def test_what_the_gpu_does_not_decode(tmp_path, caplog, library, engine, name, more, reason):
    path = write_coded(tmp_path / name, EVEN[:6], **more)
    assert stays_on_cpu(path, caplog, reason) == 'INFO'
    assert stays_on_cpu(path, caplog, reason, 'gpu') == 'WARNING'
    assert library.sessions == 0


def test_pictures_that_are_to_be_turned(tmp_path, caplog, library, engine):
    path = write_coded(tmp_path / 'a.mp4', EVEN[:6])
    content = path.read_bytes()
    upright = b''.join(n.to_bytes(4, 'big') for n in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    place = content.rindex(upright)  # of the track
    turned = (0, 1 << 16, 0, (1 << 32) - (1 << 16), 0, 0, 96 << 16, 0, 1 << 30)
    turned = b''.join(n.to_bytes(4, 'big') for n in turned)
    path.write_bytes(content[:place] + turned + content[place + len(turned) :])
    stays_on_cpu(path, caplog, 'to be turned by 90')


def test_a_decoder_that_cannot_be_made(tmp_path, caplog, monkeypatch, standin, engine):
    error = 'Resolution not supported on this GPU'
    standin_pynvvideocodec.install(monkeypatch, standin, creation_error=error)
    stays_on_cpu(write_coded(tmp_path / 'a.mp4', EVEN[:6]), caplog, error)


def test_pictures_that_are_too_small(tmp_path, caplog, library, engine):
    path = write_coded(tmp_path / 'a.mp4', EVEN[:6], size_wh=(32, 32))
    stays_on_cpu(path, caplog, 'its pictures are 32×32; this GPU decodes h264 of 48×16 to 4096')
    assert not library.created


def test_auto_leaves_a_gpu_alone_that_no_engine_uses(tmp_path, caplog, library):
    path = write_coded(tmp_path / 'a.mp4', EVEN[:6])
    stays_on_cpu(path, caplog, 'no engine of this process runs on a GPU')
    frames, _ = frames_of(opened(path, 'gpu', native=True))
    assert all(frame.on_device is not None for frame in frames)


@pytest.mark.parametrize('missing', ['PyNvVideoCodec', 'av'])
def test_without_a_package(tmp_path, caplog, monkeypatch, library, engine, missing):
    path = write_coded(tmp_path / 'a.mp4', EVEN[:6])
    monkeypatch.setitem(sys.modules, missing, None)
    stays_on_cpu(path, caplog, 'pip install')


def test_a_machine_without_a_gpu(tmp_path, caplog):
    path = write_coded(tmp_path / 'a.mp4', EVEN[:6])
    stays_on_cpu(path, caplog, 'there is no NVIDIA GPU here', 'gpu')


def test_a_driver_without_video(tmp_path, caplog, monkeypatch, engine):
    monkeypatch.setattr(nvdec, 'gpu_problem', str)
    path = write_coded(tmp_path / 'a.mp4', EVEN[:6])
    stays_on_cpu(path, caplog, 'NVIDIA_DRIVER_CAPABILITIES')
