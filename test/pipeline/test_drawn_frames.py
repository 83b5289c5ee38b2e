"""Which frames are drawn where engines take different ones."""

from itertools import pairwise

import numpy as np
import pytest

from jetson_perception.pipeline import DrawnFrames, Frame

PERIOD_S = 1 / 30


class Engines:
    """Engines that take so many seconds a frame, on a camera of 30 Hz.

    A frame is settled when those that began it are done, as in a pipeline.
    """

    def __init__(self, every=None, **seconds):
        self.seconds = seconds
        self.every = every or {}  # engines that take every so manyth frame
        self.now_s = 100.0  # long after the lanes were started
        self.chooser = DrawnFrames(seconds, lambda: self.now_s, self.is_busy)
        self.watched = True  # while nobody subscribes, nothing is chosen
        self.offered = 0
        self.drawn = []
        self.waiting = dict.fromkeys(seconds)
        self.working = dict.fromkeys(seconds)  # the frame, and when it is done

    def run(self, frames):
        """When pictures were drawn of so many frames more, of which, with which results."""
        before = len(self.drawn)
        for _ in range(frames):
            self.offered += 1
            frame = Frame(lambda: np.zeros((4, 4, 3), np.uint8))
            frame.index, frame.received_ns = self.offered, int(self.now_s * 1e9)
            for name in self.seconds:
                if (self.offered - 1) % self.every.get(name, 1):
                    frame.left_out_by.add(name)
                    frame.skipped_by.add(name)
                    continue
                if self.waiting[name] is not None:
                    self.waiting[name].skipped_by.add(name)
                self.waiting[name] = frame
                self._begin(name)
            self.go_on(PERIOD_S)
        return self.drawn[before:]

    def is_busy(self, name):
        return self.waiting[name] is not None or self.working[name] is not None

    def _begin(self, name):
        frame = self.waiting[name]
        if self.working[name] is None and frame is not None:
            frame.begun.add(name)
            self.waiting[name] = None
            self.working[name] = frame, self.now_s + self.seconds[name]

    def go_on(self, seconds):
        """Let time pass."""
        end_s = self.now_s + seconds
        while due := [(work[1], name) for name, work in self.working.items() if work]:
            if min(due)[0] > end_s:
                break
            self.now_s, name = min(due)
            frame, _ = self.working[name]
            self.working[name] = None
            frame.results[name] = f'{name} in {frame.index}'
            if self.watched and frame.begun <= frame.results.keys():
                chosen = self.chooser.choose(frame)
                if chosen is not None:
                    self.drawn.append((self.now_s, chosen.index, set(chosen.results)))
            self._begin(name)
        self.now_s = end_s


BOTH = {'det', 'pose'}


def test_engines_that_keep_up_have_every_frame_drawn():
    drawn = Engines(det=0.01, pose=0.02).run(60)
    assert [index for _, index, _ in drawn] == list(range(1, 61))
    assert all(names == BOTH for _, _, names in drawn)


@pytest.mark.parametrize(
    ('det', 'pose'),
    [
        pytest.param(0.01, 0.1, id='one_keeps_up'),
        pytest.param(0.07, 0.11, id='none_keeps_up'),
        pytest.param(0.4, 0.03, id='much_slower'),
        pytest.param(0.9, 0.01, id='just_in_time'),
    ],
)
def test_a_slower_engine_is_waited_for(det, pose):
    drawn = Engines(det=det, pose=pose).run(300)
    together = [index for _, index, names in drawn if names == BOTH]
    assert together == [index for _, index, _ in drawn]
    assert len(drawn) >= 10 / max(det, pose) / 4
    assert together == sorted(set(together))


FOUR = {'a': 0.31, 'b': 0.37, 'c': 0.43, 'd': 0.52}


def test_engines_that_rarely_take_the_same_frame_are_not_always_waited_for():
    engines = Engines(**FOUR)
    engines.run(200)
    drawn = engines.run(600)
    assert len(drawn) > 15  # in 20 s
    assert max(b[0] - a[0] for a, b in pairwise(drawn)) < 1.6
    assert sum(len(names) > 1 for _, _, names in drawn) > len(drawn) / 2
    assert set.union(*(names for _, _, names in drawn)) == FOUR.keys()
    assert all(a[1] < b[1] for a, b in pairwise(drawn))


def test_engines_that_take_the_same_frames_again_are_waited_for_again():
    engines = Engines(**FOUR)
    engines.run(300)
    engines.seconds |= {'a': 0.01, 'b': 0.01, 'c': 0.01, 'd': 0.4}
    engines.run(90)
    drawn = engines.run(300)
    assert len(drawn) > 20
    assert all(names == FOUR.keys() for _, _, names in drawn)


def test_an_engine_that_leaves_frames_out_is_not_waited_for_and_its_results_are_drawn():
    drawn = Engines({'pose': 10}, det=0.01, pose=0.02).run(100)
    assert [index for _, index, _ in drawn] == list(range(1, 101))
    assert [index for _, index, names in drawn if names == BOTH] == list(range(1, 101, 10))


def test_while_an_engine_is_at_a_frame_no_newer_one_is_drawn_that_it_left_out():
    drawn = Engines({'pose': 15}, det=0.01, pose=0.2).run(150)
    assert [index for _, index, names in drawn if names == BOTH] == list(range(1, 150, 15))
    assert len(drawn) >= 80  # the others while it is idle
    assert [index for _, index, _ in drawn] == sorted({index for _, index, _ in drawn})


def test_a_frame_that_all_left_out_is_not_drawn():
    chooser = DrawnFrames(['det', 'pose'])
    frame = Frame(lambda: np.zeros((4, 4, 3), np.uint8))
    frame.index, frame.left_out_by = 1, {'det', 'pose'}
    frame.results = dict.fromkeys(BOTH)  # as it is settled where every frame is
    assert chooser.choose(frame) is None


def test_one_engine_draws_what_it_has():
    drawn = Engines(det=0.05).run(30)
    assert len(drawn) > 10
    assert all(names == {'det'} for _, _, names in drawn)


def test_an_engine_slower_than_the_limit_stops_no_other():
    drawn = Engines(det=0.01, slow=3.0).run(300)
    assert sum(names == {'det'} for _, _, names in drawn) > 200
    assert max(b[0] - a[0] for a, b in pairwise(drawn)) < 1.2


def test_an_engine_that_hangs_is_waited_for_once():
    engines = Engines(det=0.01, pose=0.02)
    engines.run(30)
    engines.seconds['pose'] = 1e9
    assert engines.run(20) == engines.drawn[30:31]  # of the frame before
    assert all(names == {'det'} for _, _, names in engines.run(100)[-90:])
    assert len(engines.run(30)) == 30


def test_a_slow_engine_that_becomes_fast_is_drawn_again():
    engines = Engines(det=0.01, pose=2.0)
    assert engines.run(150)[-1][2] == {'det'}
    engines.seconds['pose'] = 0.1
    engines.run(90)
    assert all(names == BOTH for _, _, names in engines.run(60))


def test_after_a_pause_engines_are_waited_for_as_before():
    engines = Engines(det=0.01, pose=0.2)
    engines.run(30)
    engines.go_on(10.0)
    assert all(names == BOTH for _, _, names in engines.run(30))


@pytest.mark.parametrize('frames', range(1, 12))
def test_who_looks_again_later_sees_no_frame_of_before(frames):
    engines = Engines(det=0.01, pose=0.2)
    engines.run(30 + frames)
    engines.watched = False
    engines.run(8)
    engines.go_on(60.0)
    engines.watched = True
    before = engines.offered
    assert min(index for _, index, _ in engines.run(90)) > before


def test_a_single_frame_is_drawn_with_all_engines():
    engines = Engines(det=0.01, pose=0.3)
    engines.run(1)
    engines.go_on(10.0)
    assert [(index, names) for _, index, names in engines.drawn] == [(1, BOTH)]


def test_an_engine_that_failed_on_a_frame_is_done_with_it():
    chooser = DrawnFrames(['det', 'pose'])
    frame = Frame(lambda: np.zeros((4, 4, 3), np.uint8))
    frame.index = 1
    frame.results |= {'det': 'boxes', 'pose': None}
    assert chooser.choose(frame) is frame
    assert chooser.choose(frame) is None
