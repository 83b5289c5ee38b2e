"""Whether tests can build engines: TensorRT-RTX builds without a GPU, and has wheels for x86-64."""

import platform

import pytest

requires_tensorrt = pytest.mark.skipif(
    platform.machine() != 'x86_64', reason='TensorRT-RTX has no wheel for this machine'
)
