"""A stand-in for ONNX Runtime's CUDA provider: the CPU provider, run on a stand-in GPU's memory.

It is strict where the real one crashes, or computes something else: a session runs on the stream
that it was given, reads and writes the buffers that were bound, waits only where it is told to,
and a graph that it recorded belongs to the thread that recorded it.

Install `standin_pycuda` first.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import types
import weakref
from collections import Counter

import numpy as np
import onnxruntime

from jetson_perception.engines.onnxruntime.kept import KeptFindings

_CUDA = 'CUDAExecutionProvider'
_RUNS_BEFORE_RECORDING = 2


def install(monkeypatch, standin, *, cache=None, **options) -> Provider:
    """Give ONNX Runtime a CUDA provider until the test ends; options are `Provider`'s.

    Engines keep what they found out in the folder `cache`; by default in a new one.
    """
    if cache is None:
        cache = tempfile.mkdtemp()
        weakref.finalize(standin, shutil.rmtree, cache, ignore_errors=True)
    monkeypatch.setenv('XDG_CACHE_HOME', str(cache))
    monkeypatch.setattr(KeptFindings, '_in_memory', {})
    provider = Provider(standin, onnxruntime.InferenceSession, **options)
    monkeypatch.setattr(
        onnxruntime, 'get_available_providers', lambda: [_CUDA, 'CPUExecutionProvider']
    )
    monkeypatch.setattr(onnxruntime, 'InferenceSession', provider.session)
    return provider


class Provider:
    """What the provider can do, and what was made of it.

    Parameters
    ----------
    starts : bool
        Whether it loads; where not, sessions run on the CPU, as the real one's do.
    on_cpu : sequence of str
        Operators that it has no kernels for.
    refuses_recording : bool
        Whether a run fails while somebody else records it.
    records_nothing : bool
        Whether such a recording misses what the run does.
    nhwc : str
        What becomes of sessions in that layout: they 'run', are 'refused', or give what is
        'wrong'.
    fused : str
        The same of sessions whose convolutions add their bias.
    searched : str
        The same of sessions for which cuDNN searches algorithms.
    half : str
        What becomes of models that are given as bytes, which are in FP16: they 'run', are
        'refused', or 'overflow'.
    """

    def __init__(
        self,
        standin,
        make_session,
        *,
        starts=True,
        on_cpu=(),
        refuses_recording=False,
        records_nothing=False,
        nhwc='run',
        fused='run',
        searched='run',
        half='run',
    ):
        self.standin = standin
        self.make_session = make_session
        self.starts = starts
        self.on_cpu = on_cpu
        self.refuses_recording = refuses_recording
        self.records_nothing = records_nothing
        #: By the setting that asks for it.
        self.becomes = {'prefer_nhwc': nhwc, 'fuse_conv_bias': fused, 'EXHAUSTIVE': searched}
        self.half = half
        self.sessions: list[Session] = []
        self.plain_settings: list[dict[str, str]] = []

    def session(self, path, options=None, providers=(), **more):
        if providers == ['CPUExecutionProvider']:
            return self.make_session(path, options, providers=providers)
        (provider,) = providers
        name, settings = provider
        assert name == _CUDA
        if 'user_compute_stream' not in settings:  # a session as it comes, for its run()
            assert not more
            self.plain_settings.append(settings)
            return self.make_session(path, options, providers=['CPUExecutionProvider'])
        assert more == {'enable_fallback': 0}
        assert all(isinstance(value, str) for value in settings.values())
        self.standin.current()
        self.standin.not_capturing('cudaMalloc')
        if settings['enable_cuda_graph'] == '1' and self.on_cpu:
            raise RuntimeError('[ONNXRuntimeError] : 1 : FAIL : cannot use the graph capture')
        assert settings['cudnn_conv_algo_search'] in ('EXHAUSTIVE', 'HEURISTIC')
        for setting, what in self.becomes.items():
            if _asks(settings, setting) and what == 'refused':
                raise RuntimeError(f"[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : '{setting}'")
        if isinstance(path, bytes) and self.half == 'refused':
            raise RuntimeError('[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Op with float16')
        # Else quantized models would be computed on the CPU in part.
        assert options.get_session_config_entry('session.disable_quant_qdq') == '1'
        session = Session(self, path, options, settings)
        self.sessions.append(session)
        return _Handle(session)


class Session:
    def __init__(self, provider, path, options, settings):
        self.provider = provider
        self.standin = provider.standin
        self.settings = settings
        self.stream = self.standin.streams[int(settings['user_compute_stream'])]
        self.cpu = provider.make_session(path, options, providers=['CPUExecutionProvider'])
        self.records = settings['enable_cuda_graph'] == '1'
        self.recorded_by: int | None = None
        self.runs = 0
        #: Runs that were not waited for, whose page-locked memory is kept, by the thread's number.
        self.held: Counter[int] = Counter()
        self.in_half = isinstance(path, bytes)
        self.overflows = self.in_half and provider.half == 'overflow'
        self.get_inputs = self.cpu.get_inputs
        self.get_outputs = self.cpu.get_outputs
        self.get_modelmeta = self.cpu.get_modelmeta

    def get_providers(self):
        return (
            [_CUDA, 'CPUExecutionProvider'] if self.provider.starts else ['CPUExecutionProvider']
        )

    def get_provider_graph_assignment_info(self):
        nodes = [types.SimpleNamespace(name=name, op_type='Op') for name in self.provider.on_cpu]
        return [types.SimpleNamespace(ep_name='CPUExecutionProvider', get_nodes=lambda: nodes)]

    def io_binding(self):
        return Binding(self)

    def run_with_iobinding(self, binding, options):
        assert binding.session is self
        self.standin.current()
        waits = _entry(options, 'disable_synchronize_execution_providers') != '1'
        if waits:
            self.standin.not_capturing('cudaStreamSynchronize')
        if waits or self.stream.recorded is not None:
            leaves_graph = _entry(options, 'gpu_graph_id') == '-1'
            assert leaves_graph == self.records, 'its own graph is for the thread that recorded it'
        self._check_thread(options)
        self.runs += 1
        self.held[threading.get_ident()] += 1
        source = binding.input
        outputs = binding.bound
        if self.stream.recorded is not None:
            assert self.runs > _RUNS_BEFORE_RECORDING, 'it still allocates'
            if self.provider.refuses_recording:
                self.stream.broken = True
                raise RuntimeError('[ONNXRuntimeError] : 1 : FAIL : CUDA failure 900')
        skipped = self.stream.recorded is not None and self.provider.records_nothing
        memories = [self.standin.find(source.address, source.nbytes)[0]]
        memories += [
            self.standin.find(each.address, each.nbytes)[0] for each in outputs.values() if each
        ]

        def run():
            if skipped:
                return
            tensor = self.standin.view(source.address, source.shape, source.dtype)
            results = self.cpu.run(list(outputs), {source.name: tensor.copy()})
            binding.results = results
            if self.overflows:
                results = [result * np.inf for result in results]
            becomes = self.provider.becomes
            if any(becomes[each] == 'wrong' for each in becomes if _asks(self.settings, each)):
                results = [1 - result for result in results]
            for bound, result in zip(outputs.values(), results, strict=True):
                if bound is None:
                    continue  # ONNX Runtime's own memory
                assert result.shape == bound.shape, 'OrtValue shape verification failed'
                assert result.dtype == bound.dtype
                self.standin.view(bound.address, bound.shape, bound.dtype)[...] = result

        self.standin.enqueue(self.stream, 'run', run, *memories)
        if waits:
            self.standin.drain(self.stream, self.stream.submitted)
            del self.held[threading.get_ident()]

    def _check_thread(self, options):
        graph_id = _entry(options, 'gpu_graph_id')
        if not self.records or graph_id == '-1':
            return
        if self.recorded_by is None and self.runs >= _RUNS_BEFORE_RECORDING:
            self.recorded_by = threading.get_ident()
        if self.recorded_by not in (None, threading.get_ident()):
            raise RuntimeError('[ONNXRuntimeError] : 1 : FAIL : CUDA failure 900')


class _Handle:
    """What the engine has of a session; goes when the engine lets go of it."""

    def __init__(self, session):
        self._session = session

    def __getattr__(self, name):
        return getattr(self._session, name)

    def __del__(self):
        session = self._session
        # The real one may end in a function that the driver calls, and abort.
        held = session.held.total()
        if held and not session.records and session.standin.failure is None:
            session.standin.faults.append(
                f'a session that holds memory of {held} runs was let go of'
            )


def _asks(settings, what):
    return what in settings or what in settings.values()


def _entry(options, name):
    try:
        return options.get_run_config_entry(name)
    except RuntimeError:
        return ''


class Binding:
    def __init__(self, session):
        self.session = session
        self.input = None
        self.bound: dict = {}
        self.results: list[np.ndarray] = []

    def bind_input(self, name, device_type, device_id, element_type, shape, buffer_ptr):
        assert (device_type, device_id) == ('cuda', 0)
        self.input = _Bound(name, element_type, shape, buffer_ptr)

    def bind_output(
        self, name, device_type='cpu', device_id=0, element_type=None, shape=None, buffer_ptr=None
    ):
        assert (device_type, device_id) == ('cuda', 0)
        bound = _Bound(name, element_type, shape, buffer_ptr) if buffer_ptr else None
        self.bound[name] = bound

    def get_outputs(self):
        return [types.SimpleNamespace(shape=lambda each=each: each.shape) for each in self.results]


class _Bound:
    def __init__(self, name, element_type, shape, address):
        assert type(address) is int
        assert isinstance(shape, list)
        self.name, self.address = name, address
        self.shape, self.dtype = tuple(shape), np.dtype(element_type)
        self.nbytes = int(np.prod(self.shape)) * self.dtype.itemsize
