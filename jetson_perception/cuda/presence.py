"""Whether this machine has a GPU at all, asked of the driver's library; needs no pycuda."""

from __future__ import annotations

import ctypes

from jetson_perception.printable import printable


def gpu_problem() -> str:
    """Why no GPU can be used here, whatever is installed beside the driver; empty when one can."""
    try:
        library = ctypes.CDLL('libcuda.so.1')
    except OSError as err:
        return (
            'there is no NVIDIA GPU here, or no driver for it; if there is one, install its '
            f'driver, or start the container with --runtime nvidia ({printable(str(err))})'
        )
    count = ctypes.c_int()
    code = library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count))
    if code or not count.value:
        said = f' (CUDA error {code})' if code else ''
        return (
            f'the NVIDIA driver shows no GPU{said}; see what nvidia-smi says, and whether '
            'CUDA_VISIBLE_DEVICES is empty'
        )
    return ''
