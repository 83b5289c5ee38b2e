"""What a process ran out of is told as that, and not as a fault of the code that met it."""

import errno
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from jetson_perception.shortages import shortage


def caught(call):
    """What a call raises."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError('it raised nothing')


@pytest.mark.parametrize(
    'error',
    [
        pytest.param(ValueError('no memory'), id='another_type'),
        pytest.param(FileNotFoundError(errno.ENOENT, 'No such file'), id='another_number'),
        pytest.param(OSError('no number'), id='without_number'),
        pytest.param(RuntimeError('thread'), id='another_text'),
    ],
)
def test_others_are_none(error):
    assert shortage(error) == ''


def test_of_memory_with_what_was_asked_for():
    error = caught(lambda: np.empty((1 << 30, 1 << 30), np.uint8))
    words = shortage(error)
    assert words.startswith('memory ran out (')
    assert '. It said: Unable to allocate 1.00 EiB' in words


def test_of_memory_by_opencv():
    code = """
import resource
import cv2, numpy as np
from jetson_perception.shortages import shortage
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    cv2.resize(np.zeros((60, 80), np.float32), (8000, 60000))
except cv2.error as error:
    print(shortage(error))
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith('memory ran out (')
    assert ' are available to this process (ulimit -v)); run fewer' in done.stdout
    assert done.stdout.endswith('. It said: Failed to allocate 1920000000 bytes\n')


def test_of_file_handles_with_their_number_and_the_file():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    handle = os.open('/', os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (handle, before[1]))
    try:
        error = caught(lambda: os.open(__file__, os.O_RDONLY))
        told = shortage(error)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        os.close(handle)
    assert told.startswith(f'no file handle of {handle} is left for {__file__}: ')
    assert 'ulimit -n' in told


def test_of_threads():
    """In a process of its own, whose threads get no stack."""
    code = """
import resource, threading
from jetson_perception.shortages import shortage
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
threading.stack_size(1 << 28)
try:
    for _ in range(9):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
except RuntimeError as error:
    print(shortage(error), flush=True)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith('no thread can be started: raise the limit')


def test_of_threads_of_the_runtime():
    """It says so where the limit of processes is met, which more memory would not mend."""
    error = RuntimeError(
        '[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : env.cc:327 pthread_create failed, error '
        'code: 11 error msg: Resource temporarily unavailable'
    )
    words = shortage(error)
    assert words.startswith('no thread can be started: raise the limit of processes (`ulimit -u`')
    assert words.endswith('error msg: Resource temporarily unavailable')
    assert 'memory ran out' not in words


def raised_from(cause):
    try:
        raise RuntimeError('the model cannot be opened') from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    'cause',
    [
        pytest.param(MemoryError(), id='memory'),
        pytest.param(OSError(errno.EMFILE, 'Too many open files', '/dev/video0'), id='handles'),
        pytest.param(RuntimeError("can't start new thread"), id='threads'),
    ],
)
def test_of_what_an_error_was_raised_from(cause):
    alone = shortage(cause)
    assert alone
    # The megabytes that are left may differ.
    assert shortage(raised_from(cause)).partition('(')[0] == alone.partition('(')[0]
    assert shortage(raised_from(ValueError('x'))) == ''


def test_of_room_on_a_disk():
    disk = os.open('/dev/full', os.O_WRONLY)
    told = shortage(caught(lambda: os.write(disk, b'x')))
    os.close(disk)
    assert told == 'no room is left on the disk: remove files there'


@pytest.mark.parametrize(
    ('number', 'told'),
    [
        pytest.param(errno.ENOMEM, 'memory ran out (', id='memory'),
        pytest.param(errno.ENFILE, 'no file handle of this machine is left', id='machine'),
        pytest.param(errno.EDQUOT, 'no room is left on the disk', id='quota'),
    ],
)
def test_what_takes_a_whole_machine_to_bring_about(number, told):
    assert shortage(OSError(number, os.strerror(number))).startswith(told)
