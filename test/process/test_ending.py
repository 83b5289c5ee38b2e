"""How processes end: real ones, with threads that Python cannot end."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import time

import pytest

HUNG_S = 30.0
#: What an end may take at most: a limit that users are promised, on a machine that is busy.
END_S = 3.0

SIGNALS = """
import os, signal, sys, threading, time
from jetson_perception.process import ending

asked = threading.Event()
signals = ending.EndSignals([signal.SIGINT], asked.set)
"""
SOON = 'ending.GRACE_S = 0.2\n'
STUCK_THREAD = """
def wait_in_driver():
    os.read(os.pipe()[0], 1)

threading.Thread(target=wait_in_driver, name='lane').start()
"""
READY = "print('ready', flush=True)\n"


@pytest.fixture
def start():
    processes = []

    def run(code):
        process = subprocess.Popen(
            [sys.executable, '-c', code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert select.select([process.stdout], [], [], HUNG_S)[0]
        assert process.stdout.readline() == 'ready\n'
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def interrupted(process, times=1):
    """Exit code and what it said, after so many SIGINT, and seconds from the first of them."""
    begun = time.monotonic()
    for _ in range(times):
        process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=HUNG_S)[1]
    return process.returncode, said, time.monotonic() - begun


class TestEndSignals:
    def test_an_orderly_end_logs_nothing(self, start):
        process = start(SIGNALS + READY + 'asked.wait()\nending.leave()')
        assert interrupted(process)[:2] == (0, '')

    def test_further_signals_change_nothing(self, start):
        process = start(SIGNALS + READY + 'asked.wait()\nsignals.ignore()\ntime.sleep(0.3)')
        assert interrupted(process, times=5)[:2] == (0, '')

    @pytest.mark.parametrize(
        'stuck',
        [
            pytest.param('os.read(os.pipe()[0], 1)', id='in_a_foreign_function'),
            pytest.param(
                'lock = threading.Lock(); lock.acquire(); lock.acquire()', id='for_a_lock'
            ),
            pytest.param('import ctypes; ctypes.CDLL(None).sleep(1000)', id='in_a_library'),
        ],
    )
    def test_a_main_thread_that_is_stuck_is_left_with_a_word(self, start, stuck):
        hang = f'def hang():\n    {stuck}\n'
        process = start(SIGNALS + SOON + hang + READY + 'while True:\n    hang()')
        code, said, _ = interrupted(process)
        assert code == 70
        assert 'did not end within 0.2 s, so it ends by force: MainThread in hang' in said

    @pytest.mark.alone
    def test_it_ends_in_time(self, start):
        process = start(SIGNALS + READY + 'os.read(os.pipe()[0], 1)')
        code, _, elapsed_s = interrupted(process)
        assert (code, elapsed_s < END_S) == (70, True)

    def test_last_words_that_hang_too_are_written_without_the_log(self, start):
        process = start(
            SIGNALS
            + SOON
            + 'import logging\n'
            + 'logging.basicConfig()\n'
            + 'logging.getLogger().handlers[0].acquire()\n'
            + READY
            + 'os.read(os.pipe()[0], 1)'
        )
        code, said, _ = interrupted(process)
        assert code == 70
        assert 'ends by force: MainThread' in said

    def test_signals_of_others_are_not_for_it(self, start):
        process = start(
            SIGNALS
            + 'signal.signal(signal.SIGUSR1, lambda *_: print("ready", flush=True))\n'
            + READY
            + 'while not asked.wait(0.05): pass'
        )
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == 'ready\n'
        assert process.poll() is None
        assert interrupted(process)[:2] == (0, '')


class TestLeave:
    def test_without_other_threads_it_returns(self, start):
        process = start(SIGNALS + "ending.leave(3)\nprint('ready')")
        assert process.wait(HUNG_S) == 0

    @pytest.mark.alone
    def test_a_thread_that_is_stuck_does_not_keep_the_process(self, start):
        process = start(SIGNALS + STUCK_THREAD + READY + 'asked.wait()\nending.leave(3)')
        code, _, elapsed_s = interrupted(process)
        assert (code, elapsed_s < END_S) == (3, True)

    def test_it_says_which_threads_were_left(self, start):
        process = start(
            'import logging; logging.basicConfig(level=logging.INFO)\n'
            + SIGNALS
            + STUCK_THREAD
            + READY
            + 'asked.wait()\nending.leave()'
        )
        code, said, _ = interrupted(process)
        assert code == 0
        assert 'these threads were still running: lane' in said
