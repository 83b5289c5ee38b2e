"""ROS that begins before a node's modules are imported: what others see of it, and how it ends."""

import os
import signal
import subprocess
import sys

import pytest

from jetson_perception.dds import transports
from jetson_perception.dds.fast_dds import PROFILE_VARIABLES
from jetson_perception.ros.beginning import SEGMENT_BYTES

WAIT_S = 20.0

#: In place of a node's module: to import it takes for ever.
SLOW = """
import threading

print('importing', flush=True)
threading.Event().wait()
"""
#: As when a signal comes while ROS's context is made or shut down: the main thread holds its lock.
HOLDING = """
import threading

import rclpy

with rclpy.get_default_context()._lock:
    print('importing', flush=True)
    threading.Event().wait()
"""
BROKEN = 'import no_such_module'
START = (
    "from jetson_perception.process import executable; executable.run_perception_node_module('{}')"
)


def without_profiles():
    """The environment: with a profile of the user, there is no choice of transports."""
    return {name: value for name, value in os.environ.items() if name not in PROFILE_VARIABLES}


@pytest.fixture
def importing(tmp_path):
    """Starts a process that imports a module as that of its node."""
    started = []

    def start(content, *arguments):
        (tmp_path / 'a_node.py').write_text(content)
        process = subprocess.Popen(
            [sys.executable, '-c', START.format('a_node'), *arguments],
            cwd=tmp_path,
            env=without_profiles(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_others_discover_it_while_it_imports_and_see_it_leave(peer, importing, number):
    process = importing(SLOW)
    assert process.stdout.readline() == 'importing\n'
    name = f'_starting_{process.pid}'
    # That which offers all transports, and, where there is a choice, that which offers UDP alone.
    count = 2 if transports.choose(SEGMENT_BYTES, without_profiles()).udp_alone else 1
    peer.wait_for(lambda: peer.node.get_node_names().count(name) == count, 'the participants')
    process.send_signal(number)
    said = process.communicate(timeout=WAIT_S)
    assert (*said, process.returncode) == ('', '', 0)
    peer.wait_for(lambda: name not in peer.node.get_node_names(), 'their end')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_ends_though_the_context_is_held(importing, number):
    process = importing(HOLDING)
    assert process.stdout.readline() == 'importing\n'
    process.send_signal(number)
    process.send_signal(number)  # as Ctrl-C comes from the terminal and from launch
    assert process.communicate(timeout=WAIT_S) == ('', '')
    assert process.returncode == 0


def test_says_what_cannot_be_imported(importing):
    process = importing(BROKEN)
    out, said = process.communicate(timeout=WAIT_S)
    assert (out, process.returncode) == ('', 1)
    assert said.startswith("No module named 'no_such_module': first source install/setup.bash")
    assert said.count('\n') == 1


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['det.model:=my.onnx'], 'knows no argument det.model:=my.onnx outside of --ros-args'),
        (['--ros-args', '-p', 'a:=[1,'], 'ROS refuses the command line'),
    ],
)
def test_a_command_line_that_cannot_be_used_is_refused_before(importing, arguments, expected):
    process = importing(SLOW, *arguments)
    out, said = process.communicate(timeout=WAIT_S)
    assert (out, process.returncode) == ('', 1)
    assert expected in said


def test_help_needs_no_ros(importing):
    process = importing("def main(): print('usage')", '--help')
    assert process.communicate(timeout=WAIT_S) == ('usage\n', '')
