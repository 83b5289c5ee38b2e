"""Who waits for whom: engines that load and engines that bind, in real threads."""

import threading

import pytest

from jetson_perception.cuda.binding import Binding, Turn

DEADLINE_S = 30.0


@pytest.fixture
def binding():
    return Binding()


@pytest.fixture
def run():
    """Starts a function in a thread, which ends with the test."""
    threads = []

    def started(function):
        threads.append(threading.Thread(target=function, daemon=True))
        threads[-1].start()
        return threads[-1]

    yield started
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_engines_load_side_by_side(binding, run):
    together = threading.Barrier(3, timeout=DEADLINE_S)

    def load():
        with binding.loading():
            together.wait()

    for _ in range(2):
        run(load)
    with binding.loading():
        together.wait()


@pytest.mark.parametrize(
    ('held', 'wanted'), [('alone', 'alone'), ('alone', 'loading'), ('loading', 'alone')]
)
def test_who_binds_is_alone(binding, run, held, wanted):
    ways = {'loading': binding.loading, 'alone': lambda: binding}
    order, began = [], threading.Event()

    def come_second():
        began.set()
        with ways[wanted]():
            order.append('second')

    with ways[held]():
        second = run(come_second)
        began.wait(DEADLINE_S)
        second.join(0.05)
        order.append('first')
    second.join(DEADLINE_S)
    assert order == ['first', 'second']


def test_who_binds_goes_before_new_ones_that_load(binding, run):
    order = []

    def bind():
        with binding:
            order.append('bound')

    def load():
        with binding.loading():
            order.append('loaded')

    with binding.loading():
        binder = run(bind)
        binder.join(0.05)  # it waits
        run(load).join(0.05)
        assert order == []
    binder.join(DEADLINE_S)
    assert order[0] == 'bound'


def test_a_thread_may_hold_it_again_and_load_meanwhile(binding):
    with binding, binding:
        with binding.loading():
            pass
        with binding:
            pass
    with binding.loading():
        pass


def test_an_error_gives_it_back(binding, run):
    for way in (binding, binding.loading()):
        with pytest.raises(ZeroDivisionError), way:
            raise ZeroDivisionError
    got = threading.Event()

    def bind():
        with binding:
            got.set()

    run(bind)
    assert got.wait(DEADLINE_S)


def test_who_binds_waits_for_those_at_work_and_has_them_pause(binding, run):
    order, turn = [], Turn(binding)
    turn.begin()
    turn.begin()  # it is at work already
    assert not turn.is_to_end

    def bind():
        with binding, binding, binding.working():  # what it works itself holds nobody up
            order.append('bound')

    binder = run(bind)
    while not turn.is_to_end:
        binder.join(0.001)
    assert order == []
    turn.end()
    turn.end()
    turn.begin()
    order.append('went on')
    turn.end()
    binder.join(DEADLINE_S)
    assert order == ['bound', 'went on']
    assert binding.alone_s > 0
    assert not binding.is_wanted


def test_lanes_work_side_by_side_and_beside_those_that_load(binding, run):
    together = threading.Barrier(3, timeout=DEADLINE_S)

    def work():
        with binding.working():
            together.wait()

    for _ in range(2):
        run(work)
    with binding.loading():
        together.wait()
