"""What decoders on the GPU have in common: two blocks of memory, each for a frame under way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer
from jetson_perception.cuda.detection_blocks import WORKSPACE_BYTES
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.detection_blocks import Block
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.results import Detections


class BlockDecoder(ABC):
    """Decodes one engine's frames. One thread at a time may call it.

    Two frames may be under way, each in a result block of its own, 0 or 1. For each frame, call
    `prepare`, `enqueue` (or launch a graph captured from it) and `collect`, in this order.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    """

    #: Set by whoever derives from this, with the kernels: a block of each frame under way.
    _blocks: tuple[Block, ...]

    def __init__(self, device: CudaDevice) -> None:
        self.device = device
        #: Shape and type of each output that is read, by its index.
        self._expected: dict[int, tuple[tuple[int, ...], np.dtype]] = {}
        self._resources = Resources()

    def prepare(
        self, transform: ImageTransform, options: DetectionOptions, block: int = 0
    ) -> bool:
        """Set up the next frame of a block; nothing is enqueued.

        Parameters
        ----------
        transform : ImageTransform
            From the preprocessing of this frame.
        options : DetectionOptions
            Thresholds.
        block : int
            0 or 1. Its last frame must have been collected.

        Returns
        -------
        bool
            Whether a graph that was captured from this block's `enqueue` is out of date, because
            `max_detections` has changed or, for a model with masks, the image's size. The kernels
            read everything else from memory.

        Raises
        ------
        CudaError
            When the GPU's memory is full.
        """
        return self._blocks[block].prepare(transform, options)

    def enqueue(self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0) -> None:
        """Enqueue the work that finds detections and copies them to the host; capturable.

        Parameters
        ----------
        outputs : sequence of DeviceBuffer
            All of the engine's outputs.
        stream : Stream
            The launches run on it, behind the engine's own work. Always the same stream, or one in
            order with it. The context must be current.
        block : int
            The block that was prepared.

        Raises
        ------
        CudaError
            When the block was not prepared, an output does not have the expected shape or type, or
            a launch fails.
        """
        mine = self._blocks[block]
        mine.require_prepared(block)
        for index, (shape, dtype) in self._expected.items():
            output = outputs[index]
            if output.shape != shape or output.dtype != dtype:
                raise CudaError(
                    f'output {index} is {output.dtype} {output.shape}; expected {dtype} {shape}'
                )
        mine.upload(stream)
        self.enqueue_kernels(outputs, stream, block)
        mine.download(stream)

    @abstractmethod
    def enqueue_kernels(
        self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0
    ) -> None:
        """`enqueue` without the copies, for measurements."""

    @abstractmethod
    def collect(self, block: int = 0) -> Detections:
        """The detections of a block's frame, once the stream has passed it; new arrays.

        Raises
        ------
        ModelError
            When values are not finite.
        """

    def close(self) -> None:
        """Release what is on the GPU; may be called twice. No work may be under way."""
        self._resources.close()

    def _workspace(self) -> DeviceBuffer:
        """Candidates of a frame, and counters, at zero; every frame leaves them so for the next.

        One is enough, because frames follow each other on the stream.
        """
        workspace = self._buffer((WORKSPACE_BYTES,), np.uint8)
        workspace.clear_and_wait()
        return workspace

    def _buffer(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceBuffer:
        return self._resources.add(DeviceBuffer(self.device, shape, dtype))
