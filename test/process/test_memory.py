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


def group_2(folder, limit, used, droppable=0, swap=None):
    """Files of a group; `swap` are its limit and usage."""
    files = {
        'memory.max': limit,
        'memory.current': used,
        'memory.stat': f'anon 5\nfile 9\ninactive_file {droppable}\n',
    }
    if swap:
        files |= dict(zip(('memory.swap.max', 'memory.swap.current'), swap, strict=True))
    return {f'sys/fs/cgroup{folder}/{name}': f'{text}\n' for name, text in files.items()}


def group_1(folder, limit, used, droppable=0, with_swap=None):
    """Files of a group; `with_swap` are limit and usage of memory and swap together."""
    files = {
        'memory.limit_in_bytes': limit,
        'memory.usage_in_bytes': used,
        'memory.stat': f'inactive_file 7\nactive_file 7\ntotal_inactive_file {droppable}\n',
    }
    if with_swap:
        names = ('memory.memsw.limit_in_bytes', 'memory.memsw.usage_in_bytes')
        files |= dict(zip(names, with_swap, strict=True))
    return {f'sys/fs/cgroup/memory{folder}/{name}': f'{text}\n' for name, text in files.items()}


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


def test_files_that_a_container_has_read_can_be_dropped(machine):
    """It has read a large model twice: so the kernel counts its pages as active."""
    files = group_2('', 10**9, 95 * 10**7, 10**8)
    files['sys/fs/cgroup/memory.stat'] += 'active_file 300000000\nslab_reclaimable 20000000\n'
    root = machine(**{'proc/self/cgroup': '0::/\n'}, **files)
    assert memory_left(root).available_bytes == 47 * 10**7


def test_files_that_a_container_has_read_can_be_dropped_in_version_1(machine):
    files = group_1('', 10**9, 95 * 10**7, 10**8)
    files['sys/fs/cgroup/memory/memory.stat'] += 'total_active_file 300000000\n'
    root = machine(**{'proc/self/cgroup': '4:memory:/\n'}, **files)
    assert memory_left(root).available_bytes == 45 * 10**7


@pytest.mark.parametrize(
    ('above', 'own', 'swap_bytes'),
    [
        pytest.param(None, None, 0, id='not_told'),
        pytest.param(None, (0, 0), 0, id='none_is_allowed'),
        pytest.param(None, (3 * 10**8, 10**8), 2 * 10**8, id='some_is_left'),
        pytest.param(None, (10**8, 2 * 10**8), 0, id='more_is_used_than_is_allowed'),
        pytest.param(None, ('max', 10**8), 1_024_000_000, id='what_the_machine_has'),
        pytest.param((10**8, 0), ('max', 0), 10**8, id='limited_above'),
        pytest.param(('max', 0), (10**8, 0), 10**8, id='limited_itself'),
    ],
)
def test_a_group_has_the_swap_that_it_may_use(machine, above, own, swap_bytes):
    files = group_2('/a', 'max', 0, swap=above) | group_2('/a/b', 10**9, 9 * 10**8, swap=own)
    root = machine(**{'proc/self/cgroup': '0::/a/b\n'}, **files)
    assert memory_left(root) == Memory(10**9, 10**8 + swap_bytes, 'the control group /a/b')


@pytest.mark.parametrize(
    ('with_swap', 'swap_bytes'),
    [
        pytest.param(None, 0, id='not_told'),
        pytest.param((10**9, 9 * 10**8), 0, id='none_is_allowed'),
        pytest.param((12 * 10**8, 95 * 10**7), 15 * 10**7, id='some_is_left'),
        pytest.param((UNLIMITED_1, 9 * 10**8), 1_024_000_000, id='what_the_machine_has'),
    ],
)
def test_a_group_has_the_swap_that_it_may_use_in_version_1(machine, with_swap, swap_bytes):
    files = group_1('/a', 10**9, 9 * 10**8, with_swap=with_swap)
    root = machine(**{'proc/self/cgroup': '4:memory:/a\n'}, **files)
    assert memory_left(root) == Memory(10**9, 10**8 + swap_bytes, 'the control group /a')


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


@pytest.mark.parametrize(
    'error',
    [
        MemoryError(),
        OSError(errno.ENOMEM, 'Cannot allocate memory'),
        RuntimeError('[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception: std::bad_alloc'),
        RuntimeError('bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 8'),
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
