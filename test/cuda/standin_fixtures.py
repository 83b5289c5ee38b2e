"""The GPU's stand-in as fixtures, for the conftest.py of every folder that wants them."""

import gc
from contextlib import contextmanager

import pytest
import standin_onnxruntime
import standin_pycuda
from emulated_gpu import register_kernels

from jetson_perception.cuda import CudaDevice


@pytest.fixture
def standin_options():
    """What the stand-in is made with; a test may override it."""
    return {}


@pytest.fixture
def standin(monkeypatch, standin_options):
    """A stand-in for the GPU; at the end nothing may be left over on it."""
    with _left_clean(standin_pycuda.install(monkeypatch, **standin_options)) as standin:
        yield standin


@contextmanager
def gpu_with_engines(monkeypatch, *kernels):
    """The same with ONNX Runtime on it, and these of the package's kernel files."""
    with _left_clean(standin_pycuda.install(monkeypatch)) as standin:
        standin_onnxruntime.install(monkeypatch, standin)
        for name in kernels:
            register_kernels(standin, name)
        yield standin


@contextmanager
def _left_clean(standin):
    yield standin
    gc.collect()
    standin.check()


@pytest.fixture
def device(standin):
    """GPU 0 of the stand-in."""
    device = CudaDevice.get(0)
    yield device
    device.close()
