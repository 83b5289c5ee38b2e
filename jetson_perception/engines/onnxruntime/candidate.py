"""One way to run a model on CUDA: a session, its resources, and the CUDA graph of a run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.cuda.graphs import Graph, capture
from jetson_perception.cuda.release import Resources
from jetson_perception.engines.onnxruntime.cpu import tensor_spec
from jetson_perception.engines.onnxruntime.session import CudaSession

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import Stream
    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.engines.onnxruntime.head import CutModel
    from jetson_perception.engines.onnxruntime.source import ModelSource
    from jetson_perception.engines.onnxruntime.variant import Variant

# How many launches are timed, and how often.
_TIMED_LAUNCHES, _TIMED_ROUNDS = 10, 3


class Tensors(NamedTuple):
    """The tensors that every candidate of an engine reads and writes."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    input_buffer: DeviceBuffer
    output_buffers: tuple[DeviceBuffer, ...]


class Candidate:
    """A session for a variant and a mode. The CUDA context must be current for every call.

    Parameters
    ----------
    source : ModelSource
    stream : Stream
        All work runs on it; it must outlive the candidate.
    variant : Variant
    mode : str
        One of `choices.MODES`.
    cut : CutModel, optional
        The model to run in place of the source; closed with the candidate.
    tf32 : bool
        Whether FP32 convolutions may round to 10 bits of mantissa.
    dimensions : mapping
        Sizes of open dimensions, by name.

    Attributes
    ----------
    session : CudaSession
    variant, mode
        As given.
    head : Head or None
        What our kernel computes.

    Raises
    ------
    ModelError, CudaError
        When the runtime refuses it.
    """

    def __init__(
        self,
        source: ModelSource,
        stream: Stream,
        variant: Variant,
        mode: str,
        *,
        cut: CutModel | None = None,
        tf32: bool = False,
        dimensions: Mapping[str, int] | None = None,
    ) -> None:
        self.variant = variant
        self.mode = mode
        self.head = cut.head if cut else None
        self._path = source.path
        self._stream = stream
        self._cut = cut._replace(content=b'') if cut else None  # the session has a copy
        self._head_output: DeviceBuffer | None = None
        self._graph: Graph | None = None
        self._resources = Resources()
        with self._resources.closed_on_error():
            if cut is not None:
                self._resources.add(cut.kernel)
            self.session = self._resources.add(
                CudaSession(
                    source.path,
                    stream,
                    mode=mode,
                    content=cut.content if cut else source.content(),
                    tf32=tf32,
                    channels_last=variant.layout == 'nhwc',
                    fuses_bias=variant.fuses_bias,
                    searches=variant.searches,
                    dimensions=dimensions,
                )
            )

    def bind(self, tensors: Tensors) -> None:
        """Set the buffers that every later run reads and writes."""
        specs = list(tensors.outputs)
        addresses = [buffer.address for buffer in tensors.output_buffers]
        if self._cut is not None:
            kernel, output = self._cut.kernel, self._cut.head.output
            self._head_output = tensors.output_buffers[output]
            del specs[output], addresses[output]
            maps = self.session.raw.get_outputs()[: len(kernel.addresses)]
            specs = [tensor_spec(self._path, each) for each in maps] + specs
            addresses = [*kernel.addresses, *addresses]
        self.session.bind(tensors.inputs[0], tensors.input_buffer, specs, addresses)

    def run_plainly(self) -> None:
        """Run without a graph, and wait for the session's kernels."""
        self._run(self.session.run_and_wait)

    def run(self) -> None:
        """Enqueue a run, which the runtime records or replays in mode 'runtime_graph'."""
        self._run(self.session.run)

    def record(self) -> None:
        """Capture a run as a graph; some plain runs must come first.

        Raises
        ------
        ModelError, CudaError
            When a run cannot be captured.
        """
        self._graph = self._resources.add(
            capture(self._stream, partial(self._run, self.session.run), foreign=True)
        )

    def launch(self) -> None:
        """Enqueue the graph."""
        assert self._graph is not None
        self._graph.launch(self._stream)

    def launch_ms(self) -> float:
        """How long a launch of the graph takes on the GPU: the best of some rounds."""
        device = self._stream.device
        begun, done = (device.new_event(timing=True) for _ in range(2))
        try:
            times = []
            for _ in range(_TIMED_ROUNDS):
                begun.record(self._stream)
                for _ in range(_TIMED_LAUNCHES):
                    self.launch()
                done.record(self._stream)
                done.synchronize()
                times.append(done.elapsed_ms(begun) / _TIMED_LAUNCHES)
            return min(times)
        finally:
            begun.close()
            done.close()

    def close(self) -> None:
        """Wait for the stream and release everything, the graph first; may be called twice."""
        self._resources.call(self._stream.synchronize)  # added last, so it is called first
        with self._stream.device.pushed():
            self._resources.close()

    def _run(self, run: Callable[[], None]) -> None:
        """Run the session, then our kernel on the maps that it computes."""
        run()
        if self._cut is not None and self._head_output is not None:
            self._cut.kernel.enqueue(self._head_output, self._stream)
