"""Images of EGL as CUDA sees them: calls of the driver's library, which pycuda lacks."""

from __future__ import annotations

import ctypes
from typing import Any

from jetson_perception.cuda import libcuda
from jetson_perception.cuda.nvbufsurface import NvmmError

PITCH = 1
"""Of CUeglFrameType: planes are addresses, with rows one behind another; 0 is an array."""

_MOST_PLANES = 3
_READ_ONLY = 1  # of CUgraphicsMapResourceFlags
_NEEDED = (
    'cuGraphicsEGLRegisterImage',
    'cuGraphicsResourceGetMappedEglFrame',
    'cuGraphicsUnregisterResource',
)


class EglFrame(ctypes.Structure):
    """CUeglFrame, with addresses in the place of arrays."""

    _fields_ = (
        ('pPitch', ctypes.c_void_p * _MOST_PLANES),
        *(
            (name, ctypes.c_uint)
            for name in ('width', 'height', 'depth', 'pitch', 'planeCount', 'numChannels')
        ),
        *((name, ctypes.c_int) for name in ('frameType', 'eglColorFormat', 'cuFormat')),
    )


def require_functions() -> Any:
    """The driver's library, if it can map images of EGL.

    Raises
    ------
    NvmmError
        When it lacks a function.
    CudaError
        When there is no driver.
    """
    library = libcuda.library()
    for name in _NEEDED:
        if not hasattr(library, name):
            raise NvmmError(f"the CUDA driver has no {name}; a Jetson's has it")
    return library


class EglRegistration:
    """An image of EGL, registered for kernels to read; the context must be current.

    Parameters
    ----------
    image : int
        An EGLImageKHR.

    Raises
    ------
    CudaError
        When the driver refuses.

    Attributes
    ----------
    frame : EglFrame
    """

    def __init__(self, image: int) -> None:
        self._library = require_functions()
        resource = ctypes.c_void_p()
        status = self._library.cuGraphicsEGLRegisterImage(
            ctypes.byref(resource), image, _READ_ONLY
        )
        libcuda.check(status, "registering a camera's picture")
        self._resource = resource.value
        self.frame = EglFrame()
        status = self._library.cuGraphicsResourceGetMappedEglFrame(
            ctypes.byref(self.frame), self._resource, 0, 0
        )
        try:
            libcuda.check(status, "mapping a camera's picture")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it, when no work reads the image any more; may be called twice.

        Raises
        ------
        CudaError
            When the driver refuses.
        """
        resource, self._resource = self._resource, None
        if resource is not None:
            status = self._library.cuGraphicsUnregisterResource(resource)
            libcuda.check(status, "letting go of a camera's picture")
