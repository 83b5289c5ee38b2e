"""Starting the process of an engine where that fails, and what is left then."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from engines.isolation.descriptors import descriptors, few_descriptors
from onnx_models import color_segmentation

from jetson_perception.engines.isolation import process as process_module
from jetson_perception.engines.isolation.messages import Order
from jetson_perception.engines.isolation.process import EngineProcess
from jetson_perception.errors import ModelError
from jetson_perception.process.modules import module_command, module_environment


@pytest.fixture
def order(tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    return Order('onnxruntime_cpu', path, 1, None, 'fp32', 0, -1)


@pytest.mark.parametrize('count', range(9))  # it takes nine
def test_without_enough_descriptors_it_is_not_started_and_none_is_kept(order, count):
    before = descriptors()
    told = r'colors\.onnx: the process of the engine cannot be started: .*Too many open files'
    with few_descriptors(count), pytest.raises(ModelError, match=told):
        EngineProcess(order)
    assert descriptors() == before


def test_one_that_ends_before_it_is_told_what_to_open(order, monkeypatch):
    start = subprocess.Popen

    def ends(_, **options):
        process = start(['false'], **options)
        process.wait()
        return process

    monkeypatch.setattr(process_module.subprocess, 'Popen', ends)
    before = descriptors()
    with pytest.raises(ModelError, match='process of the engine ended with exit code 1'):
        EngineProcess(order)
    assert descriptors() == before


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_to_all_processes_of_a_service_leave_it_while_it_starts(
    order, monkeypatch, number
):
    start = subprocess.Popen

    def told_to_end(*args, **options):
        process = start(*args, **options)
        process.send_signal(number)
        return process

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    monkeypatch.setattr(process_module.subprocess, 'Popen', told_to_end)
    process = EngineProcess(order)
    status = Path(f'/proc/{process.pid}/status').read_text()
    process.end()
    assert 'SigBlk:\t0000000000000000\n' in status
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_it_ends_if_its_parent_had_ended_before():
    """Whichever process is its parent by now: this one is, and lives."""
    ours, theirs = socket.socketpair()
    lives, ends = os.pipe()
    os.close(ends)
    memory = [os.memfd_create('test') for _ in range(2)]
    passed = [theirs.fileno(), *memory, lives]
    try:
        with ours, theirs:
            process = subprocess.Popen(
                module_command('jetson_perception.engines.isolation.child', *passed),
                pass_fds=passed,
                env=module_environment(),
            )
            try:
                assert process.wait(30) == 0
            finally:
                process.kill()
                process.wait()
    finally:
        for each in (*memory, lives):
            os.close(each)
