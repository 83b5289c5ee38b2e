"""Real pipelines in a real child process; test_gst.py has what both ways of taking frames do."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from small_disk import file_size_limit

from jetson_perception.camera.gst import GstSource
from jetson_perception.camera.gst_appsink import GstAppsink, python_with_gstreamer
from jetson_perception.camera.gst_pipeline import appsink_words
from jetson_perception.errors import EndOfStream, SourceError

pytestmark = pytest.mark.skipif(
    python_with_gstreamer() is None,
    reason='PyGObject with GStreamer is not installed: apt-get install python3-gi '
    'gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base',
)
SMALL = 'video/x-raw,width=64,height=48'


@pytest.fixture
def grabber():
    """A function that runs a pipeline; all of them are released in the end."""
    running = []

    def run(text, *, cancelled=None, paced=False):
        words = appsink_words(text.split())
        made = GstAppsink(
            f'gst://{text}',
            python_with_gstreamer(),
            words,
            cancelled or threading.Event(),
            paced=paced,
        )
        running.append(made)
        return made

    yield run
    for each in running:
        each.release()


def child_of(grabber):
    return grabber._child._process.pid


def test_a_camera_s_frames_have_their_time_of_capture(grabber):
    """Not that at which they come out of what the pipeline does with them."""
    caps = f'{SMALL},framerate=100/1'
    late = 'queue min-threshold-time=300000000'
    camera = grabber(f'videotestsrc is-live=true ! {caps} ! {late}')
    for _ in range(3):
        _, captured_ns = camera.grab(None)
        assert 0.25e9 < time.time_ns() - captured_ns < 5e9


def test_a_file_s_frames_have_the_time_at_which_they_come(grabber):
    before_ns = time.time_ns()
    film = grabber(f'videotestsrc timestamp-offset=900000000000 num-buffers=3 ! {SMALL}')
    _, captured_ns = film.grab(None)
    assert before_ns <= captured_ns <= time.time_ns()


def test_a_plugin_that_crashes_ends_its_child_alone(grabber):
    camera = grabber(f'videotestsrc is-live=true ! {SMALL}')
    camera.grab(None)
    os.kill(child_of(camera), signal.SIGSEGV)
    with pytest.raises(SourceError, match='ended with signal 11 after'):  # noqa: PT012
        while True:
            camera.grab(None)


def test_the_words_of_a_pipeline_are_not_for_all_to_see(grabber):
    camera = grabber(f'videotestsrc name=s3cret is-live=true ! {SMALL}')
    seen = Path(f'/proc/{child_of(camera)}/cmdline').read_bytes()
    assert b'gst_appsink_program' in seen
    assert b's3cret' not in seen


def test_another_size_on_the_way_is_told(grabber):
    camera = grabber(
        f'concat name=all  videotestsrc num-buffers=2 ! {SMALL} ! all. '
        'videotestsrc num-buffers=2 ! video/x-raw,width=32,height=48 ! all. all.'
    )
    for _ in range(2):
        assert camera.grab(None)[0].shape == (48, 64, 3)
    with pytest.raises(SourceError, match='are no longer 64x48 BGR; open') as caught:
        camera.grab(None)
    assert not isinstance(caught.value, EndOfStream)


def test_no_frame_is_lost_where_the_reader_is_slow(grabber):
    """Slots that are not free hold the pipeline up."""
    ball = 'videotestsrc pattern=ball num-buffers=12'
    camera = grabber(f'{ball} ! {SMALL}')
    slow = []
    for _ in range(12):
        slow.append(camera.grab(None)[0])
        time.sleep(0.005)
    with pytest.raises(EndOfStream, match='ended after 12 frames'):
        camera.grab(None)
    again = grabber(f'{ball} ! {SMALL}')
    assert all(np.array_equal(frame, again.grab(None)[0]) for frame in slow)
    assert len({frame.tobytes() for frame in slow}) == 12


def test_the_last_frames_come_though_the_child_has_ended(grabber):
    """Also where it has not read all that it was told."""
    film = grabber(f'videotestsrc is-live=true num-buffers=2 ! {SMALL},framerate=5/1')
    film._send(free=0)  # it has slots enough to the end, and reads none of this
    assert film._child._process.wait(20) == 0
    for _ in range(2):
        film.grab(None)
    with pytest.raises(EndOfStream, match='ended after 2 frames'):
        film.grab(None)


def test_nobody_waits_for_a_first_frame_that_does_not_come(grabber):
    cancelled = threading.Event()
    timer = threading.Timer(0.3, cancelled.set)
    timer.start()
    with pytest.raises(SourceError, match='was closed before the first frame'):
        grabber('appsrc ! video/x-raw,format=BGR,width=8,height=8', cancelled=cancelled)
    timer.join()


def test_memory_that_is_not_to_be_had_is_told(grabber):
    told = pytest.raises(SourceError, match='no memory of 7 MB for 3 frames of 1024x800: File too')
    with file_size_limit(1 << 20), told:
        grabber('videotestsrc ! video/x-raw,width=1024,height=800')


def test_a_grab_under_way_is_interrupted(grabber):
    camera = grabber(f'videotestsrc is-live=true ! {SMALL},framerate=1/100')
    camera.grab(None)
    timer = threading.Timer(0.1, camera.interrupt)
    timer.start()
    with pytest.raises(SourceError, match='was closed'):
        camera.grab(None)
    timer.join()


def test_nothing_stays_of_sources_that_are_opened_again():
    """No descriptor, thread or child."""

    def of_this_process():
        threads = threading.active_count()
        children = subprocess.run(
            ['ps', '--ppid', str(os.getpid()), '-o', 'args='], capture_output=True, check=False
        )
        return len(os.listdir('/proc/self/fd')), threads, children.stdout.count(b'appsink_program')

    source = GstSource(f'gst://videotestsrc is-live=true ! {SMALL}')
    before = of_this_process()
    for _ in range(3):
        source.open()
        source.read()
        source.close()
    assert of_this_process() == before
