"""Models on a GPU: what a CUDA lane runs for a model whose engine is a `CudaEngine`.

All work for a frame is enqueued on the engine's stream: the copy of the tensor into the engine's
input, the inference, the kernels that read its outputs, the copy of their results. Two frames may
be in flight, each with a block for its result.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from jetson_perception.cuda import Resources
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.preprocess import CudaPreprocessor
from jetson_perception.errors import CudaError, PerceptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from jetson_perception.cuda import CudaDevice, DeviceBuffer, Event, Stream
    from jetson_perception.cuda.graphs import Graph
    from jetson_perception.cuda.preprocess import DeviceImage
    from jetson_perception.engines.base import CudaEngine
    from jetson_perception.images.regions import Region
    from jetson_perception.pipeline.device_frames import DeviceInput, DeviceSlot, DeviceTensor
    from jetson_perception.tasks.preprocess import ImageTransform, Preprocessor

_log = logging.getLogger(__name__)

Result = TypeVar('Result')
Options = TypeVar('Options')
_ResultOut = TypeVar('_ResultOut', covariant=True)
_OptionsIn = TypeVar('_OptionsIn', contravariant=True)
_Path = TypeVar('_Path')


class Postprocessor(Protocol[_ResultOut, _OptionsIn]):
    """Reads an engine's outputs on the GPU; two frames, in blocks 0 and 1, may be in flight.

    The decoders of `models.cuda_decoders` and `cuda.segmentation.CudaSegmenter` implement it.
    """

    def prepare(self, transform: ImageTransform, options: _OptionsIn, block: int) -> bool:
        """Set up a block for its next frame; True if a graph captured from it is out of date."""
        ...

    def enqueue(self, outputs: Sequence[DeviceBuffer], stream: Stream, block: int) -> None:
        """Enqueue kernels and the copy of the result; can be captured."""
        ...

    def collect(self, block: int) -> _ResultOut:
        """The result, once the stream has completed the block's work."""
        ...

    def close(self) -> None:
        """Release the GPU's resources."""
        ...


class Batches(Protocol):
    """Runs several frames in one inference; `models.cuda_batching.BatchedPath` does.

    Attributes
    ----------
    most : int
        The most frames.
    """

    most: int

    def bind_thread(self) -> bool:
        """Make the calling thread the one that calls `begin`; False if batches cannot run."""
        ...

    def begin(
        self, tensors: Sequence[DeviceTensor], taker: DeviceInput, options: Sequence[Any]
    ) -> Sequence[Any]:
        """Enqueue the work for up to `most` frames."""
        ...

    def begin_regions(
        self, slot: DeviceSlot, regions: Sequence[Region], options: Any
    ) -> Sequence[Any]:
        """Enqueue the work for up to `most` parts of a frame."""
        ...

    def synchronize(self) -> None:
        """Wait for all work."""
        ...

    def close(self) -> None:
        """Release everything; may be called twice."""
        ...


class CudaPath(Generic[Result, Options]):
    """A model's path on the GPU. One thread at a time may call it, with the context current.

    Parameters
    ----------
    engine : CudaEngine
        Not closed with the path; close it later.
    preprocessor : Preprocessor
        The preprocessing that the GPU has to reproduce.
    postprocessor : Postprocessor
        Closed with the path.
    options : object
        For frames that come without options.

    Attributes
    ----------
    device : CudaDevice
        The GPU.
    input_key : hashable
        Paths with equal keys take the same input tensor.
    batches : Batches or None
        What runs several frames in one inference; `models.cuda_batching` sets it. Closed with the
        path.
    """

    #: Whether several frames may share an inference.
    takes_batches: ClassVar[bool] = True

    def __init__(
        self,
        engine: CudaEngine,
        preprocessor: Preprocessor,
        postprocessor: Postprocessor[Result, Options],
        options: Options,
    ) -> None:
        self.device: CudaDevice = engine.device
        fitting = (
            preprocessor.network_wh,
            preprocessor.resize,
            preprocessor.normalization,
            preprocessor.dtype,
            preprocessor.pad_value,
            preprocessor.layout,
        )
        self.input_key: Hashable = fitting
        self._engine = engine
        self._stream = engine.stream
        self._options = options
        self._postprocessor = postprocessor
        self.batches: Batches | None = None
        self._resources = Resources()
        self._resources.call(self._drop_batches)
        with self._resources.closed_on_error():
            self._resources.add(postprocessor)
            self._preprocessor = self._resources.add(CudaPreprocessor(engine.device, *fitting))
            works = (self._resources.add(Work(self.device, block)) for block in range(2))
            self._work, self._next_work = works
        self._captures = True

    def new_tensor(self) -> DeviceBuffer:
        """A buffer of the network input's shape and type."""
        return self._preprocessor.new_tensor()

    def preprocess(
        self, image: DeviceImage, target: DeviceBuffer, stream: Stream
    ) -> ImageTransform:
        """Enqueue the preprocessing of an image; returns how it is fitted to the network."""
        return self._preprocessor.enqueue(image, target, stream)

    def bind_thread(self) -> None:
        """Make the calling thread the one that calls `begin` and `finish`; warm the engine up.

        Raises
        ------
        ModelError, CudaError
            When the engine cannot run.
        """
        self._engine.bind_thread()
        if self.batches is not None and not self.batches.bind_thread():
            self._drop_batches()

    def begin(
        self, tensor: DeviceTensor, taker: DeviceInput, options: Options | None = None
    ) -> Work:
        """Enqueue a frame's work from the tensor to the result.

        At most two frames may be between `begin` and `finish`, and they finish in the order in
        which they began.

        Raises
        ------
        ModelError, CudaError
            When it cannot be enqueued; the previous frame is not affected.
        """

        def take(work: Work, options: Options) -> ImageTransform:
            self._take(work, tensor, taker, options)
            transform: ImageTransform = tensor.transform
            return transform

        return self._begin(take, options)

    def begin_region(
        self, slot: DeviceSlot, region: Region, options: Options | None = None
    ) -> Work:
        """Enqueue the work for a part of a frame, which is fitted straight to the engine's input.

        As `begin`; the result is in pixels of the region. The slot may be used again once this has
        finished.
        """
        return self._begin(lambda work, options: self._fit(slot, region), options)

    def _fit(self, slot: DeviceSlot, region: Region) -> ImageTransform:
        """Enqueue what fits a part of a frame to the engine's input."""
        image = replace(slot.image_for(self._stream), region=region)
        return self._preprocessor.enqueue(image, self._engine.input_buffer, self._stream)

    def _begin(
        self, take: Callable[[Work, Options], ImageTransform], options: Options | None
    ) -> Work:
        """Enqueue what fills the engine's input, the inference, and what reads its outputs."""
        work, stream = self._next_work, self._stream
        if options is None:
            options = self._options
        try:
            transform = take(work, options)
            work.begun.record(stream)
            self._run(work, transform, options)
            work.done.record(stream)
        except BaseException:
            # The next frame gets the same block, so whatever uses it must be finished.
            self.fatal_problem()
            raise
        self.advance()
        return work

    def fill(
        self, tensor: DeviceTensor, taker: DeviceInput, options: Options | None = None
    ) -> Filled:
        """Enqueue what fills the engine's input, where the engine is a place of a batch.

        Then come the inference, `read` and, if all of this succeeded, `advance`.
        """
        work = self._next_work
        options = self._options if options is None else options
        self._take(work, tensor, taker, options)
        return Filled(work, tensor.transform, options)

    def fill_region(
        self, slot: DeviceSlot, region: Region, options: Options | None = None
    ) -> Filled:
        """As `fill`, with a part of a frame; see `begin_region`."""
        options = self._options if options is None else options
        return Filled(self._next_work, self._fit(slot, region), options)

    def read(self, filled: Filled) -> None:
        """Enqueue what reads the engine's outputs."""
        self._enqueue_postprocess(*filled)
        filled.work.done.record(self._stream)

    def advance(self) -> None:
        """Let the next frame have the other block, as this one is under way now."""
        self._next_work, self._work = self._work, self._next_work

    def collect(self, work: Work) -> Result:
        """Wait for a frame's work and return the result; `finish` without the times."""
        work.done.synchronize()
        return self._collect(work)

    def finish(self, work: Work) -> Result:
        """Wait for a frame's work and return the result.

        Raises
        ------
        CudaError
            When the GPU failed.
        """
        result = self.collect(work)
        work.inference_ms = work.inferred.elapsed_ms(work.begun)
        work.postprocess_ms = work.done.elapsed_ms(work.inferred)
        return result

    def fatal_problem(self) -> CudaError | None:
        """Wait for all work; returns the error that disables this GPU for good, or None."""
        try:
            self._stream.synchronize()
            if self.batches is not None:
                self.batches.synchronize()
        except CudaError as error:
            if error.fatal:
                return error
        return None

    def close(self) -> None:
        """Release everything but the engine; may be called twice. No frame may be in flight."""
        self._resources.close()

    def _drop_batches(self) -> None:
        batches, self.batches = self.batches, None
        if batches is not None:
            batches.close()

    def _take(
        self, work: Work, tensor: DeviceTensor, taker: DeviceInput, options: Options
    ) -> None:
        """Enqueue everything that reads the frame's slot; after that, the slot is used again."""
        tensor.take(taker, self._engine.input_buffer, self._stream)

    def _run(self, work: Work, transform: Any, options: Options) -> None:
        """Enqueue inference and post-processing, with an event between them."""
        self._engine.enqueue()
        work.inferred.record(self._stream)
        self._enqueue_postprocess(work, transform, options)

    def _collect(self, work: Work) -> Result:
        """The result of a frame, once the stream has completed its work."""
        return self._postprocessor.collect(work.block)

    def _enqueue_postprocess(
        self, work: Work, transform: ImageTransform, options: Options
    ) -> None:
        if transform is not work.transform or options is not work.options:
            work.transform = None  # in case the following fails
            if self._postprocessor.prepare(transform, options, work.block):
                work.forget_graph()
            work.transform, work.options = transform, options
        if work.graph is None and work.ran and self._captures:
            self._capture(work)
        if work.graph is not None:
            work.graph.launch(self._stream)
            return
        self._postprocessor.enqueue(self._engine.output_buffers, self._stream, work.block)
        work.ran = True

    def _capture(self, work: Work) -> None:
        """Combine the launches of post-processing into one; they must have run once before."""
        enqueue = partial(
            self._postprocessor.enqueue, self._engine.output_buffers, self._stream, work.block
        )
        try:
            work.graph = capture(self._stream, enqueue)
        except CudaError as error:
            if error.fatal:
                raise
            self._captures = False
            _log.warning(
                '%s: post-processing runs without a CUDA graph: %s', self._engine.info.path, error
            )


class Filled(NamedTuple):
    """A frame whose engine has its input, or will have it.

    Attributes
    ----------
    work : Work
    transform : ImageTransform
        How it was fitted.
    options : object
        How its outputs are read.
    """

    work: Work
    transform: Any
    options: Any


class Work:
    """One of two frames in flight: its events, and the graph that works on its block.

    Attributes
    ----------
    inference_ms, postprocess_ms : float
        Times on the GPU, after `CudaPath.finish`.
    """

    def __init__(self, device: CudaDevice, block: int) -> None:
        self._resources = Resources()
        with self._resources.closed_on_error():
            self.begun: Event = self._resources.add(device.new_event(timing=True))
            self.inferred: Event = self._resources.add(device.new_event(timing=True))
            self.done: Event = self._resources.add(device.new_event(timing=True))
        self.block = block
        self.inference_ms = 0.0
        self.postprocess_ms = 0.0
        self.transform: ImageTransform | None = None
        self.options: Any = None
        self.graph: Graph | None = None
        #: Whether post-processing has run since this block was last prepared.
        self.ran = False

    def forget_graph(self) -> None:
        """Drop the captured graph, which is out of date."""
        graph, self.graph, self.ran = self.graph, None, False
        if graph is not None:
            graph.close()

    def close(self) -> None:
        """Release graph and events."""
        try:
            self.forget_graph()
        finally:
            self._resources.close()


def on_gpu(make: Callable[[], _Path]) -> _Path | None:
    """A model's path on the GPU; None if its kernels cannot be compiled.

    In that case a warning is logged, and pre- and post-processing stay on the CPU.

    Raises
    ------
    CudaError
        When the GPU failed for good.
    """
    try:
        return make()
    except PerceptionError as error:
        if error.fatal:
            raise
        _tell_once(f'pre- and post-processing stay on the CPU: {error}')
        return None


@cache
def _tell_once(text: str) -> None:
    """Log a warning once, even if several models cause it."""
    _log.warning('%s', text)
