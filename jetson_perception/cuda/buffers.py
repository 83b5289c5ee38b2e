"""GPU memory, and page-locked host memory, to and from which the GPU copies by itself.

Buffers are allocated once and used for every frame. Copies are asynchronous, in the order of their
stream; the context must be current (`CudaDevice.pushed`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from jetson_perception.cuda import libcuda
from jetson_perception.cuda.device import translated
from jetson_perception.errors import CudaError
from jetson_perception.printable import counted

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
        Its address on the device; 0 after `close`.
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
        """Upload the first `nbytes` (default: all of the source), asynchronously.

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
        """Download the first `nbytes` (default: all of the buffer), asynchronously."""
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
        """Copy the first `nbytes` (default: all of the source) on the device, asynchronously."""
        nbytes = _checked(source, self, nbytes)
        if nbytes:
            self.copy_from_address(source.address, stream, nbytes)

    def copy_from_address(
        self, address: int, stream: Stream, nbytes: int, offset: int = 0
    ) -> None:
        """Copy from an address on the device, asynchronously.

        Parameters
        ----------
        address : int
            On the device; the caller ensures that this many bytes follow.
        stream : Stream
            The copy runs on it.
        nbytes : int
            At least 1.
        offset : int
            Bytes of this buffer before the place where they go.

        Raises
        ------
        CudaError
            When they do not fit into this buffer, or the driver refuses.
        """
        if self._allocation is None:
            raise CudaError('a buffer was used after it was freed')
        if offset < 0 or not 0 < nbytes <= self.nbytes - offset:
            at = f'byte {offset} of ' if offset else ''
            raise CudaError(f'cannot copy {nbytes} bytes to {at}a buffer of {self.nbytes}')
        # pycuda would release the GIL for this, and would have to take it again.
        status = libcuda.quick_library().cuMemcpyDtoDAsync_v2(
            self.address + offset, address, nbytes, stream.handle
        )
        libcuda.check(status, 'copying on the GPU')

    def clear(self, stream: Stream) -> None:
        """Set every byte to 0, asynchronously."""
        try:
            self.device.driver.memset_d8_async(self.address, 0, self.nbytes, stream.raw)
        except self.device.driver.Error as err:
            raise translated(err, 'clearing GPU memory') from err

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
        """Release the memory, from any thread; may be called twice. No work may still use it."""
        if self._allocation is None:
            return
        allocation, self._allocation, self.address = self._allocation, None, 0
        with self.device.pushed():
            allocation.free()


class BufferPart(DeviceBuffer):
    """Some items, along the first axis, of another buffer, in whose memory they are.

    Parameters
    ----------
    whole : DeviceBuffer
        Its memory must outlive the part's use; closing the part frees nothing.
    first, count : int
        Which items.

    Raises
    ------
    CudaError
        When there are no such items.
    """

    __slots__ = ()

    def __init__(self, whole: DeviceBuffer, first: int, count: int) -> None:
        there = whole.shape[0] if whole.shape else 0
        if first < 0 or count < 1 or first + count > there:
            raise CudaError(
                f'a part of {counted(count, "item")} from item {first} on was requested of a '
                f'buffer of {there}'
            )
        self.device, self.dtype = whole.device, whole.dtype
        self.shape = (count, *whole.shape[1:])
        item_nbytes = whole.nbytes // there
        self.nbytes = count * item_nbytes
        self.address = whole.address + first * item_nbytes
        self._allocation = whole._allocation

    def close(self) -> None:
        """Let go of the memory, which belongs to the whole; may be called twice."""
        self._allocation, self.address = None, 0


class PinnedBuffer:
    """An array in page-locked host memory, which the GPU reads and writes by itself.

    Parameters
    ----------
    device : CudaDevice
    shape : tuple of int
    dtype : numpy dtype
    mapped : bool
        Whether kernels may use it in place, at `address`. On an integrated GPU that saves the
        copy; on others, every access goes over the bus.

    Attributes
    ----------
    array : ndarray
        The memory; neither it nor a view of it may be touched after `close`.
    bytes : ndarray
        The same memory as one row of uint8.
    address : int or None
        Its address on the device; None unless `mapped`, and after `close`.
    shape, dtype, nbytes
        Those of `array`.
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
        """Release the memory, from any thread; may be called twice. No copy may be under way."""
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
        Makes a buffer of a given number of bytes, such as
        ``lambda nbytes: PinnedBuffer(device, (nbytes,), np.uint8)``.
    """

    _STEP = 1 << 16  # sizes that differ only a little share a buffer

    def __init__(self, make: Callable[[int], _B]) -> None:
        self._make: Callable[[int], _B] = make
        self._buffer: _B | None = None

    def ensure(self, nbytes: int) -> _B:
        """A buffer of at least `nbytes`: the present one, or a new one if that is too small.

        When it grows, no work may still use the old buffer.
        """
        if self._buffer is None or self._buffer.nbytes < nbytes:
            self.close()  # first, because both may not fit at once
            self._buffer = self._make(-(-max(nbytes, 1) // self._STEP) * self._STEP)
        return self._buffer

    def close(self) -> None:
        """Free the buffer; may be called twice."""
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            buffer.close()


def _layout(shape: tuple[int, ...], dtype: DTypeLike) -> tuple[tuple[int, ...], np.dtype, int]:
    shape = tuple(int(size) for size in shape)
    if any(size < 0 for size in shape):
        raise CudaError(f'a buffer of shape {shape} was requested; no size may be negative')
    dtype = np.dtype(dtype)
    return shape, dtype, math.prod(shape) * dtype.itemsize


def _checked(
    source: DeviceBuffer | PinnedBuffer, target: DeviceBuffer | PinnedBuffer, nbytes: int | None
) -> int:
    """How many bytes to copy, checked, because pycuda would copy beyond the end of a buffer."""
    if source._allocation is None or target._allocation is None:
        raise CudaError('a buffer was used after it was freed')
    if nbytes is None:
        nbytes = source.nbytes
    if not 0 <= nbytes <= min(source.nbytes, target.nbytes):
        raise CudaError(
            f'cannot copy {nbytes} bytes from a buffer of {source.nbytes} to one of '
            f'{target.nbytes}'
        )
    return nbytes


def _size(nbytes: int) -> str:
    return f'{nbytes / 2**20:.1f} MiB' if nbytes >= 2**20 else f'{nbytes} bytes'
