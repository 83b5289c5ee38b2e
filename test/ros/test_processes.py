"""Processes started without `ros2 launch`, and what prepares them."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
from int8_twins import pretend_made

from jetson_perception import bringup
from jetson_perception.errors import PerceptionError
from jetson_perception.process.orphans import ends_with_parent
from jetson_perception.ros.processes import RunningProcess, running


@pytest.fixture
def environ(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return dict(os.environ)


def test_a_node_starts_after_its_preparation(environ, tmp_path):
    pretend_made()
    program = bringup.Preparation('make_int8_models', ('people_pose_int8',))
    node = bringup.NodeProcess('seg_node', preparation=program)
    with running(node, tmp_path / 'log', environ) as process:
        process.check()


def test_it_does_not_start_when_that_fails(environ, tmp_path):
    program = bringup.Preparation('make_int8_models', ('none',))
    node = bringup.NodeProcess('seg_node', preparation=program)
    with (
        pytest.raises(PerceptionError, match='make_int8_models ended with exit code 2') as error,
        running(node, tmp_path / 'log', environ),
    ):
        pass
    assert 'none: expected some of people_detect_int8' in str(error.value)


PREPARING = """
import sys
from dataclasses import dataclass
from pathlib import Path
from jetson_perception import bringup
from jetson_perception.process.orphans import ends_with_parent
from jetson_perception.ros.processes import RunningProcess

@dataclass(frozen=True)
class Endless(bringup.Preparation):
    def command(self, prefix):
        return ['/bin/sh', '-c', 'echo $$ > "$0"; exec sleep 600', sys.argv[1]]

program = Endless('endless')
RunningProcess(bringup.NodeProcess('seg_node', preparation=program), Path(sys.argv[2]))
"""


def test_a_preparation_ends_with_its_killed_parent(environ, tmp_path):
    if not ends_with_parent():
        pytest.skip('no setpriv of util-linux')
    told = tmp_path / 'pid'
    os.mkfifo(told)
    command = [sys.executable, '-c', PREPARING, str(told), str(tmp_path / 'log')]
    with subprocess.Popen(command, env=environ) as starter:
        ended = os.pidfd_open(int(told.read_text()))
        starter.kill()
    try:
        assert select.select([ended], [], [], 20)[0], 'it runs on'
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(ended, signal.SIGKILL)
        os.close(ended)


def test_it_outlives_the_thread_that_started_it(environ, tmp_path):
    node = bringup.NodeProcess('seg_node')
    log = tmp_path / 'log'
    started = []

    def start():
        started.append(RunningProcess(node, log, environ))
        while not log.stat().st_size:  # until it is at work
            started[0].check()
            time.sleep(0.02)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    ended = os.pidfd_open(started[0].pid)
    try:
        assert not select.select([ended], [], [], 2)[0], log.read_text()
    finally:
        os.close(ended)
        started[0].end()
