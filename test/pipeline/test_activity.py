"""What threads are at, when that is too long, and what becomes of those that don't end."""

import threading
import time

import pytest
from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.pipeline import activity as activity_module
from jetson_perception.pipeline.activity import (
    Activity,
    LeftBehind,
    WatchedThread,
    call_within,
    join_until,
)

S = 1_000_000_000


@pytest.fixture
def activity():
    return Activity('engine det')


@pytest.fixture
def held():
    """Makes threads that are at something until `go` is set."""
    go = threading.Event()
    threads = []

    def make(name='det'):
        activity = Activity(f'engine {name}')

        def run():
            activity.begin('an inference')
            go.wait(DEADLINE_S)
            activity.end()

        thread = WatchedThread(run, f'lane {name}', activity)
        threads.append(thread)
        thread.start()
        wait_until(activity.describe)
        return thread

    make.go = go
    yield make
    go.set()
    for thread in threads:
        thread.join(DEADLINE_S)


class TestActivity:
    def test_nothing_is_never_stuck(self, activity):
        assert (activity.is_stuck(), activity.describe(), activity.elapsed_s()) == (False, '', 0)
        activity.end()

    def test_says_which_thread_does_what_since_when(self, activity):
        now = time.time()
        activity.begin('an inference', time.monotonic_ns() - 90 * S)
        since = {time.strftime('%H:%M:%S', time.localtime(now - 90 + late)) for late in (0, 1)}
        assert activity.describe() in {
            f'engine det: an inference has not returned since {each} (90 s)' for each in since
        }
        activity.end()
        assert activity.describe() == ''

    @pytest.mark.parametrize(
        ('known_s', 'limit_s'),
        [
            pytest.param(0.01, 3.0, id='fast'),
            pytest.param(0.9, 3.0, id='a_third_of_the_limit_is_not_reached'),
            pytest.param(3.0, 9.0, id='slow_by_nature'),
            pytest.param(60.0, 30.0, id='hung_once'),
        ],
    )
    def test_the_limit_follows_what_calls_take(self, activity, known_s, limit_s):
        activity.begin('an inference', time.monotonic_ns() - int(known_s * S))
        activity.end()
        for elapsed_s, stuck in ((limit_s - 0.5, False), (limit_s + 0.5, True)):
            activity.begin('an inference', time.monotonic_ns() - int(elapsed_s * S))
            assert activity.is_stuck() == stuck

    def test_a_frame_counts_as_one_call_however_many_stages_it_had(self, activity):
        now = time.monotonic_ns()
        activity.begin('fitting an image', now - 3 * S)
        activity.begin('an inference', now)
        activity.end(now - 3 * S)
        activity.begin('an inference', now - 8 * S)
        assert not activity.is_stuck()

    def test_a_call_that_is_slow_once_has_its_own_limit_and_changes_no_other(self, activity):
        activity.begin('the first run', time.monotonic_ns() - 100 * S, limit_s=300)
        assert not activity.is_stuck()
        activity.end()
        activity.begin('an inference', time.monotonic_ns() - 4 * S)
        assert activity.is_stuck()


class TestLeftBehind:
    def test_one_that_is_slow_has_things_closed_when_it_ends(self, held):
        closed = []
        left = LeftBehind([held()])
        left.close_later(lambda: closed.append('engine'))
        assert 'an inference has not returned' in left.at_work()
        assert (left.stuck(), left.settle(), closed) == ('', False, [])
        held.go.set()
        wait_until(lambda: not left.at_work())
        assert left.settle()
        assert closed == ['engine']

    def test_a_stuck_thread_stays_marked_and_closes_nothing(self, held, monkeypatch):
        monkeypatch.setattr(activity_module, 'STUCK_S', 0.0)
        closed = []
        left = LeftBehind([held()])
        left.close_later(lambda: closed.append('engine'))
        stuck = left.stuck()
        assert 'engine det: an inference has not returned since' in stuck
        held.go.set()
        wait_until(lambda: not left.at_work())
        assert left.stuck() == stuck
        assert (left.settle(), closed) == (False, [])

    def test_an_idle_thread_is_named(self):
        go = threading.Event()
        thread = WatchedThread(lambda: go.wait(DEADLINE_S), 'drawing', Activity('drawing'))
        thread.start()
        assert LeftBehind([thread]).at_work() == 'drawing has not ended yet'
        go.set()
        thread.join(DEADLINE_S)


class TestWaiting:
    def test_threads_that_were_never_started_are_not_waited_for(self):
        thread = WatchedThread(lambda: None, 'lane', Activity('engine det'))
        assert join_until([thread], time.monotonic() + DEADLINE_S) == []

    def test_those_that_are_still_alive_come_back(self, held):
        threads = [held('det'), held('pose')]
        assert join_until(threads, time.monotonic()) == threads
        held.go.set()
        assert join_until(threads, time.monotonic() + DEADLINE_S) == []

    def test_a_call_that_comes_back_raises_what_it_raised(self):
        def fail():
            raise ValueError('no memory')

        with pytest.raises(ValueError, match='no memory'):
            call_within(fail, 'engine det', 'its release', DEADLINE_S)
        assert call_within(lambda: None, 'engine det', 'its release', DEADLINE_S) is None

    def test_a_call_that_hangs_is_left_behind(self):
        go = threading.Event()
        left = call_within(lambda: go.wait(DEADLINE_S), 'engine det', 'its release', 0.01)
        assert 'engine det: its release has not returned since' in left.at_work()
        go.set()
        wait_until(left.settle)
