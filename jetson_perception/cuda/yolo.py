"""Detections out of YOLO outputs on the GPU: the twin of `tasks.yolo.decode`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.results import Detections
    from jetson_perception.tasks.yolo import DetectionOptions, YoloLayout


class CudaDecoder:
    """Detections of one engine's frames. One thread at a time may call it.

    Two frames may be under way, each in a result block of its own, 0 or 1. Of each frame, in this
    order: `prepare`, `enqueue` (or a graph that was captured from it), `collect`.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    layout : YoloLayout
        What the engine's outputs hold.
    output_shapes : sequence of tuple of int
        Of all outputs, as a run gave them.
    output_dtypes : sequence of dtype
        Of all outputs; those that the layout names are float32 or float16.

    Raises
    ------
    ModelError
        When an output does not have the layout's shape, or another type.
    CudaError
        When the kernels cannot be compiled or loaded.
    """

    def __init__(
        self,
        device: CudaDevice,
        layout: YoloLayout,
        output_shapes: Sequence[tuple[int, ...]],
        output_dtypes: Sequence[DTypeLike],
    ) -> None:
        raise NotImplementedError

    def prepare(
        self, transform: ImageTransform, options: DetectionOptions, block: int = 0
    ) -> bool:
        """Set up the next frame of this block; nothing is enqueued.

        Returns whether a graph that was captured from `enqueue` of this block is out of date:
        there was no frame before, `max_detections` has changed or, for a model with masks, the
        source's size. All else is read from memory by the kernels.

        Buffers may grow here; the block's last frame must have been collected.
        """
        raise NotImplementedError

    def enqueue(self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int = 0) -> None:
        """Let the GPU find the detections and copy them to the host; can be captured.

        `outputs` are all of the engine's. The context has to be current.
        """
        raise NotImplementedError

    def collect(self, block: int = 0) -> Detections:
        """The detections of the block's frame, once the stream is past it.

        Arrays of its own; as `tasks.yolo.decode` would return them.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release what is on the GPU; twice is harmless. No work may be under way."""
        raise NotImplementedError
