"""The CUDA driver's library through ctypes, for what pycuda lacks or does in a roundabout way."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from jetson_perception.cuda.device import translated
from jetson_perception.errors import CudaError


def check(status: int, doing: str) -> None:
    """Raise the driver's error if a call failed."""
    if status:
        raise error(status, doing)


def error(status: int, doing: str) -> CudaError:
    """The error that the driver gives for a status."""
    text = ctypes.c_char_p()
    library().cuGetErrorString(status, ctypes.byref(text))
    said = text.value.decode() if text.value else 'unknown error'
    return translated(RuntimeError(f'{said} (CUDA error {status})'), doing)


@functools.cache
def library() -> Any:
    """The library; its calls release the GIL, so other Python threads can run."""
    library = _load(ctypes.CDLL)
    pointer, number = ctypes.c_void_p, ctypes.c_int
    to_pointer, to_number = ctypes.POINTER(pointer), ctypes.POINTER(number)
    for name, arguments in {
        'cuGetErrorString': [number, ctypes.POINTER(ctypes.c_char_p)],
        'cuStreamBeginCapture_v2': [pointer, number],
        'cuStreamEndCapture': [pointer, to_pointer],
        'cuGraphGetNodes': [pointer, to_pointer, ctypes.POINTER(ctypes.c_size_t)],
        'cuGraphNodeGetType': [pointer, to_number],
        'cuGraphNodeGetDependentNodes': [pointer, to_pointer, ctypes.POINTER(ctypes.c_size_t)],
        'cuGraphNodeGetDependentNodes_v2': [
            pointer,
            to_pointer,
            pointer,  # data of edges
            ctypes.POINTER(ctypes.c_size_t),
        ],
        'cuGraphDestroyNode': [pointer],
        'cuGraphMemcpyNodeGetParams': [pointer, pointer],
        'cuPointerGetAttribute': [to_number, number, ctypes.c_ulonglong],
        'cuGraphInstantiateWithFlags': [to_pointer, pointer, ctypes.c_ulonglong],
        'cuGraphUpload': [pointer, pointer],
        'cuGraphExecDestroy': [pointer],
        'cuGraphDestroy': [pointer],
        'cuGraphicsEGLRegisterImage': [to_pointer, pointer, ctypes.c_uint],
        'cuGraphicsResourceGetMappedEglFrame': [pointer, pointer, ctypes.c_uint, ctypes.c_uint],
        'cuGraphicsUnregisterResource': [pointer],
    }.items():
        if hasattr(library, name):
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, number
    return library


@functools.cache
def quick_library() -> Any:
    """The same library, for what is enqueued for each frame, at a few microseconds per call.

    Its calls keep the GIL: a thread that releases it may then have to wait behind threads that
    hold it for milliseconds.
    """
    library = _load(ctypes.PyDLL)
    pointer, address = ctypes.c_void_p, ctypes.c_ulonglong
    library.cuGraphLaunch.argtypes = [pointer, pointer]
    library.cuGraphLaunch.restype = ctypes.c_int
    library.cuMemcpyDtoDAsync_v2.argtypes = [address, address, ctypes.c_size_t, pointer]
    library.cuMemcpyDtoDAsync_v2.restype = ctypes.c_int
    return library


def _load(kind: type[ctypes.CDLL]) -> ctypes.CDLL:
    try:
        return kind('libcuda.so.1')
    except OSError as err:
        raise CudaError(f'the CUDA driver cannot be loaded: {err}; is it installed?') from err
