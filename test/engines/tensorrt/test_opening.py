"""From an ONNX file or an engine file to a TensorRT engine, on the stand-ins.

What builds stands in, too: it gives the stand-in's plan and counts. That building works is tested
with TensorRT-RTX in test_builder.py.
"""

import gc
import json
import logging
import threading
import types
from dataclasses import replace

import numpy as np
import pytest
import standin_pycuda
import standin_tensorrt
from onnx_models import color_segmentation, detector, identity_model
from standin_tensorrt import make_plan

from jetson_perception.engines import open_engine
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine
from jetson_perception.engines.request import EngineRequest
from jetson_perception.engines.tensorrt import context as context_module
from jetson_perception.engines.tensorrt import opening as module
from jetson_perception.engines.tensorrt.cache import EngineCache, plans_in_memory
from jetson_perception.engines.tensorrt.engine import TensorRTEngine
from jetson_perception.engines.tensorrt.loading import LoadedEngines, PlanRefusedError
from jetson_perception.engines.tensorrt.opening import open_tensorrt
from jetson_perception.engines.tensorrt.plan_file import join_plan
from jetson_perception.errors import BuildCanceled, ModelError, ParameterError
from jetson_perception.files.lock import locked
from jetson_perception.model_info import ModelInfo


class Builder:
    """In the place of `build_engine`."""

    def __init__(self):
        self.calls = []
        self.devices = []
        self.facts = {}
        self.error = None

    def __call__(self, path, options, *, progress=None, cancel=None, device=0):
        self.calls.append(options)
        self.devices.append(device)
        if progress is not None:
            progress(0.5, 'half way')
        if self.error is not None:
            raise self.error
        profiles = [{}]
        if options.size_wh:
            shapes = [[1, 3, height, width] for width, height in options.size_wh]
            profiles = [{'image': shapes, 'images': shapes}]
        plan = make_plan(path, **{'profiles': profiles, **self.facts})
        return types.SimpleNamespace(plan=plan, notes=('an operator was replaced',))


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """TensorRT 10.3 on an Orin, with an empty cache."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    plans_in_memory.clear()
    cuda = standin_pycuda.install(monkeypatch, devices=2)
    trt = standin_tensorrt.install(monkeypatch, cuda, '10.3')
    monkeypatch.setattr(context_module, 'loaded_engines', LoadedEngines())
    builder = Builder()
    monkeypatch.setattr(module, 'build_engine', builder)
    yield types.SimpleNamespace(cuda=cuda, trt=trt, builder=builder)
    gc.collect()
    cuda.check()


@pytest.fixture
def model(tmp_path):
    return color_segmentation(tmp_path / 'my.onnx')


def opened(path, **options):
    return open_tensorrt(EngineRequest(path, **options))


def run(engine):
    tensor = np.random.default_rng(1).random(engine.inputs[0].shape, np.float32)
    return tensor, [output.copy() for output in engine.infer(tensor)]


class TestOnnx:
    def test_is_built_once_and_computes(self, machine, model, caplog):
        for _ in range(2):
            with caplog.at_level(logging.INFO, 'jetson_perception'):
                engine = opened(model)
            tensor, [got] = run(engine)
            [expected] = OnnxRuntimeEngine(model).infer(tensor)
            np.testing.assert_array_equal(got, expected)
            engine.close()
        assert len(machine.builder.calls) == 1
        assert 'my.onnx: an operator was replaced' in caplog.text
        [entry] = EngineCache().entries()
        assert entry.problem == ''

    def test_is_built_on_the_gpu_that_is_asked_for(self, machine, model):
        """Two GPUs of a PC may be of different kinds, and an engine is for one kind."""
        machine.builder.error = ModelError('enough')
        for device in (0, 1):
            with pytest.raises(ModelError, match='enough'):
                opened(model, device=device)
        assert machine.builder.devices == [0, 1]

    def test_key_tells_engines_apart(self, machine, model):
        opened(model).close()
        [entry] = EngineCache().entries()
        assert (entry.runtime, entry.gpu) == ('TensorRT 10.3.0.30', 'stand-in, no GPU 8.7')
        assert entry.model == str(model)
        assert entry.options['precision'] == 'fp16'
        assert not {'timing_cache', 'save_onnx'} & set(entry.options)
        opened(model, precision='fp32').close()
        model.write_bytes(model.read_bytes() + b'\x72\x04\x0a\x02ab')  # more metadata
        opened(model).close()
        assert len(machine.builder.calls) == 3
        opened(model, precision='fp32').close()
        opened(model).close()
        assert len(machine.builder.calls) == 4

    def test_info_is_the_metadata_of_the_onnx_file(self, machine, tmp_path):
        path = detector(tmp_path / 'my.onnx', size_wh=(96, 64))
        for _ in range(2):  # built, and from the cache
            engine = opened(path)
            assert engine.info == replace(
                OnnxRuntimeEngine(path).info, path=str(path), input_size_wh=(96, 64)
            )
            assert engine.description == 'TensorRT 10.3.0.30 on stand-in, no GPU, FP16'
            engine.close()

    def test_fixed_size_is_built_as_it_is(self, machine, model):
        opened(model).close()
        assert machine.builder.calls[0].size_wh == ()

    def test_open_size_is_built_for_the_one_size(self, machine, tmp_path):
        path = color_segmentation(
            tmp_path / 'open.onnx', dynamic=True, metadata={'imgsz': '[96, 64]'}
        )
        for asked, size_wh in ((None, (64, 96)), ((32, 32), (32, 32))):
            engine = opened(path, input_size_wh=asked)
            assert machine.builder.calls[-1].size_wh == (size_wh,) * 3
            assert engine.info.input_size_wh == size_wh
            run(engine)
            engine.close()

    def test_dynamic_size_that_is_not_set(self, machine, tmp_path):
        path = color_segmentation(tmp_path / 'open.onnx', dynamic=True, metadata={})
        with pytest.raises(ParameterError, match='leaves the size of its input open') as error:
            opened(path)
        assert error.value.parameter == 'input_size'
        assert not machine.builder.calls

    def test_a_model_without_an_image_input_is_refused_before_the_build(self, machine, tmp_path):
        path = identity_model(tmp_path / 'my.onnx', [(1, 8, 8, 3)])
        with pytest.raises(ModelError, match='channels last'):
            opened(path)
        (tmp_path / 'text.onnx').write_text('this is no model')
        with pytest.raises(ModelError, match='is not an ONNX model'):
            opened(tmp_path / 'text.onnx')
        assert not machine.builder.calls

    def test_progress_goes_to_the_builder(self, machine, model):
        told = []
        opened(model, progress=lambda *what: told.append(what)).close()
        assert told == [(0.5, 'half way')]

    def test_a_build_that_fails_or_is_canceled_leaves_nothing(self, machine, model):
        for error in (ModelError('no such operator'), BuildCanceled('canceled')):
            machine.builder.error = error
            with pytest.raises(type(error), match=str(error)):
                opened(model)
            assert EngineCache().entries() == []
        machine.builder.error = None
        opened(model).close()

    def test_waiting_for_another_process_is_reported_and_cancelable(self, machine, model, caplog):
        opened(model).close()
        [entry] = EngineCache().entries()
        EngineCache().clear()
        cancel, told = threading.Event(), []

        def progress(fraction, phase):
            told.append((fraction, phase))
            cancel.set()

        with (
            locked(EngineCache().folder / f'{entry.digest}.lock'),
            caplog.at_level(logging.INFO, 'jetson_perception'),
            pytest.raises(BuildCanceled),
        ):
            opened(model, progress=progress, cancel=cancel)
        assert told == [(None, 'waiting for another process that is building this engine')]
        assert 'my.onnx: another process is building its engine' in caplog.text


class TestDlaCore:
    def test_it_is_built_and_opened_for_the_core(self, machine, model, caplog):
        machine.trt.standin.dla_cores = 2
        for _ in range(2):  # built, and from the cache
            with caplog.at_level(logging.INFO, 'jetson_perception'):
                engine = open_engine(model, dla_core=1)
            assert engine._context.engine.dla_core == 1
            assert 'my.onnx: TensorRT 10.3.0.30 on stand-in, no GPU, FP16, DLA core 1' in (
                caplog.messages
            )
            engine.close()
        assert [options.dla_core for options in machine.builder.calls] == [1]

    def test_engines_of_gpu_and_core_are_told_apart(self, machine, model):
        machine.trt.standin.dla_cores = 1
        for core in (0, -1, 0, -1):
            opened(model, dla_core=core).close()
        assert [options.dla_core for options in machine.builder.calls] == [0, -1]

    def test_an_engine_file(self, machine, model, tmp_path):
        machine.trt.standin.dla_cores = 2
        path = tmp_path / 'my.engine'
        path.write_bytes(join_plan(make_plan(model), METADATA))
        engine = open_engine(path, dla_core=1)
        assert engine._context.engine.dla_core == 1
        engine.close()
        with pytest.raises(ParameterError, match='dla_core is 7; this machine has 2'):
            open_engine(path, dla_core=7)

    def test_what_it_cannot_be_built_for(self, machine, model):
        with pytest.raises(ParameterError, match='computes in FP16 and INT8, but precision is'):
            open_engine(model, precision='fp32', dla_core=0)
        with pytest.raises(ParameterError, match='finds no DLA core') as error:
            open_engine(model, dla_core=0)
        assert error.value.parameter == 'dla_core'


class TestPlanThatIsRefused:
    """Undamaged, of this version and GPU, and TensorRT does not take it all the same."""

    def test_from_the_cache_it_is_built_again_and_kept_in_memory(
        self, machine, model, caplog, monkeypatch
    ):
        opened(model).close()
        real = LoadedEngines.load
        answers = iter([PlanRefusedError('magicTag failed'), None])

        def load(self, *arguments, **options):
            error = next(answers, None)
            if error is not None:
                raise error
            return real(self, *arguments, **options)

        monkeypatch.setattr(LoadedEngines, 'load', load)
        engine = opened(model)
        run(engine)
        engine.close()
        assert len(machine.builder.calls) == 2
        assert (
            'kept only in memory and will be built again at the next start: magicTag'
            in caplog.text
        )
        opened(model).close()
        assert len(machine.builder.calls) == 2
        assert EngineCache().entries() == []

    def test_just_built_it_is_an_error(self, machine, model):
        machine.builder.facts = {'platform': 'x86-64'}
        with pytest.raises(PlanRefusedError, match='another kind of machine'):
            opened(model)
        assert len(machine.builder.calls) == 1

    def test_lack_of_memory_does_not_cause_a_build(self, machine, model):
        opened(model).close()
        machine.trt.standin.fail['deserialize_cuda_engine'] = 'Error Code 2: OutOfMemory'
        with pytest.raises(ModelError, match='too little memory left'):
            opened(model)
        assert len(machine.builder.calls) == 1
        assert len(EngineCache().entries()) == 1


METADATA = {'task': 'semantic', 'names': {'0': 'sky', '1': 'ground'}, 'imgsz': [48, 64]}


class TestEngineFile:
    def test_with_what_ultralytics_puts_in_front(self, machine, model, tmp_path):
        path = tmp_path / 'my.engine'
        path.write_bytes(join_plan(make_plan(model), METADATA))
        engine = open_engine(path)
        assert isinstance(engine, TensorRTEngine)
        assert engine.info.task == 'semantic'
        assert engine.info.class_names == ('sky', 'ground')
        tensor, [got] = run(engine)
        np.testing.assert_array_equal(got, OnnxRuntimeEngine(model).infer(tensor)[0])
        engine.close()
        assert not machine.builder.calls

    def test_without(self, machine, model, tmp_path):
        path = tmp_path / 'my.PLAN'
        path.write_bytes(make_plan(model))
        (tmp_path / 'my.yaml').write_text('names: [a, b, c, d]\n')
        engine = open_engine(path, overrides=ModelInfo(task='semantic'))
        assert engine.info.class_names == ('a', 'b', 'c', 'd')
        assert engine.info.task == 'semantic'
        run(engine)
        engine.close()

    def test_of_open_size(self, machine, tmp_path):
        shapes = [[1, 3, 16, 32], [1, 3, 32, 32], [1, 3, 48, 64]]
        model = color_segmentation(tmp_path / 'my.onnx', dynamic=True)
        path = tmp_path / 'my.engine'
        path.write_bytes(make_plan(model, profiles=[{'image': shapes}]))
        engine = open_engine(path, input_size_wh=(64, 48))
        assert engine.info.input_size_wh == (64, 48)
        engine.close()

    @pytest.mark.parametrize(
        ('content', 'text'),
        [
            (b'', 'is empty; build the engine again'),
            (b'ftrt', 'it is cut off'),
            (bytes(4096), 'it is not an engine of this TensorRT'),
            (json.dumps(METADATA).encode() * 20, 'it is not an engine of this TensorRT'),
        ],
        ids=['empty', 'short', 'zeros', 'text'],
    )
    def test_a_file_that_is_not_an_engine(self, machine, tmp_path, content, text):
        path = tmp_path / 'my.engine'
        path.write_bytes(content)
        with pytest.raises(ModelError, match=text):
            open_engine(path)

    def test_of_another_version(self, machine, model, tmp_path):
        path = tmp_path / 'my.engine'
        path.write_bytes(join_plan(make_plan(model, '10.13'), METADATA))
        with pytest.raises(
            ModelError, match=r'my\.engine, of TensorRT 10\.13\.3\.9, cannot be loaded by TensorRT'
        ):
            open_engine(path)


class TestAuto:
    def test_takes_tensorrt_where_it_can_be_used(self, machine, model, caplog):
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            engine = open_engine(model)
        assert isinstance(engine, TensorRTEngine)
        assert (
            'my.onnx: TensorRT 10.3.0.30 on stand-in, no GPU, FP16 '
            "(runtime 'auto' took tensorrt; it is the fastest)"
        ) in caplog.messages
        engine.close()

    def test_asked_for_by_name_a_failed_build_is_an_error(self, machine, model):
        machine.builder.error = ModelError('no such operator')
        with pytest.raises(ModelError, match='no such operator'):
            open_engine(model, runtime='tensorrt')
