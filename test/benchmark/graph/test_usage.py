"""What real processes take."""

import os
import subprocess
import sys

import pytest

from jetson_perception.benchmark.graph import usage
from jetson_perception.benchmark.graph.usage import UsageMeter, gpu_mb_by_pid

TOUCHING = """
import sys, time
held = b'x' * 50_000_000
begun = time.process_time()
while time.process_time() < begun + 0.2:
    pass
print('done', flush=True)
sys.stdin.read()
"""


@pytest.fixture
def started():
    """Starts Python with some code; ends it after the test."""
    processes = []

    def start(code):
        process = subprocess.Popen(
            [sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.communicate()


def test_time_and_memory_of_a_process(started):
    process = started(TOUCHING)
    meter = UsageMeter([process.pid])
    assert process.stdout.readline() == 'done\n'
    found = meter.usage(meter.cpu_percent())
    assert found.cpu_percent > 1
    assert usage.cpu_s(process.pid) >= 0.2
    assert 50 < found.rss_mb < 150
    assert 50 < found.pss_mb <= found.rss_mb


def test_what_a_process_started_is_its_own(started):
    child = f'import subprocess, sys; subprocess.run([sys.executable, "-c", {TOUCHING!r}])'
    process = started(child)
    assert process.stdout.readline() == 'done\n'
    pids = usage.with_children([process.pid])
    assert pids[0] == process.pid
    assert len(pids) == 2
    assert UsageMeter([process.pid]).usage(0.0).rss_mb > 55


def test_a_process_that_has_ended_counts_for_nothing(started):
    process = started('')
    process.communicate()
    assert not usage.exists(process.pid)
    assert usage.with_children([process.pid]) == []
    assert UsageMeter([process.pid]).usage(0.0) is None
    assert (usage.cpu_s(process.pid), usage.rss_mb(process.pid)) == (0.0, 0.0)
    assert usage.pss_mb(process.pid) is None


def test_one_that_nobody_waited_for_has_ended_too():
    process = subprocess.Popen(['true'])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not usage.exists(process.pid)
    process.wait()


def test_names_with_spaces_and_parentheses(started, tmp_path):
    program = tmp_path / 'a) b (c'
    program.symlink_to('/bin/cat')
    with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
        assert usage.exists(process.pid)
        assert usage.with_children([os.getpid()]).count(process.pid) == 1
        process.communicate()


@pytest.mark.parametrize(
    ('table', 'found'),
    [
        pytest.param('', {}, id='nothing'),
        pytest.param('No running processes found\n', {}, id='words'),
        pytest.param('12, [N/A]\n', {}, id='not told'),
        pytest.param('12, 100\n13, 5\n12, 1\n', {12: 105.9, 13: 5.2}, id='two GPUs'),
    ],
)
def test_memory_of_the_gpu_as_nvidia_smi_prints_it(table, found):
    assert {pid: round(mb, 1) for pid, mb in gpu_mb_by_pid(table).items()} == found
