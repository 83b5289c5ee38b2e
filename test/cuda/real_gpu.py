"""A real GPU, for tests of kernels that need no emulator."""

import pytest

from jetson_perception.cuda import cuda_problem
from jetson_perception.cuda.compiler import find_nvcc


def require_gpu():
    """Skip a module where there is no GPU, or nothing to compile kernels with."""
    problem = cuda_problem() or ('' if find_nvcc() else 'there is no nvcc on this machine')
    if problem:
        pytest.skip(problem, allow_module_level=True)
