"""Pictures that a decoder or camera left in the GPU's memory, and memory that they take turns in.

Kernels read such a picture where it lies. The host gets it only when somebody asks for its pixels.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer
from jetson_perception.cuda.device import CudaDevice
from jetson_perception.cuda.host_copies import HostCopies
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jetson_perception.cuda.device import Event


class PictureOwner(Protocol):
    """Whoever's memory a picture lies in."""

    device: CudaDevice

    def copied(self, picture: DevicePicture) -> NDArray[np.uint8]:
        """The picture's pixels, without the padding of rows; a new array."""
        ...


class DevicePicture:
    """A picture in the GPU's memory, NV12 as BT.601 with limited range; nobody writes to it.

    Its memory is used again when nobody refers to it any more. Whoever enqueues work that reads it
    has the stream wait for `ready`, and refers to it until that work is done.

    Attributes
    ----------
    device : CudaDevice
    address : int
        Of the first byte, in device memory.
    colors : int
        Of the first row of colors; 0 where these follow the rows of brightness.
    width, height : int
        Pixels, both even.
    step : int
        Bytes from one row to the next.
    ready : Event
        Behind what writes it.
    encoding : str
        'nv12'.
    """

    encoding = 'nv12'

    def __init__(
        self,
        owner: PictureOwner,
        address: int,
        size_wh: tuple[int, int],
        step: int,
        ready: Event,
        *,
        colors: int = 0,
    ) -> None:
        self._owner = owner
        self.device = owner.device
        self.address, self.colors, self.ready = address, colors, ready
        self.width, self.height = size_wh
        self.step = step
        self._reading = threading.Lock()
        self._on_host: NDArray[np.uint8] | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def on_host(self) -> NDArray[np.uint8]:
        """The picture, shape (h × 3/2, w), uint8; copied for the first who asks, from any thread.

        Raises
        ------
        CudaError
            When the GPU failed.
        """
        with self._reading:
            if self._on_host is None:
                self._on_host = self._owner.copied(self)
            return self._on_host


class PictureMemory:
    """Memory for one picture after another, and the event of the newest.

    Attributes
    ----------
    buffer : DeviceBuffer
    ready : Event
    """

    def __init__(self, device: CudaDevice, nbytes: int) -> None:
        resources = Resources()
        with resources.closed_on_error():
            self.buffer = resources.add(DeviceBuffer(device, (nbytes,), np.uint8))
            self.ready: Event = resources.add(device.new_event())
        self._resources = resources

    def close(self) -> None:
        """Release it once it is written, from any thread; may be called twice."""
        if self.buffer.address:
            with self.ready.device.pushed():
                self.ready.synchronize()
        self._resources.close()


class PicturePool:
    """Memory for a video's pictures; closed at once or, if pictures are about, with the last one.

    Parameters
    ----------
    index : int
        Of the GPU.

    Raises
    ------
    CudaError
        When there is no such GPU.

    Attributes
    ----------
    device : CudaDevice
    """

    def __init__(self, index: int = 0) -> None:
        self._resources = Resources()
        self.device = self._resources.add(CudaDevice.get(index))
        #: For all below but `_returned`, to which a garbage collection may add at any moment.
        self._lock = threading.Lock()
        self._returned: deque[PictureMemory] = deque()
        self._away = 0
        self._closed = False
        self._copies = HostCopies(self.device)

    def take(self, nbytes: int) -> PictureMemory:
        """Memory of at least so many bytes that no picture has; for `picture`, or `give_back`.

        Raises
        ------
        CudaError
            When the GPU's memory is full.
        """
        with self._locked():
            if self._closed:
                raise CudaError('memory for a picture was asked of a pool that is closed')
            while self._returned:
                memory = self._returned.popleft()
                self._away -= 1
                if memory.buffer.nbytes == nbytes:
                    break
                memory.close()
            else:
                memory = PictureMemory(self.device, nbytes)
            self._away += 1
            return memory

    def picture(self, memory: PictureMemory, size_wh: tuple[int, int], step: int) -> DevicePicture:
        """The picture there, whose `ready` was recorded; its memory comes back by itself."""
        made = DevicePicture(self, memory.buffer.address, size_wh, step, memory.ready)
        weakref.finalize(made, self.give_back, memory).atexit = False
        return made

    def give_back(self, memory: PictureMemory) -> None:
        """Let memory be used again that no work on the GPU uses; from any thread."""
        self._returned.append(memory)
        self._release_if_over()

    def copied(self, picture: DevicePicture) -> NDArray[np.uint8]:
        """A picture's pixels, without the padding of rows; a new array."""
        return self._copies.nv12(
            picture.address, picture.colors, picture.size_wh, picture.step, picture.ready
        )

    def close(self) -> None:
        """Release everything once no picture is left; may be called twice."""
        with self._locked():
            self._closed = True
        self._release_if_over()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            yield
        self._release_if_over()

    def _release_if_over(self) -> None:
        """Release everything if that is due; never waits, as the thread may hold the lock."""
        if not self._closed or len(self._returned) != self._away:
            return
        if self._lock.acquire(blocking=False):  # else, who holds it comes here afterwards
            try:
                self._release()
            finally:
                self._lock.release()

    def _release(self) -> None:
        resources, self._resources = self._resources, Resources()
        with self.device.pushed():
            for memory in self._returned:
                resources.add(memory)
            resources.add(self._copies)
            self._away -= len(self._returned)
            self._returned.clear()
            resources.close()
