"""ONNX Runtime's CUDA provider behind the engine protocol, on a stream and buffers of ours.

What runs a frame is a CUDA graph wherever the model allows. There are three ways. They are tried
in this order, and the results of a graph are held against those of plain runs before it is used:

1. A graph of ours, recorded from a plain run. A launch takes microseconds, waits for nothing, and
   may come from any thread.
2. The runtime's own graph. It belongs to the thread that recorded it.
3. Plain runs, every kernel launched anew: for models with operators that the provider lacks, which
   are computed on the CPU. They are waited for.

A graph of ours is then tried in variants, which are held against the first, timed, and kept where
they are faster:

- Tensors laid out as NHWC: tensor cores want channels last, and whether the transpositions pay
  depends on the network. Convolutions add their bias in the same kernel there, where cuDNN has one
  for that.
- What follows a YOLO network's last convolutions, some thirty small kernels, done by one of ours.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, PinnedBuffer
from jetson_perception.cuda.device import CudaDevice, cuda_problem
from jetson_perception.cuda.graphs import BINDING, Graph, capture
from jetson_perception.cuda.release import Resources
from jetson_perception.cuda.yolo_head import CudaHead
from jetson_perception.engines.base import CudaEngine
from jetson_perception.engines.image_input import choose_size_wh, require_tensor
from jetson_perception.engines.metadata import read_onnx_metadata
from jetson_perception.engines.onnx_file.channels import pad_channels
from jetson_perception.engines.onnx_file.graph import has_quantization, load_model, require_onnx
from jetson_perception.engines.onnx_file.precision import is_fp16, to_fp16, widen_weights
from jetson_perception.engines.onnx_file.yolo_head import cut_head, find_head, head_problem
from jetson_perception.engines.onnxruntime.cpu import (
    check_model_file,
    image_input,
    named_dimensions,
    session_metadata,
    tensor_spec,
)
from jetson_perception.engines.onnxruntime.session import CudaSession, provider_problem
from jetson_perception.engines.tensor_memory import check_tensor_memory
from jetson_perception.errors import CudaError, ModelError, ParameterError, PerceptionError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from jetson_perception.cuda.device import Stream
    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.engines.onnx_file.yolo_head import OnnxHead

_log = logging.getLogger('jetson_perception')

MODES = ('own_graph', 'runtime_graph', 'plain')
"""Ways to run a model, in the order in which they are tried."""

MODES_VARIABLE = 'JETSON_PERCEPTION_ONNXRUNTIME_MODES'

LAYOUTS = ('nchw', 'nhwc')
"""Layouts of tensors inside a model."""

LAYOUTS_VARIABLE = 'JETSON_PERCEPTION_ONNXRUNTIME_LAYOUTS'

HEADS = ('runtime', 'kernel')
"""What computes the end of a YOLO network: ONNX Runtime, or a kernel of ours."""

HEADS_VARIABLE = 'JETSON_PERCEPTION_ONNXRUNTIME_HEADS'

# ONNX Runtime plans its memory in the second run; after the third nothing is allocated.
_WARM_UP_RUNS = 3

# Kernels that add up in another order each time differ a little; old results differ everywhere.
_TOLERATED_SHARE = 0.01

# Another layout means other kernels, which round differently where they may round at all.
_ROUNDING = {'share': 0.05, 'relative': 0.1, 'of_largest': 0.01}

# Launches that are timed, how often, and how much another layout has to win by.
_TIMED_LAUNCHES, _TIMED_ROUNDS, _WORTH_IT = 10, 3, 0.97


class _Variant(NamedTuple):
    """How a graph of ours computes a model."""

    layout: str
    fuses_bias: bool = False
    decodes_head: bool = False

    def __str__(self) -> str:
        fused = ' with the bias fused' * self.fuses_bias
        return self.layout.upper() + fused + ', head by one kernel' * self.decodes_head


class _Head(NamedTuple):
    """What our kernel computes in place of the session: which of the model's outputs."""

    kernel: CudaHead
    output: int


# In FP16 and NCHW cuDNN has no kernel that adds the bias (ONNX Runtime 1.31), and for others it is
# no faster.
_VARIANTS = (_Variant('nchw'), _Variant('nhwc', fuses_bias=True), _Variant('nhwc'))

# The fastest by file, size asked for, rounding and GPU: engines of one model need one trial.
_fastest: dict[tuple[Any, ...], _Variant] = {}


class OnnxRuntimeCudaEngine(CudaEngine):
    """An ONNX model on ONNX Runtime's CUDA provider.

    Parameters
    ----------
    path : str or Path
        The ONNX file.
    device_index : int
        Which GPU.
    input_size_wh : tuple of int, optional
        Width and height of the input, for a model that leaves them open. Default: what the
        metadata says.
    half : bool
        Whether an FP32 file is to compute in FP16, but for its inputs, outputs and the decoding of
        boxes. The package onnx converts it; without that, and where FP16 does not do, the file is
        taken as it is, and the log says so.
    tf32 : bool
        Whether FP32 convolutions may round to 10 bits of mantissa: faster from Ampere on, and
        scores then differ from the CPU's in the third digit.
    modes : sequence of str, optional
        Which of `MODES` to try, in this order. Default: what the environment's `MODES_VARIABLE`
        lists, separated by commas, else all.
    layouts : sequence of str, optional
        Which of `LAYOUTS` to choose from. Default: what the environment's `LAYOUTS_VARIABLE`
        lists, else both.
    heads : sequence of str, optional
        Which of `HEADS` to choose from; 'runtime' is always one of them. Default: what the
        environment's `HEADS_VARIABLE` lists, else both.

    Attributes
    ----------
    description, info, inputs, outputs, device, stream, input_buffer, output_buffers
        As `CudaEngine` says.
    content : bytes or None
        The model in FP16, where it was converted.
    tf32 : bool
        Whether FP32 convolutions may round.
    mode : str
        Which of `MODES` is in use; empty before the first `bind_thread`.
    layout : str
        Which of `LAYOUTS` is in use.

    Raises
    ------
    ModelError
        When the file is missing, not ONNX, or its input is not one image.
    ParameterError
        When the input size is open and nobody says it, or the one given does not fit.
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
    ) -> None:
        self._modes = _listed(modes, MODES, MODES_VARIABLE, 'ways to run a model on CUDA')
        self._layouts = _listed(
            layouts, LAYOUTS, LAYOUTS_VARIABLE, 'layouts of tensors inside a model on CUDA'
        )
        self._heads = _listed(
            heads, HEADS, HEADS_VARIABLE, 'ways to compute the end of a YOLO network on CUDA'
        )
        self._path = check_model_file(path)
        about = self._path.stat()
        self._file = self._path, about.st_mtime_ns, about.st_size
        self.content = _converted(*self._file) if half else None
        self.tf32 = tf32
        self.mode = ''
        self._asked_size_wh = input_size_wh
        self._dimensions: dict[str, int] = {}
        self._on_cpu: list[str] = []
        self._session: CudaSession | None = None
        self._head: _Head | None = None  # of the session
        self._graph: Graph | None = None
        self._run: Callable[[], None] | None = None
        self._thread: int | None = None  # that may run; None for any
        self._staging: _Staging | None = None
        self._closed = False
        self._resources = Resources()
        with self._resources.closed_on_error():
            self.device = self._resources.add(CudaDevice.get(device_index))
            # The whole model says what its outputs are.
            self._variant = self._known_variant()._replace(decodes_head=False)
            self.stream: Stream = self._resources.add(self.device.new_stream())
            self._resources.call(self._drop_session)
            # Allocations would break the recording of another engine.
            with BINDING, self.device.pushed():
                self._open(input_size_wh)
            self._resources.call(self._drop_session)  # before the buffers that it is bound to

    @property
    def layout(self) -> str:
        """Which of `LAYOUTS` is in use."""
        return self._variant.layout

    def _open(self, input_size_wh: tuple[int, int] | None) -> None:
        import onnxruntime

        self._runtime = f'ONNX Runtime {onnxruntime.__version__}, CUDA, {self.device.name}'
        self.description = self._runtime
        try:
            session = self._first_session()
        except ModelError as err:
            if self.content is None:
                raise
            self._leave_half(str(err))
            session = self._first_session()
        nodes = session.raw.get_inputs()
        spec = image_input(self._path, nodes)
        metadata = read_onnx_metadata(session_metadata(self._path, session.raw))
        info = replace(metadata, path=str(self._path))
        size_wh = choose_size_wh(self._path, spec, info, input_size_wh)
        self.info = replace(info, input_size_wh=size_wh)
        shape = (1, 3, size_wh[1], size_wh[0])
        self.inputs: tuple[TensorSpec, ...] = (replace(spec, shape=shape),)
        self.input_buffer = self._resources.add(DeviceBuffer(self.device, shape, spec.dtype))
        self._resources.call(self._drop_session)  # which reads it once more
        self._dimensions = named_dimensions(nodes[0].shape, shape)
        if self._dimensions:  # with known sizes it can plan memory, and record graphs
            session = self._first_session()
        self.outputs = self._known_outputs(session)
        check_tensor_memory(self._path, (*self.inputs, *self.outputs))
        self.output_buffers = tuple(
            self._resources.add(DeviceBuffer(self.device, each.shape, each.dtype))
            for each in self.outputs
        )
        self._bind(session)

    def _known_outputs(self, session: CudaSession) -> tuple[TensorSpec, ...]:
        """The outputs, with the sizes that a run has where the model leaves them open."""
        specs = tuple(tensor_spec(self._path, each) for each in session.raw.get_outputs())
        check_tensor_memory(self._path, (*self.inputs, *specs))
        if any(-1 in spec.shape for spec in specs):
            self.input_buffer.clear(self.stream)
            names = [spec.name for spec in specs]
            shapes = session.output_shapes(self.inputs[0], self.input_buffer, names)
            specs = tuple(
                replace(spec, shape=shape) for spec, shape in zip(specs, shapes, strict=True)
            )
        for spec in specs:
            if 0 in spec.shape:
                raise ModelError(
                    f'{self._path}: output {quoted(spec.name)} has the shape {spec.shape} for a '
                    'black image; where the size of an output depends on what is seen, the model '
                    "runs on engine 'onnxruntime_cpu', or export it without suppression inside"
                )
        return specs

    def bind_thread(self) -> None:
        """Warm up and record the graph, in the thread that is going to call `enqueue`.

        Raises
        ------
        ModelError
            When the engine is closed, or the runtime fails; with its own text.
        CudaError
            When the GPU fails.
        """
        if self._may_enqueue():
            return
        self._require_open()
        with BINDING, self.device.pushed():
            self._prepare()

    def enqueue(self) -> None:
        """Put one inference on `stream`, without waiting; the context has to be current.

        In mode 'plain' it is waited for.

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

        Runs plainly in a thread that may not `enqueue`.

        Parameters
        ----------
        tensor : ndarray, shape (1, 3, h, w)
            Of the shape and dtype in `inputs`.

        Returns
        -------
        sequence of ndarray
            The caller's until the next call.

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
            with self.device.pushed():
                return self._through(tensor, self.enqueue)
        with BINDING, self.device.pushed():  # a first run allocates
            return self._through(tensor, self._run_plainly)

    def close(self) -> None:
        """Release the model and its memory, from any thread; calling it twice is harmless.

        Nothing may be enqueued any more; what is under way is waited for.
        """
        if self._closed:
            return
        self._closed, self._run = True, None
        with self.device.pushed():
            try:
                self._resources.close()
            except CudaError as err:  # it was told where it happened
                _log.warning('%s: closing on the GPU: %s', self._path.name, err)

    def _may_enqueue(self) -> bool:
        return self._run is not None and self._thread in (None, threading.get_ident())

    # Ways to run.

    def _prepare(self) -> None:
        """Find the first way that works in this thread, and keep it."""
        self._run, self._thread, self.mode = None, None, ''
        known = self._known_variant()
        here = self._session and self._session.mode
        if here != self._first_mode() or self._variant != known:
            self._variant = known
            self._bind(self._first_session())
        first, second = self._test_tensors()
        expected = self._warmed_up(first, second)
        if self.content is not None and not all(np.isfinite(each).all() for each in expected):
            self._leave_half('what comes out is not finite')
            self._bind(self._first_session())
            expected = self._warmed_up(first, second)
        for mode in self._modes:
            try:
                self._prepare_mode(mode, first, second, expected)
            except (ModelError, CudaError) as err:
                self._run, self._thread = None, None
                if mode == self._modes[-1] or (isinstance(err, CudaError) and err.fatal):
                    raise
                # As text: a record that keeps the error would keep the session.
                shown = mode.replace('_', ' ')
                _log.info('%s: not run as %s: %s', self._path.name, shown, str(err))
                self._drop_session()  # whatever state it is in now
            else:
                self.mode = mode
                if mode == 'own_graph':
                    self._choose_variant(first, second, expected)
                half = ', converted to FP16' if self.content is not None else ''
                shown = f'{mode.replace("_", " ")}, {self._variant}{half}'
                self.description = f'{self._runtime}, {shown}'
                _log.info('%s: run as %s', self._path.name, shown)
                return

    def _warmed_up(self, first: NDArray[Any], second: NDArray[Any]) -> list[NDArray[Any]]:
        """What the session gives for the first tensor; the second one's is in the buffers then."""
        for _ in range(_WARM_UP_RUNS):
            results = self._through(first, self._run_plainly)
        expected = [result.copy() for result in results]
        self._through(second, self._run_plainly)
        return expected

    def _known_variant(self) -> _Variant:
        """The fastest, where that is known, or else what the others are held against."""
        known = _fastest.get(self._trial_key())
        if known is not None and 'own_graph' in self._modes:
            return known
        allowed = [each for each in _VARIANTS if each.layout in self._layouts]
        return min(allowed, key=lambda each: each.fuses_bias)

    def _trial_key(self) -> tuple[Any, ...]:
        rounding = self.content is not None, self.tf32
        allowed = self._layouts, self._heads
        return self._file, self._asked_size_wh, rounding, allowed, self.device.index

    def _choose_variant(
        self, first: NDArray[Any], second: NDArray[Any], expected: Sequence[NDArray[Any]]
    ) -> None:
        """Keep the graph of the fastest variant; the one there is stays if the others fail."""
        key, here = self._trial_key(), self._variant
        if key in _fastest:
            return
        here_ms = self._graph_ms()
        for other in _VARIANTS:
            if other.layout in self._layouts and other != here:
                other_ms = self._try_variant(other, here_ms, first, second, expected)
                if other_ms:
                    here_ms = min(here_ms, other_ms)
                    break
        if self._has_known_head():
            other = self._variant._replace(decodes_head=True)
            self._try_variant(other, here_ms, first, second, expected)
        _fastest[key] = self._variant

    def _try_variant(
        self,
        other: _Variant,
        here_ms: float,
        first: NDArray[Any],
        second: NDArray[Any],
        expected: Sequence[NDArray[Any]],
    ) -> float:
        """Milliseconds of another variant, 0 if it fails; it is kept where it is faster."""
        here, name = self._variant, self._path.name
        kept = self._session, self._head, self._graph
        self._session = self._head = self._graph = None
        other_ms = 0.0
        try:
            try:
                self._variant = other
                self._bind(self._new_session('own_graph'))
                found = self._warmed_up(first, second)
                _require_equal(self.outputs, expected, found, **_ROUNDING)
                self._prepare_mode('own_graph', first, second, found)
                other_ms = self._graph_ms()
            except (ModelError, CudaError) as err:
                if isinstance(err, CudaError) and err.fatal:
                    raise
                # As text: a record that keeps the error would keep the session.
                _log.info('%s: not run in %s: %s', name, other, str(err))
            else:
                _log.info('%s: %s %.3f ms, %s %.3f ms', name, here, here_ms, other, other_ms)
            if not other_ms or other_ms >= _WORTH_IT * here_ms:
                self._drop_session()
                self._variant = here
                (self._session, self._head, self._graph), kept = kept, (None, None, None)
                self._run, self._thread = self._launch, None
        finally:
            self._release(*kept)
        return other_ms

    def _has_known_head(self) -> bool:
        """Whether our kernel does what the model does behind its last convolutions."""
        if 'kernel' not in self._heads or has_quantization(self._path):
            return False
        try:
            model = load_model(self._path)
            head = self._find_head(model)
            if head is None:
                return False
            problem = head_problem(model, head, self.info.input_size_wh or (0, 0))
            if not problem:
                return True
            _log.info('%s: its head is left to ONNX Runtime: %s', self._path.name, problem)
        except PerceptionError as err:  # no onnx, or none that it reads
            _log.info('%s: its head is not looked for: %s', self._path.name, str(err))
        return False

    def _find_head(self, model: onnx.ModelProto) -> OnnxHead | None:
        info = self.info
        return find_head(
            model,
            info.input_size_wh or (0, 0),  # every engine has one
            [each.shape for each in self.outputs],
            class_count=len(info.class_names),
            keypoint_shape=info.keypoint_shape,
        )

    def _model(self) -> onnx.ModelProto:
        if self.content is None:
            return load_model(self._path)
        return require_onnx().load_from_string(self.content)

    def _graph_ms(self) -> float:
        """How long a launch takes on the GPU, the best of some."""
        begun, done = (self.device.new_event(timing=True) for _ in range(2))
        try:
            times = []
            for _ in range(_TIMED_ROUNDS):
                begun.record(self.stream)
                for _ in range(_TIMED_LAUNCHES):
                    self._launch()
                done.record(self.stream)
                done.synchronize()
                times.append(done.elapsed_ms(begun) / _TIMED_LAUNCHES)
            return min(times)
        finally:
            begun.close()
            done.close()

    def _prepare_mode(
        self,
        mode: str,
        first: NDArray[Any],
        second: NDArray[Any],
        expected: Sequence[NDArray[Any]],
    ) -> None:
        session = self._session
        if mode != 'plain':
            on_cpu = self._nodes_on_cpu()
            if on_cpu:  # a graph would leave their work out
                raise ModelError(f'computed on the CPU: {", ".join(on_cpu[:3])}')
        if mode != 'own_graph' and self._variant.decodes_head:
            self._variant = self._variant._replace(decodes_head=False)
            session = None
        if session is None or session.mode != mode:
            session = self._new_session(mode)
            self._bind(session)
            run = session.run if mode == 'runtime_graph' else self._run_plainly
            for _ in range(_WARM_UP_RUNS):  # in the last of them the runtime records
                self._through(second, run)
        if mode == 'plain':
            self._run = session.run_and_wait
            return
        if mode == 'own_graph':
            record = functools.partial(self._run_session, session.run)
            self._graph = capture(self.stream, record, foreign=True)
            self._run = self._launch
        else:
            self._run, self._thread = session.run, threading.get_ident()
        for tensor in (second, first):  # what ran once need not run twice
            found = self._through(tensor, self._run)
        _require_equal(self.outputs, expected, found)

    def _launch(self) -> None:
        assert self._graph is not None
        self._graph.launch(self.stream)

    def _run_plainly(self) -> None:
        assert self._session is not None
        self._run_session(self._session.run_and_wait)

    def _run_session(self, run: Callable[[], None]) -> None:
        """The session's work, and what ours makes of it."""
        run()
        if self._head is not None:
            self._head.kernel.enqueue(self.output_buffers[self._head.output], self.stream)

    def _through(
        self, tensor: NDArray[Any], run: Callable[[], None]
    ) -> Sequence[NDArray[np.generic]]:
        """From the host through a run to the host; the arrays are written again next time."""
        if self._staging is None:
            self._staging = self._resources.add(_Staging(self.input_buffer, self.output_buffers))
        return self._staging.run(tensor, run, self.stream)

    def _test_tensors(self) -> tuple[NDArray[Any], NDArray[Any]]:
        spec = self.inputs[0]
        noise = np.random.default_rng(0).random(spec.shape, np.float32).astype(spec.dtype)
        return noise, np.zeros_like(noise)

    # The session.

    def _new_session(self, mode: str = 'plain') -> CudaSession:
        self._drop_session()
        content = self.content
        if self._variant.decodes_head:
            content = self._without_head()
        self._session = CudaSession(
            self._path,
            self.stream,
            mode=mode,
            content=content,
            tf32=self.tf32,
            channels_last=self.layout == 'nhwc',
            fuses_bias=self._variant.fuses_bias,
            dimensions=self._dimensions,
        )
        return self._session

    def _first_mode(self) -> str:
        """Of a session that plain runs share with a graph, where that is known to be allowed."""
        if self._modes[0] != 'own_graph':
            return 'plain'
        tried = self._trial_key() in _fastest
        captures = tried or (self._session is not None and not self._nodes_on_cpu())
        return 'own_graph' if captures else 'plain'

    def _first_session(self) -> CudaSession:
        mode = self._first_mode()
        try:
            return self._new_session(mode)
        except ModelError as err:
            if mode == 'plain':
                raise
            # Of a version that does not tell what it computes on the CPU.
            _log.debug('%s: no session for a graph: %s', self._path.name, str(err))
            return self._new_session()

    def _without_head(self) -> bytes:
        """The model up to its head, which our kernel takes over."""
        model = self._model()
        head = self._find_head(model)
        if head is None:
            raise ModelError(f'{self._path}: converted to FP16 its head is not found any more')
        last = self.layout == 'nhwc'
        dtype = np.float16 if head.is_half else np.float32
        output = self.outputs[head.output]
        kernel = CudaHead(self.device, head.layout, dtype, output.dtype, channels_last=last)
        self._head = _Head(kernel, head.output)
        return cut_head(model, head, channels_last=last).SerializeToString()

    def _leave_half(self, why: str) -> None:
        _log.warning('%s: not run in FP16: %s', self._path.name, why)
        self.content = None

    def _nodes_on_cpu(self) -> list[str]:
        """Of the session that there is, or else of the last one."""
        if self._session is not None:
            self._on_cpu = self._session.nodes_on_cpu()
        return self._on_cpu

    def _bind(self, session: CudaSession) -> None:
        specs = list(self.outputs)
        addresses = [buffer.address for buffer in self.output_buffers]
        if self._head is not None:
            kernel, output = self._head
            del specs[output], addresses[output]
            maps = session.raw.get_outputs()[: len(kernel.addresses)]
            specs = [tensor_spec(self._path, each) for each in maps] + specs
            addresses = [*kernel.addresses, *addresses]
        session.bind(self.inputs[0], self.input_buffer, specs, addresses)

    def _drop_session(self) -> None:
        held = self._session, self._head, self._graph
        self._session = self._head = self._graph = None
        self._release(*held)

    def _release(
        self, session: CudaSession | None, head: _Head | None, graph: Graph | None
    ) -> None:
        in_order = Resources()
        if head is not None:
            in_order.add(head.kernel)
        if session is not None:
            in_order.add(session)
        if graph is not None:
            in_order.add(graph)
        in_order.call(self.stream.synchronize)  # the first to be called
        with self.device.pushed():
            in_order.close()

    def _require_open(self) -> None:
        if self._closed:
            raise ModelError(f'{self._path}: the engine is closed')


class _Staging:
    """Page-locked memory between arrays of the host and the buffers of an engine."""

    def __init__(self, source: DeviceBuffer, outputs: Sequence[DeviceBuffer]) -> None:
        self._buffers = (source, *outputs)
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._pinned = [
                self._resources.add(PinnedBuffer(each.device, each.shape, each.dtype))
                for each in self._buffers
            ]
        # Results outlive the engine; page-locked memory does not.
        self._results = [np.empty(each.shape, each.dtype) for each in outputs]

    def run(
        self, tensor: NDArray[Any], run: Callable[[], None], stream: Stream
    ) -> Sequence[NDArray[np.generic]]:
        source, *outputs = self._buffers
        pinned_source, *pinned_outputs = self._pinned
        np.copyto(pinned_source.array, tensor)
        source.copy_from_host(pinned_source, stream)
        run()
        for output, pinned in zip(outputs, pinned_outputs, strict=True):
            output.copy_to_host(pinned, stream)
        stream.synchronize()
        for result, pinned in zip(self._results, pinned_outputs, strict=True):
            np.copyto(result, pinned.array)
        return self._results

    def close(self) -> None:
        self._resources.close()


@functools.lru_cache(maxsize=4)
def _converted(path: Path, changed_ns: int, size: int) -> bytes | None:
    """An FP32 model in FP16; None for one that is not, or cannot be converted, and the log why."""
    if has_quantization(path):
        return None
    try:
        model = load_model(path)
        widen_weights(model)
        if is_fp16(model):
            return None
        pad_channels(model)
        return to_fp16(model).SerializeToString()
    except PerceptionError as err:
        _log.info('%s: not run in FP16: %s', path.name, str(err))
        return None


def _listed(
    given: Sequence[str] | None, known: Sequence[str], variable: str, what: str
) -> tuple[str, ...]:
    """What was given, or else is listed in the environment, or else all; some of the known."""
    if given is None:
        listed = os.environ.get(variable, '')
        given = [each.strip() for each in listed.split(',')] if listed else known
    if not given or any(each not in known for each in given):
        raise ParameterError(
            f'the {what} are {", ".join(given) or "none"} (argument, or {variable} in the '
            f'environment); expected some of {", ".join(known)}'
        )
    return tuple(given)


def _require_equal(
    specs: Sequence[TensorSpec],
    expected: Sequence[NDArray[Any]],
    found: Sequence[NDArray[Any]],
    *,
    share: float = _TOLERATED_SHARE,
    relative: float = 1e-2,
    of_largest: float = 1e-4,
) -> None:
    """Fail where more than a share of the values differ by more than that."""
    for spec, wanted, got in zip(specs, expected, found, strict=True):
        differing = _share_that_differs(wanted, got, relative, of_largest)
        if differing > share:
            raise CudaError(
                f'output {quoted(spec.name)} differs from that of a plain run in {differing:.1%} '
                'of its values'
            )


def _share_that_differs(
    wanted: NDArray[Any], got: NDArray[Any], relative: float, of_largest: float
) -> float:
    if not np.issubdtype(wanted.dtype, np.floating):
        return float(np.mean(wanted != got))
    wanted, got = wanted.astype(np.float64), got.astype(np.float64)
    finite = np.abs(wanted[np.isfinite(wanted)])
    tolerance = of_largest * float(finite.max()) if finite.size else 0.0
    close = np.isclose(got, wanted, rtol=relative, atol=tolerance, equal_nan=True)
    return 1.0 - float(np.mean(close))


def onnxruntime_cuda_problem(device_index: int = 0) -> str:
    """Why this engine cannot be used on a GPU of this machine; empty when it seems that it can."""
    return cuda_problem(device_index) or provider_problem()
