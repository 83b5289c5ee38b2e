"""Which publishers are those of processes that have ended."""

import os
import struct
import subprocess

import pytest

from jetson_perception.dds.ended_processes import EndedProcesses, processes_of
from jetson_perception.dds.guids import PID_MODULUS, Guid

HOST, OTHER_HOST = b'\x12\x34', b'\x12\x35'


def guid(pid, host=HOST, vendor=b'\x01\x0f', chance=b'\x01\x02', endpoint=0):
    random_and_participant = chance + bytes(4)
    ids = host + struct.pack('<H', pid % PID_MODULUS) + random_and_participant
    return Guid(vendor + ids + bytes((0, 0, endpoint, 3)))


OWN = guid(os.getpid())


@pytest.fixture
def process():
    with subprocess.Popen(['sleep', 'infinity']) as made:
        yield made
        made.kill()


def test_nobody_publishes():
    assert EndedProcesses().of([], OWN) == set()


def test_one_that_was_killed(process):
    ended = EndedProcesses()
    publishers = [guid(process.pid), guid(process.pid, endpoint=1)]
    assert ended.of(publishers, OWN) == set()
    process.kill()
    # Its parent need not have asked how it ended.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended.of(publishers, OWN) == set(publishers)
    process.wait()
    assert ended.of(publishers, OWN) == set(publishers)


def test_one_beside_another_that_lives(process):
    ended = EndedProcesses()
    parent = guid(os.getppid())
    assert ended.of([guid(process.pid), parent], OWN) == set()
    process.kill()
    process.wait()
    assert ended.of([guid(process.pid), parent], OWN) == {guid(process.pid)}


def test_one_that_was_never_seen_counts_as_alive(process):
    process.kill()
    process.wait()
    ended = EndedProcesses()
    assert ended.of([guid(process.pid)], OWN) == set()
    assert ended.of([guid(process.pid)], OWN) == set()


@pytest.mark.parametrize(
    'others',
    [
        pytest.param({'host': OTHER_HOST}, id='another_host'),
        pytest.param({'vendor': b'\x01\x10'}, id='another_dds'),
    ],
)
def test_what_is_not_here_counts_as_alive(process, others):
    ended = EndedProcesses()
    publisher = guid(process.pid, **others)
    ended.of([publisher], OWN)
    process.kill()
    process.wait()
    assert ended.of([publisher, Guid(b'')], OWN) == set()


def test_what_discovery_lists_no_more_is_forgotten(process):
    ended = EndedProcesses()
    ended.of([guid(process.pid)], OWN)
    ended.of([], OWN)
    process.kill()
    process.wait()
    assert ended.of([guid(process.pid)], OWN) == set()


def test_a_process_is_found_by_its_id():
    assert os.getpid() in processes_of(os.getpid() % PID_MODULUS)
    assert 0 not in processes_of(0)
