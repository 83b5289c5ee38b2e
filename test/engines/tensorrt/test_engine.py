"""The TensorRT engine on the stand-ins for TensorRT and pycuda, in the names of each version."""

import gc
import logging
import threading

import numpy as np
import pytest
import standin_pycuda
import standin_tensorrt
from onnx_models import color_segmentation, constant_model, identity_model
from standin_tensorrt import VERSIONS, make_plan

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.cuda import device as device_module
from jetson_perception.engines.base import CudaEngine
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine
from jetson_perception.engines.tensorrt import context as context_module
from jetson_perception.engines.tensorrt import graph_runner as graph_runner_module
from jetson_perception.engines.tensorrt.engine import TensorRTEngine
from jetson_perception.engines.tensorrt.loading import LoadedEngines, PlanRefusedError
from jetson_perception.errors import CudaError, ModelError, ParameterError
from jetson_perception.model_info import ModelInfo

PROFILES = [
    {'image': [[1, 3, 16, 32], [1, 3, 32, 32], [1, 3, 48, 64]]},
    {'image': [[1, 3, 96, 96], [1, 3, 96, 128], [1, 3, 192, 192]]},
]


class Machine:
    """TensorRT of one version, on a GPU."""

    def __init__(self, monkeypatch, version, **options):
        self.version = version
        self.cuda = standin_pycuda.install(monkeypatch, **options)
        self.trt = standin_tensorrt.install(monkeypatch, self.cuda, version)
        self.fail = self.trt.standin.fail
        self.calls = self.trt.standin.calls
        monkeypatch.setattr(context_module, 'loaded_engines', LoadedEngines())

    def plan(self, path, **facts):
        return make_plan(path, self.version, **facts)

    def open(self, path, facts=None, **options):
        options = {'info': ModelInfo(), 'path': path, **options}
        return TensorRTEngine(self.plan(path, **(facts or {})), **options)


def machine_of(versions):
    @pytest.fixture(params=versions)
    def machine(monkeypatch, request):
        made = Machine(monkeypatch, request.param)
        yield made
        gc.collect()  # what an exception held
        made.cuda.check()

    return machine


every = machine_of(list(VERSIONS))
old = machine_of(['8.5', '8.6'])
new = machine_of(['10.3', '10.13', '11'])
one = machine_of(['10.3'])


@pytest.fixture
def model(tmp_path):
    return color_segmentation(tmp_path / 'my.onnx')


@pytest.fixture
def dynamic(tmp_path):
    return color_segmentation(tmp_path / 'open.onnx', dynamic=True)


def tensors(engine, count=4):
    random = np.random.default_rng(7)
    spec = engine.inputs[0]
    return [random.random(spec.shape).astype(spec.dtype) for _ in range(count)]


def assert_computes(engine, path):
    """Several frames, each with the results of ONNX Runtime: an old result would show."""
    reference = OnnxRuntimeEngine(path, input_size_wh=engine.info.input_size_wh)
    for tensor in tensors(engine):
        got = [output.copy() for output in engine.infer(tensor)]
        expected = reference.infer(tensor)
        assert len(got) == len(expected)
        for ours, theirs, spec in zip(got, expected, engine.outputs, strict=True):
            assert ours.shape == theirs.shape == spec.shape
            assert ours.dtype == spec.dtype
            np.testing.assert_array_equal(ours, theirs)


class TestResults:
    def test_equal_those_of_onnx_runtime(self, every, model):
        engine = every.open(model)
        assert isinstance(engine, CudaEngine)
        assert_computes(engine, model)
        engine.close()

    def test_in_half_precision(self, every, tmp_path):
        path = color_segmentation(tmp_path / 'half.onnx', dtype=np.float16)
        engine = every.open(path)
        assert engine.inputs[0].dtype == engine.outputs[0].dtype == np.float16
        assert_computes(engine, path)
        engine.close()

    def test_class_ids_are_int64_where_there_is_such_a_type(self, every, tmp_path):
        path = color_segmentation(tmp_path / 'ids.onnx', argmax=True)
        engine = every.open(path)
        older = every.version.startswith('8.')
        assert engine.outputs[0].dtype == (np.int32 if older else np.int64)
        assert_computes(engine, path)
        engine.close()

    def test_of_several_outputs_come_in_the_model_s_order(self, one, tmp_path):
        planted = [np.arange(6, dtype=np.float32).reshape(1, 6), np.ones((1, 2, 3), np.float16)]
        path = constant_model(tmp_path / 'two.onnx', planted, size_wh=(32, 32))
        engine = one.open(path)
        for got, expected in zip(engine.infer(tensors(engine, 1)[0]), planted, strict=True):
            np.testing.assert_array_equal(got, expected)
        engine.close()

    def test_empty_output(self, one, tmp_path):
        path = constant_model(tmp_path / 'none.onnx', [np.empty((1, 0, 6), np.float32)])
        engine = one.open(path)
        [output] = engine.infer(tensors(engine, 1)[0])
        assert output.shape == (1, 0, 6)
        engine.close()

    def test_says_what_it_is(self, one, model):
        info = ModelInfo(task='semantic', class_names=('a', 'b'))
        engine = one.open(model, info=info)
        assert engine.description == 'TensorRT 10.3.0.30 on stand-in, no GPU'
        assert engine.info.task == 'semantic'
        assert engine.info.path == str(model)
        assert engine.info.input_size_wh == (64, 48)
        assert engine.inputs[0].shape == (1, 3, 48, 64)
        assert engine.input_buffer.shape == (1, 3, 48, 64)
        assert [buffer.shape for buffer in engine.output_buffers] == [(1, 4, 48, 64)]
        engine.close()

    def test_tensor_that_does_not_fit(self, one, model):
        engine = one.open(model)
        spec = engine.inputs[0]
        for tensor in (np.zeros((1, 3, 48, 65), np.float32), np.zeros(spec.shape, np.float64)):
            with pytest.raises(ModelError, match=r"input 'image' takes float32 \(1, 3, 48, 64\)"):
                engine.infer(tensor)
        assert_computes(engine, model)
        engine.close()


class TestLane:
    """As a lane runs it: buffers on the GPU, one thread."""

    def test_waits_for_nothing(self, every, model):
        engine = every.open(model)
        with engine.device.pushed():
            engine.bind_thread()
            before = engine.stream.raw._stream.done
            engine.enqueue()
            engine.enqueue()
            assert engine.stream.raw._stream.done == before
            engine.stream.synchronize()
        engine.close()

    def test_takes_no_memory(self, every, model):
        engine = every.open(model)
        with engine.device.pushed():
            engine.bind_thread()
            before = every.cuda.allocations
            for _ in range(5):
                engine.enqueue()
            engine.stream.synchronize()
        assert every.cuda.allocations == before
        engine.close()

    def test_thread_has_to_be_bound(self, one, model):
        engine = one.open(model)
        with engine.device.pushed(), pytest.raises(ModelError, match='call bind_thread'):
            engine.enqueue()
        in_thread(engine.bind_thread)
        with engine.device.pushed(), pytest.raises(ModelError, match='call bind_thread'):
            engine.enqueue()
        engine.close()

    def test_another_thread_takes_over_without_a_new_warm_up(self, one, model):
        engine = one.open(model)
        assert_computes(engine, model)
        runs = one.calls.count('execute_async_v3')
        in_thread(lambda: assert_computes(engine, model))
        assert_computes(engine, model)
        assert one.calls.count('execute_async_v3') == runs
        engine.close()

    def test_two_engines_in_two_threads(self, every, model, tmp_path):
        paths = [model, color_segmentation(tmp_path / 'ids.onnx', argmax=True)]
        engines = [every.open(path) for path in paths]
        threads = [
            Thread(lambda engine=engine, path=path: assert_computes(engine, path))
            for engine, path in zip(engines, paths, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for engine in engines:
            engine.close()


class Thread(threading.Thread):
    """Raises in `join` what its function raised."""

    def __init__(self, function):
        super().__init__()
        self.function, self.error = function, None

    def run(self):
        try:
            self.function()
        except BaseException as err:  # noqa: BLE001 - raised again in join
            self.error = err

    def join(self, timeout=None):
        super().join(timeout)
        if self.error is not None:
            raise self.error


def in_thread(function):
    thread = Thread(function)
    thread.start()
    thread.join()


class TestGraph:
    def test_is_captured_once_after_a_warm_up(self, every, model):
        engine = every.open(model)
        assert 'execute_async_v3' not in every.calls
        assert_computes(engine, model)
        assert every.calls.count('execute_async_v3') == 2
        engine.close()

    def test_may_be_declined(self, every, model):
        engine = every.open(model, use_graph=False)
        assert_computes(engine, model)
        assert every.calls.count('execute_async_v3') == 1 + len(tensors(engine))
        engine.close()

    def test_work_that_cannot_be_captured(self, every, model, caplog):
        engine = every.open(model, {'capturable': False})
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            assert_computes(engine, model)
        assert 'my.onnx: runs without a CUDA graph' in caplog.text
        assert 'capturing' in caplog.text
        assert every.calls.count('execute_async_v3') == 2 + len(tensors(engine))
        engine.close()

    def test_that_tensorrt_refuses(self, every, model, caplog):
        engine = every.open(model)
        every.fail['capture'] = 'a loop cannot be captured'
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            assert_computes(engine, model)
        assert 'without a CUDA graph, so each launch takes longer: ' in caplog.text
        assert 'a loop cannot be captured' in caplog.text
        engine.close()

    def test_that_tensorrt_rtx_says_cannot_be(self, one, model, caplog, monkeypatch):
        monkeypatch.setattr(
            one.trt.IExecutionContext,
            'is_stream_capturable',
            lambda self, stream: False,
            raising=False,
        )
        engine = one.open(model)
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            assert_computes(engine, model)
        assert 'this engine cannot be captured' in caplog.text
        assert one.calls.count('execute_async_v3') == 1 + len(tensors(engine))
        engine.close()

    def test_that_tensorrt_rtx_says_can_be(self, one, model, monkeypatch):
        monkeypatch.setattr(
            one.trt.IExecutionContext,
            'is_stream_capturable',
            lambda self, stream: True,
            raising=False,
        )
        engine = one.open(model)
        assert_computes(engine, model)
        assert one.calls.count('execute_async_v3') == 2
        engine.close()

    def test_a_fatal_gpu_error_is_not_ignored(self, one, model, monkeypatch):
        def fail(*_):
            raise CudaError('an illegal memory access', fatal=True)

        monkeypatch.setattr(graph_runner_module, 'capture', fail)
        engine = one.open(model)
        with pytest.raises(CudaError, match='illegal memory access'):
            engine.infer(tensors(engine, 1)[0])
        engine.close()


class TestShapes:
    @pytest.mark.parametrize(
        ('size_wh', 'profile'),
        [((64, 48), 0), ((32, 16), 0), ((96, 96), 1), ((192, 128), 1)],
    )
    def test_choose_the_profile(self, every, dynamic, size_wh, profile):
        engine = every.open(dynamic, {'profiles': PROFILES}, input_size_wh=size_wh)
        width, height = size_wh
        assert engine.inputs[0].shape == (1, 3, height, width)
        assert engine.outputs[0].shape == (1, 4, height, width)
        assert engine.info.input_size_wh == size_wh
        assert ('set_optimization_profile_async' in every.calls) == (profile != 0)
        assert_computes(engine, dynamic)
        engine.close()

    def test_default_to_what_the_model_says_then_to_what_was_tuned(self, one, dynamic):
        facts = {'profiles': PROFILES}
        engine = one.open(dynamic, facts)
        assert engine.info.input_size_wh == (32, 32)
        engine.close()
        engine = one.open(dynamic, facts, info=ModelInfo(input_size_wh=(64, 48)))
        assert engine.info.input_size_wh == (64, 48)
        engine.close()

    @pytest.mark.parametrize('size_wh', [(65, 48), (80, 80), (16, 16), (1000, 1000)])
    def test_outside_every_profile(self, every, dynamic, size_wh):
        with pytest.raises(
            ParameterError,
            match=r'input_size is .*was built for inputs of \(1, 3, 16, 32\) to \(1, 3, 48, 64\), '
            r'or \(1, 3, 96, 96\) to',
        ) as error:
            every.open(dynamic, {'profiles': PROFILES}, input_size_wh=size_wh)
        assert error.value.parameter == 'input_size'

    def test_another_size_than_the_fixed_one(self, one, model):
        with pytest.raises(ParameterError, match='takes 64 x 48') as error:
            one.open(model, input_size_wh=(64, 64))
        assert error.value.parameter == 'input_size'

    def test_engine_for_batches_alone(self, one, dynamic):
        profile = {'image': [[2, 3, 48, 64], [4, 3, 48, 64], [8, 3, 48, 64]]}
        with pytest.raises(ParameterError, match=r'inputs of \(2, 3, 48, 64\) to \(8, 3, 48, 64'):
            one.open(dynamic, {'profiles': [profile]}, input_size_wh=(64, 48))

    def test_engine_that_takes_batches_too(self, one, dynamic):
        profile = {'image': [[1, 3, 48, 64], [4, 3, 48, 64], [8, 3, 48, 64]]}
        engine = one.open(dynamic, {'profiles': [profile]}, input_size_wh=(64, 48))
        assert engine.inputs[0].shape == (1, 3, 48, 64)
        assert_computes(engine, dynamic)
        engine.close()


class TestRefused:
    def test_output_whose_size_depends_on_the_image(self, every, model):
        with pytest.raises(ModelError, match=r"size of output 'scores' depends .* nms=False"):
            every.open(model, {'data_dependent': ['scores']})

    @pytest.mark.parametrize('tensor', ['image', 'scores'])
    @pytest.mark.parametrize('kind', ['BF16', 'FP8', 'INT4'])
    def test_types_that_numpy_lacks(self, new, model, tensor, kind):
        with pytest.raises(
            ModelError, match=rf"my\.onnx: tensor '{tensor}' is {kind}, .*float32 or float16"
        ):
            new.open(model, {'types': {tensor: kind}})

    @pytest.mark.parametrize('tensor', ['image', 'scores'])
    def test_sizes_as_tensors(self, every, model, tensor):
        with pytest.raises(ModelError, match=rf"put '{tensor}' is a shape tensor on the host"):
            every.open(model, {'locations': {tensor: 'HOST'}})

    def test_packed_formats(self, every, model):
        with pytest.raises(ModelError, match=r"input 'image' has the format CHW16; .*inputIOForm"):
            every.open(model, {'formats': {'image': 'CHW16'}})

    @pytest.mark.parametrize(
        ('shapes', 'text'),
        [
            ([(1, 3, 8, 8), (1, 3, 8, 8)], 'has 2 inputs'),
            ([(1, 8, 8, 3)], 'channels last'),
            ([(1, 1, 8, 8)], 'expected 3 channels'),
            ([(3, 8, 8)], 'expected an image'),
            ([(2, 3, 8, 8)], 'only one image runs at a time'),
        ],
    )
    def test_inputs_that_are_not_images(self, one, tmp_path, shapes, text):
        path = identity_model(tmp_path / 'my.onnx', shapes)
        with pytest.raises(ModelError, match=text):
            one.open(path)

    def test_input_of_bytes(self, one, model):
        with pytest.raises(ModelError, match='expected float32 or float16'):
            one.open(model, {'types': {'image': 'UINT8'}})


class TestPlan:
    """Each answer of TensorRT's to a plan that it does not take."""

    def refused(self, machine, model, plan, text, kind=PlanRefusedError):
        with pytest.raises(kind, match=text) as error:
            TensorRTEngine(plan, path=model, info=ModelInfo())
        assert type(error.value) is kind
        assert 'error: 35' not in str(error.value)  # what TensorRT logs after the real one
        assert 'TensorRT says: ' in str(error.value)

    @pytest.mark.parametrize('built_by', VERSIONS)
    def test_of_another_version(self, every, model, built_by):
        if built_by == every.version:
            return
        head = '' if built_by.startswith('8.') else r', of TensorRT \d+\.\d+\.\d+\.\d+,'
        ours = every.trt.__version__.replace('.', r'\.')
        self.refused(
            every,
            model,
            make_plan(model, built_by),
            rf'my\.onnx{head} cannot be loaded by TensorRT {ours}: it was built by another '
            r'version of TensorRT; build it again here',
        )

    def test_of_another_kind_of_machine(self, every, model):
        plan = every.plan(model, platform='x86-64')
        self.refused(every, model, plan, 'built on another kind of machine')

    def test_of_another_gpu(self, every, model):
        plan = every.plan(model, compute_capability=[7, 2])
        self.refused(every, model, plan, 'it was built for another GPU.*got compute 7.2')

    @pytest.mark.parametrize('length', [0, 3, 4, 27, 100, 500])
    def test_cut_off(self, every, model, length):
        self.refused(every, model, every.plan(model)[:length], 'it is cut off')

    def test_no_engine_at_all(self, every, model):
        self.refused(every, model, model.read_bytes(), 'it is not an engine of this TensorRT')

    def test_of_tensorrt_rtx(self, every, model):
        plan = b'vtrt' + every.plan(model)[4:]
        self.refused(every, model, plan, r'of TensorRT-RTX .*\(neither runs engines of')

    def test_plugin_that_does_not_exist(self, every, model):
        every.fail['deserialize_cuda_engine'] = (
            'Error Code 1: Cannot find plugin: MyPlugin, version: 1, namespace:'
        )
        self.refused(every, model, every.plan(model), 'an operator from a plugin .*MyPlugin')

    def test_for_a_failure_of_cuda(self, every, model):
        every.fail['deserialize_cuda_engine'] = (
            'IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (In ScopedCudaStream at '
            'cudaResources.cpp:25 (cudaError 35: CUDA driver version is insufficient))'
        )
        with pytest.raises(ModelError, match='CUDA failed; `jetson-perception doctor`') as error:
            every.open(model)
        assert type(error.value) is ModelError

    def test_for_an_unfamiliar_reason(self, every, model):
        every.fail['deserialize_cuda_engine'] = 'Error Code 9: the moon is full'
        self.refused(every, model, every.plan(model), r'8?\.\d+\. TensorRT says: .* moon is full')

    def test_for_an_unknown_reason(self, one, model, monkeypatch):
        monkeypatch.setattr(one.trt.standin, 'say', lambda *_: None)
        one.fail['deserialize_cuda_engine'] = ''
        with pytest.raises(PlanRefusedError, match='TensorRT did not say why'):
            one.open(model)

    def test_larger_than_memory(self, every, model):
        plan = every.plan(model, weight_bytes=9 << 30)
        self.refused(every, model, plan, 'too little memory left; run fewer', ModelError)

    def test_scratch_larger_than_memory(self, every, model):
        plan = every.plan(model, scratch_bytes=9 << 30)
        self.refused(every, model, plan, 'too little memory left; run fewer', ModelError)

    def test_bytes_are_taken_as_they_are(self, every, model):
        plan = every.plan(model)
        for kind in (bytearray, memoryview):
            TensorRTEngine(kind(plan), path=model, info=ModelInfo()).close()


class TestFailures:
    """Whatever fails: the error says what TensorRT logged, and nothing is left behind."""

    @pytest.mark.parametrize(
        ('call', 'text'),
        [
            ('create_execution_context', 'cannot be made ready by TensorRT'),
            ('set_optimization_profile_async', 'profile 1 cannot be used'),
            ('set_input_shape', r'does not take an input of \(1, 3, 96, 96\)'),
            ('set_tensor_address', "tensor 'image' takes no address"),
        ],
    )
    def test_while_opening(self, every, dynamic, call, text):
        every.fail[call] = 'the moon is full'
        with pytest.raises(ModelError, match=rf'{text}.*the moon is full'):
            every.open(dynamic, {'profiles': PROFILES}, input_size_wh=(96, 96))
        assert call in every.calls

    def test_while_shapes_are_inferred(self, every, model):
        every.fail['infer_shapes'] = 'the moon is full'
        with pytest.raises(ModelError, match='TensorRT cannot infer its shapes: infer_shapes err'):
            every.open(model)

    def test_shapes_that_stay_unknown(self, one, model, monkeypatch):
        monkeypatch.setattr(one.trt.IExecutionContext, 'infer_shapes', lambda self: ['n'])
        with pytest.raises(ModelError, match=r'the shapes of n are not known'):
            one.open(model)

    def test_runtime_that_does_not_start(self, one, model):
        one.fail['Runtime'] = ''
        with pytest.raises(ModelError, match=r'TensorRT 10\.3\.0\.30 does not start: pybind11'):
            one.open(model)
        del one.fail['Runtime']
        one.open(model).close()

    def test_no_gpu_is_seen_before_tensorrt_is_touched(self, monkeypatch, model):
        for version in VERSIONS:
            machine = Machine(monkeypatch, version, devices=0)
            with pytest.raises(CudaError, match='there is no GPU 0'):
                machine.open(model)
            assert machine.calls == []

    def test_buffers_that_do_not_fit(self, monkeypatch, model):
        machine = Machine(monkeypatch, '10.3', total_memory=90_000)
        with pytest.raises(CudaError, match='the GPU is full'):
            machine.open(model, {'scratch_bytes': 1000})
        machine.cuda.check()

    def test_first_run(self, every, model):
        engine = every.open(model)
        every.fail['execute_async_v3'] = 'the moon is full'
        for _ in range(2):
            with pytest.raises(ModelError, match=r'cannot be run by TensorRT.*the moon is full'):
                engine.infer(tensors(engine, 1)[0])
        del every.fail['execute_async_v3']
        assert_computes(engine, model)
        engine.close()

    def test_later_run(self, every, model):
        engine = every.open(model, use_graph=False)
        assert_computes(engine, model)
        every.fail['execute_async_v3'] = 'the moon is full'
        with pytest.raises(ModelError, match='TensorRT cannot run it: the moon is full'):
            engine.infer(tensors(engine, 1)[0])
        del every.fail['execute_async_v3']
        assert_computes(engine, model)
        engine.close()

    def test_gpu_that_dies(self, monkeypatch, model):
        machine = Machine(monkeypatch, '10.3')
        engine = machine.open(model)
        assert_computes(engine, model)
        machine.cuda.failure = RuntimeError('an illegal access by some kernel')
        with pytest.raises(CudaError, match='cannot be used again') as error:
            engine.infer(tensors(engine, 1)[0])
        assert error.value.fatal
        with pytest.raises(CudaError):
            engine.close()
        engine.close()
        with pytest.raises(ModelError, match='the engine is closed'):
            engine.bind_thread()


class TestWeights:
    def count(self, machine):
        return machine.calls.count('deserialize_cuda_engine')

    def test_of_one_plan_are_there_once(self, new, model):
        engines = [new.open(model) for _ in range(3)]
        assert self.count(new) == 1
        engines.pop(0).close()
        engines.append(new.open(model))
        assert self.count(new) == 1
        for engine in engines:
            assert_computes(engine, model)
            engine.close()
        again = new.open(model)
        assert self.count(new) == 2
        again.close()

    def test_are_not_shared_where_contexts_share_no_profile(self, old, dynamic):
        engines = [
            old.open(dynamic, {'profiles': PROFILES}, input_size_wh=(64, 48)) for _ in range(2)
        ]
        assert self.count(old) == 2
        for engine in engines:
            assert_computes(engine, dynamic)
            engine.close()

    def test_of_another_plan_are_others(self, new, model, tmp_path):
        other = color_segmentation(tmp_path / 'other.onnx', argmax=True)
        engines = [new.open(model), new.open(other)]
        assert self.count(new) == 2
        for engine in engines:
            engine.close()

    def test_for_a_deep_learning_accelerator(self, every, model):
        every.trt.standin.dla_cores = 2
        engines = [every.open(model, dla_core=core) for core in (-1, 1, 0)]
        assert [engine._context.engine.dla_core for engine in engines] == [-1, 1, 0]
        assert self.count(every) == 3
        for engine in engines:
            engine.close()

    def test_one_accelerator_is_not_the_next_engine_s(self, every, model, tmp_path):
        every.trt.standin.dla_cores = 2
        engines = [every.open(model, dla_core=1), every.open(model)]
        assert [engine._context.engine.dla_core for engine in engines] == [1, 0]
        for engine in engines:
            engine.close()

    @pytest.mark.parametrize(
        ('cores', 'problem'),
        [(0, 'finds no DLA core on this machine'), (2, 'this machine has 2, numbered from 0')],
    )
    def test_an_accelerator_that_does_not_exist(self, every, model, cores, problem):
        every.trt.standin.dla_cores = cores
        with pytest.raises(ParameterError, match=problem) as error:
            every.open(model, dla_core=2)
        assert error.value.parameter == 'dla_core'
        assert 'deserialize_cuda_engine' not in every.calls

    def test_need_plugins_and_one_runtime(self, every, model):
        for _ in range(2):
            every.open(model).close()
        assert every.calls.count('plugins') == every.calls.count('Runtime') == 1
        assert every.calls.index('plugins') < every.calls.index('deserialize_cuda_engine')


class TestClose:
    def test_twice(self, every, model):
        engine = every.open(model)
        assert_computes(engine, model)
        engine.close()
        engine.close()
        every.cuda.check()

    def test_without_a_run(self, every, model):
        every.open(model).close()

    def test_while_work_is_under_way(self, every, model):
        engine = every.open(model)
        with engine.device.pushed():
            engine.bind_thread()
            engine.enqueue()
        engine.close()

    def test_from_another_thread(self, every, model):
        engine = every.open(model)
        assert_computes(engine, model)
        in_thread(engine.close)

    def test_then_nothing_runs(self, one, model):
        engine = one.open(model)
        tensor = tensors(engine, 1)[0]
        engine.infer(tensor)
        engine.close()
        for call in (lambda: engine.infer(tensor), engine.enqueue, engine.bind_thread):
            with pytest.raises(ModelError, match=r'my\.onnx: the engine is closed'):
                call()

    def test_gives_the_gpu_back(self, one, model):
        engine = one.open(model)
        device = engine.device
        assert device._users == 1
        engine.close()
        assert device._users == 0

    def test_error_while_opening_gives_the_gpu_back(self, one, model):
        with pytest.raises(ModelError):
            one.open(model, {'data_dependent': ['scores']})
        assert [each._users for each in device_module.CudaDevice._devices.values()] == [0]

    def test_memory_is_freed_though_somebody_keeps_the_error(self, every, model):
        try:
            every.open(model, {'data_dependent': ['scores']})
        except ModelError as err:
            kept = err
        every.cuda.check()
        assert kept.__traceback__ is not None

    def test_leaves_buffers_of_others_alone(self, one, model):
        engine = one.open(model)
        mine = DeviceBuffer(engine.device, (4,), np.uint8)
        engine.close()
        assert list(one.cuda.memory) == [mine.address]
        mine.close()
