"""Memory of an image that is made of a frame on the GPU and copied to the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, GrowingBuffer, PinnedBuffer
from jetson_perception.cuda.release import Resources

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.cuda.device import CudaDevice, Stream


class FrameImage:
    """An image on the GPU and on the host, uint8, in memory that the next frame's image reuses.

    For each frame, call `forget`, and if it is to have one, `ensure`, `download` and `copy`.

    Parameters
    ----------
    device : CudaDevice
        The GPU. Memory is allocated for the first image.
    """

    def __init__(self, device: CudaDevice) -> None:
        self._made = False
        self._shape: tuple[int, ...] = (0,)
        self._resources = Resources()
        self._on_device = self._resources.add(growing_bytes(device))
        self._on_host = self._resources.add(
            GrowingBuffer(lambda nbytes: PinnedBuffer(device, (nbytes,), np.uint8))
        )

    def forget(self) -> None:
        """Have no image, until the next `download`."""
        self._made = False

    def ensure(self, shape: tuple[int, ...]) -> None:
        """Make room for an image of this shape."""
        self._shape = shape
        self._on_device.ensure(self._nbytes)
        self._on_host.ensure(self._nbytes)

    @property
    def on_device(self) -> DeviceBuffer:
        """Where kernels write it."""
        return self._on_device.ensure(self._nbytes)

    def download(self, stream: Stream) -> None:
        """Enqueue the copy to the host, behind what makes it."""
        self.on_device.copy_to_host(self._on_host.ensure(self._nbytes), stream, self._nbytes)
        self._made = True

    def copy(self) -> NDArray[np.uint8] | None:
        """The image, a new array, once the stream has passed it; None if there is none."""
        if not self._made:
            return None
        data = self._on_host.ensure(self._nbytes).array
        image: NDArray[np.uint8] = data[: self._nbytes].reshape(self._shape).copy()
        return image

    def close(self) -> None:
        """Release its memory; may be called twice."""
        self.forget()
        self._resources.close()

    @property
    def _nbytes(self) -> int:
        return int(np.prod(self._shape))


def growing_bytes(device: CudaDevice) -> GrowingBuffer[DeviceBuffer]:
    """Bytes on the GPU that grow as needed."""
    return GrowingBuffer(lambda nbytes: DeviceBuffer(device, (nbytes,), np.uint8))
