"""Lets the tests of this folder and others import what is shared here: stand-ins."""

import sys
from pathlib import Path

import pytest
from standin_fixtures import device, standin, standin_options

__all__ = ['device', 'forget_stand_ins', 'standin', 'standin_options']

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def forget_stand_ins():
    """What a test imported as TensorRT is not what the next one gets."""
    yield
    from jetson_perception.engines.tensorrt.api import import_tensorrt

    import_tensorrt.cache_clear()
