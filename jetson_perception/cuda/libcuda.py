"""The CUDA driver's own library, by ctypes: for what pycuda has not, or does with a detour."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from jetson_perception.cuda.device import translated
from jetson_perception.errors import CudaError


def check(status: int, doing: str) -> None:
    """Raise what the driver says of a call that failed."""
    if status:
        raise error(status, doing)


def error(status: int, doing: str) -> CudaError:
    """What the driver says of a status."""
    text = ctypes.c_char_p()
    library().cuGetErrorString(status, ctypes.byref(text))
    said = text.value.decode() if text.value else 'unknown error'
    return translated(RuntimeError(f'{said} (CUDA error {status})'), doing)


@functools.cache
def library() -> Any:
    """The library; its calls let other Python threads run."""
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
    }.items():
        if hasattr(library, name):
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, number
    return library


@functools.cache
def quick_library() -> Any:
    """The same library for what is enqueued for each frame, a few microseconds a call.

    Its calls keep the interpreter's lock: to give it up would mean to queue for it again behind
    threads that may hold it for milliseconds.
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
