import threading

import numpy as np
import pytest

from jetson_perception.camera import CapturedFrame, frames
from jetson_perception.errors import EndOfStream, SourceError

FRAME = CapturedFrame(np.zeros((2, 2, 3), np.uint8), 0)


class StandInSource:
    """A stand-in for a source: each session is what `open` and then each `read` do, in order."""

    truth_class_names = ()

    def __init__(self, *sessions, live=True) -> None:
        self.uri = 'stand-in://'
        self.live = live
        self.is_open = False
        self.closed = 0
        self._sessions = list(sessions)
        self._now: list = []

    def open(self) -> None:
        assert not self.is_open, 'opened twice'
        self._now = list(self._sessions.pop(0))
        self._do()
        self.is_open = True

    def read(self) -> CapturedFrame:
        assert self.is_open, 'read before open'
        self._do()
        return FRAME

    def close(self) -> None:
        self.is_open = False
        self.closed += 1

    def _do(self) -> None:
        action = self._now.pop(0)
        if isinstance(action, Exception):
            raise action
        if callable(action):
            action()


class StandInStop(threading.Event):
    """A stand-in for the stop event: waiting is recorded and takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float] = []

    def wait(self, timeout=None):
        self.waited_s.append(timeout)
        return self.is_set()


OK = None
LOST = SourceError('lost')
END = EndOfStream('the end')


def run(source, stop=None, **options):
    """How many frames came, what was reported, and how long was waited."""
    stop = stop or StandInStop()
    reports = []
    count = 0
    for frame in frames(
        source, stop=stop, on_lost=lambda err, s: reports.append((str(err), s)), **options
    ):
        assert frame is FRAME
        count += 1
    return count, reports, stop.waited_s


def test_frames_until_the_end():
    source = StandInSource([OK, OK, OK, END])
    assert run(source) == (2, [], [])
    assert not source.is_open


@pytest.mark.parametrize('live', [False, True])
def test_the_end_of_an_empty_stream(live):
    assert run(StandInSource([OK, END], live=live)) == (0, [], [])


def test_the_user_is_notified_before_the_first_frame_whenever_the_source_opens():
    source = StandInSource([OK, OK, LOST], [OK, OK, END])
    opened = []
    assert run(source, on_open=lambda: opened.append(source.is_open))[0] == 2
    assert opened == [True, True]


def test_a_user_who_stops_before_the_first_frame_gets_none():
    stop = StandInStop()
    assert run(StandInSource([OK, OK, OK, END]), stop, on_open=stop.set)[0] == 0


def test_lost_and_opened_again():
    source = StandInSource([OK, OK, LOST], [OK, OK, OK, END])
    assert run(source) == (3, [('lost', 0.5)], [0.5])


def test_waits_grow_and_the_last_repeats():
    source = StandInSource(*[[LOST]] * 7, [OK, END])
    count, reports, waited_s = run(source)
    assert count == 0
    assert waited_s == [0.5, 1.0, 2.0, 5.0, 10.0, 10.0, 10.0]
    assert [seconds for _, seconds in reports] == waited_s


def test_a_source_that_opens_but_gives_nothing_waits_longer_too():
    source = StandInSource([OK, LOST], [OK, LOST], [OK, LOST], [OK, END])
    assert run(source, backoff=(1, 2))[2] == [1, 2, 2]


def test_a_frame_resets_the_waits():
    source = StandInSource([LOST], [LOST], [OK, OK, LOST], [LOST], [OK, END])
    assert run(source)[2] == [0.5, 1.0, 0.5, 1.0]


@pytest.mark.parametrize('session', [[LOST], [OK, OK, LOST]], ids=['open', 'read'])
def test_a_source_that_is_not_live_raises(session):
    source = StandInSource(session, live=False)
    with pytest.raises(SourceError, match='lost'):
        run(source)
    assert source.closed
    assert not source.is_open


def test_stop_before_the_start():
    stop = StandInStop()
    stop.set()
    assert run(StandInSource(), stop) == (0, [], [])


def test_stop_between_frames():
    stop = StandInStop()
    source = StandInSource([OK, OK, stop.set])
    assert run(source, stop) == (2, [], [])
    assert not source.is_open


def test_stop_and_close_during_a_read_do_not_count_as_loss():
    stop = StandInStop()

    def close_from_elsewhere():
        stop.set()
        raise SourceError('was closed')

    assert run(StandInSource([OK, OK, close_from_elsewhere]), stop) == (1, [], [])


def test_stop_ends_a_wait():
    stop = threading.Event()
    got = list(
        frames(
            StandInSource([LOST]),
            stop=stop,
            on_lost=lambda _err, _s: stop.set(),
            backoff=(1000,),
        )
    )
    assert got == []


def test_closed_when_the_caller_stops_listening():
    source = StandInSource([OK, OK, OK])
    stream = frames(source, stop=StandInStop(), on_lost=lambda _err, _s: None)
    next(stream)
    stream.close()
    assert not source.is_open
