"""A source read in a thread: what its taker receives, and what ends the reading."""

import threading

import cv2
import numpy as np
import pytest
from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.camera import CapturedFrame, open_source
from jetson_perception.camera.capture import Capture
from jetson_perception.errors import SourceError

FRAME = CapturedFrame(np.zeros((2, 2, 3), np.uint8), 0)


class Taker:
    """Keeps what it is told; `held` makes it wait in `take` until it is to stop."""

    def __init__(self, held=False):
        self.held = held
        self.values, self.told = [], []
        self.taking = threading.Event()
        self.raises = None

    def opened(self, stop):
        self.told.append('opened')

    def take(self, frame, stop):
        self.values.append(int(frame.pixels[0, 0, 0]))
        self.taking.set()
        if self.raises is not None:
            raise self.raises
        if self.held:
            assert stop.wait(DEADLINE_S)

    def lost(self, error, retry_s):
        self.told.append(f'lost: {error}')

    def failed(self, error):
        self.told.append(f'failed: {error}')

    def ended(self):
        self.told.append('ended')


class ComingAndGoing:
    """A stand-in for a camera that is lost after its first frame, and comes back for good."""

    uri, live, rate_hz, truth_class_names = 'stand-in://', True, 0.0, ()

    def __init__(self):
        self.opened = self.read_since = 0
        self.closed = threading.Event()

    def open(self):
        self.opened += 1
        self.read_since = 0
        self.closed.clear()

    def read(self):
        self.read_since += 1
        if self.opened == 1 and self.read_since == 2:
            raise SourceError('the cable is out')
        if self.read_since > 2:
            assert self.closed.wait(DEADLINE_S)
            raise SourceError('closed')
        return FRAME

    def close(self):
        self.closed.set()


@pytest.fixture
def folder(tmp_path):
    """A source of three pictures, each of its number."""
    for number in (1, 2, 3):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((4, 4, 3), number, np.uint8))
    return open_source(f'images://{tmp_path}')


@pytest.fixture
def capture():
    """Makes captures, and closes those that a test leaves open."""
    before = set(threading.enumerate())
    made = []

    def make(source, taker, **options):
        made.append(Capture(source, taker, **options))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        assert each.close(DEADLINE_S) == []
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_every_frame_is_taken_in_order_and_the_end_is_reported(capture, folder):
    taker = Taker()
    reading = capture(folder, taker)
    wait_until(lambda: reading.at_end)
    assert taker.values == [1, 2, 3]
    wait_until(lambda: taker.told == ['opened', 'ended'])
    assert reading.problem.endswith('came to its end after 3 frames')
    assert reading.times_lost == 0


def test_closing_ends_a_waiting_taker_without_an_error(capture, folder):
    taker = Taker(held=True)
    reading = capture(folder, taker)
    assert taker.taking.wait(DEADLINE_S)
    assert reading.close(DEADLINE_S) == []
    assert taker.values == [1]
    assert taker.told == ['opened']
    assert (reading.problem, reading.at_end) == ('', False)


def test_a_lost_source_is_opened_again(capture):
    taker = Taker()
    reading = capture(ComingAndGoing(), taker)
    wait_until(lambda: len(taker.values) == 3)
    assert taker.told == ['opened', 'lost: the cable is out', 'opened']
    assert (reading.times_lost, reading.problem) == (1, '')


def test_a_missing_file_is_reported_as_the_reason(capture, tmp_path):
    taker = Taker()
    reading = capture(open_source(f'file://{tmp_path}/none.mp4'), taker)
    wait_until(lambda: taker.told)
    assert 'none.mp4' in reading.problem
    assert taker.told == [f'failed: {reading.problem}']
    assert not reading.at_end


def test_a_taker_that_fails_ends_the_reading_with_the_reason(capture, folder):
    taker = Taker()
    taker.raises = ZeroDivisionError('by zero')
    reading = capture(folder, taker)
    wait_until(lambda: len(taker.told) == 2)
    assert taker.values == [1]
    assert taker.told[1] == 'failed: unexpected ZeroDivisionError: by zero'
    assert reading.problem == 'unexpected ZeroDivisionError: by zero'


def test_the_cause_of_a_delay_is_waited_for_and_reported(capture, folder):
    taker, reasons = Taker(), ['a capture of before has not ended yet']
    reading = capture(folder, taker, held_up=lambda: reasons[0])
    wait_until(lambda: reading.problem == reasons[0])
    assert taker.told == []
    reasons[0] = ''
    wait_until(lambda: reading.at_end)
    assert taker.values == [1, 2, 3]


def test_closing_ends_the_wait_before_anything_is_opened(capture, folder):
    taker = Taker()
    reading = capture(folder, taker, held_up=lambda: 'never over')
    wait_until(lambda: reading.problem)
    assert reading.close(DEADLINE_S) == []
    assert taker.told == []


def test_a_taker_that_does_not_return_is_left_behind(folder):
    taker, go = Taker(), threading.Event()
    taker.opened = lambda stop: go.wait(DEADLINE_S)
    reading = Capture(folder, taker)
    reading.start()
    (left,) = reading.close(0.05)
    assert left.at_work().startswith('the source: the end of capturing has not returned')
    go.set()
    wait_until(lambda: not left.at_work())
