"""The engine on stand-ins for GPU and provider; test/cuda/test_on_gpu.py has the real ones."""

import gc
import logging
import shutil
import sys
import threading
import weakref
from contextlib import nullcontext

import numpy as np
import onnx
import onnxruntime
import pytest
import small_networks
import standin_onnxruntime
import standin_pycuda
from emulated_gpu import register_kernels
from onnx_models import color_segmentation, constant_model

from jetson_perception.cuda import CudaError, PinnedBuffer
from jetson_perception.engines import open_engine
from jetson_perception.engines.base import CudaEngine, TensorSpec
from jetson_perception.engines.onnxruntime import cuda as onnxruntime_cuda_module
from jetson_perception.engines.onnxruntime import source as source_module
from jetson_perception.engines.onnxruntime.candidate import Candidate
from jetson_perception.engines.onnxruntime.choices import MODES
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine
from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
from jetson_perception.engines.onnxruntime.session import CudaSession
from jetson_perception.engines.onnxruntime.source import convert_to_half
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.files.private_files import cache_folder

FLOAT32 = np.dtype(np.float32)


@pytest.fixture
def provider(monkeypatch, standin):
    return standin_onnxruntime.install(monkeypatch, standin)


@pytest.fixture
def path(tmp_path):
    return color_segmentation(tmp_path / 'my.onnx', size_wh=(8, 6))


@pytest.fixture
def engine(provider, path):
    engine = OnnxRuntimeCudaEngine(path)
    yield engine
    engine.close()


def noise(engine, seed=1):
    spec = engine.inputs[0]
    return np.random.default_rng(seed).random(spec.shape, np.float32).astype(spec.dtype)


def on_cpu(path, tensor):
    engine = OnnxRuntimeEngine(path, threads=1)
    return engine.infer(tensor)


class TestOpening:
    def test_is_what_the_protocol_says(self, engine, path):
        assert isinstance(engine, CudaEngine)
        assert engine.inputs == (TensorSpec('image', (1, 3, 6, 8), FLOAT32),)
        assert engine.outputs == (TensorSpec('scores', (1, 4, 6, 8), FLOAT32),)
        assert engine.input_buffer.shape == (1, 3, 6, 8)
        assert [buffer.shape for buffer in engine.output_buffers] == [(1, 4, 6, 8)]
        assert engine.info.path == str(path)
        assert engine.info.input_size_wh == (8, 6)
        version = onnxruntime.__version__
        assert engine.description == f'ONNX Runtime {version}, CUDA, stand-in, no GPU'

    def test_session_runs_on_the_engines_stream_exactly(self, engine, provider):
        (session,) = provider.sessions
        assert session.settings['user_compute_stream'] == str(engine.stream.handle)
        assert session.settings['device_id'] == '0'
        assert session.settings['use_tf32'] == '0'

    @pytest.mark.usefixtures('provider')
    def test_open_size(self, tmp_path):
        path = color_segmentation(tmp_path / 'open.onnx', dynamic=True)
        engine = OnnxRuntimeCudaEngine(path, input_size_wh=(16, 12))
        assert engine.inputs[0].shape == (1, 3, 12, 16)
        assert engine.outputs[0].shape == (1, 4, 12, 16)
        tensor = noise(engine)
        (found,) = engine.infer(tensor)
        (expected,) = OnnxRuntimeEngine(path, input_size_wh=(16, 12)).infer(tensor)
        np.testing.assert_array_equal(found, expected)
        engine.close()

    @pytest.mark.usefixtures('provider')
    def test_dynamic_size_that_is_not_set(self, tmp_path):
        path = color_segmentation(tmp_path / 'open.onnx', dynamic=True)
        with pytest.raises(ParameterError, match='set input_size') as error:
            OnnxRuntimeCudaEngine(path)
        assert error.value.parameter == 'input_size'

    @pytest.mark.usefixtures('provider')
    def test_no_model(self, tmp_path):
        (tmp_path / 'my.onnx').write_bytes(b'not a model')
        with pytest.raises(ModelError, match=r'my\.onnx is not an ONNX model'):
            OnnxRuntimeCudaEngine(tmp_path / 'my.onnx')

    @pytest.mark.usefixtures('provider')
    def test_output_without_rows(self, tmp_path):
        path = constant_model(
            tmp_path / 'my.onnx', [np.zeros((0, 6), np.float32)], size_wh=(32, 32)
        )
        with pytest.raises(ModelError, match=r"'output0' has the shape \(0, 6\) .*suppression"):
            OnnxRuntimeCudaEngine(path)

    def test_provider_that_does_not_start(self, monkeypatch, standin, path):
        standin_onnxruntime.install(monkeypatch, standin, starts=False)
        with pytest.raises(CudaError, match=r'CUDA provider did not start .*cuDNN'):
            OnnxRuntimeCudaEngine(path)

    @pytest.mark.usefixtures('standin')
    def test_onnxruntime_without_the_provider(self, path):
        with pytest.raises(CudaError, match='has no CUDA provider; install onnxruntime-gpu'):
            OnnxRuntimeCudaEngine(path)

    def test_no_memory_leaves_nothing_behind(self, monkeypatch, path):
        standin = standin_pycuda.install(monkeypatch, total_memory=1000)
        standin_onnxruntime.install(monkeypatch, standin)
        with pytest.raises(CudaError, match='the GPU is full'):
            OnnxRuntimeCudaEngine(path)
        gc.collect()
        standin.check()

    @pytest.mark.parametrize('modes', [(), ('own_graph', 'fast')])
    def test_unknown_modes(self, path, modes):
        with pytest.raises(ParameterError, match=r'expected some of own_graph, runtime_graph'):
            OnnxRuntimeCudaEngine(path, modes=modes)

    def test_modes_of_the_environment(self, provider, path, monkeypatch):
        monkeypatch.setenv('JETSON_PERCEPTION_ONNXRUNTIME_MODES', 'plain, own_graph')
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        assert engine.mode == 'plain'
        engine.close()
        monkeypatch.setenv('JETSON_PERCEPTION_ONNXRUNTIME_MODES', 'fast')
        with pytest.raises(ParameterError, match=r'CUDA are fast .*in the environment'):
            OnnxRuntimeCudaEngine(path)


class TestInfer:
    @pytest.mark.parametrize('mode', MODES)
    def test_equals_the_cpu(self, provider, path, mode):
        engine = OnnxRuntimeCudaEngine(path, modes=[mode])
        engine.bind_thread()
        for seed in range(3):
            tensor = noise(engine, seed)
            (found,) = engine.infer(tensor)
            np.testing.assert_array_equal(found, on_cpu(path, tensor)[0])
        assert engine.mode == mode
        engine.close()

    @pytest.mark.parametrize('mode', MODES)
    def test_from_several_threads_one_after_another(self, provider, path, mode):
        engine = OnnxRuntimeCudaEngine(path, modes=[mode])
        tensor = noise(engine)
        engine.bind_thread()
        results = []
        for _ in range(3):
            thread = threading.Thread(
                target=lambda: results.append(engine.infer(tensor)[0].copy())
            )
            thread.start()
            thread.join()
        assert len(results) == 3
        for result in results:
            np.testing.assert_array_equal(result, on_cpu(path, tensor)[0])
        engine.close()

    def test_unbound_engine_runs_plainly(self, provider, engine, path):
        tensor = noise(engine)
        np.testing.assert_array_equal(engine.infer(tensor)[0], on_cpu(path, tensor)[0])
        assert engine.mode == ''
        assert [session.runs for session in provider.sessions] == [1]

    def test_half_precision(self, provider, tmp_path):
        path = color_segmentation(tmp_path / 'half.onnx', dtype=np.float16)
        engine = OnnxRuntimeCudaEngine(path)
        tensor = noise(engine)
        (found,) = engine.infer(tensor)
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, on_cpu(path, tensor)[0])
        engine.close()

    def test_results_outlive_the_engine(self, provider, path):
        engine = OnnxRuntimeCudaEngine(path)
        tensor = noise(engine)
        (found,) = engine.infer(tensor)
        engine.close()
        np.testing.assert_array_equal(found, on_cpu(path, tensor)[0])

    def test_tensor_that_does_not_fit(self, engine):
        with pytest.raises(ModelError, match=r"'image' takes float32 \(1, 3, 6, 8\), got float64"):
            engine.infer(noise(engine).astype(np.float64))
        engine.infer(noise(engine))

    def test_allocates_nothing_once_it_runs(self, standin, engine):
        engine.infer(noise(engine))
        count = standin.allocations
        for seed in range(5):
            engine.infer(noise(engine, seed))
        assert standin.allocations == count


class TestEnqueue:
    @pytest.mark.parametrize('mode', MODES)
    def test_reads_and_writes_its_buffers(self, standin, provider, path, mode):
        engine = OnnxRuntimeCudaEngine(path, modes=[mode])
        engine.bind_thread()
        tensor = noise(engine)
        output = engine.output_buffers[0]
        with engine.device.pushed():
            address = engine.input_buffer.address
            standin.view(address, tensor.shape, tensor.dtype)[...] = tensor
            standin.view(output.address, output.shape, output.dtype)[...] = -1
            engine.enqueue()
            waited = (standin.view(output.address, output.shape, output.dtype) != -1).any()
            assert waited == (mode == 'plain')
            engine.stream.synchronize()
        found = standin.view(output.address, output.shape, output.dtype)
        np.testing.assert_array_equal(found, on_cpu(path, tensor)[0])
        engine.close()

    @pytest.mark.parametrize('mode', MODES)
    def test_opened_bound_and_closed_by_three_threads(self, standin, path, provider, mode):
        """No session goes with memory that the driver would be asked to release later."""

        def bind_and_run():
            engine.bind_thread()
            with engine.device.pushed():
                for _ in range(3):
                    engine.enqueue()
                engine.stream.synchronize()

        engine = OnnxRuntimeCudaEngine(path, modes=[mode])
        tensor = noise(engine)
        engine.infer(tensor)
        thread = threading.Thread(target=bind_and_run)
        thread.start()
        thread.join()
        assert engine.mode == mode
        engine.close()
        assert not standin.faults

    def test_before_binding(self, engine):
        with pytest.raises(ModelError, match=r'did not call bind_thread\(\)'):
            engine.enqueue()

    def test_graph_of_the_runtime_belongs_to_its_thread(self, provider, path):
        engine = OnnxRuntimeCudaEngine(path, modes=['runtime_graph'])
        thread = threading.Thread(target=engine.bind_thread)
        thread.start()
        thread.join()
        with pytest.raises(ModelError, match=r'did not call bind_thread\(\)'):
            engine.enqueue()
        engine.bind_thread()  # it moves over
        with engine.device.pushed():
            engine.enqueue()
            engine.stream.synchronize()
        engine.close()

    def test_binding_again_costs_nothing(self, provider, engine):
        engine.bind_thread()
        count = provider.sessions[0].runs
        engine.bind_thread()
        assert provider.sessions[0].runs == count

    def test_graph_of_ours_needs_no_run_of_the_runtime(self, provider, engine):
        engine.bind_thread()
        count = provider.sessions[0].runs
        with engine.device.pushed():
            engine.enqueue()
            engine.stream.synchronize()
        assert provider.sessions[0].runs == count


class TestWaysToRun:
    def test_first_choice(self, engine, caplog):
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine.bind_thread()
        assert engine.mode == 'own_graph'
        assert 'my.onnx: runs as own graph' in caplog.text

    @pytest.mark.parametrize(
        ('options', 'mode', 'reason'),
        [
            ({'refuses_recording': True}, 'runtime_graph', 'CUDA failure 900'),
            ({'records_nothing': True}, 'runtime_graph', "'scores' differs from that of a plain"),
            ({'on_cpu': ['topk']}, 'plain', 'the CPU computes topk'),
        ],
    )
    def test_next_choice_and_why(self, monkeypatch, standin, path, caplog, options, mode, reason):
        standin_onnxruntime.install(monkeypatch, standin, **options)
        engine = OnnxRuntimeCudaEngine(path)
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine.bind_thread()
        tensor = noise(engine)
        (found,) = engine.infer(tensor)
        assert engine.mode == mode
        assert reason in caplog.text
        np.testing.assert_array_equal(found, on_cpu(path, tensor)[0])
        engine.close()

    def test_no_graph_is_asked_for_where_nodes_are_on_the_cpu(self, monkeypatch, standin, path):
        provider = standin_onnxruntime.install(monkeypatch, standin, on_cpu=['topk'])
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        assert not any(session.records for session in provider.sessions)
        engine.close()
        engine = OnnxRuntimeCudaEngine(path, modes=['runtime_graph'])
        with pytest.raises(ModelError, match=r'the CPU computes topk'):
            engine.bind_thread()
        engine.close()

    def test_graph_is_refused_by_a_runtime_without_a_reason(self, monkeypatch, standin, path):
        monkeypatch.delattr(standin_onnxruntime.Session, 'get_provider_graph_assignment_info')
        standin_onnxruntime.install(monkeypatch, standin, on_cpu=['topk'])
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        assert engine.mode == 'plain'
        tensor = noise(engine)
        np.testing.assert_array_equal(engine.infer(tensor)[0], on_cpu(path, tensor)[0])
        engine.close()

    def test_none_works(self, monkeypatch, standin, path):
        standin_onnxruntime.install(monkeypatch, standin, refuses_recording=True)
        engine = OnnxRuntimeCudaEngine(path, modes=['own_graph'])
        with pytest.raises(ModelError, match=r'ONNX Runtime failed: .*CUDA failure 900'):
            engine.bind_thread()
        engine.close()

    def test_runs_and_records_only_while_no_other_engine_does(self, provider, path, monkeypatch):
        held, seen = [], []

        class Binding:
            def __enter__(self):
                held.append(self)

            def __exit__(self, *exc_info):
                held.pop()

            loading = nullcontext

        run = CudaSession.run
        monkeypatch.setattr(onnxruntime_cuda_module, 'BINDING', Binding())
        monkeypatch.setattr(
            CudaSession, 'run', lambda self, **more: (seen.append(bool(held)), run(self, **more))
        )
        engine = OnnxRuntimeCudaEngine(path, modes=['runtime_graph'])
        engine.bind_thread()
        assert seen
        assert all(seen)
        engine.close()

    def test_first_runs_of_engines_go_side_by_side(self, provider, path, monkeypatch):
        """Each plans its convolutions, for up to seconds."""
        together = threading.Barrier(2, timeout=30.0)
        run_and_wait, errors = CudaSession.run_and_wait, []

        def meet(session):
            together.wait()
            run_and_wait(session)

        monkeypatch.setattr(CudaSession, 'run_and_wait', meet)
        engines = [OnnxRuntimeCudaEngine(path) for _ in range(2)]

        def infer(engine):
            try:
                tensor = noise(engine)
                np.testing.assert_array_equal(engine.infer(tensor)[0], on_cpu(path, tensor)[0])
            except Exception as err:  # noqa: BLE001 - shown below
                errors.append(err)

        threads = [threading.Thread(target=infer, args=(engine,)) for engine in engines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        for engine in engines:
            engine.close()

    def test_many_engines_bind_at_once(self, provider, path):
        """Engines that bind in many threads at once disturb no other's recording."""
        engines = [OnnxRuntimeCudaEngine(path) for _ in range(4)]
        errors = []

        def bind(engine):
            try:
                engine.bind_thread()
                tensor = noise(engine)
                np.testing.assert_array_equal(engine.infer(tensor)[0], on_cpu(path, tensor)[0])
            except Exception as err:  # noqa: BLE001 - shown below
                errors.append(err)

        threads = [threading.Thread(target=bind, args=(engine,)) for engine in engines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        for engine in engines:
            engine.close()


class TestHalf:
    @pytest.fixture
    def path(self, tmp_path):
        """Convolves, as what is converted does."""
        return small_networks.yolo(tmp_path / 'my.onnx')

    @pytest.fixture
    def conversions(self, monkeypatch):
        """A weak reference to each converted model that engines hold."""
        made = []
        init = source_module._Converted.__init__

        def remember(self, content):
            made.append(weakref.ref(self))
            init(self, content)

        monkeypatch.setattr(source_module._Converted, '__init__', remember)
        return made

    @staticmethod
    def is_near(engine, path):
        tensor = noise(engine)
        for found, wanted in zip(engine.infer(tensor), on_cpu(path, tensor), strict=True):
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, wanted, rtol=2e-2, atol=2e-2)
            yield np.array_equal(found, wanted)

    def test_a_model_in_fp32_is_converted(self, provider, path):
        engine = OnnxRuntimeCudaEngine(path, half=True)
        engine.bind_thread()
        assert engine.mode == 'own_graph'
        assert all(session.in_half for session in provider.sessions)
        assert engine.inputs[0].dtype == FLOAT32
        assert engine.description.endswith('converted to FP16')
        assert not all(self.is_near(engine, path))  # it rounds
        engine.close()

    def test_engines_opened_together_convert_once(self, provider, path, conversions):
        engines = [OnnxRuntimeCudaEngine(path, half=True) for _ in range(2)]
        assert len(conversions) == 1
        for engine in engines:
            engine.bind_thread()
            assert not all(self.is_near(engine, path))
            engine.close()
        assert len(conversions) == 1

    def test_the_conversion_is_freed_once_engines_run(self, provider, path, conversions):
        engines = [OnnxRuntimeCudaEngine(path, half=True) for _ in range(2)]
        assert conversions[0]() is not None
        for engine in engines:
            engine.bind_thread()
        gc.collect()
        assert conversions[0]() is None
        for engine in engines:
            engine.close()

    def test_it_is_converted_again_when_bound_again(self, provider, path, conversions):
        engine = OnnxRuntimeCudaEngine(path, half=True, modes=['runtime_graph'])
        engine.bind_thread()
        found = []

        def run():
            engine.bind_thread()
            found.append(all(self.is_near(engine, path)))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert found == [False]  # near, and rounded
        assert len(conversions) == 2
        assert all(session.in_half for session in provider.sessions)
        engine.close()

    def test_a_file_that_cannot_be_converted_again(self, provider, path):
        engine = OnnxRuntimeCudaEngine(path, half=True, modes=['runtime_graph'])
        engine.bind_thread()
        path.write_bytes(b'no model any more')
        shutil.rmtree(cache_folder('converted'))
        errors = []

        def bind():
            try:
                engine.bind_thread()
            except ModelError as err:
                errors.append(str(err))

        thread = threading.Thread(target=bind)
        thread.start()
        thread.join()
        assert errors == [f'{path} cannot be converted to FP16 again; open it again']
        engine.close()

    def test_channels_are_padded_to_what_tensor_cores_take(self, provider, tmp_path):
        path = small_networks.yolo(tmp_path / 'my.onnx', 'pose', head_channels=51)
        engine = OnnxRuntimeCudaEngine(path, half=True)
        weights = onnx.load_from_string(convert_to_half(path)).graph.initializer
        heads = [list(each.dims) for each in weights if len(each.dims) == 4 and each.dims[0] > 8]
        assert [56, 8, 3, 3] in heads
        assert [51, 56, 1, 1] in heads  # the last give what they gave
        assert not [dims for dims in heads if 51 in dims[1:] or dims == [51, 8, 3, 3]]
        list(self.is_near(engine, path))
        engine.close()

    def test_unless_asked_it_stays(self, provider, path):
        engine = OnnxRuntimeCudaEngine(path)
        assert all(self.is_near(engine, path))
        assert not engine.is_half
        engine.close()

    def test_one_that_is_in_half_or_quantized_is_left(self, provider, tmp_path):
        half = color_segmentation(tmp_path / 'half.onnx', dtype=np.float16)
        quantized = tmp_path / 'quantized.onnx'
        quantized.write_bytes(b'...QuantizeLinear...')
        assert convert_to_half(half) is None
        assert convert_to_half(quantized) is None

    def test_without_onnx(self, provider, path, monkeypatch, caplog):
        monkeypatch.setitem(sys.modules, 'onnx', None)
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine = OnnxRuntimeCudaEngine(path, half=True)
        assert 'does not run in FP16: the package onnx is needed' in caplog.text
        assert all(self.is_near(engine, path))
        engine.close()

    @pytest.mark.parametrize(
        ('half', 'reason'), [('refused', 'Op with float16'), ('overflow', 'are not finite')]
    )
    def test_where_fp16_does_not_do(self, monkeypatch, standin, path, caplog, half, reason):
        standin_onnxruntime.install(monkeypatch, standin, half=half)
        engine = OnnxRuntimeCudaEngine(path, half=True)
        engine.bind_thread()
        assert 'my.onnx: does not run in FP16' in caplog.text
        assert reason in caplog.text
        assert not engine.is_half
        assert all(self.is_near(engine, path))
        assert 'FP16' not in engine.description
        engine.close()

    @pytest.mark.parametrize(
        ('precision', 'half', 'tf32'),
        [('fp32', False, False), ('fp16', True, True), ('best', True, True)],
    )
    def test_by_precision(self, provider, path, precision, half, tf32):
        engine = open_engine(path, runtime='onnxruntime_cuda', precision=precision)
        assert (engine.is_half, engine.tf32) == (half, tf32)
        engine.close()


def asked_of(provider):
    """What each session for a graph was told of its convolutions."""
    known = ('prefer_nhwc', 'fuse_conv_bias', 'EXHAUSTIVE')
    return [
        [each for each in known if each in {*session.settings, *session.settings.values()}]
        for session in provider.sessions
        if session.records
    ]


class TestLayouts:
    @pytest.fixture(autouse=True)
    def _times(self, monkeypatch):
        """NHWC is the faster one, unless a test says otherwise; algorithms are not searched."""
        monkeypatch.setenv('JETSON_PERCEPTION_ONNXRUNTIME_SEARCHES', 'heuristic')
        self.ms = {'nchw': 2.0, 'nhwc': 1.0}
        monkeypatch.setattr(
            Candidate, 'launch_ms', lambda candidate: self.ms[candidate.variant.layout]
        )

    def results_are_right(self, engine, path):
        for seed in range(2):
            tensor = noise(engine, seed)
            np.testing.assert_array_equal(engine.infer(tensor)[0], on_cpu(path, tensor)[0])

    def test_the_faster_one_is_kept(self, provider, engine, path, caplog):
        assert engine.layout == 'nchw'
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine.bind_thread()
        assert (engine.mode, engine.layout) == ('own_graph', 'nhwc')
        assert asked_of(provider) == [[], ['prefer_nhwc', 'fuse_conv_bias']]
        assert 'NCHW 2.000 ms, NHWC with fused bias 1.000 ms' in caplog.text
        assert 'runs as own graph, NHWC with fused bias' in caplog.text
        assert engine.description.endswith('no GPU, own graph, NHWC with fused bias')
        self.results_are_right(engine, path)

    @pytest.mark.parametrize('ms', [1.99, 3.0])
    def test_the_default_stays_unless_another_is_faster(self, provider, engine, path, ms):
        self.ms['nhwc'] = ms
        engine.bind_thread()
        assert (engine.mode, engine.layout) == ('own_graph', 'nchw')
        assert len(asked_of(provider)) == 2
        self.results_are_right(engine, path)

    @pytest.mark.parametrize(
        ('nhwc', 'reason'),
        [('refused', "'prefer_nhwc'"), ('wrong', "'scores' differs from that of a plain run")],
    )
    def test_one_that_fails_is_left(self, monkeypatch, standin, path, caplog, nhwc, reason):
        standin_onnxruntime.install(monkeypatch, standin, nhwc=nhwc)
        engine = OnnxRuntimeCudaEngine(path)
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine.bind_thread()
        assert (engine.mode, engine.layout) == ('own_graph', 'nchw')
        assert 'does not run in NHWC' in caplog.text
        assert reason in caplog.text
        self.results_are_right(engine, path)
        engine.close()

    @pytest.mark.parametrize(
        ('fused', 'reason'),
        [('refused', "'fuse_conv_bias'"), ('wrong', "'scores' differs from that of a plain run")],
    )
    def test_without_fusing_where_that_fails(
        self, monkeypatch, standin, path, caplog, fused, reason
    ):
        provider = standin_onnxruntime.install(monkeypatch, standin, fused=fused)
        for _ in range(2):
            engine = OnnxRuntimeCudaEngine(path)
            with caplog.at_level(logging.INFO, 'jetson_perception'):
                engine.bind_thread()
            assert (engine.mode, engine.layout) == ('own_graph', 'nhwc')
            assert 'does not run in NHWC with fused bias' in caplog.text
            assert reason in caplog.text
            self.results_are_right(engine, path)
            engine.close()
        asked = asked_of(provider)
        assert asked[-2:] == [['prefer_nhwc'], ['prefer_nhwc']]  # the second engine knows
        assert len(asked) == (3 if fused == 'refused' else 4)

    @pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
    def test_engines_of_one_model_try_once(self, provider, path, layout):
        self.ms[layout] = 0.5
        for _ in range(3):
            engine = OnnxRuntimeCudaEngine(path)
            engine.bind_thread()
            assert engine.layout == layout
            self.results_are_right(engine, path)
            engine.close()
        # Both for the trial, then one each.
        assert len(asked_of(provider)) == 4

    def test_each_session_is_one_for_a_graph(self, provider, path):
        for _ in range(2):
            engine = OnnxRuntimeCudaEngine(path)
            engine.bind_thread()
            engine.close()
        assert [session.records for session in provider.sessions] == [True, True, True]

    def test_nothing_is_left_of_the_other(self, standin, provider, engine):
        engine.bind_thread()
        gc.collect()
        alive = [each for each in gc.get_objects() if isinstance(each, CudaSession)]
        assert [each.raw is not None for each in alive].count(True) == 1

    @pytest.mark.parametrize(
        ('layout', 'asked'),
        [('nchw', [[]]), ('nhwc', [['prefer_nhwc'], ['prefer_nhwc', 'fuse_conv_bias']])],
    )
    def test_one_alone(self, provider, path, layout, asked, monkeypatch):
        monkeypatch.setenv('JETSON_PERCEPTION_ONNXRUNTIME_LAYOUTS', layout)
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        assert engine.layout == layout
        assert asked_of(provider) == asked
        self.results_are_right(engine, path)
        engine.close()
        with pytest.raises(ParameterError, match=r'CUDA are nwhc .*expected some of nchw, nhwc'):
            OnnxRuntimeCudaEngine(path, layouts=['nwhc'])


class TestSearches:
    """Algorithms of convolutions by cuDNN's search, which every start has to repeat."""

    BOTH = ('prefer_nhwc', 'fuse_conv_bias')

    @pytest.fixture(autouse=True)
    def _times(self, monkeypatch):
        """NHWC is faster, and so are searched algorithms, unless a test says otherwise."""
        self.saved = 0.2

        def launch_ms(candidate):
            variant = candidate.variant
            return 2.0 - (variant.layout == 'nhwc') - self.saved * variant.searches

        monkeypatch.setattr(Candidate, 'launch_ms', launch_ms)

    def test_it_opens_and_answers_without_and_searches_last(self, provider, engine, path, caplog):
        tensor = noise(engine)
        np.testing.assert_array_equal(engine.infer(tensor)[0], on_cpu(path, tensor)[0])
        assert asked_of(provider) == [[]]
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine.bind_thread()
        assert asked_of(provider) == [[], [*self.BOTH], [*self.BOTH, 'EXHAUSTIVE']]
        assert 'NHWC with fused bias, searched algorithms 0.800 ms' in caplog.text
        assert engine.description.endswith('own graph, NHWC with fused bias, searched algorithms')
        np.testing.assert_array_equal(engine.infer(tensor)[0], on_cpu(path, tensor)[0])

    @pytest.mark.parametrize(
        'saved', [pytest.param(0.09, id='too_little'), pytest.param(-1, id='slower')]
    )
    def test_a_gain_that_is_not_worth_it(self, provider, engine, saved):
        self.saved = saved
        engine.bind_thread()
        assert len(asked_of(provider)) == 3
        assert engine.description.endswith('own graph, NHWC with fused bias')

    @pytest.mark.parametrize('saved', [0.2, 0.0])
    def test_later_engines_do_what_was_found(self, provider, path, saved):
        self.saved = saved
        for _ in range(2):
            engine = OnnxRuntimeCudaEngine(path)
            engine.bind_thread()
            engine.close()
        assert len(provider.sessions) == 4
        assert ('EXHAUSTIVE' in asked_of(provider)[-1]) == (saved > 0)

    @pytest.mark.parametrize('searched', ['refused', 'wrong'])
    def test_one_that_fails_is_left(self, monkeypatch, standin, path, caplog, searched):
        standin_onnxruntime.install(monkeypatch, standin, searched=searched)
        engine = OnnxRuntimeCudaEngine(path)
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine.bind_thread()
        assert engine.description.endswith('own graph, NHWC with fused bias')
        assert 'does not run in NHWC with fused bias, searched algorithms' in caplog.text
        engine.close()

    @pytest.mark.parametrize(
        ('searches', 'asked'),
        [
            ('heuristic', [[], [*BOTH]]),
            ('exhaustive', [['EXHAUSTIVE'], [*BOTH, 'EXHAUSTIVE']]),
        ],
    )
    def test_one_alone(self, provider, path, searches, asked, monkeypatch):
        monkeypatch.setenv('JETSON_PERCEPTION_ONNXRUNTIME_SEARCHES', searches)
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        assert asked_of(provider) == asked
        engine.close()
        with pytest.raises(ParameterError, match=r'are fast .*some of heuristic, exhaustive'):
            OnnxRuntimeCudaEngine(path, searches=['fast'])

    @pytest.mark.parametrize(
        'options',
        [
            pytest.param({'modes': ['plain']}, id='asked_for'),
            pytest.param({'modes': ['runtime_graph', 'plain']}, id='graph_of_the_runtime'),
            pytest.param({'on_cpu': ['topk']}, id='with_operators_on_the_cpu'),
        ],
    )
    def test_where_nothing_is_timed_it_searches(self, monkeypatch, standin, path, options):
        modes = options.pop('modes', None)
        provider = standin_onnxruntime.install(monkeypatch, standin, **options)
        engine = OnnxRuntimeCudaEngine(path, modes=modes)
        engine.bind_thread()
        tensor = noise(engine)
        np.testing.assert_array_equal(engine.infer(tensor)[0], on_cpu(path, tensor)[0])
        assert provider.sessions[-1].settings['cudnn_conv_algo_search'] == 'EXHAUSTIVE'
        engine.close()


class TestHead:
    """The end of a YOLO network by the package's own kernel, which the emulator runs."""

    @pytest.fixture(autouse=True)
    def _times(self, monkeypatch):
        """The kernel is faster, unless a test says otherwise; algorithms are not searched."""
        monkeypatch.setenv('JETSON_PERCEPTION_ONNXRUNTIME_SEARCHES', 'heuristic')
        self.head_ms = 1.0
        monkeypatch.setattr(
            Candidate,
            'launch_ms',
            lambda candidate: self.head_ms if candidate.variant.decodes_head else 2.0,
        )

    @pytest.fixture(autouse=True)
    def _kernels(self, standin):
        register_kernels(standin, 'yolo_head')

    @pytest.fixture
    def path(self, tmp_path):
        return small_networks.yolo(tmp_path / 'my.onnx', size_wh=(64, 32))

    @staticmethod
    def is_right(engine, path):
        for seed in range(2):
            tensor = noise(engine, seed)
            np.testing.assert_allclose(
                engine.infer(tensor)[0], on_cpu(path, tensor)[0], rtol=1e-5, atol=1e-4
            )

    @pytest.mark.parametrize('half', [False, True])
    def test_the_faster_one_is_kept(self, provider, path, caplog, half):
        engine = OnnxRuntimeCudaEngine(path, half=half)
        outputs = engine.outputs
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine.bind_thread()
        assert 'NCHW 2.000 ms, NCHW, head in one kernel 1.000 ms' in caplog.text
        assert 'NCHW, head in one kernel' in engine.description
        assert engine.outputs == outputs
        assert [each.name for each in provider.sessions[-1].get_outputs()] != ['output0']
        if half:
            tensor = noise(engine)
            assert np.abs(engine.infer(tensor)[0] - on_cpu(path, tensor)[0]).max() < 0.1
        else:
            self.is_right(engine, path)
        engine.close()

    def test_in_the_order_of_axes_that_is_faster(self, provider, path, monkeypatch):
        monkeypatch.setattr(
            Candidate,
            'launch_ms',
            lambda candidate: (
                3.0 - candidate.variant.decodes_head - (candidate.variant.layout == 'nhwc')
            ),
        )
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        assert engine.description.endswith('NHWC with fused bias, head in one kernel')
        maps = provider.sessions[-1].get_outputs()
        assert [each.shape for each in maps][:2] == [[1, 4, 8, 64], [1, 4, 8, 2]]
        self.is_right(engine, path)
        engine.close()

    def test_enqueued_it_fills_the_output(self, provider, engine, path, device):
        engine.bind_thread()
        tensor = noise(engine, 3)
        engine.infer(tensor)  # which leaves it in the input
        with device.pushed():
            staging = PinnedBuffer(device, engine.outputs[0].shape, np.float32)
            engine.output_buffers[0].clear(engine.stream)
            engine.enqueue()
            engine.output_buffers[0].copy_to_host(staging, engine.stream)
            engine.stream.synchronize()
        np.testing.assert_allclose(staging.array, on_cpu(path, tensor)[0], rtol=1e-5, atol=1e-4)
        staging.close()

    def test_the_runtimes_stays_unless_it_pays(self, provider, engine, path):
        self.head_ms = 1.99
        engine.bind_thread()
        assert 'head' not in engine.description
        self.is_right(engine, path)

    def test_another_decoding_is_left_to_the_runtime(self, provider, tmp_path, caplog):
        """Its maps are of the same sizes; a run on the CPU tells."""
        path = small_networks.yolo(tmp_path / 'pose.onnx', 'pose', class_count=1)
        engine = OnnxRuntimeCudaEngine(path)
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine.bind_thread()
        assert 'ONNX Runtime computes its head: 51 of 56 values per anchor' in caplog.text
        assert engine.mode == 'own_graph'
        assert 'head' not in engine.description
        self.is_right(engine, path)
        engine.close()

    def test_no_kernels(self, provider, engine, path, monkeypatch, caplog):
        def refuse(*_):
            raise CudaError('nvcc was not found')

        monkeypatch.setattr('jetson_perception.cuda.yolo_head.load_module', refuse)
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine.bind_thread()
        assert 'does not run in NCHW, head in one kernel: nvcc was not found' in caplog.text
        self.is_right(engine, path)

    def test_engines_of_one_model_try_once(self, provider, path):
        for count in (3, 4, 5):  # of the first, the whole model and two trials
            engine = OnnxRuntimeCudaEngine(path)
            engine.bind_thread()
            assert 'head in one kernel' in engine.description
            self.is_right(engine, path)
            engine.close()
            assert len(asked_of(provider)) == count

    def test_a_file_that_another_one_replaces(self, provider, path):
        first = OnnxRuntimeCudaEngine(path)
        first.bind_thread()
        assert 'head in one kernel' in first.description
        first.close()
        small_networks.yolo(path, 'pose', class_count=1, size_wh=(64, 32))
        second = OnnxRuntimeCudaEngine(path)
        second.bind_thread()
        assert 'head' not in second.description
        self.is_right(second, path)
        second.close()

    def test_left_out(self, provider, path, monkeypatch):
        monkeypatch.setenv('JETSON_PERCEPTION_ONNXRUNTIME_HEADS', 'runtime')
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        assert 'head' not in engine.description
        assert len(asked_of(provider)) == 2
        self.is_right(engine, path)
        engine.close()
        with pytest.raises(ParameterError, match=r'CUDA are kernels .*some of runtime, kernel'):
            OnnxRuntimeCudaEngine(path, heads=['kernels'])

    def test_no_graph_of_ours_no_head(self, provider, path):
        first = OnnxRuntimeCudaEngine(path)
        first.bind_thread()
        assert 'head in one kernel' in first.description
        for mode in ('runtime_graph', 'plain'):
            engine = OnnxRuntimeCudaEngine(path, modes=[mode])
            engine.bind_thread()
            assert engine.mode == mode
            self.is_right(engine, path)
            engine.close()
        first.close()

    def test_a_recording_that_fails_later(self, provider, path):
        first = OnnxRuntimeCudaEngine(path)
        first.bind_thread()
        provider.refuses_recording = True
        second = OnnxRuntimeCudaEngine(path)
        second.bind_thread()
        assert second.mode == 'runtime_graph'
        self.is_right(second, path)
        self.is_right(first, path)
        second.close()
        first.close()

    def test_again_in_another_thread(self, provider, engine, path):
        engine.bind_thread()
        found = []
        thread = threading.Thread(
            target=lambda: found.append(engine.infer(noise(engine))[0].copy())
        )
        thread.start()
        thread.join()
        np.testing.assert_allclose(found[0], on_cpu(path, noise(engine))[0], rtol=1e-5, atol=1e-4)


class TestClosing:
    def test_twice_and_from_another_thread(self, provider, path):
        engine = OnnxRuntimeCudaEngine(path)
        engine.infer(noise(engine))
        thread = threading.Thread(target=engine.close)
        thread.start()
        thread.join()
        engine.close()
        for call in (engine.bind_thread, engine.enqueue, lambda: engine.infer(np.zeros(1))):
            with pytest.raises(ModelError, match=r'my\.onnx: the engine is closed'):
                call()

    def test_waits_for_what_is_under_way(self, provider, path):
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        with engine.device.pushed():
            engine.enqueue()
        engine.close()

    def test_after_a_failure_of_the_gpu(self, standin, provider, path, caplog):
        engine = OnnxRuntimeCudaEngine(path)
        engine.bind_thread()
        standin.failure = ZeroDivisionError()
        with engine.device.pushed(), pytest.raises(CudaError):
            engine.enqueue()
        engine.close()
        assert 'was not closed cleanly' in caplog.text
