"""Memory that an engine's layers use while they run, shared by engines that take turns."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.cuda import CudaDevice, Event, Stream


class SharedScratch:
    """Scratch memory for TensorRT engines of one GPU that need not run at the same time.

    Several engines then need the memory of the largest alone. Each waits, on the GPU, for the one
    before it, so that they never overlap whatever their callers do.

    Open the engine that needs the most first: a block never grows or moves, since captured graphs
    hold its address, so a larger one is made beside it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._device: CudaDevice | None = None
        self._blocks: list[DeviceBuffer] = []
        self._users = 0
        self._done: Event | None = None
        self._stream: Stream | None = None

    def join(self, device: CudaDevice, nbytes: int) -> DeviceBuffer:
        """A block of at least so many bytes, to be given back with `leave`.

        Raises
        ------
        ModelError
            When another engine uses it on another GPU.
        CudaError
            When there is not so much memory.
        """
        with self._lock:
            if self._device not in (None, device):
                raise ModelError(
                    f'scratch memory of GPU {self._device.index} cannot be shared with an engine '
                    f'on GPU {device.index}; use one for each GPU'
                )
            block = next((each for each in self._blocks if each.nbytes >= nbytes), None)
            if block is None:
                block = DeviceBuffer(device, (nbytes,), np.uint8)
                self._blocks.append(block)
            if self._done is None:
                self._done = device.new_event()
            self._device = device
            self._users += 1
            return block

    def leave(self) -> None:
        """Give the block back; its last user, whose work is done, frees all."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            for block in self._blocks:
                block.close()
            self._blocks.clear()
            if self._done is not None:
                self._done.close()
            self._done = self._stream = self._device = None

    @contextmanager
    def turn(self, stream: Stream) -> Iterator[None]:
        """Enqueue within the block what uses the memory; it waits for who had it before."""
        with self._lock:
            assert self._done is not None
            if self._stream not in (None, stream):
                stream.wait_for_event(self._done)
            yield
            self._done.record(stream)
            self._stream = stream
