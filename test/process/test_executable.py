"""Programs that begin, and that are told to end while they still import."""

import os
import signal
import subprocess
import sys

import pytest

WAIT_S = 20.0
PRINT = """
import os

def main(*_):
    print(os.environ[os.environ['ASKED']])
    return 0
"""


@pytest.mark.parametrize('run', ['run_command_module', 'run_node_module'])
@pytest.mark.parametrize(
    ('given', 'expected'),
    [pytest.param(None, None, id='not_set'), pytest.param('20', '20', id='set_by_the_user')],
)
@pytest.mark.parametrize(
    ('variable', 'usual'),
    [('OPENBLAS_THREAD_TIMEOUT', '4'), ('OPENCV_THREAD_POOL_ACTIVE_WAIT_WORKER', '0')],
)
def test_idle_threads_of_libraries_sleep(tmp_path, run, variable, usual, given, expected):
    (tmp_path / 'printing.py').write_text(PRINT)
    environment = {key: value for key, value in os.environ.items() if key != variable}
    environment['ASKED'] = variable
    if given:
        environment[variable] = given
    script = f"from jetson_perception.process import executable; executable.{run}('printing')"
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (f'{expected or usual}\n', '', 0)


#: In place of a program's module: to import it takes for ever.
IMPORTING = """
import threading

print('importing', flush=True)
threading.Event().wait()
"""
#: The module of a node is imported, and leaving hangs in a library that keeps Python's own lock.
HANGING_LIBRARY = """
import ctypes
from jetson_perception.process import executable

executable._before_end.append(lambda: ctypes.PyDLL(None).sleep(600))
executable.run_node_module('importing')
"""
NO_THREAD = """
import _thread
from jetson_perception.process import executable

def refuse(*_):
    raise RuntimeError("can't start new thread")

_thread.start_new_thread = refuse
executable._before_end.append(print)
executable.run_node_module('importing')
"""


@pytest.mark.parametrize(
    ('script', 'code'),
    [
        pytest.param(HANGING_LIBRARY, -signal.SIGALRM, id='hangs_in_a_library'),
        pytest.param(NO_THREAD, 0, id='no_thread_can_be_started'),
    ],
)
def test_ends_though_it_cannot_leave(tmp_path, script, code):
    (tmp_path / 'importing.py').write_text(IMPORTING)
    process = subprocess.Popen(
        [sys.executable, '-c', script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == 'importing\n'
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
        process.communicate()
    assert (*said, process.returncode) == ('', '', code)
