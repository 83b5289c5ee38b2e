"""Programs that get SIGINT before they have started, or during something slow."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from ament_index_python.packages import get_package_prefix
from nodes.support import DEADLINE_S, log_lines, node_process, wait_for_exit
from onnx_models import endless_segmentation

PREFIX = Path(get_package_prefix('jetson_perception'))
NODES = ('camera_node', 'seg_node', 'yolo_node')
COMMAND = PREFIX / 'bin/jetson-perception'
ENDED_S = 3.0

BLOCKS_SIGNALS = not subprocess.run(
    ['/usr/bin/env', '--block-signal=INT', 'true'], stderr=subprocess.DEVNULL, check=False
).returncode


class Program:
    """A process that is sent SIGINT once."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def wait_until(self, predicate):
        deadline = time.monotonic() + DEADLINE_S
        while not predicate(self.process.pid):
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.stdout.read()

    def interrupt(self):
        """Exit code, what it printed, and the seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, said, time.monotonic() - begun


def is_python(pid):
    """Whether env has made place for Python."""
    return Path(f'/proc/{pid}/comm').read_text().startswith('python')


def imports(name):
    """Whether a library of that name is mapped, so that imports are under way."""
    return lambda pid: name in Path(f'/proc/{pid}/maps').read_text()


@pytest.mark.skipif(not BLOCKS_SIGNALS, reason='env cannot block signals here')
def test_a_signal_before_python_has_started():
    programs = [Program(str(PREFIX / 'lib/jetson_perception' / name)) for name in NODES]
    programs.append(Program(str(COMMAND), 'info', 'oranges'))
    for program in programs:
        program.wait_until(is_python)
    ends = [program.interrupt()[:2] for program in programs]
    assert ends == [(0, '')] * len(NODES) + [(130, '')]


def test_a_signal_in_the_middle_of_imports():
    for command, code in (
        ([str(PREFIX / 'lib/jetson_perception/seg_node')], 0),
        ([str(COMMAND), 'info', 'oranges'], 130),
    ):
        program = Program(*command)
        program.wait_until(imports('/cv2'))
        assert program.interrupt()[:2] == (code, '')


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        pytest.param([], '1 frame, milliseconds a frame', id='in_a_thread'),
        pytest.param(
            ['--sequential'],
            'ends by force: MainThread in infer (engines/onnxruntime/cpu.py',
            id='in_the_main_thread',
        ),
    ],
)
def test_ctrl_c_in_an_inference_that_does_not_end(tmp_path, options, told):
    model = endless_segmentation(tmp_path / 'endless.onnx')
    for name, value in (('1.png', 0), ('2.png', 255)):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), value, np.uint8))
    pictures = (str(tmp_path / name) for name in ('1.png', '2.png'))
    command = [str(COMMAND), 'run', str(model), *pictures, '--json', '--threads', '1', *options]
    program = Program(*command)
    lines = iter(program.process.stdout.readline, '')  # what is assumed of the model comes first
    result = next(line for line in lines if line.startswith('{'))
    assert json.loads(result)['source'].endswith('1.png')
    busy_s = cpu_s(program.process.pid) + 0.3
    program.wait_until(lambda pid: cpu_s(pid) > busy_s)
    code, said, elapsed_s = program.interrupt()
    assert (code, elapsed_s < ENDED_S) == (130, True), said
    assert 'Traceback' not in said
    assert told in said


def cpu_s(pid):
    """Seconds of CPU that a process has used."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def test_a_scene_that_renders_holds_up_neither_states_nor_the_end(peer, start):
    camera = start(
        node_process('camera_node', peer.namespace, source='scene://people?width=1600&height=900')
    )
    peer.wait_for_log(camera, 'reading scene')
    assert not peer.change_state('camera_node', 'cleanup')  # so that the service is known
    begun = time.monotonic()
    assert peer.change_state('camera_node', 'deactivate')
    assert time.monotonic() - begun < 2.0
    assert peer.change_state('camera_node', 'activate')
    peer.wait_for(lambda: len(log_lines(camera, 'reading scene')) == 2, 'the second rendering')
    peer.watched.remove(camera)
    begun = time.monotonic()
    os.kill(camera.pid, signal.SIGINT)
    assert wait_for_exit(camera) == 0
    assert time.monotonic() - begun < ENDED_S
    peer.watched.append(camera)
