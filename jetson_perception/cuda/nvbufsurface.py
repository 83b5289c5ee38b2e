"""NvBufSurface, a Jetson's buffers of video, through ctypes: what is read of them.

Structures are those of nvbufsurface.h of L4T 35 and 36. They have no number of a version in them,
so what is read is held against what is known otherwise, and refused where it does not fit.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from jetson_perception.errors import CudaError
from jetson_perception.printable import counted

SURFACE_ARRAY = 4
"""Of NvBufSurfaceMemType: memory of a Jetson's video engines, which EGL can map."""

PITCH = 0
"""Of NvBufSurfaceLayout: rows one behind another; 1 is block-linear."""

NV12 = 6
"""Of NvBufSurfaceColorFormat: BT.601 with limited range."""

_NAMES = 'libnvbufsurface.so.1.0.0', 'libnvbufsurface.so'
_MOST_PLANES = 4
_PADDING = 4  # pointers that each structure has in reserve


class NvmmError(CudaError):
    """Memory of a Jetson's video engines cannot be used; the GPU may be as well as ever."""


class PlaneParams(ctypes.Structure):
    """NvBufSurfacePlaneParams."""

    _fields_ = (
        ('num_planes', ctypes.c_uint32),
        *(
            (name, ctypes.c_uint32 * _MOST_PLANES)
            for name in ('width', 'height', 'pitch', 'offset', 'psize', 'bytesPerPix')
        ),
        ('_reserved', ctypes.c_void_p * (_PADDING * _MOST_PLANES)),
    )


class MappedAddr(ctypes.Structure):
    """NvBufSurfaceMappedAddr."""

    _fields_ = (
        ('addr', ctypes.c_void_p * _MOST_PLANES),
        ('eglImage', ctypes.c_void_p),
        ('_reserved', ctypes.c_void_p * _PADDING),
    )


class SurfaceParams(ctypes.Structure):
    """NvBufSurfaceParams: one picture."""

    _fields_ = (
        ('width', ctypes.c_uint32),
        ('height', ctypes.c_uint32),
        ('pitch', ctypes.c_uint32),
        ('colorFormat', ctypes.c_int),
        ('layout', ctypes.c_int),
        ('bufferDesc', ctypes.c_uint64),
        ('dataSize', ctypes.c_uint32),
        ('dataPtr', ctypes.c_void_p),
        ('planeParams', PlaneParams),
        ('mappedAddr', MappedAddr),
        ('paramex', ctypes.c_void_p),
        ('_reserved', ctypes.c_void_p * (_PADDING - 1)),
    )


class Surface(ctypes.Structure):
    """NvBufSurface: a batch of pictures, of which a camera's have one."""

    _fields_ = (
        ('gpuId', ctypes.c_uint32),
        ('batchSize', ctypes.c_uint32),
        ('numFilled', ctypes.c_uint32),
        ('isContiguous', ctypes.c_bool),
        ('memType', ctypes.c_int),
        ('surfaceList', ctypes.POINTER(SurfaceParams)),
        ('_reserved', ctypes.c_void_p * _PADDING),
    )


@functools.cache
def library() -> Any:
    """The library; its calls release the GIL.

    Raises
    ------
    NvmmError
        When it is not there, or lacks a function.
    """
    for name in _NAMES:
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        raise NvmmError(
            f"{_NAMES[0]} is not there, a part of JetPack; a container needs NVIDIA's runtime"
        )
    for name in ('NvBufSurfaceMapEglImage', 'NvBufSurfaceUnMapEglImage'):
        try:
            function = getattr(library, name)
        except AttributeError:
            raise NvmmError(f'libnvbufsurface has no {name}; L4T 35 and 36 have it') from None
        function.argtypes = [ctypes.POINTER(Surface), ctypes.c_int]
        function.restype = ctypes.c_int
    return library


def surface_at(address: int, nbytes: int, size_wh: tuple[int, int]) -> Surface:
    """The surface of one NV12 picture, whose rows lie one behind another, in mapped memory.

    Parameters
    ----------
    address, nbytes : int
        What a buffer of `memory:NVMM` gives when it is mapped.
    size_wh : tuple of int
        Width and height that its caps say, pixels.

    Raises
    ------
    NvmmError
        When it is something else, as far as can be told.
    """
    if nbytes != ctypes.sizeof(Surface):
        raise NvmmError(
            f'a buffer has {nbytes} bytes; an NvBufSurface of L4T 35 and 36 has '
            f'{ctypes.sizeof(Surface)}'
        )
    surface = Surface.from_address(address)
    if surface.memType != SURFACE_ARRAY:
        raise NvmmError(
            f'memory is of type {surface.memType}; {SURFACE_ARRAY} (surface array) can be mapped'
        )
    if (surface.batchSize, surface.numFilled) != (1, 1) or not surface.surfaceList:
        raise NvmmError(
            f'a buffer has {surface.numFilled} of {counted(surface.batchSize, "picture")}; '
            'expected 1 of 1'
        )
    _require_rows(surface.surfaceList[0], size_wh)
    return surface


def _require_rows(params: SurfaceParams, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    if (params.width, params.height) != size_wh:
        raise NvmmError(
            f'a buffer has {params.width}×{params.height} pixels; the pipeline says '
            f'{width}×{height}'
        )
    if width % 2 or height % 2:
        raise NvmmError(f'pictures have {width}×{height} pixels; NV12 needs both even')
    if params.layout != PITCH:
        raise NvmmError(
            'pictures are block-linear, which kernels do not read; nvvidconv makes others of them '
            'with bl-output=false: is that what is in the pipeline?'
        )
    if params.colorFormat != NV12:
        raise NvmmError(
            f'pixels are of color format {params.colorFormat}; {NV12} is taken (NV12, BT.601, '
            'limited range)'
        )
    planes = params.planeParams
    if planes.num_planes != 2 or planes.pitch[0] != planes.pitch[1] or planes.pitch[0] < width:
        pitches = planes.pitch[0], planes.pitch[1]
        raise NvmmError(
            f'a picture of {width}×{height} has {planes.num_planes} planes with rows of '
            f'{pitches[0]} and {pitches[1]} bytes; expected two with the same, of at least {width}'
        )
