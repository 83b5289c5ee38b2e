import signal
import threading

import pytest

from jetson_perception.process.interrupts import interrupted_after

pytestmark = pytest.mark.usefixtures('ctrl_c')


def test_ctrl_c_comes_at_the_end_of_the_block():
    done = []

    def work():
        with interrupted_after():
            signal.raise_signal(signal.SIGINT)
            done.append('all')

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ['all']


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_so_do_other_signals_that_ask_to_end(number):
    done = []

    def work():
        with interrupted_after():
            signal.raise_signal(number)
            done.append('all')

    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        assert signal.signal(number, before) is signal.default_int_handler
    assert done == ['all']


def test_it_comes_at_once_after_the_block():
    with interrupted_after():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_error_in_the_block_is_raised():
    with pytest.raises(OSError, match='full'), interrupted_after():
        raise OSError('full')
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ignored_interrupts_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupted_after():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_is_not_concerned():
    done = []

    def work():
        with interrupted_after():
            done.append('all')

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ['all']
