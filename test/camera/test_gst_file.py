"""A Jetson's way of decoding a file, with decoders of GStreamer that run anywhere in its place."""

import shutil
import subprocess

import pytest
from camera.coded_videos import write_coded
from camera.gpu_file_cases import (
    EVEN,
    LEVELS,
    UNEVEN,
    apart,
    frames_of,
    opened,
    pictures_of,
    times_of,
)

from jetson_perception.camera import gst_file
from jetson_perception.camera.gst_appsink import python_with_gstreamer
from jetson_perception.cuda import CudaDevice

DECODERS = {'libx264': 'openh264dec', 'libx265': 'libde265dec'}


def _problem():
    if python_with_gstreamer() is None or shutil.which('gst-inspect-1.0') is None:
        return 'PyGObject with GStreamer is not installed'
    for name in (*DECODERS.values(), 'parsebin', 'qtdemux'):
        if subprocess.run(['gst-inspect-1.0', '--exists', name], check=False).returncode:
            return f'GStreamer has no {name} here: gstreamer1.0-plugins-bad'
    return ''


_found = _problem()
if _found:
    pytest.skip(_found, allow_module_level=True)


@pytest.fixture(params=DECODERS)
def codec(request, monkeypatch, standin):
    """H.264 and H.265 with what decodes them here, as if an engine ran on the GPU."""
    monkeypatch.setattr(gst_file, 'DECODER', DECODERS[request.param])
    monkeypatch.setattr(gst_file, 'CONVERTER', 'videoconvert')
    gst_file.has_hardware_decoder.cache_clear()
    device = CudaDevice.get(0)
    yield {'codec': request.param, 'b_frames': 2 if request.param == 'libx265' else 0}
    device.close()
    gst_file.has_hardware_decoder.cache_clear()


@pytest.mark.parametrize('times_ms', [EVEN, UNEVEN], ids=['even', 'uneven'])
@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.ts'])
def test_frames_are_those_that_the_cpu_gives(tmp_path, codec, name, times_ms):
    path = write_coded(tmp_path / name, times_ms, **codec)
    (ours, end), (others, other_end) = (
        frames_of(opened(path, decoder, native=True)) for decoder in ('auto', 'cpu')
    )
    assert {frame.encoding for frame in ours} == {'nv12'}
    assert times_of(ours) == times_of(others)
    assert end == other_end
    for frame, picture in zip(ours, pictures_of(path), strict=True):
        assert apart(frame, picture).max() <= LEVELS


def test_other_colors_are_converted_by_gstreamer(tmp_path, codec):
    if codec['codec'] == 'libx264':
        pytest.skip('openh264dec does not tell the colors')
    path = write_coded(tmp_path / 'a.mp4', EVEN[:6], colorspace=1, color_range=1, **codec)
    frames, _ = frames_of(opened(path, native=True))
    assert {frame.encoding for frame in frames} == {'bgr8'}
    for frame, picture in zip(frames, pictures_of(path), strict=True):
        assert apart(frame, picture).mean() < 3


@pytest.mark.slow
def test_begins_again_at_the_end(tmp_path, codec, caplog):
    path = write_coded(tmp_path / 'a.mp4', UNEVEN[:4], **codec)
    with caplog.at_level('INFO'):
        ours, others = (
            frames_of(opened(path, decoder, loop=True), most=9)[0] for decoder in ('auto', 'cpu')
        )
    assert times_of(ours) == times_of(others)
    assert f'is decoded on the GPU, by {gst_file.GstFile.by}' in caplog.text


def test_what_it_is_not_asked_for(tmp_path, codec, caplog):
    path = write_coded(tmp_path / 'a.mp4', EVEN[:4], codec='mpeg4', b_frames=0)
    with caplog.at_level('INFO'):
        frames, _ = frames_of(opened(path, native=True))
    assert len(frames) == 4
    assert 'nor by GStreamer: it is mpeg4' in caplog.text


def test_a_machine_without_those_elements_has_none():
    gst_file.has_hardware_decoder.cache_clear()
    assert not gst_file.has_hardware_decoder()
