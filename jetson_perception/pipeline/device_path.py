"""The protocol of what a model gives a CUDA lane to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from jetson_perception.cuda import CudaDevice, DeviceBuffer, Stream
    from jetson_perception.cuda.preprocess import DeviceImage
    from jetson_perception.errors import CudaError
    from jetson_perception.images.regions import Region
    from jetson_perception.pipeline.device_frames import DeviceInput, DeviceSlot, DeviceTensor


class InFlight(Protocol):
    """A frame's work on the GPU, from `DevicePath.begin` to `DevicePath.finish`.

    Attributes
    ----------
    inference_ms, postprocess_ms : float
        Times on the GPU, set by `finish`.
    """

    inference_ms: float
    postprocess_ms: float


class FrameInBatch(InFlight, Protocol):
    """A frame's work in a batch."""

    def finish(self) -> Any:
        """Wait for it; returns the result."""
        ...


class DeviceBatches(Protocol):
    """What runs several frames in one inference, next to a path that runs one.

    Attributes
    ----------
    most : int
        The most frames.
    """

    most: int

    def begin(
        self, tensors: Sequence[DeviceTensor], taker: DeviceInput, options: Sequence[Any]
    ) -> Sequence[FrameInBatch]:
        """Enqueue the work for up to `most` frames; each may be finished by itself, in order."""
        ...

    def begin_regions(
        self, slot: DeviceSlot, regions: Sequence[Region], options: Any
    ) -> Sequence[FrameInBatch]:
        """Enqueue the work for up to `most` parts of a frame, to results in pixels of each."""
        ...


class DevicePath(Protocol):
    """What a CUDA lane runs; the implementations are in `jetson_perception.models.cuda`.

    Up to two frames may be between `begin` and `finish`, which are called in the same order.
    """

    device: CudaDevice

    @property
    def batches(self) -> DeviceBatches | None:
        """What runs several frames in one inference; None where nothing does."""
        ...

    @property
    def input_key(self) -> Hashable:
        """Paths with equal keys take the same input tensor, so it is made once for all."""
        ...

    def new_tensor(self) -> DeviceBuffer:
        """A buffer of the network input's shape and type."""
        ...

    def preprocess(self, image: DeviceImage, target: DeviceBuffer, stream: Stream) -> Any:
        """Enqueue the work that fits an image to the network; returns how it is fitted."""
        ...

    def bind_thread(self) -> None:
        """Make the calling thread the one that calls `begin` and `finish`; warm up the engine."""
        ...

    def begin(self, tensor: DeviceTensor, taker: DeviceInput, options: Any) -> InFlight:
        """Enqueue a frame's work, from the tensor to the result."""
        ...

    def begin_region(self, slot: DeviceSlot, region: Region, options: Any = None) -> InFlight:
        """Enqueue the work for a part of a frame, to the result in pixels of that part."""
        ...

    def finish(self, in_flight: Any) -> Any:
        """Wait for what `begin` returned; returns the result."""
        ...

    def fatal_problem(self) -> CudaError | None:
        """Why nothing can run on this GPU any more; None if it still can."""
        ...
