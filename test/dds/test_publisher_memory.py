"""What is seen of another process's shared memory, and of what dead ones left."""

import fcntl
import os
import struct
from pathlib import Path

import pytest

from jetson_perception.dds import publisher_memory
from jetson_perception.dds.guids import PID_MODULUS, Guid
from jetson_perception.dds.input_facts import Memory
from jetson_perception.dds.publisher_memory import (
    PublisherMemory,
    Stale,
    memory_of,
    shared_memory_size,
    stale,
)
from jetson_perception.dds.segments import Segment, segments

HOST, OTHER_HOST = b'\x12\x34', b'\x12\x35'
PID = os.getpid()
DEAD_PID = 0  # no process has it


def guid(pid=PID, host=HOST, vendor=b'\x01\x0f'):
    return Guid(vendor + host + struct.pack('<H', pid % PID_MODULUS) + bytes(10))


OWN = guid()


@pytest.fixture
def segment(tmp_path):
    """Makes a segment of a process, and of a user."""

    def make(pid=PID, uid=None, nbytes=549_408, mode=0o644, *, readable=True):
        path = tmp_path / 'fastrtps_0123456789abcdef'
        path.touch()
        path.chmod(mode)
        return Segment(path, nbytes, os.geteuid() if uid is None else uid, pid, readable)

    return make


class TestMemory:
    @pytest.mark.parametrize(
        'publisher',
        [
            pytest.param(guid(host=OTHER_HOST), id='another_host'),
            pytest.param(guid(vendor=b'\x01\x10'), id='another_dds'),
            pytest.param(Guid(b''), id='no_id'),
        ],
    )
    def test_nothing_is_said_of_what_is_not_here(self, publisher, segment):
        assert memory_of(publisher, OWN, [segment()]) == PublisherMemory(Memory.UNKNOWN)

    def test_its_largest_segment_counts(self, segment):
        found = memory_of(guid(), OWN, [segment(nbytes=549_408), segment(nbytes=70_255_136)])
        assert found == PublisherMemory(Memory.OPEN, 70_255_136)

    def test_another_users_cannot_be_read(self, segment):
        found = memory_of(guid(), OWN, [segment(uid=4321, readable=False)])
        assert found.memory is Memory.REFUSED

    def test_root_reads_all_but_the_other_cannot_write_back(self, segment):
        found = memory_of(guid(), OWN, [segment(uid=4321)])
        assert found.memory is Memory.REFUSED
        found = memory_of(guid(), OWN, [segment(uid=4321, mode=0o666)])
        assert found.memory is Memory.OPEN

    def test_a_process_that_has_none(self):
        assert memory_of(guid(), OWN, []) == PublisherMemory(Memory.NONE)

    def test_a_process_that_is_not_here(self):
        assert memory_of(guid(DEAD_PID), OWN, []) == PublisherMemory(Memory.ELSEWHERE)

    def test_a_process_that_is_not_here_keeps_its_segment(self, tmp_path):
        for number in range(3):
            path = tmp_path / f'fastrtps_{number:016x}'
            path.write_bytes(bytes(1000 * (number + 1)))
            path.with_name(f'{path.name}_el').touch()
        with open(tmp_path / f'fastrtps_{1:016x}_el') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = [each._replace(pid=None) for each in segments(tmp_path)]
            assert len(known) == 3
            assert memory_of(guid(DEAD_PID), OWN, known) == PublisherMemory(Memory.OPEN, 2000)

    def test_many_files_are_looked_at_once(self, tmp_path, monkeypatch):
        looked = []
        stale_files = publisher_memory.stale_files
        monkeypatch.setattr(
            publisher_memory, 'stale_files', lambda path: looked.append(path) or stale_files(path)
        )
        for number in range(20):
            (tmp_path / f'fastrtps_{number:016x}').touch()
            (tmp_path / f'fastrtps_{number:016x}_el').touch()
        found = memory_of(guid(DEAD_PID), OWN, segments(tmp_path))
        assert found == PublisherMemory(Memory.ELSEWHERE)
        assert looked == [tmp_path]


class TestStale:
    def test_none(self, tmp_path):
        assert stale(0, tmp_path) == Stale(0, refused=False)
        assert stale(0, tmp_path / 'absent') == Stale(0, refused=False)

    def test_bytes_of_the_dead(self, tmp_path):
        (tmp_path / 'fastrtps_0123456789abcdef').write_bytes(bytes(1000))
        (tmp_path / 'another').write_bytes(bytes(5000))
        assert stale(0, tmp_path) == Stale(1000, refused=False)

    @pytest.mark.skipif(os.geteuid() == 0, reason='root may open all')
    def test_a_queue_of_another_user(self, tmp_path):
        queue = tmp_path / 'sem.fastrtps_port7411_mutex'
        queue.touch()
        queue.chmod(0o400)
        assert stale(0, tmp_path).refused
        assert not stale(1, tmp_path).refused  # its ports begin at 7650


def test_size_of_shared_memory():
    assert shared_memory_size(Path('/absent')) == 0
    assert shared_memory_size(Path('/')) > 0
