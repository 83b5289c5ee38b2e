"""Why TensorRT cannot be used, on the stand-ins."""

import types

import pytest
import standin_pycuda
import standin_tensorrt

from jetson_perception.engines.tensorrt import availability
from jetson_perception.engines.tensorrt.availability import tensorrt_problem
from jetson_perception.errors import ModelError


@pytest.fixture
def machine(monkeypatch):
    """TensorRT 10.3, and two GPUs."""
    cuda = standin_pycuda.install(monkeypatch, devices=2)
    standin_tensorrt.install(monkeypatch, cuda, '10.3')


def test_none(machine):
    assert tensorrt_problem() == ''


def test_no_such_gpu(machine):
    assert 'there is no GPU 2' in tensorrt_problem(2)


def test_no_gpu(monkeypatch):
    cuda = standin_pycuda.install(monkeypatch, devices=0)
    standin_tensorrt.install(monkeypatch, cuda, '11')
    assert 'there is no GPU 0' in tensorrt_problem()


def test_no_tensorrt(machine, monkeypatch):
    def fail():
        raise ModelError('TensorRT is not there')

    monkeypatch.setattr(availability, 'import_tensorrt', fail)
    assert tensorrt_problem() == 'TensorRT is not there'


@pytest.mark.parametrize(
    ('capability', 'problem'), [((8, 6), ''), ((9, 0), 'does not run on .* capability 9.0')]
)
def test_gpu_that_tensorrt_rtx_does_not_know(monkeypatch, capability, problem):
    cuda = standin_pycuda.install(monkeypatch, compute_capability=capability)
    trt = standin_tensorrt.install(monkeypatch, cuda, '11')
    monkeypatch.setattr(trt, '__name__', 'tensorrt_rtx')
    names = types.SimpleNamespace(SM75=0, SM86=1, SM120=2)
    monkeypatch.setattr(trt, 'ComputeCapability', names, raising=False)
    found = tensorrt_problem()
    assert found.startswith('TensorRT-RTX 11') == bool(problem)
    assert ('capability 9.0; install TensorRT' in found) == bool(problem)
    cuda.check()
