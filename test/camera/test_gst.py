import os
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from jetson_perception.camera import gst, gst_child, gst_process
from jetson_perception.camera.gst import CsiSource, GstSource
from jetson_perception.camera.gst_appsink import python_with_gstreamer
from jetson_perception.camera.gst_pipeline import (
    csi_nvmm_pipeline,
    csi_pipeline,
    launch_arguments,
    split_pipeline,
)
from jetson_perception.errors import EndOfStream, SourceError
from jetson_perception.images.encodings import to_bgr

REPOSITORY = Path(gst_process.__file__).parents[2]


@pytest.fixture(params=['appsink', 'pipe'])
def real(request, monkeypatch):
    """Real pipelines, in each of the two ways in which frames come; returns its name."""
    if request.param == 'pipe':
        if shutil.which('gst-launch-1.0') is None:
            pytest.skip('gst-launch-1.0 is not installed')
        monkeypatch.setattr(gst, 'python_with_gstreamer', lambda: None)
    elif python_with_gstreamer() is None:
        pytest.skip('PyGObject with GStreamer is not installed')
    return request.param


# A stand-in for gst-launch-1.0. It does what its first argument after -v says, prints as the real
# one does, and refuses a command line that the real one could not run.
STAND_IN = """\
#!{python}
import os, signal, sys, time

verbose, action, *rest = sys.argv[1:]
assert verbose == '-v' and rest[-1].startswith('fd='), sys.argv
for needed in ('videoconvert', 'multipartmux', 'boundary=frame', 'fdsink'):
    assert needed in rest, sys.argv
output = int(rest[-1][3:])
open({record!r}, 'w').write(str(os.getpid()))
print('Setting pipeline to PAUSED ...', flush=True)

def say_size(width, height, element='GstCapsFilter:jetson_perception_filter'):
    print(f'/GstPipeline:pipeline0/{{element}}.GstPad:src: caps = '
          f'video/x-raw, format=(string)BGR, width=(int){{width}}, height=(int){{height}}, '
          'framerate=(fraction)30/1', flush=True)

def send(level, width, height):
    pitch = (3 * width + 3) // 4 * 4
    row = bytes([level]) * 3 * width + b'P' * (pitch - 3 * width)
    header = f'--frame\\r\\nContent-Type: video/x-raw\\r\\nContent-Length: {{pitch * height}}'
    os.write(output, header.encode() + b'\\r\\n\\r\\n' + row * height + b'\\r\\n')

if action == 'three':
    say_size(5, 2)
    for level in (1, 2, 3):
        send(level, 5, 2)
elif action == 'fdsrc':
    say_size(4, 2)
    for level in os.read(0, 10):
        send(level, 4, 2)
elif action == 'untold':
    send(1, 4, 2)
    signal.pause()
elif action == 'mixed_up':
    say_size(8, 6, 'GstQueue:queue0')
    say_size(2, 4, 'GstQueue:queue0')
    send(1, 4, 2)
    say_size(4, 2, 'GstQueue:queue0')
    signal.pause()
elif action == 'turned':
    say_size(8, 4, 'GstQueue:queue0')
    say_size(4, 8, 'GstVideoConvert:jetson_perception_convert')
    say_size(8, 4, 'GstQueue:queue0')
    send(1, 4, 8)
    signal.pause()
elif action == 'grow':
    say_size(4, 2)
    send(1, 4, 2)
    say_size(4, 3)
    send(2, 4, 3)
elif action == 'crash':
    say_size(4, 2)
    send(1, 4, 2)
    print('Argus: no cameras available, password=s3cret', flush=True)
    print('ERROR: from element nvarguscamerasrc0: lost', file=sys.stderr, flush=True)
    sys.exit(1)
elif action == 'killed':
    say_size(4, 2)
    os.kill(os.getpid(), signal.SIGSEGV)
elif action == 'nothing':
    pass
elif action in ('hang', 'deaf'):
    if action == 'deaf':
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    say_size(4, 2)
    send(1, 4, 2)
    while True:
        signal.pause()
elif action == 'mute':
    signal.pause()
else:
    print(f'WARNING: erroneous pipeline: no element "{{action}}"', file=sys.stderr)
    sys.exit(1)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """The stand-in on PATH; returns the file in which it writes its process number."""
    record = tmp_path / 'pid'
    program = tmp_path / 'bin' / 'gst-launch-1.0'
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, record=str(record)))
    program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{program.parent}:{os.environ["PATH"]}')
    monkeypatch.setattr(gst, 'python_with_gstreamer', lambda: None)
    return record


@pytest.fixture
def open_source():
    """A function that makes and opens a GstSource, closed at the end."""
    sources = []

    def make(uri, **options) -> GstSource:
        source = GstSource(uri, **options)
        sources.append(source)
        source.open()
        return source

    yield make
    for source in sources:
        source.close()


def has_ended(pid: int, timeout_s: float = 10.0) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], timeout_s)[0])
    finally:
        os.close(process)


@pytest.mark.parametrize(
    ('text', 'arguments'),
    [
        pytest.param('videotestsrc', ['videotestsrc'], id='one_element'),
        pytest.param('a ! b !', ['a', '!', 'b'], id='trailing_link'),
        pytest.param(
            'filesrc location="a b.mp4" ! decodebin',
            ['filesrc', 'location=a b.mp4', '!', 'decodebin'],
            id='quotes',
        ),
        pytest.param('a b=$(reboot) ! c;d', ['a', 'b=$(reboot)', '!', 'c;d'], id='no_shell'),
        pytest.param('a b=-1 c="-d e"', ['a', 'b=-1', 'c=-d e'], id='minus_in_a_value'),
    ],
)
def test_split(text, arguments):
    assert split_pipeline('gst://', text) == arguments


@pytest.mark.usefixtures('stand_in')
def test_a_pipe_comes_in_by_fdsrc(open_source):
    read_end, write_end = os.pipe()
    before = os.dup(0)
    try:
        os.dup2(read_end, 0)
        os.write(write_end, bytes([7, 8]))
        source = open_source('gst://fdsrc')
        assert source.read().pixels.max() in (7, 8)
    finally:
        os.dup2(before, 0)
        for descriptor in (before, read_end, write_end):
            os.close(descriptor)


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        pytest.param('a "b', 'cannot be split into words: No closing quotation', id='quote'),
        pytest.param('!', 'an empty pipeline; expected e.g. gst://videotestsrc', id='empty'),
        pytest.param('a ! appsink drop=1', 'ends in appsink; leave the sink out', id='sink'),
        pytest.param('fakesink', 'ends in fakesink', id='sink_alone'),
        *(
            pytest.param(text, f'contains the word {word}, but a pipeline has no options', id=name)
            for text, word, name in (
                ('--gst-plugin-load=/x.so a ! b', '--gst-plugin-load', 'first'),
                ('a ! b --gst-plugin-load=/x.so', '--gst-plugin-load', 'last'),
                ('a ! b -- c', '--', 'end_of_options'),
                ('a -m', '-m', 'short'),
                ('"-"x a', '-x', 'quoted'),
                ("a '--gst-plugin-path=/a b'", '--gst-plugin-path', 'quoted_with_a_space'),
                ('a \\-e', '-e', 'escaped'),
                ('a b = -1', '-1', 'value_apart'),
            )
        ),
    ],
)
def test_no_pipeline(text, match):
    with pytest.raises(SourceError, match=match):
        GstSource(f'gst://{text}')


def test_csi_arguments():
    arguments = launch_arguments(csi_pipeline(1, (1920, 1080), 29.97), paced=False)
    assert ' '.join(arguments) == (
        '-v nvarguscamerasrc sensor-id=1 ! '
        'video/x-raw(memory:NVMM),width=1920,height=1080,framerate=2997/100 ! '
        'nvvidconv ! video/x-raw,format=BGRx ! '
        'queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 ! '
        'videoconvert name=jetson_perception_convert ! '
        'capsfilter name=jetson_perception_filter caps=video/x-raw,format=BGR ! '
        'multipartmux name=jetson_perception_mux boundary=frame ! fdsink sync=false'
    )


def test_csi_in_the_cameras_memory():
    assert ' '.join(csi_nvmm_pipeline(1, (1920, 1080), 29.97)) == (
        'nvarguscamerasrc sensor-id=1 ! '
        'video/x-raw(memory:NVMM),format=NV12,width=1920,height=1080,framerate=2997/100 ! '
        'nvvidconv bl-output=false output-buffers=8 ! '
        'video/x-raw(memory:NVMM),format=NV12,width=1920,height=1080'
    )


@pytest.mark.parametrize(
    ('action', 'shape'),
    [
        pytest.param('mixed_up', (2, 4, 3), id='another_element'),
        pytest.param('turned', (8, 4, 3), id='ours_first'),
    ],
)
def test_size_from_notifications_that_are_mixed_up(stand_in, open_source, action, shape):
    assert open_source(f'gst://{action}').read().pixels.shape == shape


def test_size_that_is_unknown(stand_in, open_source, monkeypatch):
    monkeypatch.setattr(gst_process, '_SIZE_TIMEOUT_S', 0.05)
    with pytest.raises(SourceError, match='did not report the frame size'):
        open_source('gst://untold')
    assert open_source('gst://untold', size_wh=(4, 2)).read().pixels.shape == (2, 4, 3)


def test_larger_than_images_may_be(stand_in, open_source):
    with pytest.raises(SourceError, match=r'gst://.*5×2 pixels; max_image_pixels is 9'):
        open_source('gst://three', max_image_pixels=9)
    assert has_ended(int(stand_in.read_text()))


def test_another_size_than_asked_for(stand_in, open_source):
    source = open_source('gst://untold', size_wh=(4, 3))
    with pytest.raises(SourceError, match='the frame size is no longer 4x3'):
        source.read()


def test_frames_of_a_pipe(stand_in, open_source):
    source = open_source('gst://three')
    levels = []
    with pytest.raises(EndOfStream, match=r'gst://three ended after 3 frames'):  # noqa: PT012
        while True:
            frame = source.read()
            assert frame.pixels.shape == (2, 5, 3)
            assert len(set(frame.pixels.ravel())) == 1
            levels.append(int(frame.pixels[0, 0, 0]))
    assert levels == sorted(set(levels))
    assert levels[-1] == 3
    assert len(levels) + source.skipped == 3


def test_every_frame_of_a_pipe(stand_in, open_source):
    source = open_source('gst://three', every_frame=True)
    assert [int(source.read().pixels[0, 0, 0]) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(EndOfStream):
        source.read()


def test_a_size_that_changes_is_a_loss(stand_in, open_source):
    source = open_source('gst://grow')
    assert source.read().pixels.shape == (2, 4, 3)
    with pytest.raises(
        SourceError, match='the frame size is no longer 4x2; open the source again'
    ) as caught:
        source.read()
    assert not isinstance(caught.value, EndOfStream)


def test_a_crash_shows_what_was_printed(stand_in, open_source):
    source = open_source('gst://crash user-pw=s3cret')
    source.read()
    with pytest.raises(SourceError, match=r'ended with status 1 after 1 frame') as caught:
        source.read()
    assert str(caught.value).endswith(
        'it printed:\n'
        '(a line that quotes the pipeline is left out)\n'
        '  ERROR: from element nvarguscamerasrc0: lost'
    )


@pytest.mark.parametrize(
    ('action', 'match'),
    [
        pytest.param('nothing', 'the pipeline ended without a frame', id='nothing'),
        pytest.param(
            'x264enc', r'install what has x264enc.*printed:\n.*no element "x264enc"', id='addon'
        ),
        pytest.param('nvv4l2decoder', 'comes with JetPack .*nvidia-l4t-gstreamer', id='jetson'),
    ],
)
def test_does_not_open(stand_in, open_source, action, match):
    with pytest.raises(SourceError, match=match) as caught:
        open_source(f'gst://{action}')
    assert not isinstance(caught.value, EndOfStream)


def test_killed_by_a_signal(stand_in, open_source):
    with pytest.raises(SourceError, match='ended with signal 11 after 0 frames'):
        open_source('gst://killed')


def test_csi_without_a_jetson(stand_in):
    source = CsiSource('csi://0')
    with pytest.raises(SourceError, match='nvarguscamerasrc comes with JetPack'):
        source.open()


@pytest.mark.parametrize('action', ['hang', 'deaf'])
def test_close_ends_the_child(stand_in, open_source, monkeypatch, action):
    monkeypatch.setattr(gst_child, '_STOP_TIMEOUT_S', 0.2)
    source = open_source(f'gst://{action}')
    source.read()
    pid = int(stand_in.read_text())
    assert not has_ended(pid, timeout_s=0)
    source.close()
    assert has_ended(pid, timeout_s=0)


def test_a_pipeline_that_gives_nothing_is_given_up(stand_in):
    source = GstSource('gst://mute')
    source._open_timeout_s = 0.3
    with pytest.raises(SourceError, match=r'did not open within 0\.3 s'):
        source.open()
    if stand_in.exists():
        assert has_ended(int(stand_in.read_text() or 0))


def test_the_child_dies_with_us(stand_in):
    program = textwrap.dedent("""
        import sys
        from jetson_perception.camera import gst
        gst.python_with_gstreamer = lambda: None
        from jetson_perception.camera.gst import GstSource
        source = GstSource('gst://deaf')
        source.open()
        source.read()
        print('ready', flush=True)
        sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, '-c', program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    ) as parent:
        assert parent.stdout.readline() == 'ready\n'
        pid = int(stand_in.read_text())
        assert not has_ended(pid, timeout_s=0)
        parent.send_signal(signal.SIGKILL)
    assert has_ended(pid)


def test_no_gst_launch(tmp_path, monkeypatch):
    monkeypatch.setattr(gst, 'python_with_gstreamer', lambda: None)
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(SourceError, match=r'sudo apt-get install gstreamer1\.0-tools'):
        GstSource('gst://videotestsrc').open()


def test_a_gst_launch_that_cannot_be_started(tmp_path, monkeypatch):
    monkeypatch.setattr(gst, 'python_with_gstreamer', lambda: None)
    program = tmp_path / 'gst-launch-1.0'
    program.write_bytes(b'\x7fELF, but not really')
    program.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(SourceError, match=r'gst-launch-1\.0 cannot be started'):
        GstSource('gst://videotestsrc').open()


@pytest.mark.usefixtures('real')
@pytest.mark.parametrize('size_wh', [(64, 48), (13, 7), (641, 3), (1, 1)])
def test_real_pipeline(open_source, size_wh):
    width, height = size_wh
    caps = f'video/x-raw,width={width},height={height}'
    source = open_source(f'gst://videotestsrc pattern=red num-buffers=20 ! {caps}')
    before_ns = time.time_ns() - 10_000_000_000
    frame = source.read()
    assert frame.pixels.shape == (height, width, 3)
    assert np.abs(frame.pixels.astype(int) - (0, 0, 255)).max() <= 2
    assert before_ns < frame.captured_ns <= time.time_ns()


@pytest.mark.usefixtures('real')
def test_real_child_is_left_time_to_close_its_camera(open_source, monkeypatch):
    children = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, 'Popen', lambda *a, **k: children.append(popen(*a, **k)) or children[-1]
    )
    source = open_source('gst://videotestsrc ! video/x-raw,width=640,height=480', frame_rate=0)
    source.read()
    source.close()
    assert children[0].returncode >= 0  # neither SIGPIPE nor SIGKILL ended it


@pytest.mark.usefixtures('real')
def test_real_end_of_stream(open_source):
    source = open_source('gst://videotestsrc num-buffers=5 ! video/x-raw,width=64', frame_rate=0)
    with pytest.raises(EndOfStream, match='ended after 5 frames'):  # noqa: PT012
        for _ in range(6):
            source.read()


@pytest.mark.usefixtures('real')
@pytest.mark.parametrize('frame_rate', [None, 0, 7.5, 100.0])
def test_real_scaling_and_rate(open_source, frame_rate):
    source = open_source(
        'gst://videotestsrc pattern=blue ! video/x-raw,width=640,height=480,framerate=50/1',
        size_wh=(100, 30),
        frame_rate=frame_rate,
    )
    pixels = source.read().pixels
    assert pixels.shape == (30, 100, 3)
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.usefixtures('real')
@pytest.mark.parametrize(
    ('text', 'match'),
    [
        pytest.param('videotestsrc foo=1', 'no property "foo" in element', id='property'),
        pytest.param('nosuchthing ! identity', 'install what has nosuchthing', id='element'),
        pytest.param(
            'filesrc location=/no/such ! decodebin', 'No such file "/no/such"', id='file'
        ),
        pytest.param('audiotestsrc', 'could not link', id='sound'),
    ],
)
def test_real_failures(open_source, text, match):
    with pytest.raises(SourceError, match=match) as caught:
        open_source(f'gst://{text}')
    assert not isinstance(caught.value, EndOfStream)


@pytest.mark.usefixtures('real')
def test_real_video_file(open_source, make_video, frame_number):
    path = make_video('drive.avi', count=10, rate=100.0)
    source = open_source(f'gst://filesrc location={path} ! avidemux ! jpegdec')
    numbers = []
    with pytest.raises(EndOfStream):  # noqa: PT012
        while True:
            numbers.append(frame_number(source.read().pixels))
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 9


@pytest.mark.usefixtures('real')
@pytest.mark.parametrize(
    ('given', 'encoding', 'shape'),
    [
        pytest.param('NV12', 'nv12', (75, 66), id='nv12'),
        pytest.param('NV21', 'nv21', (75, 66), id='nv21'),
        pytest.param('YUY2', 'yuv422_yuy2', (50, 66, 2), id='yuy2'),
        pytest.param('UYVY', 'uyvy', (50, 66, 2), id='uyvy'),
        pytest.param('GRAY8', 'mono8', (50, 66), id='gray'),
        pytest.param('RGB', 'rgb8', (50, 66, 3), id='rgb'),
    ],
)
def test_frames_stay_as_a_real_pipeline_gives_them(open_source, given, encoding, shape):
    """And show what they show when GStreamer converts them, as far as rounding lets them."""
    uri = f'gst://videotestsrc num-buffers=3 ! video/x-raw,format={given},width=66,height=50'
    frame = open_source(uri, native=True, every_frame=True).read()
    assert (frame.encoding, frame.pixels.shape) == (encoding, shape)
    assert frame.size_wh == (66, 50)
    converted = open_source(uri, every_frame=True).read()
    assert (converted.encoding, converted.pixels.shape) == ('bgr8', (50, 66, 3))
    off = np.abs(to_bgr(frame.pixels, encoding).astype(int) - converted.pixels)
    assert np.median(off) <= 2


@pytest.mark.usefixtures('real')
@pytest.mark.parametrize(
    'caps',
    [
        pytest.param('format=NV12,width=65,height=49', id='odd_size'),
        pytest.param('format=RGB16,width=66,height=50', id='another_format'),
    ],
)
def test_what_cannot_stay_becomes_bgr(open_source, caps):
    source = open_source(f'gst://videotestsrc num-buffers=3 ! video/x-raw,{caps}', native=True)
    frame = source.read()
    assert frame.encoding in ('bgr8', 'rgb8')
    assert frame.pixels.ndim == 3


def test_csi_leaves_frames_as_nv12():
    pipeline = csi_pipeline(0, (1280, 720), 30.0, pixel_format='NV12')
    arguments = ' '.join(launch_arguments(pipeline, paced=False, native=True))
    assert 'nvvidconv ! video/x-raw,format=NV12 ! queue' in arguments
    assert 'caps=video/x-raw,format={BGR,RGB,GRAY8,NV12,' in arguments
