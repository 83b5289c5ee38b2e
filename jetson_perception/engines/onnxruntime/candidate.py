"""One way to compute a model on CUDA: a session, what goes with it, and the graph of its runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.cuda.graphs import Graph, capture
from jetson_perception.cuda.release import Resources
from jetson_perception.engines.onnxruntime.cpu import tensor_spec
from jetson_perception.engines.onnxruntime.session import CudaSession

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import Stream
    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.engines.onnxruntime.head import CutModel
    from jetson_perception.engines.onnxruntime.source import ModelSource

# How many launches are timed, and how often.
_TIMED_LAUNCHES, _TIMED_ROUNDS = 10, 3


class Variant(NamedTuple):
    """How a model is computed.

    Attributes
    ----------
    layout : str
        One of `choices.LAYOUTS`.
    fuses_bias : bool
        Whether a convolution adds its bias in the same kernel.
    decodes_head : bool
        Whether a kernel of ours computes the end of a YOLO network.
    """

    layout: str
    fuses_bias: bool = False
    decodes_head: bool = False

    def __str__(self) -> str:
        fused = ' with the bias fused' * self.fuses_bias
        return self.layout.upper() + fused + ', head by one kernel' * self.decodes_head


# In FP16 and NCHW cuDNN has no kernel that adds the bias (ONNX Runtime 1.31), and for others it is
# no faster.
VARIANTS = (Variant('nchw'), Variant('nhwc', fuses_bias=True), Variant('nhwc'))
"""Those that are tried, without a head of ours."""


class Tensors(NamedTuple):
    """What every candidate of an engine reads and writes."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    input_buffer: DeviceBuffer
    output_buffers: tuple[DeviceBuffer, ...]


class Candidate:
    """A session for a variant and a mode. The context has to be current for every call.

    Parameters
    ----------
    source : ModelSource
    stream : Stream
        Everything happens on it; has to live longer.
    variant : Variant
    mode : str
        One of `choices.MODES`.
    cut : CutModel, optional
        What to run in place of the source; closed with this.
    tf32 : bool
        Whether FP32 convolutions may round to 10 bits of mantissa.
    dimensions : mapping
        Sizes of open dimensions, by name.

    Attributes
    ----------
    session : CudaSession
    variant, mode
        As given.

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
                    dimensions=dimensions,
                )
            )

    def bind(self, tensors: Tensors) -> None:
        """Say where the input is read and the outputs are written, in every run to come."""
        specs = list(tensors.outputs)
        addresses = [buffer.address for buffer in tensors.output_buffers]
        if self._cut is not None:
            kernel, output = self._cut.kernel, self._cut.output
            self._head_output = tensors.output_buffers[output]
            del specs[output], addresses[output]
            maps = self.session.raw.get_outputs()[: len(kernel.addresses)]
            specs = [tensor_spec(self._path, each) for each in maps] + specs
            addresses = [*kernel.addresses, *addresses]
        self.session.bind(tensors.inputs[0], tensors.input_buffer, specs, addresses)

    def run_plainly(self) -> None:
        """Launch every kernel anew, and wait for the session's."""
        self._run(self.session.run_and_wait)

    def run(self) -> None:
        """Enqueue a run; the runtime records it, or replays what it recorded, in its own mode."""
        self._run(self.session.run)

    def record(self) -> None:
        """Make a graph of a run, after some plain ones.

        Raises
        ------
        ModelError, CudaError
            When a run cannot be recorded.
        """
        self._graph = self._resources.add(
            capture(self._stream, partial(self._run, self.session.run), foreign=True)
        )

    def launch(self) -> None:
        """Enqueue the graph."""
        assert self._graph is not None
        self._graph.launch(self._stream)

    def launch_ms(self) -> float:
        """How long a launch takes on the GPU, the best of some."""
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
        """Wait for the stream and release all, the graph first; twice is harmless."""
        self._resources.call(self._stream.synchronize)  # the first to be called
        with self._stream.device.pushed():
            self._resources.close()

    def _run(self, run: Callable[[], None]) -> None:
        """The session's work, and what the kernel makes of it."""
        run()
        if self._cut is not None and self._head_output is not None:
            self._cut.kernel.enqueue(self._head_output, self._stream)


def allowed_variants(layouts: Sequence[str]) -> list[Variant]:
    """Those of these layouts."""
    return [each for each in VARIANTS if each.layout in layouts]
