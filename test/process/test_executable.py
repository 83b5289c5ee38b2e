"""Programs that begin, and that are told to end, some while they still import."""

import os
import pty
import select
import signal
import subprocess
import sys

import pytest
from heard_signals import hear_signals

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


#: A command that waits, and has something to finish when it is told to end.
COMMAND = """
import select, signal, sys, threading

def main(*_):
    try:
        print('ready', flush=True)
        sys.stdin.readline()
        return 5
    except KeyboardInterrupt:
        # Other signals come while it finishes; what they do shows at once.
        select.select([], [], [], 0.05)
        print('finished', flush=True)
        raise
"""
STUCK = """
import ctypes
from jetson_perception.process import ending

def main(*_):
    ending.GRACE_S = 0.2
    sleep = ctypes.CDLL(None).sleep
    while True:
        try:
            print('ready', flush=True)
            while True:
                sleep(600)
        except KeyboardInterrupt:
            pass
"""
RUN = "from jetson_perception.process import executable; executable.run_command_module('waiting')"
ASKING = [
    pytest.param(signal.SIGINT, 130, id='ctrl_c'),
    pytest.param(signal.SIGTERM, 143, id='timeout_systemd_docker_stop'),
    pytest.param(signal.SIGHUP, 129, id='a_lost_ssh'),
]


@pytest.fixture
def start_command(tmp_path):
    """Starts a module as a command; its process, once it has said that it is ready."""
    started = []

    def start(code=COMMAND, ready='ready', **options):
        (tmp_path / 'waiting.py').write_text(code)
        process = subprocess.Popen(
            [sys.executable, '-c', RUN],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **{'preexec_fn': hear_signals, **options},
        )
        started.append(process)
        assert process.stdout.readline() == f'{ready}\n'
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class TestCommandsThatAreToldToEnd:
    @pytest.mark.parametrize(('number', 'code'), ASKING)
    def test_they_finish_first(self, start_command, number, code):
        process = start_command()
        process.send_signal(number)
        said = process.communicate(timeout=WAIT_S)
        assert (*said, process.returncode) == ('finished\n', '', code)

    @pytest.mark.parametrize(('number', 'code'), ASKING)
    def test_further_signals_do_not_cut_that_off(self, start_command, number, code):
        """`timeout` sends two, and so do a terminal that is gone and its shell."""
        finishing = COMMAND.replace(
            'select.select([], [], [], 0.05)',
            'for each in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT): '
            'signal.raise_signal(each)',
        )
        process = start_command(finishing)
        process.send_signal(number)
        said = process.communicate(timeout=WAIT_S)
        assert (*said, process.returncode) == ('finished\n', '', code)

    @pytest.mark.parametrize(('number', 'code'), ASKING)
    def test_an_import_ends_silently(self, start_command, number, code):
        process = start_command(IMPORTING, 'importing')
        process.send_signal(number)
        said = process.communicate(timeout=WAIT_S)
        assert (*said, process.returncode) == ('', '', code)

    @pytest.mark.parametrize(('number', 'code'), ASKING)
    def test_what_is_stuck_is_left_with_the_code_of_the_signal(self, start_command, number, code):
        process = start_command(STUCK)
        process.send_signal(number)
        assert 'ends by force' in process.communicate(timeout=WAIT_S)[1]
        assert process.returncode == code

    @pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
    def test_what_nohup_ignores_stays_ignored(self, start_command, number):
        process = start_command(preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
        process.send_signal(number)
        said = process.communicate('\n', timeout=WAIT_S)
        assert (*said, process.returncode) == ('', '', 5)

    def test_a_terminal_that_is_gone_takes_no_last_words(self, tmp_path):
        """Its code is that of the signal, though neither stream can be written any more."""
        waiting = COMMAND.replace('sys.stdin.readline()', 'threading.Event().wait()')
        finishing = "open('done', 'w').write('all'); print('lost')"
        (tmp_path / 'waiting.py').write_text(
            waiting.replace("print('finished', flush=True)", finishing)
        )
        pid, terminal = pty.fork()
        if not pid:
            hear_signals()
            os.chdir(tmp_path)
            os.execv(sys.executable, [sys.executable, '-c', RUN])
        said = b''
        while b'\n' not in said:
            assert select.select([terminal], [], [], WAIT_S)[0]
            said += os.read(terminal, 64)
        assert said == b'ready\r\n'
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 129
        assert (tmp_path / 'done').read_text() == 'all'
