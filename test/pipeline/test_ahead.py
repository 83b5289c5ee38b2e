"""Stages that overlap: order, bounds, errors, and how they end."""

import itertools
import threading

import pytest

from jetson_perception.pipeline.ahead import Ahead, Overlap

SOON_S = 10


def same(item):
    return item


def endless(closed):
    """Counts until it is closed, and says in which thread that was."""
    try:
        yield from itertools.count()
    finally:
        closed.append(threading.current_thread().name)


@pytest.mark.parametrize('on', [True, False], ids=['overlapped', 'in_turn'])
@pytest.mark.parametrize('count', [0, 1, 50])
def test_every_item_in_order(on, count):
    with Overlap(on=on) as overlap:
        squares = overlap.each(overlap.ahead(iter(range(count)), 'a'), lambda n: n * n, 'b', 3)
        assert list(squares) == [n * n for n in range(count)]
        assert list(squares) == []


def test_in_turn_nothing_is_computed_before_it_is_asked_for():
    taken = []
    with Overlap(on=False) as overlap:
        items = overlap.each(overlap.ahead(iter([1, 2]), 'a'), taken.append, 'b')
        assert taken == []
        next(items)
        assert taken == [1]


def test_the_next_is_made_while_one_is_used():
    made = threading.Semaphore(0)

    def make(item):
        made.release()
        return item

    with Overlap() as overlap:
        items = overlap.each(iter(range(9)), make, 'a')
        assert next(items) == 0
        assert made.acquire(timeout=SOON_S)
        assert made.acquire(timeout=SOON_S)  # the second, which nobody has asked for


def test_two_workers_work_at_once_and_the_slow_one_keeps_its_place():
    second_is_done = threading.Event()

    def work(item):
        if item == 0:
            assert second_is_done.wait(SOON_S)
        elif item == 1:
            second_is_done.set()
        return item

    with Overlap() as overlap:
        assert list(overlap.each(iter(range(5)), work, 'a', workers=2)) == [0, 1, 2, 3, 4]


def test_only_so_many_are_under_way_or_wait():
    begun = given = furthest = 0
    lock = threading.Lock()

    def work(item):
        nonlocal begun, furthest
        with lock:
            begun += 1
            furthest = max(furthest, begun - given)
        return item

    items = Ahead(iter(range(200)), work, 'a', workers=4, most=6)
    for _ in items:
        with lock:
            given += 1
    assert begun == 200
    assert furthest <= 7  # and the one that is counted here a moment after it was given


@pytest.mark.parametrize('on', [True, False], ids=['overlapped', 'in_turn'])
@pytest.mark.parametrize('workers', [1, 3])
def test_an_error_comes_behind_what_was_made_before_it(on, workers):
    def work(item):
        if item == 3:
            raise ValueError('three')
        return item

    found = []
    with Overlap(on=on) as overlap:
        made = overlap.each(iter(range(9)), work, 'a', workers)
        taken = map(found.append, overlap.each(made, same, 'b'))
        with pytest.raises(ValueError, match='three'):
            list(taken)
    assert found == [0, 1, 2]


@pytest.mark.parametrize('on', [True, False], ids=['overlapped', 'in_turn'])
def test_an_error_of_the_iterator(on):
    def items():
        yield 1
        raise OSError('gone')

    with Overlap(on=on) as overlap:
        made = overlap.each(overlap.ahead(items(), 'a'), same, 'b', 2)
        assert next(made) == 1
        with pytest.raises(OSError, match='gone'):
            next(made)
        with pytest.raises(StopIteration):
            next(made)


def test_at_the_end_of_the_block_threads_end_and_close_their_iterator():
    closed, before = [], set(threading.enumerate())
    with Overlap() as overlap:
        items = overlap.each(overlap.ahead(endless(closed), 'reading'), same, 'drawing', 2)
        assert [next(items) for _ in range(3)] == [0, 1, 2]
    overlap.close()
    assert set(threading.enumerate()) == before
    assert closed == ['reading']
    assert list(items) == []


def test_who_waits_at_the_end_is_interrupted():
    came = threading.Event()

    def items():
        yield 1
        assert came.wait(SOON_S)

    with Overlap(patience_s=SOON_S) as overlap:
        overlap.on_stop(came.set)
        made = overlap.ahead(items(), 'reading')
        assert next(made) == 1
    assert came.is_set()
    assert not any(thread.name == 'reading' for thread in threading.enumerate())


def test_who_hangs_is_left_behind(caplog):
    release = threading.Event()
    with Overlap(patience_s=0.05) as overlap:
        made = overlap.each(iter(range(3)), lambda _: release.wait(SOON_S), 'engine')
        del made
    assert 'engine: the work on a frame has not returned since' in caplog.text
    release.set()


def test_nothing_is_interrupted_when_all_is_done():
    interrupted = []
    with Overlap() as overlap:
        overlap.on_stop(lambda: interrupted.append(1))
        assert list(overlap.ahead(iter([1]), 'a')) == [1]
        for thread in threading.enumerate():
            if thread.name == 'a':
                thread.join(SOON_S)
    assert not interrupted
