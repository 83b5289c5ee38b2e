"""Structures of a Jetson's headers; what is done with them is in test/camera/test_nvmm.py."""

import ctypes

import pytest

from jetson_perception.cuda.egl_frames import EglFrame
from jetson_perception.cuda.nvbufsurface import MappedAddr, PlaneParams, Surface, SurfaceParams


@pytest.mark.parametrize(
    ('structure', 'nbytes', 'offsets'),
    [
        pytest.param(
            Surface, 64, {'numFilled': 8, 'memType': 16, 'surfaceList': 24}, id='surface'
        ),
        pytest.param(
            SurfaceParams,
            384,
            {'layout': 16, 'bufferDesc': 24, 'dataPtr': 40, 'planeParams': 48, 'mappedAddr': 280},
            id='params',
        ),
        pytest.param(PlaneParams, 232, {'width': 4, 'pitch': 36, 'psize': 68}, id='planes'),
        pytest.param(MappedAddr, 72, {'addr': 0, 'eglImage': 32}, id='addresses'),
        pytest.param(EglFrame, 64, {'width': 24, 'pitch': 36, 'frameType': 48}, id='frame'),
    ],
)
def test_as_a_compiler_lays_them_out(structure, nbytes, offsets):
    """That of a 64-bit machine, from nvbufsurface.h and cudaEGL.h."""
    assert ctypes.sizeof(structure) == nbytes
    assert {name: getattr(structure, name).offset for name in offsets} == offsets
