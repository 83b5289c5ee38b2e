"""ONNX Runtime's CUDA provider behind the engine protocol, on a stream and buffers of ours.

What runs a frame is a CUDA graph wherever the model allows. There are three ways. They are tried
in this order, and the results of a graph are held against those of plain runs before it is used:

1. A graph of ours, recorded from a plain run. A launch takes microseconds, waits for nothing, and
   may come from any thread.
2. The runtime's own graph. It belongs to the thread that recorded it.
3. Plain runs, every kernel launched anew: for models with operators that the provider lacks, which
   are computed on the CPU.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, PinnedBuffer
from jetson_perception.cuda.device import CudaDevice, cuda_problem
from jetson_perception.cuda.graphs import BINDING, Graph, capture
from jetson_perception.cuda.release import Resources
from jetson_perception.engines.image_input import choose_size_wh, require_tensor
from jetson_perception.engines.metadata import read_onnx_metadata
from jetson_perception.engines.onnxruntime import check_model_file, image_input, tensor_spec
from jetson_perception.engines.onnxruntime_session import CudaSession, provider_problem
from jetson_perception.errors import CudaError, ModelError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jetson_perception.cuda.device import Stream
    from jetson_perception.engines.base import TensorSpec

_log = logging.getLogger('jetson_perception')

MODES = ('own_graph', 'runtime_graph', 'plain')
"""Ways to run a model, in the order in which they are tried."""

MODES_VARIABLE = 'JETSON_PERCEPTION_ONNXRUNTIME_MODES'

# ONNX Runtime plans its memory in the second run; after the third nothing is allocated.
_WARM_UP_RUNS = 3

# Kernels that add up in another order each time differ a little; old results differ everywhere.
_TOLERATED_SHARE = 0.01


class OnnxRuntimeCudaEngine:
    """An ONNX model on ONNX Runtime's CUDA provider; implements `engines.base.CudaEngine`.

    Parameters
    ----------
    path : str or Path
        The ONNX file.
    device_index : int
        Which GPU.
    input_size_wh : tuple of int, optional
        Width and height of the input, for a model that leaves them open. Default: what the
        metadata says.
    tf32 : bool
        Whether FP32 convolutions may round to 10 bits of mantissa: faster from Ampere on, and
        scores then differ from the CPU's in the third digit.
    modes : sequence of str, optional
        Which of `MODES` to try, in this order. Default: what the environment's `MODES_VARIABLE`
        lists, separated by commas, else all.

    Attributes
    ----------
    description, info, inputs, outputs, device, stream, input_buffer, output_buffers
        As `CudaEngine` says.
    tf32 : bool
        Whether FP32 convolutions may round.
    mode : str
        Which of `MODES` is in use; empty before the first `bind_thread`.

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
        tf32: bool = False,
        modes: Sequence[str] | None = None,
    ) -> None:
        if modes is None:
            listed = os.environ.get(MODES_VARIABLE, '')
            modes = [mode.strip() for mode in listed.split(',')] if listed else MODES
        unknown = [mode for mode in modes if mode not in MODES]
        if unknown or not modes:
            raise ParameterError(
                f'the ways to run a model on CUDA are {", ".join(modes) or "none"} (argument, or '
                f'{MODES_VARIABLE} in the environment); expected some of {", ".join(MODES)}'
            )
        self._path = check_model_file(path)
        self.tf32 = tf32
        self._modes = tuple(modes)
        self.mode = ''
        self._dimensions: dict[str, int] = {}
        self._session: CudaSession | None = None
        self._graph: Graph | None = None
        self._run: Callable[[], None] | None = None
        self._thread: int | None = None  # that may run; None for any
        self._staging: _Staging | None = None
        self._closed = False
        self._resources = Resources()
        with self._resources.closed_on_error():
            self.device = self._resources.add(CudaDevice.get(device_index))
            self.stream: Stream = self._resources.add(self.device.new_stream())
            self._resources.call(self._drop_session)
            # Allocations would break the recording of another engine.
            with BINDING, self.device.pushed():
                self._open(input_size_wh)
            self._resources.call(self._drop_session)  # before the buffers that it is bound to

    def _open(self, input_size_wh: tuple[int, int] | None) -> None:
        import onnxruntime

        self.description = f'ONNX Runtime {onnxruntime.__version__}, CUDA, {self.device.name}'
        session = self._new_session()
        nodes = session.raw.get_inputs()
        spec = image_input(self._path, nodes)
        metadata = read_onnx_metadata(session.raw.get_modelmeta().custom_metadata_map)
        info = replace(metadata, path=str(self._path))
        size_wh = choose_size_wh(self._path, spec, info, input_size_wh)
        self.info = replace(info, input_size_wh=size_wh)
        shape = (1, 3, size_wh[1], size_wh[0])
        self.inputs: tuple[TensorSpec, ...] = (replace(spec, shape=shape),)
        self.input_buffer = self._resources.add(DeviceBuffer(self.device, shape, spec.dtype))
        self._dimensions = _named_dimensions(nodes[0].shape, shape)
        if self._dimensions:  # with known sizes it can plan memory, and record graphs
            session = self._new_session()
        self.outputs = self._known_outputs(session)
        self.output_buffers = tuple(
            self._resources.add(DeviceBuffer(self.device, each.shape, each.dtype))
            for each in self.outputs
        )
        self._bind(session)

    def _known_outputs(self, session: CudaSession) -> tuple[TensorSpec, ...]:
        """The outputs, with the sizes that a run has where the model leaves them open."""
        specs = tuple(tensor_spec(self._path, each) for each in session.raw.get_outputs())
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
                    f"{self._path}: output '{spec.name}' has the shape {spec.shape} for a black "
                    'image; where the size of an output depends on what is seen, the model runs '
                    "on engine 'onnxruntime_cpu', or export it without suppression inside"
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
        if self._session is None or self._session.records_graph:
            self._bind(self._new_session())
        first, second = self._test_tensors()
        for _ in range(_WARM_UP_RUNS):
            results = self._through(first, self._run_plainly)
        expected = [result.copy() for result in results]
        self._through(second, self._run_plainly)
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
                _log.info('%s: run as %s', self._path.name, mode.replace('_', ' '))
                return

    def _prepare_mode(
        self,
        mode: str,
        first: NDArray[Any],
        second: NDArray[Any],
        expected: Sequence[NDArray[Any]],
    ) -> None:
        session = self._session
        records_graph = mode == 'runtime_graph'
        if session is None or session.records_graph != records_graph:
            session = self._new_session(records_graph=records_graph)
            self._bind(session)
            for _ in range(_WARM_UP_RUNS):  # in the last of them the runtime records
                self._through(second, session.run)
        if mode == 'own_graph':
            on_cpu = session.nodes_on_cpu()
            if on_cpu:  # a graph would leave their work out
                raise ModelError(f'computed on the CPU: {", ".join(on_cpu[:3])}')
            self._graph = capture(self.stream, session.run, foreign=True)
            self._run = self._launch
        else:
            self._run = session.run
            self._thread = threading.get_ident() if records_graph else None
        if mode == 'plain':
            return
        for tensor in (second, first):  # what ran once need not run twice
            found = self._through(tensor, self._run)
        _require_equal(self.outputs, expected, found)

    def _launch(self) -> None:
        assert self._graph is not None
        self._graph.launch(self.stream)

    def _run_plainly(self) -> None:
        assert self._session is not None
        self._session.run(plain=True)

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

    def _new_session(self, *, records_graph: bool = False) -> CudaSession:
        self._drop_session()
        self._session = CudaSession(
            self._path,
            self.stream,
            records_graph=records_graph,
            tf32=self.tf32,
            dimensions=self._dimensions,
        )
        return self._session

    def _bind(self, session: CudaSession) -> None:
        session.bind(self.inputs[0], self.input_buffer, self.outputs, self.output_buffers)

    def _drop_session(self) -> None:
        graph, self._graph = self._graph, None
        session, self._session = self._session, None
        in_order = Resources()
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


def _named_dimensions(names: Sequence[Any], shape: Sequence[int]) -> dict[str, int]:
    """Sizes of the input's open dimensions by name; none when one name has two sizes."""
    sizes: dict[str, int] = {}
    for name, size in zip(names, shape, strict=True):
        if isinstance(name, str) and sizes.setdefault(name, size) != size:
            return {}
    return sizes


def _require_equal(
    specs: Sequence[TensorSpec],
    expected: Sequence[NDArray[Any]],
    found: Sequence[NDArray[Any]],
) -> None:
    for spec, wanted, got in zip(specs, expected, found, strict=True):
        share = _share_that_differs(wanted, got)
        if share > _TOLERATED_SHARE:
            raise CudaError(
                f"output '{spec.name}' differs from that of a plain run in {share:.1%} of its "
                'values'
            )


def _share_that_differs(wanted: NDArray[Any], got: NDArray[Any]) -> float:
    if not np.issubdtype(wanted.dtype, np.floating):
        return float(np.mean(wanted != got))
    wanted, got = wanted.astype(np.float64), got.astype(np.float64)
    finite = np.abs(wanted[np.isfinite(wanted)])
    tolerance = 1e-4 * float(finite.max()) if finite.size else 0.0
    close = np.isclose(got, wanted, rtol=1e-2, atol=tolerance, equal_nan=True)
    return 1.0 - float(np.mean(close))


def onnxruntime_cuda_problem(device_index: int = 0) -> str:
    """Why this engine cannot be used on a GPU of this machine; empty when it seems that it can."""
    return cuda_problem(device_index) or provider_problem()
