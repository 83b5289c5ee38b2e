"""Whether tests can build engines: TensorRT-RTX does without a GPU, and is there for x86-64."""

import platform

import pytest

requires_tensorrt = pytest.mark.skipif(
    platform.machine() != 'x86_64', reason='TensorRT-RTX has no wheel for this machine'
)
