"""An NvBufSurface that kernels read where it lies: mapped by EGL, registered with CUDA."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from jetson_perception.cuda import nvbufsurface
from jetson_perception.cuda.egl_frames import PITCH, EglRegistration
from jetson_perception.cuda.nvbufsurface import NvmmError, surface_at
from jetson_perception.cuda.release import Resources

if TYPE_CHECKING:
    from jetson_perception.cuda.device import CudaDevice
    from jetson_perception.cuda.egl_frames import EglFrame


class MappedSurface:
    """One NV12 picture of a Jetson's video engines, in the GPU's addresses.

    It can be kept while the surface's memory lasts, for all pictures that come in it: CUDA has
    nothing more to do for each. It must be closed before that memory is freed.

    Parameters
    ----------
    device : CudaDevice
    address, nbytes, size_wh
        As of `nvbufsurface.surface_at`.

    Raises
    ------
    NvmmError
        When it is not such a picture, or cannot be mapped.
    CudaError
        When the driver refuses.

    Attributes
    ----------
    address, colors : int
        Of the first row of brightness, and of colors.
    size_wh : tuple of int
        Width and height in pixels.
    step : int
        Bytes from one row to the next.
    """

    def __init__(
        self, device: CudaDevice, address: int, nbytes: int, size_wh: tuple[int, int]
    ) -> None:
        self._device = device
        self._surface = surface_at(address, nbytes, size_wh)
        self._library = nvbufsurface.library()
        self._resources = Resources()
        with device.pushed(), self._resources.closed_on_error():
            self._map()
            image = self._surface.surfaceList[0].mappedAddr.eglImage
            if not image:
                raise NvmmError('NvBufSurfaceMapEglImage gave no image')
            frame = self._resources.add(EglRegistration(image)).frame
            _require_rows(frame, size_wh)
        self.address, self.colors = int(frame.pPitch[0]), int(frame.pPitch[1])
        self.size_wh, self.step = size_wh, int(frame.pitch)

    def close(self) -> None:
        """End it, when no work reads the picture any more; from any thread, and twice.

        Raises
        ------
        CudaError
            When the driver or the library refuses; it is over all the same.
        """
        with self._device.pushed():
            self._resources.close()

    def _map(self) -> None:
        if self._surface.surfaceList[0].mappedAddr.eglImage:
            raise NvmmError('a picture is already mapped by somebody else')
        if self._library.NvBufSurfaceMapEglImage(ctypes.byref(self._surface), 0):
            raise NvmmError(
                'NvBufSurfaceMapEglImage failed: EGL has no display; with a DISPLAY of another '
                'host, as ssh -X sets it, start without: env -u DISPLAY …'
            )
        self._resources.call(self._unmap)

    def _unmap(self) -> None:
        if self._library.NvBufSurfaceUnMapEglImage(ctypes.byref(self._surface), 0):
            raise NvmmError('NvBufSurfaceUnMapEglImage failed')


def _require_rows(frame: EglFrame, size_wh: tuple[int, int]) -> None:
    # The color format is not looked at: NvBufSurface has told it, by fewer names.
    if frame.frameType != PITCH:
        raise NvmmError(
            f'CUDA sees a picture as an array (type {frame.frameType}), as if it were '
            'block-linear; kernels read rows that lie one behind another'
        )
    width, height = size_wh
    planes = frame.pPitch[0], frame.pPitch[1]
    if (
        (frame.width, frame.height, frame.planeCount) != (width, height, 2)
        or frame.pitch < width
        or not all(planes)
    ):
        raise NvmmError(
            f'CUDA sees a picture of {width}×{height} as {frame.width}×{frame.height} in '
            f'{frame.planeCount} planes with rows of {frame.pitch} bytes; expected NV12 in two'
        )
