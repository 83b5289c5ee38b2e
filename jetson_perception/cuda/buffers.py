"""GPU memory, and page-locked host memory that the GPU copies from and to by itself.

Buffers are made once and used for every frame. Copies are asynchronous, ordered by their stream;
the context has to be current (`CudaDevice.pushed`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from jetson_perception.cuda import libcuda
from jetson_perception.cuda.device import translated
from jetson_perception.errors import CudaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

    from jetson_perception.cuda.device import CudaDevice, Stream


class DeviceBuffer:
    """An array in the GPU's memory, C order; its address is a multiple of 256 bytes.

    Attributes
    ----------
    device : CudaDevice
    address : int
        On the device; 0 after `close`.
    shape : tuple of int
    dtype : numpy dtype
    nbytes : int
    """

    __slots__ = ('_allocation', 'address', 'device', 'dtype', 'nbytes', 'shape')

    def __init__(self, device: CudaDevice, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.device = device
        self.shape, self.dtype, self.nbytes = _layout(shape, dtype)
        cuda = device.driver
        with device.pushed():
            try:
                self._allocation: Any = cuda.mem_alloc(max(self.nbytes, 1))
            except cuda.Error as err:
                raise translated(err, f'allocating {_size(self.nbytes)} on {device.name}') from err
        self.address = int(self._allocation)

    def copy_from_host(
        self, source: PinnedBuffer, stream: Stream, nbytes: int | None = None
    ) -> None:
        """Upload, asynchronously, the first `nbytes` (default: the source's all).

        The source must not be written before the stream has passed this copy.
        """
        nbytes = _checked(source, self, nbytes)
        if not nbytes:
            return
        try:
            self.device.driver.memcpy_htod_async(self.address, source.bytes[:nbytes], stream.raw)
        except self.device.driver.Error as err:
            raise translated(err, 'uploading') from err

    def copy_to_host(
        self, target: PinnedBuffer, stream: Stream, nbytes: int | None = None
    ) -> None:
        """Download, asynchronously, the first `nbytes` (default: the buffer's all)."""
        nbytes = _checked(self, target, nbytes)
        if not nbytes:
            return
        try:
            self.device.driver.memcpy_dtoh_async(target.bytes[:nbytes], self.address, stream.raw)
        except self.device.driver.Error as err:
            raise translated(err, 'downloading') from err

    def copy_from_device(
        self, source: DeviceBuffer, stream: Stream, nbytes: int | None = None
    ) -> None:
        """Copy on the device, asynchronously, the first `nbytes` (default: the source's all)."""
        nbytes = _checked(source, self, nbytes)
        if nbytes:
            self.copy_from_address(source.address, stream, nbytes)

    def copy_from_address(self, address: int, stream: Stream, nbytes: int) -> None:
        """Copy on the device, asynchronously, from an address.

        Parameters
        ----------
        address : int
            On the device; the caller ensures that it has this many bytes.
        stream : Stream
            Where the copy goes.
        nbytes : int
            At least 1.

        Raises
        ------
        CudaError
            When they do not fit into this buffer, or the driver refuses.
        """
        if self._allocation is None:
            raise CudaError('a buffer was used after it was freed')
        if not 0 < nbytes <= self.nbytes:
            raise CudaError(f'{nbytes} bytes to copy, to a buffer of {self.nbytes}')
        # pycuda would release the GIL for this, and have to take it again.
        status = libcuda.quick_library().cuMemcpyDtoDAsync_v2(
            self.address, address, nbytes, stream.handle
        )
        libcuda.check(status, 'copying on the GPU')

    def clear(self, stream: Stream) -> None:
        """Set every byte to 0, asynchronously."""
        try:
            self.device.driver.memset_d8_async(self.address, 0, self.nbytes, stream.raw)
        except self.device.driver.Error as err:
            raise translated(err, 'clearing memory of the GPU') from err

    def clear_and_wait(self) -> None:
        """Set every byte to 0, on a stream of its own; nothing else may use the buffer."""
        with self.device.pushed():
            stream = self.device.new_stream()
            try:
                self.clear(stream)
                stream.synchronize()
            finally:
                stream.close()

    def close(self) -> None:
        """Release the memory, from any thread; twice is harmless. No work may use it any more."""
        if self._allocation is None:
            return
        allocation, self._allocation, self.address = self._allocation, None, 0
        with self.device.pushed():
            allocation.free()


class PinnedBuffer:
    """An array in page-locked memory of the host, which the GPU reads and writes by itself.

    Parameters
    ----------
    device : CudaDevice
    shape : tuple of int
    dtype : numpy dtype
    mapped : bool
        Whether kernels are to use it in place, at `address`. On an integrated GPU that saves the
        copy; on others every access goes over the bus.

    Attributes
    ----------
    array : ndarray
        The memory; neither it nor a view of it may be touched after `close`.
    bytes : ndarray
        The same memory as one row of uint8.
    address : int or None
        Where the device sees it; None unless `mapped`, and after `close`.
    shape, dtype, nbytes
        As of `array`.
    """

    __slots__ = ('_allocation', 'address', 'array', 'bytes', 'device', 'dtype', 'nbytes', 'shape')

    def __init__(
        self,
        device: CudaDevice,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        *,
        mapped: bool = False,
    ) -> None:
        self.device = device
        self.shape, self.dtype, self.nbytes = _layout(shape, dtype)
        cuda = device.driver
        flags = int(cuda.host_alloc_flags.DEVICEMAP) if mapped else 0
        with device.pushed():
            try:
                memory = cuda.pagelocked_empty((max(self.nbytes, 1),), np.uint8, mem_flags=flags)
                self._allocation: Any = memory.base
                self.address = int(memory.base.get_device_pointer()) if mapped else None
            except cuda.Error as err:
                raise translated(err, f'page-locking {_size(self.nbytes)} of host memory') from err
        self.bytes: NDArray[np.uint8] = memory[: self.nbytes]
        self.array: NDArray[Any] = self.bytes.view(self.dtype).reshape(self.shape)

    def close(self) -> None:
        """Release the memory, from any thread; twice is harmless. No copy may be under way."""
        if self._allocation is None:
            return
        allocation, self._allocation, self.address = self._allocation, None, None
        # Later accesses raise IndexError instead of crashing.
        self.bytes = np.empty(0, np.uint8)
        self.array = np.empty(0, self.dtype)
        with self.device.pushed():
            allocation.free()


_B = TypeVar('_B', DeviceBuffer, PinnedBuffer)


class GrowingBuffer(Generic[_B]):
    """A buffer that grows, for data such as images whose size is known only on arrival.

    Parameters
    ----------
    make : callable
        Makes a buffer of this many bytes, as
        ``lambda nbytes: PinnedBuffer(device, (nbytes,), np.uint8)``.
    """

    _STEP = 1 << 16  # sizes that differ by a little share a buffer

    def __init__(self, make: Callable[[int], _B]) -> None:
        self._make: Callable[[int], _B] = make
        self._buffer: _B | None = None

    def ensure(self, nbytes: int) -> _B:
        """A buffer of at least `nbytes`: the present one, or a new one if that is too small.

        No work may still use the old one when it grows.
        """
        if self._buffer is None or self._buffer.nbytes < nbytes:
            self.close()  # first: the two together may not fit
            self._buffer = self._make(-(-max(nbytes, 1) // self._STEP) * self._STEP)
        return self._buffer

    def close(self) -> None:
        """Free it; twice is harmless."""
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            buffer.close()


def _layout(shape: tuple[int, ...], dtype: DTypeLike) -> tuple[tuple[int, ...], np.dtype, int]:
    shape = tuple(int(size) for size in shape)
    if any(size < 0 for size in shape):
        raise CudaError(f'a buffer of shape {shape} was asked for; no size may be negative')
    dtype = np.dtype(dtype)
    return shape, dtype, math.prod(shape) * dtype.itemsize


def _checked(
    source: DeviceBuffer | PinnedBuffer, target: DeviceBuffer | PinnedBuffer, nbytes: int | None
) -> int:
    """How many bytes to copy, checked: pycuda would copy beyond the end of either."""
    if source._allocation is None or target._allocation is None:
        raise CudaError('a buffer was used after it was freed')
    if nbytes is None:
        nbytes = source.nbytes
    if not 0 <= nbytes <= min(source.nbytes, target.nbytes):
        raise CudaError(
            f'{nbytes} bytes to copy, from a buffer of {source.nbytes} to one of {target.nbytes}'
        )
    return nbytes


def _size(nbytes: int) -> str:
    return f'{nbytes / 2**20:.1f} MiB' if nbytes >= 2**20 else f'{nbytes} bytes'
