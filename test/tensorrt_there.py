"""Whether tests can build engines: TensorRT-RTX does without a GPU, and is there for x86-64."""

import platform

import pytest

without_wheel = pytest.mark.skipif(
    platform.machine() != 'x86_64', reason='TensorRT-RTX has no wheel for this machine'
)


def requires_tensorrt(test):
    """Mark a test or a class of them that builds an engine."""
    return pytest.mark.tensorrt(without_wheel(test))
