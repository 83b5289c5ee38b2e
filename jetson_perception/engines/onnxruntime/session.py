"""Sessions of ONNX Runtime's CUDA provider: checks for it, sets them up and runs them."""

from __future__ import annotations

import ctypes
import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.onnxruntime.cpu import imported_runtime, runtime_text
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.installing import pip_install
from jetson_perception.printable import printable
from jetson_perception.process.memory import ADVICE
from jetson_perception.process.start_times import START_TIMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jetson_perception.cuda.buffers import DeviceBuffer
    from jetson_perception.cuda.device import Stream
    from jetson_perception.engines.base import TensorSpec

_log = logging.getLogger('jetson_perception')

_PROVIDER = 'CUDAExecutionProvider'

# With this id the runtime neither captures a run nor replays a graph.
_NO_GRAPH_ID = '-1'


def provider_problem() -> str:
    """Why this ONNX Runtime cannot use CUDA; empty when it seems that it can."""
    try:
        onnxruntime = imported_runtime()
    except ImportError as err:
        return f'ONNX Runtime cannot be imported ({err}); {pip_install("onnxruntime-gpu")}'
    if _PROVIDER not in onnxruntime.get_available_providers():
        return (
            f'ONNX Runtime {onnxruntime.__version__} here has no CUDA provider; install '
            'onnxruntime-gpu in place of onnxruntime (on a Jetson: the one built for its JetPack)'
        )
    return ''


class CudaSession:
    """A model loaded by the CUDA provider, which computes on a stream of our own.

    The CUDA context must be pushed for every call.

    Kernels read small arrays from page-locked memory, which the runtime keeps after a run that is
    not waited for. If a session without graphs is released while it has such memory, it hands the
    memory to a function that the driver calls later. If that function holds the last reference,
    the memory's owner is destroyed inside it, where nothing can be freed, and the process aborts
    (ONNX Runtime 1.31). A run that is waited for releases such memory, but apparently only what
    runs of the same thread left. So without a graph each run is waited for; with one, the runtime
    uses no such function.

    Parameters
    ----------
    path : Path
        The ONNX file.
    stream : Stream
        It must outlive the session.
    mode : str
        'own_graph' if we capture `run` as a graph, 'runtime_graph' if the runtime captures it,
        'plain' if only `run_and_wait` is called.
    content : bytes, optional
        The model itself, in place of the file's content.
    tf32 : bool
        Whether FP32 convolutions may round to 10 bits of mantissa.
    channels_last : bool
        Whether the runtime uses the layout NHWC inside, between transpositions.
    fuses_bias : bool
        Whether a convolution adds its bias in the same kernel.
    searches : bool
        Whether cuDNN searches for the fastest algorithm of each convolution in the first run. With
        cuDNN 8 it then times all of them; with cuDNN 9 it ranks them by a heuristic that takes
        longer.
    dimensions : mapping
        Sizes of open dimensions, by the names that the model gives them.

    Attributes
    ----------
    raw : onnxruntime.InferenceSession
        None after `close`.

    Raises
    ------
    ModelError
        When the file is not a model, or the runtime refuses it; the message has the runtime's
        text. It refuses graphs for models that it computes partly on the CPU.
    CudaError
        When the CUDA provider does not start.
    """

    def __init__(
        self,
        path: Path,
        stream: Stream,
        *,
        mode: str,
        content: bytes | None = None,
        tf32: bool = False,
        channels_last: bool = False,
        fuses_bias: bool = False,
        searches: bool = True,
        dimensions: Mapping[str, int] | None = None,
    ) -> None:
        problem = provider_problem()
        if problem:
            raise CudaError(problem)
        _preload()
        self.mode = mode
        self._path = path
        self._stream = stream
        self._binding: Any = None
        skip = '' if mode == 'plain' else _NO_GRAPH_ID
        self._options = _run_options(graph_id='' if mode == 'runtime_graph' else skip)
        self._waiting_options = _run_options(graph_id=skip, wait=True)
        settings = {
            'device_id': str(stream.device.index),
            'user_compute_stream': str(stream.handle),
            'enable_cuda_graph': '0' if mode == 'plain' else '1',
            'use_tf32': '1' if tf32 else '0',
            'cudnn_conv_algo_search': 'EXHAUSTIVE' if searches else 'HEURISTIC',
            # Engines share the memory with each other, and on a Jetson with everything else.
            'arena_extend_strategy': 'kSameAsRequested',
        }
        if channels_last:  # before 1.17 there was no such option
            settings['prefer_nhwc'] = '1'
        if fuses_bias:  # before 1.20 there was no such option
            settings['fuse_conv_bias'] = '1'
        self.raw: Any = _create(path, content, settings, dimensions or {})

    def bind(
        self,
        input_spec: TensorSpec,
        input_buffer: DeviceBuffer,
        output_specs: Sequence[TensorSpec],
        output_addresses: Sequence[int],
    ) -> None:
        """Set the buffers that every later run reads and writes."""
        self._binding = self._bound_to(input_spec, input_buffer)
        for spec, address in zip(output_specs, output_addresses, strict=True):
            self._binding.bind_output(
                spec.name,
                'cuda',
                self._stream.device.index,
                spec.dtype.type,
                list(spec.shape),
                address,
            )

    def run(self) -> None:
        """Enqueue a run, to be captured or replayed; not for a session in mode 'plain'.

        Raises
        ------
        ModelError
            When the runtime fails; the message has its text.
        """
        assert self.mode != 'plain', 'it would hold page-locked memory'
        self._run(self._binding, self._options)

    def run_and_wait(self) -> None:
        """Launch every kernel anew, without the runtime's graph, and wait for the end.

        Raises
        ------
        ModelError
            When the runtime fails; the message has its text.
        """
        self._run(self._binding, self._waiting_options)

    def output_shapes(
        self, input_spec: TensorSpec, input_buffer: DeviceBuffer, names: Sequence[str]
    ) -> list[tuple[int, ...]]:
        """Shapes of the outputs for what is in the buffer; runs the model, and waits for it."""
        binding = self._bound_to(input_spec, input_buffer)
        for name in names:
            binding.bind_output(name, 'cuda', self._stream.device.index)
        self._run(binding, self._waiting_options)
        return [tuple(int(size) for size in value.shape()) for value in binding.get_outputs()]

    def nodes_on_cpu(self) -> list[str]:
        """Operators that the runtime computes on the CPU; empty if it does not report them."""
        if not hasattr(self.raw, 'get_provider_graph_assignment_info'):
            return []
        try:
            return [
                f'{printable(node.name)} ({printable(node.op_type)})'
                for subgraph in self.raw.get_provider_graph_assignment_info()
                if subgraph.ep_name != _PROVIDER
                for node in subgraph.get_nodes()
            ]
        except Exception as err:  # noqa: BLE001 - the check of results decides anyway
            _log.debug('ONNX Runtime does not report which operators run on the CPU: %s', err)
            return []

    def close(self) -> None:
        """Release the model. None of its runs may be under way."""
        self._binding = None
        self.raw = None

    def _bound_to(self, spec: TensorSpec, buffer: DeviceBuffer) -> Any:
        binding = self.raw.io_binding()
        binding.bind_input(
            spec.name,
            'cuda',
            self._stream.device.index,
            spec.dtype.type,
            list(spec.shape),
            buffer.address,
        )
        return binding

    def _run(self, binding: Any, options: Any) -> None:
        try:
            self.raw.run_with_iobinding(binding, options)
        except Exception as err:  # ONNX Runtime's errors share no other base
            raise ModelError(f'{self._path}: ONNX Runtime failed: {_text(err)}') from err


def _text(err: Exception) -> str:
    """The runtime's message; it does not tell whose memory ran out, and a Jetson has only one."""
    return runtime_text(err, out_of_memory=f'memory of the GPU or the machine ran out; {ADVICE}')


def _create(
    path: Path,
    content: bytes | None,
    settings: Mapping[str, str],
    dimensions: Mapping[str, int],
) -> Any:
    import onnxruntime

    # Before there is a session, it logs warnings through its default logger.
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the CPU only launches kernels
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4  # what it logs as an error it also raises
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.add_session_config_entry('session.record_ep_graph_assignment_info', '1')
    # Fused with the nodes between them, Q/DQ nodes become operators that the provider lacks.
    options.add_session_config_entry('session.disable_quant_qdq', '1')
    for name, size in dimensions.items():
        options.add_free_dimension_override_by_name(name, size)
    try:
        session = onnxruntime.InferenceSession(
            content or str(path),
            options,
            providers=[(_PROVIDER, dict(settings))],
            enable_fallback=0,  # it would print a message and go on without a GPU
        )
    except Exception as err:  # ONNX Runtime's errors share no other base
        text = _text(err)
        if 'protobuf' in text.lower():
            raise ModelError(f'{path} is not an ONNX model, or is damaged: {text}') from err
        raise ModelError(f'{path} cannot be loaded by ONNX Runtime on CUDA: {text}') from err
    if _PROVIDER not in session.get_providers():
        raise CudaError(
            f"ONNX Runtime {onnxruntime.__version__}'s CUDA provider did not start"
            f'{_why_not_loaded()}; it needs the CUDA and cuDNN that it was built for '
            "(python3 -c 'import onnxruntime; onnxruntime.print_debug_info()' shows which)"
        )
    return session


def _run_options(graph_id: str = '', *, wait: bool = False) -> Any:
    import onnxruntime

    options = onnxruntime.RunOptions()
    if not wait:
        options.add_run_config_entry('disable_synchronize_execution_providers', '1')
    if graph_id:
        options.add_run_config_entry('gpu_graph_id', graph_id)
    return options


@functools.cache
def _preload() -> None:
    """Load CUDA and cuDNN from Python packages, if they are installed as such."""
    import onnxruntime

    if not hasattr(onnxruntime, 'preload_dlls'):  # before 1.21
        return
    site_packages = Path(onnxruntime.__file__).resolve().parent.parent
    if not any(site_packages.glob('nvidia/*/lib/lib*.so*')):
        return  # the system's are found anyway; looking for others would only print warnings
    try:
        with START_TIMES.span("loading CUDA's libraries"):
            onnxruntime.preload_dlls()
    except Exception as err:  # noqa: BLE001 - the session says what it lacks
        _log.debug('ONNX Runtime could not preload CUDA: %s', err)


def _why_not_loaded() -> str:
    """The loader's error for the provider's library, which the runtime does not report."""
    import onnxruntime

    folder = Path(onnxruntime.__file__).resolve().parent / 'capi'
    for name in ('libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'):
        try:
            ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
        except OSError as err:
            return f' ({err})'
    return ''
