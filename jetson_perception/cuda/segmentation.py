"""Class masks from score tensors, on the GPU: the twin of `tasks.segmentation.segment`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.results import Segmentation
    from jetson_perception.tasks.segmentation import SegmentationLayout, SegmentationOptions


class CudaSegmenter:
    """Class masks of one engine's frames. One thread at a time may call it.

    Two frames may be under way, each in a result block of its own, 0 or 1. Of each frame, in this
    order: `prepare`, `enqueue` (or a graph that was captured from it), `collect`.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : SegmentationLayout
        What the engine's output holds.
    output_shape : tuple of int
        Of that output, as a run gave it.
    output_dtype : dtype
        float16 or float32; integers of any size where it holds class ids.
    """

    def __init__(
        self,
        device: CudaDevice,
        layout: SegmentationLayout,
        output_shape: tuple[int, ...],
        output_dtype: DTypeLike,
    ) -> None:
        raise NotImplementedError

    def prepare(
        self, transform: ImageTransform, options: SegmentationOptions, block: int = 0
    ) -> bool:
        """Set up the next frame of this block; nothing is enqueued.

        Returns whether a graph that was captured from `enqueue` of this block is out of date: the
        source's size or the options have changed since, or there was no frame before. The
        arguments of launches and the size of the mask are in the graph.

        Buffers grow here when a mask is larger than all before; the block's last frame must have
        been collected.
        """
        raise NotImplementedError

    def enqueue(self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0) -> None:
        """Let the GPU make the mask and the counts, and copy them to the host; can be captured.

        The context has to be current.
        """
        raise NotImplementedError

    def collect(self, block: int = 0) -> Segmentation:
        """The result of the block's frame, in arrays of its own, once the stream is past it."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what is on the GPU; twice is harmless. No work may be under way."""
        raise NotImplementedError
