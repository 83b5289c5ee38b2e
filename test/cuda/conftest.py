import gc

import pytest
import standin_pycuda

from jetson_perception.cuda import CudaDevice


@pytest.fixture
def standin(monkeypatch):
    """A stand-in for the GPU; at the end nothing may be left over on it."""
    standin = standin_pycuda.install(monkeypatch)
    yield standin
    gc.collect()
    standin.check()


@pytest.fixture
def device(standin):
    """GPU 0 of the stand-in."""
    device = CudaDevice.get(0)
    yield device
    device.close()
