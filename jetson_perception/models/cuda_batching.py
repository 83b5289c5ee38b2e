"""Several frames, or parts of one, in one inference on a GPU: each has a place of the engine.

::

    place 0   copy ─┐             ┌─ decode ─┐
    place 1   copy ─┼─ inference ─┼─ decode ─┼─ next inference …
    place 2   copy ─┘             └─ decode ─┘

To what fills and reads it, a place is an engine for one image. So each place has a path of the
model's own kind, with decoder, thresholds and pictures of its own, on a stream of its own: places
are copied and decoded side by side.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from jetson_perception.cuda import BufferPart, Resources
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.models.batching import why_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.cuda import CudaDevice, DeviceBuffer, Event, Stream
    from jetson_perception.engines.base import CudaEngine
    from jetson_perception.images.regions import Region
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.models.base import Model
    from jetson_perception.models.cuda import CudaPath, Filled, Work
    from jetson_perception.pipeline.device_frames import DeviceInput, DeviceSlot, DeviceTensor

_log = logging.getLogger(__name__)


class WideEngine(Protocol):
    """Runs a model for several images at a time; `engines.onnxruntime.wide` has one.

    Attributes
    ----------
    info : ModelInfo
    device : CudaDevice
    stream : Stream
        Inferences run on it.
    most : int
        The most images.
    input_buffer : DeviceBuffer
        `most` images along the first axis.
    output_buffers : tuple of DeviceBuffer
        Likewise.
    """

    info: ModelInfo
    device: CudaDevice
    stream: Stream
    most: int
    input_buffer: DeviceBuffer
    output_buffers: tuple[DeviceBuffer, ...]

    def bind_thread(self) -> None:
        """Make the calling thread the one that enqueues; warms up, and captures graphs."""
        ...

    def enqueue(self, count: int) -> None:
        """Enqueue the inference of the first `count` places."""
        ...

    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        """Outputs for several images, from host to host."""
        ...

    def close(self) -> None:
        """Release all of it; may be called twice."""
        ...


def open_batches(model: Model[Any, Any], most: int, what: str = 'cameras') -> None:
    """Let a model on a GPU run up to so many frames together, if it can; sets its `batch`.

    As `most_together`, it compares a batch with the images one by one. Where they have to take
    turns, the log says why; `what` says where the images come from.

    Raises
    ------
    CudaError
        When the GPU failed for good.
    """
    path, open_wide = model.device_path, getattr(model.engine, 'open_wide', None)
    if most < 2 or path is None or not path.takes_batches or open_wide is None:
        return
    name, wide = model.info.path, None
    try:
        wide = open_wide(most)
        problem = why_apart(model, most, wide.infer)
        if not problem:
            path.batches = BatchedPath(wide, model.cuda_path)
    except (ModelError, CudaError) as error:
        if error.fatal:
            raise
        problem = str(error)
    if problem:
        if wide is not None:
            wide.close()
        _log.info('%s: %s take turns, as a batch does not work: %s', name, what, problem)
        return
    model.batch = most
    _log.info('%s: up to %d images of different %s run together', name, most, what)


class BatchedPath:
    """A model's path on the GPU for several frames at a time, next to its path for one.

    The thread that calls that path calls this one. Together they may have two inferences under
    way, which finish in the order in which they began.

    Parameters
    ----------
    engine : WideEngine
        Closed with the path.
    make_path : callable
        Makes the model's path for an engine; here, for each place.

    Attributes
    ----------
    engine
        As given.
    most : int
        The most frames in one inference.

    Raises
    ------
    ModelError, CudaError
        When there is no path, or no memory for it.
    """

    def __init__(
        self,
        engine: WideEngine,
        make_path: Callable[[CudaEngine], CudaPath[Any, Any] | None],
    ) -> None:
        self.most = engine.most
        self.engine = engine
        #: When the engine has read its input for the last time.
        self._read: Event | None = None
        self._places: list[_Place] = []
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._resources.add(engine)
            for index in range(engine.most):
                self._places.append(self._resources.add(_Place(engine, index, make_path)))

    def bind_thread(self) -> bool:
        """Make the calling thread the one that calls `begin`; warms up, and captures graphs.

        Returns
        -------
        bool
            False if batches cannot run, which is logged.

        Raises
        ------
        CudaError
            When the GPU failed for good.
        """
        try:
            self.engine.bind_thread()
        except (ModelError, CudaError) as error:
            if error.fatal:
                raise
            _log.warning('%s: images run one by one: %s', self.engine.info.path, error)
            return False
        return True

    def begin(
        self, tensors: Sequence[DeviceTensor], taker: DeviceInput, options: Sequence[Any]
    ) -> list[InPlace]:
        """Enqueue the work for up to `most` frames, from their tensors to their results.

        Parameters
        ----------
        tensors : sequence of DeviceTensor
            The frames' inputs.
        taker : DeviceInput
            The lane.
        options : sequence
            How the outputs of each frame are read.

        Returns
        -------
        list of InPlace
            Each frame's work, in their order.

        Raises
        ------
        ModelError, CudaError
            When it cannot be enqueued; frames that began before are not affected.
        """

        def fill_with(tensor: DeviceTensor, each: Any) -> Callable[[CudaPath[Any, Any]], Filled]:
            return lambda path: path.fill(tensor, taker, each)

        return self._begin(list(map(fill_with, tensors, options)))

    def begin_regions(
        self, slot: DeviceSlot, regions: Sequence[Region], options: Any
    ) -> list[InPlace]:
        """Enqueue the work for up to `most` parts of a frame, to results in pixels of each part.

        Each part is fitted straight to its place. The slot may be used again once all of them have
        finished. See `begin`.

        Raises
        ------
        ModelError, CudaError
            When it cannot be enqueued; what began before is not affected.
        """

        def fill_with(region: Region) -> Callable[[CudaPath[Any, Any]], Filled]:
            return lambda path: path.fill_region(slot, region, options)

        return self._begin(list(map(fill_with, regions)))

    def _begin(self, fills: Sequence[Callable[[CudaPath[Any, Any]], Filled]]) -> list[InPlace]:
        """Fill a place each, infer, and read the places."""
        main, places = self.engine.stream, self._places[: len(fills)]
        try:
            filled = []
            for place, fill in zip(places, fills, strict=True):
                filled.append(place.fill(fill, self._read))
                main.wait_for_event(place.filled)
            first = filled[0].work
            first.begun.record(main)
            self.engine.enqueue(len(filled))
            first.inferred.record(main)
            self._read = first.inferred
            for place, each in zip(places, filled, strict=True):
                place.stream.wait_for_event(first.inferred)
                place.path.read(each)
                main.wait_for_event(each.work.done)
        except BaseException:
            # The next frames get the same blocks, so whatever uses them must be finished.
            self.synchronize()
            raise
        for place in places:
            place.path.advance()
        return [
            InPlace(place.path, each.work, first)
            for place, each in zip(places, filled, strict=True)
        ]

    def synchronize(self) -> None:
        """Wait for all work.

        Raises
        ------
        CudaError
            When the GPU failed.
        """
        self.engine.stream.synchronize()
        for place in self._places:
            place.stream.synchronize()

    def close(self) -> None:
        """Release everything, the engine too; may be called twice. No frame may be in flight."""
        self._resources.close()


class InPlace:
    """A frame's work in its place of a batch.

    Attributes
    ----------
    inference_ms, postprocess_ms : float
        Times on the GPU, after `finish`; the inference is that of the whole batch.
    """

    def __init__(self, path: CudaPath[Any, Any], work: Work, first: Work) -> None:
        self._path, self._work, self._first = path, work, first
        self.inference_ms = self.postprocess_ms = 0.0

    def finish(self) -> Any:
        """Wait for the frame's work and return the result; see `CudaPath.finish`."""
        result = self._path.collect(self._work)
        self.inference_ms = self._first.inferred.elapsed_ms(self._first.begun)
        self.postprocess_ms = self._work.done.elapsed_ms(self._first.inferred)
        return result


class _Place:
    """One place of a batch: the model's path to and from it, on a stream of its own."""

    def __init__(
        self,
        engine: WideEngine,
        index: int,
        make_path: Callable[[CudaEngine], CudaPath[Any, Any] | None],
    ) -> None:
        self._resources = Resources()
        with self._resources.closed_on_error():
            self.stream: Stream = self._resources.add(engine.device.new_stream())
            #: When the place's input is there.
            self.filled: Event = self._resources.add(engine.device.new_event())
            place: Any = _PlaceEngine(engine, index, self.stream)
            path = make_path(place)
            if path is None:
                raise ModelError('its outputs are decoded on the host')
            self.path = self._resources.add(path)

    def fill(self, fill: Callable[[CudaPath[Any, Any]], Filled], read: Event | None) -> Filled:
        """Enqueue what fills the input, once the engine has `read` what is there."""
        if read is not None:
            self.stream.wait_for_event(read)
        filled = fill(self.path)
        self.filled.record(self.stream)
        return filled

    def close(self) -> None:
        self._resources.close()


class _PlaceEngine:
    """A `CudaEngine` for one image, as far as what fills and reads a place asks for one."""

    def __init__(self, engine: WideEngine, index: int, stream: Stream) -> None:
        self.device: CudaDevice = engine.device
        self.info: ModelInfo = engine.info
        self.stream = stream
        self.input_buffer: DeviceBuffer = BufferPart(engine.input_buffer, index, 1)
        self.output_buffers: tuple[DeviceBuffer, ...] = tuple(
            BufferPart(each, index, 1) for each in engine.output_buffers
        )
