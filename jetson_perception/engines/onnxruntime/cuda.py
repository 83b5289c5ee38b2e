"""ONNX Runtime's CUDA provider behind the engine protocol, on a stream and buffers of our own.

Frames run as a CUDA graph wherever the model allows it. There are three modes, tried in this
order. Before a graph is used, its results are compared with those of plain runs:

1. Our own graph, captured from a plain run. A launch takes microseconds, waits for nothing, and
   may come from any thread.
2. The runtime's graph. It belongs to the thread that captured it.
3. Plain runs, which launch every kernel anew: for models with operators that the provider lacks
   and the CPU computes. Each run is waited for.

Our own graph is then tried in variants, which are compared with the first, timed, and kept if they
are faster:

- Tensors laid out as NHWC: tensor cores want channels last, and whether the transpositions pay off
  depends on the network. In this layout convolutions add their bias in the same kernel, if cuDNN
  has one for that.
- One kernel of our own for what follows a YOLO network's last convolutions, in place of some
  thirty small ones.
- Algorithms of convolutions for which cuDNN searches long, at every start, in place of those that
  its heuristic puts first.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from jetson_perception.cuda.binding import BINDING
from jetson_perception.cuda.buffers import DeviceBuffer
from jetson_perception.cuda.device import CudaDevice
from jetson_perception.cuda.release import Resources
from jetson_perception.engines.image_input import (
    choose_size_wh,
    require_one_input,
    require_single,
    require_tensor,
    sized,
)
from jetson_perception.engines.metadata import read_onnx_metadata
from jetson_perception.engines.onnxruntime.candidate import Tensors
from jetson_perception.engines.onnxruntime.candidates import Candidates
from jetson_perception.engines.onnxruntime.choices import Choices
from jetson_perception.engines.onnxruntime.cpu import (
    check_model_file,
    image_input,
    named_dimensions,
    tensor_spec,
)
from jetson_perception.engines.onnxruntime.source import ModelSource
from jetson_perception.engines.onnxruntime.starting import begin
from jetson_perception.engines.onnxruntime.trial import Staging, Trial
from jetson_perception.engines.onnxruntime.tuner import Tuner
from jetson_perception.engines.onnxruntime.wide import WideEngines
from jetson_perception.engines.tensor_memory import check_tensor_memory
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.cuda.device import Stream
    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.engines.onnxruntime.session import CudaSession

_log = logging.getLogger('jetson_perception')


class OnnxRuntimeCudaEngine:
    """An ONNX model on ONNX Runtime's CUDA provider; implements `engines.base.CudaEngine`.

    Parameters
    ----------
    path : str or Path
        The ONNX file.
    device_index : int
        Index of the GPU.
    input_size_wh : tuple of int, optional
        Width and height of the input, for a model that leaves them open. Default: what the
        metadata says.
    half : bool
        Whether to run an FP32 file in FP16, except for its inputs, its outputs and the decoding of
        boxes. The package onnx converts it; without onnx, or if FP16 does not work, the file runs
        as it is, and the log says so.
    tf32 : bool
        Whether FP32 convolutions may round to 10 bits of mantissa: faster from Ampere on, but
        scores then differ from the CPU's in the third digit.
    modes : sequence of str, optional
        Which of `choices.MODES` to try, in this order.
    layouts, heads, searches : sequence of str, optional
        Which of `choices.LAYOUTS`, `HEADS` (always with 'runtime') and `SEARCHES` to choose from.
        Default, of all: those that variables of the environment list, separated by commas, else
        all of them.

    Attributes
    ----------
    description, info, inputs, outputs, device, stream, input_buffer, output_buffers
        See `CudaEngine`.
    tf32
        As given.
    mode : str
        Which of `choices.MODES` is in use; empty before the first `bind_thread`.
    layout : str
        Which of `choices.LAYOUTS` is in use.

    Raises
    ------
    ModelError
        When the file is missing, not ONNX, or its input is not one image.
    ParameterError
        When the input size is open and not given, or the given one does not fit.
    CudaError
        When there is no usable GPU or CUDA provider, or the GPU's memory is full.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        device_index: int = 0,
        input_size_wh: tuple[int, int] | None = None,
        half: bool = False,
        tf32: bool = False,
        modes: Sequence[str] | None = None,
        layouts: Sequence[str] | None = None,
        heads: Sequence[str] | None = None,
        searches: Sequence[str] | None = None,
    ) -> None:
        choices = Choices.allowed(modes, layouts, heads, searches)
        self._modes = choices.modes
        self._path = check_model_file(path)
        self._tuner = Tuner(self._path.name, choices)
        source = ModelSource(self._path, half=half)
        self.tf32 = tf32
        self.mode = ''
        self._run: Callable[[], None] | None = None
        self._thread: int | None = None  # the only one that may enqueue; None for any
        self._staging: Staging | None = None
        self._closed = False
        self._resources = Resources()
        with self._resources.closed_on_error():
            self.device = self._resources.add(CudaDevice.get(device_index))
            self.stream: Stream = self._resources.add(self.device.new_stream())
            self._candidates = Candidates(
                source,
                self.stream,
                choices,
                asked_size_wh=input_size_wh,
                tf32=tf32,
            )
            self._resources.call(self._candidates.drop)
            with BINDING.loading(), self.device.pushed():
                self._open(input_size_wh)
            # Closed before the buffers that it is bound to.
            self._resources.call(self._candidates.drop)

    @property
    def layout(self) -> str:
        """Which of `choices.LAYOUTS` is in use."""
        return self._candidates.variant.layout

    @property
    def is_half(self) -> bool:
        """Whether the model was converted to FP16."""
        return self._candidates.source.is_half

    def _open(self, input_size_wh: tuple[int, int] | None) -> None:
        import onnxruntime

        version, candidates = onnxruntime.__version__, self._candidates
        self.description = self._runtime = f'ONNX Runtime {version}, CUDA, {self.device.name}'
        found = candidates.known or candidates.ask()
        spec, others = image_input(self._path, found.inputs)
        require_one_input(self._path, [spec.name, *(each.name for each in others)])
        require_single(self._path, spec)
        info = replace(read_onnx_metadata(found.metadata), path=str(self._path))
        size_wh = choose_size_wh(self._path, spec, info, input_size_wh)
        self.info = replace(info, input_size_wh=size_wh)
        self.inputs: tuple[TensorSpec, ...] = (sized(spec, size_wh),)
        shape = self.inputs[0].shape
        self.input_buffer = self._resources.add(DeviceBuffer(self.device, shape, spec.dtype))
        self._resources.call(candidates.drop)  # a candidate may still read the buffer
        candidates.dimensions = named_dimensions(found.inputs[0].shape, shape)
        self.outputs = found.outputs
        if not candidates.open_known():
            self.outputs = _known_outputs(
                self._path, candidates.whole_session(), self.inputs, self.input_buffer, self.stream
            )
        check_tensor_memory(self._path, (*self.inputs, *self.outputs))
        self.output_buffers = tuple(
            self._resources.add(DeviceBuffer(self.device, each.shape, each.dtype))
            for each in self.outputs
        )
        tensors = Tensors(self.inputs, self.outputs, self.input_buffer, self.output_buffers)
        candidates.describe(self.info, tensors)
        assert candidates.in_use is not None
        candidates.in_use.bind(tensors)

    def bind_thread(self) -> None:
        """Warm up and capture the graph, in the thread that will call `enqueue`.

        Raises
        ------
        ModelError
            When the engine is closed, or the runtime fails; the message has the runtime's text.
        CudaError
            When the GPU fails.
        """
        if self._may_enqueue():
            return
        self._require_open()
        with BINDING, self.device.pushed():
            self._prepare()

    def enqueue(self) -> None:
        """Enqueue one inference on `stream`; the CUDA context must be current.

        Returns without waiting for the GPU, except in mode 'plain'.

        Raises
        ------
        ModelError
            When the engine is closed, this thread was not bound, or the runtime fails.
        CudaError
            When the GPU fails.
        """
        run = self._run
        if run is None or (self._thread is not None and self._thread != threading.get_ident()):
            self._require_open()
            raise ModelError(
                f'{self._path}: enqueue() was called in a thread that did not call bind_thread()'
            )
        run()

    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        """Outputs for one input tensor, both on the host; from any thread, one at a time.

        In a thread that may not `enqueue`, it runs without a graph.

        Parameters
        ----------
        tensor : ndarray
            With the shape and dtype in `inputs`.

        Returns
        -------
        sequence of ndarray
            Valid until the next call.

        Raises
        ------
        ModelError
            When the tensor does not fit, the engine is closed, or the runtime fails.
        CudaError
            When the GPU fails.
        """
        self._require_open()
        require_tensor(self.info.path, self.inputs[0], tensor)
        if self._may_enqueue():
            with BINDING.working(), self.device.pushed():
                return self._staged().run(tensor, self.enqueue, self.stream)
        # A first run allocates, and plans convolutions for long: beside those of other engines.
        with BINDING.loading(), self.device.pushed():
            assert self._candidates.in_use is not None
            return self._staged().run(tensor, self._candidates.in_use.run_plainly, self.stream)

    def open_wide(self, most: int) -> WideEngines:
        """The same model for up to so many images at a time; closed with this engine.

        Raises ModelError where it takes one at a time, and CudaError where the GPU fails.
        """
        self._require_open()
        with BINDING.loading(), self.device.pushed():
            return self._resources.add(WideEngines(self._candidates, self, self._tuner, most))

    def interrupt(self) -> None:
        """Do nothing: a GPU finishes what it has begun."""

    def close(self) -> None:
        """Release the model and its memory, from any thread; may be called twice.

        Waits for work under way; nothing may be enqueued from now on.
        """
        if self._closed:
            return
        self._closed, self._run = True, None
        with self.device.pushed():
            try:
                self._resources.close()
            except CudaError as err:  # an earlier call has raised it already
                _log.warning('%s: the engine was not closed cleanly: %s', self._path.name, err)

    def _may_enqueue(self) -> bool:
        return self._run is not None and self._thread in (None, threading.get_ident())

    def _prepare(self) -> None:
        """Find the first mode that works in this thread, and keep it."""
        self._run, self._thread, self.mode = None, None, ''
        trial = Trial(self._staged(), self.stream, self.inputs[0], self.outputs)
        way = begin(self._candidates, self._tuner, self._modes, trial)
        self._run, self.mode = way.run, way.mode
        self._thread = threading.get_ident() if way.is_of_thread else None
        half = ', converted to FP16' if self.is_half else ''
        shown = f'{way.mode.replace("_", " ")}, {self._candidates.variant}{half}'
        self.description = f'{self._runtime}, {shown}'
        _log.info('%s: runs as %s', self._path.name, shown)

    def _staged(self) -> Staging:
        """Page-locked memory for `infer`, allocated on first use."""
        if self._staging is None:
            self._staging = self._resources.add(Staging(self.input_buffer, self.output_buffers))
        return self._staging

    def _require_open(self) -> None:
        if self._closed:
            raise ModelError(f'{self._path}: the engine is closed')


def _known_outputs(
    path: Path,
    session: CudaSession,
    inputs: Sequence[TensorSpec],
    input_buffer: DeviceBuffer,
    stream: Stream,
) -> tuple[TensorSpec, ...]:
    """The outputs; if the model leaves a size open, a run shows it."""
    specs = tuple(tensor_spec(path, each) for each in session.raw.get_outputs())
    check_tensor_memory(path, (*inputs, *specs))
    if any(-1 in spec.shape for spec in specs):
        input_buffer.clear(stream)
        names = [spec.name for spec in specs]
        shapes = session.output_shapes(inputs[0], input_buffer, names)
        specs = tuple(
            replace(spec, shape=shape) for spec, shape in zip(specs, shapes, strict=True)
        )
    for spec in specs:
        if 0 in spec.shape:
            raise ModelError(
                f'{path}: output {quoted(spec.name)} has the shape {spec.shape} for a '
                'black image, so its size depends on what is in the image; use runtime '
                "'onnxruntime_cpu', or export the model without suppression in it"
            )
    return specs
