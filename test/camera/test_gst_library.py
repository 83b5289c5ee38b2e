"""Real pipelines in this process, and what is kept with the memory of their frames."""

import threading
import time

import pytest

from jetson_perception.camera import gst_library
from jetson_perception.camera.gst_library import AppsinkPipeline
from jetson_perception.errors import CudaError, EndOfStream, SourceError


def is_there():
    try:
        gst_library.library()
    except SourceError:
        return False
    return True


pytestmark = pytest.mark.skipif(
    not is_there(), reason='there is no GStreamer: apt-get install gstreamer1.0-plugins-base'
)
CAPS = 'video/x-raw,format=NV12,width=64,height=48'
NEVER = threading.Event()


@pytest.fixture
def running():
    """A function that runs a pipeline; all of them are closed in the end."""
    made = []

    def run(text):
        made.append(AppsinkPipeline('csi://0', text.split()))
        return made[-1]

    yield run
    for each in made:
        each.close()
    assert not gst_library._kept


class Kept:
    def __init__(self, memory):
        self.memory, self.closed = memory, 0

    def close(self):
        self.closed += 1


def test_frames_have_their_size_and_time_of_capture(running):
    late = 'queue min-threshold-time=300000000'
    camera = running(f'videotestsrc is-live=true ! {CAPS},framerate=100/1 ! {late}')
    for _ in range(3):
        sample = camera.pull(NEVER)
        assert sample.size_wh == (64, 48)
        assert 0.25e9 < time.time_ns() - sample.captured_ns < 5e9
        sample.release()


def test_frames_of_no_camera_have_the_time_at_which_they_come(running):
    before_ns = time.time_ns()
    film = running(f'videotestsrc timestamp-offset=900000000000 num-buffers=3 ! {CAPS}')
    sample = film.pull(NEVER)
    assert before_ns <= sample.captured_ns <= time.time_ns()
    sample.release()


def test_what_is_kept_lasts_as_long_as_the_memory(running):
    made = []

    def make(memory):
        made.append(Kept(memory))
        return made[-1]

    camera = running(f'videotestsrc ! {CAPS}')
    for _ in range(50):
        sample = camera.pull(NEVER)
        found = sample.kept(make)
        assert found is sample.kept(make)
        assert found in made
        assert found.memory.nbytes == 64 * 48 * 3 // 2
        sample.release()
    assert len({each.memory.address for each in made}) == len(made) < 6
    last = camera.pull(NEVER)
    assert not last.kept(make).closed
    camera.close()
    assert not last.kept(make).closed
    last.release()
    assert [each.closed for each in made] == [1] * len(made)


def test_what_could_not_be_made_is_tried_again(running):
    camera = running(f'videotestsrc ! {CAPS}')
    sample = camera.pull(NEVER)

    def refuse(_memory):
        raise CudaError('no')

    with pytest.raises(CudaError, match='no'):
        sample.kept(refuse)
    assert sample.kept(Kept).memory.address
    sample.release()


def test_an_error_at_the_end_of_memory_is_logged(running, caplog):
    class Failing(Kept):
        def close(self):
            raise CudaError('it broke')

    camera = running(f'videotestsrc ! {CAPS}')
    sample = camera.pull(NEVER)
    sample.kept(Failing)
    sample.release()
    camera.close()
    assert 'let go all the same: it broke' in caplog.text


def test_one_that_gives_nothing(running):
    camera = running(f'videotestsrc num-buffers=0 ! {CAPS}')
    with pytest.raises(SourceError, match='csi://0: the pipeline ended without a frame'):
        camera.pull(NEVER)


def test_one_that_ends(running):
    film = running(f'videotestsrc is-live=true num-buffers=3 ! {CAPS},framerate=20/1')
    with pytest.raises(EndOfStream, match='csi://0 ended after 3 frames'):  # noqa: PT012
        while True:
            film.pull(NEVER).release()


def test_one_that_fails_on_the_way(running):
    film = running(f'videotestsrc ! {CAPS} ! identity error-after=4')
    with pytest.raises(SourceError, match='csi://0: Failed after iterations as requested'):  # noqa: PT012
        while True:
            film.pull(NEVER).release()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        pytest.param('nosuchsrc', 'erroneous pipeline: no element "nosuchsrc"', id='element'),
        pytest.param('videotestsrc nothing=1', 'no property "nothing"', id='property'),
        pytest.param('filesrc location=/no/such', 'Resource not found', id='start'),
    ],
)
def test_one_that_does_not_start(text, message):
    with pytest.raises(SourceError, match=f'csi://0: .*{message}'):
        AppsinkPipeline('csi://0', text.split())


def test_a_wait_is_cancelled(running):
    camera = running(f'videotestsrc is-live=true ! {CAPS},framerate=1/100')
    camera.pull(NEVER).release()
    cancelled = threading.Event()
    timer = threading.Timer(0.1, cancelled.set)
    timer.start()
    with pytest.raises(SourceError, match='csi://0 was closed'):
        camera.pull(cancelled)
    timer.join()


@pytest.mark.parametrize(
    ('functions', 'message'),
    [
        pytest.param({'libnosuch.so.0': {}}, r'libnosuch\.so\.0 cannot be loaded', id='library'),
        pytest.param(
            {'libglib-2.0.so.0': {'g_nosuch': (None,)}}, 'has no g_nosuch; expected', id='function'
        ),
    ],
)
def test_what_is_missing(monkeypatch, functions, message):
    monkeypatch.setattr(gst_library, '_FUNCTIONS', functions)
    gst_library.library.cache_clear()
    try:
        with pytest.raises(SourceError, match=message):
            gst_library.library()
    finally:
        monkeypatch.undo()
        gst_library.library.cache_clear()
