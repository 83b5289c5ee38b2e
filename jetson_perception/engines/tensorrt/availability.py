"""Checks whether TensorRT can be used here; imports nothing that builds, as every model asks."""

from __future__ import annotations

from jetson_perception.cuda.device import CudaDevice, cuda_problem
from jetson_perception.engines.tensorrt.api import describe_tensorrt, import_tensorrt, is_rtx
from jetson_perception.errors import CudaError, ModelError


def tensorrt_problem(device: int = 0) -> str:
    """Why TensorRT cannot be used on the GPU with this index; empty when it can."""
    problem = cuda_problem(device)
    if problem:  # before hundreds of megabytes of libraries are loaded for nothing
        return problem
    try:
        trt = import_tensorrt()
    except ModelError as err:
        return str(err)
    if not is_rtx(trt) or not hasattr(trt, 'ComputeCapability'):
        return ''
    try:
        gpu = CudaDevice.get(device)
    except CudaError as err:
        return str(err)
    gpu.close()
    major, minor = gpu.compute_capability
    if hasattr(trt.ComputeCapability, f'SM{major}{minor}'):
        return ''
    return (
        f'{describe_tensorrt(trt)} does not run on {gpu.name}, which has compute capability '
        f'{major}.{minor}; install TensorRT instead'
    )
