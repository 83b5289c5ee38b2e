"""Copies of pictures from the GPU's memory to the host's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda.buffers import GrowingBuffer, PinnedBuffer
from jetson_perception.cuda.device import translated
from jetson_perception.cuda.release import Resources

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.cuda.device import CudaDevice, Event, Stream


class HostCopies:
    """Copies pictures to the host, one at a time, for any thread.

    Parameters
    ----------
    device : CudaDevice
        Where they lie; its owner closes it afterwards.
    """

    def __init__(self, device: CudaDevice) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._resources = Resources()
        self._stream: Stream | None = None
        self._staging: GrowingBuffer[PinnedBuffer] = self._resources.add(
            GrowingBuffer(lambda nbytes: PinnedBuffer(device, (nbytes,), np.uint8))
        )

    def nv12(
        self, address: int, colors: int, size_wh: tuple[int, int], step: int, ready: Event
    ) -> NDArray[np.uint8]:
        """The pixels of a picture, without the padding of rows.

        Parameters
        ----------
        address, colors, step, ready
            As of `DevicePicture`.
        size_wh : tuple of int
            Width and height in pixels, both even.

        Returns
        -------
        ndarray, shape (h × 3/2, w), uint8
            A new array.

        Raises
        ------
        CudaError
            When the GPU failed, or there is no memory.
        """
        width, height = size_wh
        rows, light = height * 3 // 2, height * step
        end = width - step  # the last row of each piece comes without its padding
        pieces = [(address, 0, rows * step + end)]
        if colors:
            pieces = [(address, 0, light + end), (colors, light, light // 2 + end)]
        with self._lock, self._device.pushed():
            if self._stream is None:
                self._stream = self._resources.add(self._device.new_stream())
            staging = self._staging.ensure(rows * step)
            self._stream.wait_for_event(ready)
            for source, begin, nbytes in pieces:
                self._copy(source, staging.bytes[begin : begin + nbytes], self._stream)
            self._stream.synchronize()
            return staging.bytes[: rows * step].reshape(rows, step)[:, :width].copy()

    def close(self) -> None:
        """Release what it copied by, with the context current; may be called twice."""
        self._stream = None
        self._resources.close()

    def _copy(self, address: int, target: NDArray[np.uint8], stream: Stream) -> None:
        driver = self._device.driver
        try:
            driver.memcpy_dtoh_async(target, address, stream.raw)
        except driver.Error as err:
            raise translated(err, 'downloading a picture') from err
