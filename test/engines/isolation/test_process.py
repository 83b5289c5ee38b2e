"""Starting the process of an engine where that fails, and what is left then."""

import os
import socket
import subprocess

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
