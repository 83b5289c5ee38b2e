"""What is left of memory, from files as the kernel writes them, and errors that say it ran out."""

import errno

import cv2
import numpy as np
import pytest

from jetson_perception.process.memory import (
    Memory,
    is_out_of_memory,
    memory_bytes,
    memory_left,
    why_out_of_memory,
)

MEMINFO = 'MemTotal: 8000000 kB\nMemFree: 10 kB\nMemAvailable: 2000000 kB\nSwapFree: 1000000 kB\n'
UNLIMITED_1 = '9223372036854771712'


@pytest.fixture
def machine(tmp_path):
    """Writes files of a machine; returns its root."""

    def write(**files):
        for name, content in {'proc/meminfo': MEMINFO, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


def group_2(folder, limit, used, droppable=0):
    return {
        f'sys/fs/cgroup{folder}/memory.max': f'{limit}\n',
        f'sys/fs/cgroup{folder}/memory.current': f'{used}\n',
        f'sys/fs/cgroup{folder}/memory.stat': f'anon 5\ninactive_file {droppable}\n',
    }


def group_1(folder, limit, used, droppable=0):
    return {
        f'sys/fs/cgroup/memory{folder}/memory.limit_in_bytes': f'{limit}\n',
        f'sys/fs/cgroup/memory{folder}/memory.usage_in_bytes': f'{used}\n',
        f'sys/fs/cgroup/memory{folder}/memory.stat': f'inactive_file 7\n'
        f'total_inactive_file {droppable}\n',
    }


def test_nothing_is_known(tmp_path):
    assert memory_left(tmp_path) is None
    assert memory_bytes(tmp_path) > 0  # what the C library says


def test_this_machine_tells():
    left = memory_left()
    assert left.available_bytes > 0
    assert memory_bytes() > 64 << 20


def test_a_machine_has_its_swap_too(machine):
    assert memory_left(machine()) == Memory(8_192_000_000, 3_072_000_000)
    assert memory_bytes(machine()) == 8_192_000_000


@pytest.mark.parametrize('meminfo', ['', 'nonsense', 'MemTotal: 1', 'MemAvailable: 5 kB'])
def test_a_file_that_makes_no_sense(machine, meminfo):
    assert memory_left(machine(**{'proc/meminfo': meminfo})) is None


def test_a_service_with_a_limit(machine):
    """As systemd's MemoryMax sets it: the root has none."""
    group = group_2('/system.slice/yolo.service', 2_000_000_000, 1_900_000_000, 300_000_000)
    root = machine(**{'proc/self/cgroup': '0::/system.slice/yolo.service/main\n'}, **group)
    left = memory_left(root)
    assert left == Memory(
        2_000_000_000, 400_000_000, 'the control group /system.slice/yolo.service'
    )
    assert str(left) == (
        '400 of 2000 MB are available to the control group /system.slice/yolo.service'
    )
    assert memory_bytes(root) == 2_000_000_000


def test_a_container_sees_its_group_as_the_root(machine):
    root = machine(
        **{'proc/self/cgroup': '0::/../../docker/ab\n'}, **group_2('', 10**9, 9 * 10**8)
    )
    assert memory_left(root) == Memory(10**9, 10**8, 'the control group /')


def test_version_1(machine):
    files = group_1('/a/b', 10**9, 8 * 10**8, 10**8) | group_1('/a', UNLIMITED_1, 10**9)
    root = machine(**{'proc/self/cgroup': '9:name=systemd:/x\n4:cpu,memory:/a/b\n0::/\n'}, **files)
    assert memory_left(root) == Memory(10**9, 3 * 10**8, 'the control group /a/b')


@pytest.mark.parametrize('limit', ['max', UNLIMITED_1, '', '-'])
def test_a_group_without_a_limit(machine, limit):
    files = group_2('/a', limit, 5) | {'proc/self/cgroup': '0::/a\n'}
    assert memory_left(machine(**files)).owner == 'this machine'


def test_a_group_may_have_more_than_the_machine(machine):
    root = machine(**{'proc/self/cgroup': '0::/a\n'}, **group_2('/a', 10**12, 5))
    assert memory_left(root).owner == 'this machine'


LIMITS = 'Limit                     Soft Limit           Hard Limit           Units     \n'


@pytest.mark.parametrize(
    ('limit', 'left'),
    [
        ('Max data size             1000000000 unlimited            bytes', 'ulimit -d'),
        ('Max address space         1000000000 unlimited            bytes', 'ulimit -v'),
        ('Max data size             unlimited  unlimited            bytes', ''),
    ],
)
def test_a_process_with_a_limit(machine, limit, left):
    status = 'Name:\tx\nVmSize:\t  900000 kB\nVmData:\t  900000 kB\n'
    root = machine(**{'proc/self/limits': LIMITS + limit + '\n', 'proc/self/status': status})
    found = memory_left(root)
    if left:
        assert found == Memory(10**9, 10**9 - 900000 * 1024, f'this process ({left})')
    else:
        assert found.owner == 'this machine'


def test_more_was_taken_than_is_allowed():
    assert str(Memory(10**9, -5)) == '0 of 1000 MB are available to this machine'


def raised_from(cause):
    try:
        raise RuntimeError('the model cannot be opened') from cause
    except RuntimeError as err:
        return err


@pytest.mark.parametrize(
    'error',
    [
        MemoryError(),
        raised_from(MemoryError()),
        OSError(errno.ENOMEM, 'Cannot allocate memory'),
        RuntimeError('[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception: std::bad_alloc'),
        RuntimeError('bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 8'),
        RuntimeError('env.cc:327 pthread_create failed, error code: 11 error msg: '),
    ],
    ids=lambda error: str(error)[:30],
)
def test_memory_ran_out(error):
    assert is_out_of_memory(error)


def test_numpy_and_opencv_say_so_in_their_words():
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, np.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(
        cv2.error(
            'alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 5 bytes in function '
            "'OutOfMemoryError'"
        )
    )


@pytest.mark.parametrize(
    'error',
    [ValueError('memory.onnx is not a model'), OSError(errno.ENOSPC, 'No space left'), KeyError()],
    ids=repr,
)
def test_something_else_failed(error):
    assert not is_out_of_memory(error)


def test_what_is_said():
    assert 'MB are available to' in why_out_of_memory()
    assert 'run fewer or smaller models' in why_out_of_memory()
