"""Files of the kernel, read up to a limit, and what of a process is mapped."""

import os
import tracemalloc
from pathlib import Path

import pytest

from jetson_perception.dds.proc import mapped_files, read


@pytest.fixture
def maps(tmp_path):
    """Makes a /proc with one process, 77, that has these mappings."""

    def make(*lines):
        (tmp_path / '77').mkdir()
        (tmp_path / '77/maps').write_text('\n'.join(lines) + '\n')
        return tmp_path

    return make


def test_what_cannot_be_read_is_empty(tmp_path):
    assert read(tmp_path / 'absent') == read(tmp_path) == ''
    assert mapped_files(77, tmp_path) == set()


def test_a_large_limit_takes_no_memory(tmp_path):
    """Python's own read takes as much as it is asked for."""
    (tmp_path / 'file').write_text('ab' * (1 << 16))
    tracemalloc.start()
    try:
        assert len(read(tmp_path / 'file', 1 << 30)) == 1 << 17
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_no_more_than_the_limit(tmp_path):
    (tmp_path / 'file').write_bytes(b'ab\xff' + bytes(100))
    assert read(tmp_path / 'file', 3) == 'ab�'


def test_own_libraries():
    assert any(Path(each).name.startswith('libc.so') for each in mapped_files(os.getpid()))
    assert mapped_files() == mapped_files(os.getpid())


def test_files_alone(maps):
    proc = maps(
        '7f1000000000-7f1000001000 rw-s 00000000 00:1b 22   /dev/shm/fastrtps_port7411',
        '7f1000000000-7f1000001000 rw-s 00000000 00:1b 23   /dev/shm/with a blank (deleted)',
        '7f1000001000-7f1000002000 rw-p 00000000 00:00 0',
        '7f1000002000-7f1000003000 rw-p 00000000 00:00 0    [heap]',
        'garbage',
    )
    assert mapped_files(77, proc) == {'/dev/shm/fastrtps_port7411', '/dev/shm/with a blank'}


def test_a_process_with_many_mappings(maps):
    # Of a GPU's driver and models: two megabytes before what is looked for.
    anonymous = ['7f1000001000-7f1000002000 rw-p 00000000 00:00 0' + ' ' * 50] * 20_000
    last = '7f1000003000-7f1000004000 rw-s 00000000 00:1b 22   /dev/shm/fastrtps_port7411'
    assert mapped_files(77, maps(*anonymous, last)) == {'/dev/shm/fastrtps_port7411'}
