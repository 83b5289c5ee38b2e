"""The GPU's stand-in as fixtures, for the conftest.py of every folder that wants them."""

import gc

import pytest
import standin_pycuda

from jetson_perception.cuda import CudaDevice


@pytest.fixture
def standin_options():
    """What the stand-in is made with; a test may override it."""
    return {}


@pytest.fixture
def standin(monkeypatch, standin_options):
    """A stand-in for the GPU; at the end nothing may be left over on it."""
    standin = standin_pycuda.install(monkeypatch, **standin_options)
    yield standin
    gc.collect()
    standin.check()


@pytest.fixture
def device(standin):
    """GPU 0 of the stand-in."""
    device = CudaDevice.get(0)
    yield device
    device.close()
