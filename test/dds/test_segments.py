"""What lies in /dev/shm, of this process, of others, and of dead ones."""

import fcntl
import os
import subprocess
import sys

import pytest

from jetson_perception.dds import segments
from jetson_perception.dds.segments import segments_of_process, stale_files

NAME = 'fastrtps_0123456789abcdef'
LOCK_OF_PROCESS = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def segment(tmp_path):
    """A segment of 1000 bytes with its lock file, which nobody holds."""
    (tmp_path / NAME).write_bytes(bytes(1000))
    (tmp_path / f'{NAME}_el').touch()
    return tmp_path / NAME


@pytest.fixture
def owner(segment):
    """A process that holds the lock, as the owner of a segment does."""
    process = subprocess.Popen(
        [sys.executable, '-c', LOCK_OF_PROCESS, f'{segment}_el'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        process.stdout.readline()
        yield process
        process.stdin.close()


class TestNothing:
    def test_no_folder(self, tmp_path):
        assert segments.segments(tmp_path / 'missing') == []
        assert stale_files(tmp_path / 'missing') == []
        assert segments.free_bytes(tmp_path / 'missing') == 0

    def test_no_segment(self, tmp_path):
        for name in ('fastrtps_port7411', 'sem.fastrtps_port7411_mutex', 'fuzz', f'x{NAME}'):
            (tmp_path / name).touch()
        assert segments.segments(tmp_path) == stale_files(tmp_path) == []

    def test_no_list_of_locks(self, segment, tmp_path):
        found = segments.segments(tmp_path, locks=tmp_path / 'missing')
        assert [(each.path, each.pid) for each in found] == [(segment, None)]

    @pytest.mark.parametrize('text', [b'\xff\x00', b'1: FLOCK ADVISORY WRITE x 00:1b:9 0 EOF\n'])
    def test_an_odd_list_of_locks(self, segment, tmp_path, text):
        locks = tmp_path / 'locks'
        locks.write_bytes(text)
        assert segments.segments(tmp_path, locks)[0].pid is None

    def test_a_lock_of_another_container(self, segment, tmp_path):
        inode = os.stat(f'{segment}_el').st_ino
        locks = tmp_path / 'locks'
        locks.write_text(f'1: FLOCK  ADVISORY  WRITE 0 00:1b:{inode} 0 EOF\n')
        assert segments.segments(tmp_path, locks)[0].pid is None


def test_the_owner_of_a_segment(segment, owner):
    (found,) = segments.segments(segment.parent)
    assert found == (segment, 1000, os.getuid(), owner.pid, True)
    assert segments_of_process(owner.pid % 65536, [found]) == [found]
    assert segments_of_process((owner.pid + 1) % 65536, [found]) == []
    assert stale_files(segment.parent) == []


def test_a_dead_owner(segment):
    assert stale_files(segment.parent) == [segment]
    segment.with_name(f'{NAME}_el').unlink()
    assert stale_files(segment.parent) == [segment]
    assert segments.segments(segment.parent) == []


def test_looking_leaves_the_lock_free(segment):
    stale_files(segment.parent)
    with open(f'{segment}_el') as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class TestFilesThatAnybodyMayPutThere:
    @pytest.mark.parametrize('name', [NAME, f'{NAME}_el'])
    def test_a_fifo_is_not_waited_for(self, segment, name):
        path = segment.with_name(name)
        path.unlink()
        os.mkfifo(path)
        assert stale_files(segment.parent) == [segment]
        assert len(segments.segments(segment.parent)) == (name != NAME)

    def test_a_link_makes_no_segment_of_another_file(self, segment, owner):
        link = segment.with_name('fastrtps_fedcba9876543210')
        link.symlink_to(segment)
        link.with_name(f'{link.name}_el').symlink_to(f'{segment}_el')
        assert [each.path for each in segments.segments(segment.parent)] == [segment]

    def test_a_link_to_a_lock_makes_nobody_the_owner(self, segment, owner):
        other = segment.with_name('fastrtps_fedcba9876543210')
        other.touch()
        other.with_name(f'{other.name}_el').symlink_to(f'{segment}_el')
        owners = {each.path: each.pid for each in segments.segments(segment.parent)}
        assert owners == {segment: owner.pid, other: None}


@pytest.mark.skipif(os.getuid() == 0, reason='root may open everything')
def test_a_segment_that_may_not_be_written(segment):
    segment.chmod(0o444)
    assert not segments.segments(segment.parent)[0].readable
