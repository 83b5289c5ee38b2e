import queue
import threading
from collections import deque

import numpy as np
import pytest

from jetson_perception.camera.live import LiveSource, wall_clock_ns
from jetson_perception.errors import EndOfStream, SourceError


class StandInGrabber:
    """A stand-in for a camera: `script` gives it frames and errors, one per grab.

    It writes into the buffers that it is given, and complains when it is used after its release.
    """

    encoding = 'bgr8'

    def __init__(self) -> None:
        self.script: queue.Queue = queue.Queue()
        self.waits = threading.Semaphore(0)  # released whenever a grab finds nothing to give
        self.released = threading.Event()
        self.memories: set[int] = set()

    def connect(self, cancelled: threading.Event) -> 'StandInGrabber':
        assert not cancelled.is_set()
        self.released.clear()
        return self

    def grab(self, out):
        assert not self.released.is_set()
        if self.script.empty():
            self.waits.release()
        item = self.script.get(timeout=10)
        if isinstance(item, Exception):
            raise item
        if out is None:
            out = np.empty((2, 3, 3), np.uint8)
        self.memories.add(out.ctypes.data)
        out[:] = item
        return out, 1000 + item

    def interrupt(self) -> None:
        assert not self.released.is_set()
        self.script.put(SourceError('interrupted'))

    def release(self) -> None:
        assert not self.released.is_set()
        self.released.set()

    def give(self, *items) -> None:
        """Return when every item was grabbed."""
        assert self.waits.acquire(timeout=10)
        for item in items:
            self.script.put(item)
        assert self.waits.acquire(timeout=10)
        self.waits.release()


@pytest.fixture
def grabber():
    return StandInGrabber()


@pytest.fixture
def source(grabber):
    source = LiveSource('rtsp://u:pw@camera', grabber.connect, read_timeout_s=10)
    yield source
    source.close()


def test_is_live_and_hides_its_password(source):
    assert source.live
    assert source.uri == 'rtsp://camera'
    assert source.truth_class_names == ()


def test_reader_gets_the_newest(source, grabber):
    source.open()
    grabber.give(1, 2, 3)
    frame = source.read()
    assert (frame.pixels == 3).all()
    assert frame.captured_ns == 1003
    assert source.skipped == 2


def test_a_reader_who_wants_every_frame_gets_it(grabber):
    """However many wait: the device is not read again before its last frame was taken."""
    source = LiveSource('pipe', grabber.connect, read_timeout_s=10, every_frame=True)
    for level in range(5):
        grabber.script.put(level)
    grabber.script.put(EndOfStream('the end'))
    source.open()
    for level in range(5):
        assert (source.read().pixels == level).all()
    assert source.skipped == 0
    with pytest.raises(EndOfStream, match='the end'):
        source.read()


def test_closing_a_source_that_nobody_reads_ends_its_thread(grabber):
    source = LiveSource('pipe', grabber.connect, every_frame=True)
    grabber.script.put(1)
    source.open()
    source.close()
    assert grabber.released.wait(10)


def test_frames_are_read_once(source, grabber):
    source.open()
    for level in range(5):
        grabber.give(level)
        assert (source.read().pixels == level).all()
    assert source.skipped == 0


def test_frames_stay_as_they_are_while_the_reader_keeps_them(source, grabber):
    """However many that are; and the memory of the others is used again."""
    source.open()
    level = 0
    kept = deque(maxlen=3)
    for burst in (1, 3, 1, 2, 5, 1, 1, 4) * 3:
        grabber.give(*range(level, level + burst))
        level += burst
        # A view, as a message or a tensor may be.
        kept.append((level - 1, source.read().pixels[1:, :, :1]))
        grabber.give(*range(level, level + burst))
        level += burst
        for newest, held in kept:
            assert (held == newest).all()
    assert len(grabber.memories) <= len(kept) + 4


def test_last_frame_comes_before_the_end(source, grabber):
    source.open()
    assert grabber.waits.acquire(timeout=10)
    grabber.script.put(1)
    grabber.script.put(EndOfStream('the end'))
    assert grabber.released.wait(10)
    assert (source.read().pixels == 1).all()
    for _ in range(2):
        with pytest.raises(EndOfStream, match='the end'):
            source.read()


def test_lost_then_open_again(source, grabber):
    source.open()
    grabber.script.put(SourceError('unplugged'))
    with pytest.raises(SourceError, match='unplugged'):
        source.read()
    assert grabber.released.is_set()
    source.open()
    grabber.script.put(7)
    assert (source.read().pixels == 7).all()


def test_open_fails():
    def connect(_cancelled):
        raise SourceError('no such camera')

    source = LiveSource('stand-in://camera', connect)
    for _ in range(2):
        with pytest.raises(SourceError, match='no such camera'):
            source.open()
    with pytest.raises(SourceError, match='no such camera'):
        source.read()


def test_open_gives_up_and_stops_the_thread():
    told = threading.Event()

    def connect(cancelled):
        assert cancelled.wait(10)
        told.set()
        raise SourceError('too late')

    source = LiveSource('stand-in://camera', connect, open_timeout_s=0.01)
    with pytest.raises(SourceError, match=r'did not open within 0\.01 s'):
        source.open()
    assert told.is_set()


def test_read_gives_up(grabber):
    source = LiveSource('stand-in://camera', grabber.connect, read_timeout_s=0.01)
    source.open()
    with pytest.raises(SourceError, match=r'gave no frame for 0\.01 s; is it still connected'):
        source.read()
    source.close()
    assert grabber.released.is_set()


def test_read_needs_open(source):
    with pytest.raises(SourceError, match=r'is not open; call open\(\) first'):
        source.read()
    source.close()


def test_close_ends_a_read_under_way(source, grabber):
    source.open()
    assert grabber.waits.acquire(timeout=10)
    errors = []

    def read():
        try:
            source.read()
        except SourceError as err:
            errors.append(str(err))

    reader = threading.Thread(target=read)
    reader.start()
    source.close()
    source.close()
    reader.join(10)
    assert errors == ['rtsp://camera was closed']
    assert grabber.released.is_set()


def test_a_frame_that_waits_is_not_given_after_close(source, grabber):
    source.open()
    grabber.give(1)
    source.close()
    with pytest.raises(SourceError, match='was closed'):
        source.read()


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_an_unexpected_error_reaches_the_reader(source, grabber):
    source.open()
    grabber.script.put(ZeroDivisionError('a bug'))
    with pytest.raises(SourceError, match='the capturing thread failed; see its traceback'):
        source.read()
    assert grabber.released.is_set()


def test_a_device_that_is_not_released_is_not_opened_twice(monkeypatch):
    monkeypatch.setattr('jetson_perception.camera.live._RELEASE_TIMEOUT_S', 0.01)
    release = threading.Event()

    class StandInStuck(StandInGrabber):
        """A stand-in for a driver that does not return from a read."""

        def interrupt(self) -> None:
            """Do nothing, as a driver would."""

        def grab(self, out):
            assert release.wait(10)
            raise SourceError('at last')

    grabber = StandInStuck()
    source = LiveSource('stand-in://camera', grabber.connect)
    source.open()
    with pytest.raises(SourceError, match='is still being released; try again in a moment'):
        source.open()
    release.set()
    assert grabber.released.wait(10)


@pytest.mark.parametrize(
    ('driver_ns', 'expected'),
    [
        pytest.param(4_900_000_000, 99_900_000_000, id='a_moment_ago'),
        pytest.param(5_000_000_000, 100_000_000_000, id='now'),
        pytest.param(5_000_000_001, None, id='future'),
        pytest.param(3_900_000_000, None, id='long_ago'),
        pytest.param(0, None, id='unknown'),
    ],
)
def test_wall_clock(monkeypatch, driver_ns, expected):
    monkeypatch.setattr('time.monotonic_ns', lambda: 5_000_000_000)
    monkeypatch.setattr('time.time_ns', lambda: 100_000_000_000)
    assert wall_clock_ns(driver_ns) == expected
