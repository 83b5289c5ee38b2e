import gc
import logging

import numpy as np
import pytest
import standin_onnxruntime
import standin_pycuda
from onnx_models import color_segmentation, detector, quantize_input

from jetson_perception.engines import open_engine
from jetson_perception.engines import opening as opening_module
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine
from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
from jetson_perception.errors import BuildCanceled, CudaError, ModelError, ParameterError
from jetson_perception.model_info import RUNTIMES, ModelInfo


@pytest.mark.parametrize('runtime', ['auto', 'onnxruntime_cpu'])
def test_opens(tmp_path, runtime):
    path = color_segmentation(tmp_path / 'my.onnx')
    assert isinstance(open_engine(path, runtime=runtime, threads=1), OnnxRuntimeEngine)


def test_auto_says_what_it_chose_and_why(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(opening_module._RUNTIMES, 'tensorrt', lacking('it broke. Mend it'))
    monkeypatch.setitem(opening_module._RUNTIMES, 'onnxruntime_cuda', lacking('no GPU; add one'))
    path = color_segmentation(tmp_path / 'my.onnx')
    with caplog.at_level(logging.INFO, 'jetson_perception'):
        engine = open_engine(str(path), threads=1)
    assert caplog.messages == [
        f"my.onnx: {engine.description} (runtime 'auto' took onnxruntime_cpu; not tensorrt: "
        'it broke; not onnxruntime_cuda: no GPU)'
    ]


def test_auto_gives_a_reason_once(tmp_path, caplog, monkeypatch):
    """Where it keeps several runtimes from running, and where several engines are opened."""
    for runtime in ('tensorrt', 'onnxruntime_cuda'):
        monkeypatch.setitem(opening_module._RUNTIMES, runtime, lacking('no pycuda; install it'))
    path = color_segmentation(tmp_path / 'my.onnx')
    with caplog.at_level(logging.INFO, 'jetson_perception'):
        for _ in range(3):
            open_engine(path, threads=1).close()
    first, *others = caplog.messages
    assert first.endswith(
        "(runtime 'auto' took onnxruntime_cpu; not tensorrt or onnxruntime_cuda: no pycuda)"
    )
    assert all(
        each.endswith("(runtime 'auto' took onnxruntime_cpu; as before)") for each in others
    )
    assert len(others) == 2


def lacking(problem):
    return opening_module._Runtime(None, lambda device: problem)


def test_auto_takes_the_first_available_runtime(tmp_path, caplog, monkeypatch):
    opened = []

    def open_it(request):
        opened.append(request)
        return OnnxRuntimeEngine(request.path)

    monkeypatch.setitem(
        opening_module._RUNTIMES, 'tensorrt', opening_module._Runtime(open_it, lambda device: '')
    )
    path = color_segmentation(tmp_path / 'my.onnx')
    with caplog.at_level(logging.INFO, 'jetson_perception'):
        open_engine(path, precision='int8', device=3)
    assert "(runtime 'auto' took tensorrt; it is the fastest)" in caplog.text
    [request] = opened
    assert (request.path, request.precision, request.device) == (path, 'int8', 3)


@pytest.mark.parametrize(
    'error', [CudaError('the GPU is full; buy more'), ModelError('no Einsum')]
)
def test_auto_takes_the_next_when_one_cannot_be_opened(tmp_path, caplog, monkeypatch, error):
    def open_it(request):
        raise error

    runtime = opening_module._Runtime(open_it, lambda device: '')
    monkeypatch.setitem(opening_module._RUNTIMES, 'tensorrt', lacking('it broke'))
    monkeypatch.setitem(opening_module._RUNTIMES, 'onnxruntime_cuda', runtime)
    path = color_segmentation(tmp_path / 'my.onnx')
    with caplog.at_level(logging.INFO, 'jetson_perception'):
        assert isinstance(open_engine(path, threads=1), OnnxRuntimeEngine)
    assert f'my.onnx: runtime onnxruntime_cuda is not used: {error}' in caplog.messages
    assert f'not onnxruntime_cuda: {str(error).partition(";")[0]})' in caplog.text
    with pytest.raises(type(error)):
        open_engine(path, runtime='onnxruntime_cuda')


def test_auto_does_not_fall_back_when_tensorrt_cannot_build(tmp_path, monkeypatch):
    """A robot that runs on, ten times slower, would hide it."""

    def open_it(request):
        raise ModelError('no Einsum')

    runtime = opening_module._Runtime(open_it, lambda device: '')
    monkeypatch.setitem(opening_module._RUNTIMES, 'tensorrt', runtime)
    with pytest.raises(ModelError, match=r"no Einsum\. .* set runtime to 'onnxruntime_cuda' or '"):
        open_engine(color_segmentation(tmp_path / 'my.onnx'))


def test_auto_falls_back_when_the_gpu_is_full_for_tensorrt(tmp_path, caplog, monkeypatch):
    def open_it(request):
        raise CudaError('the GPU is full')

    runtime = opening_module._Runtime(open_it, lambda device: '')
    monkeypatch.setitem(opening_module._RUNTIMES, 'tensorrt', runtime)
    monkeypatch.setitem(opening_module._RUNTIMES, 'onnxruntime_cuda', lacking('it broke'))
    engine = open_engine(color_segmentation(tmp_path / 'my.onnx'), threads=1)
    assert isinstance(engine, OnnxRuntimeEngine)
    assert 'my.onnx: runtime tensorrt is not used: the GPU is full' in caplog.messages


def test_auto_does_not_fall_back_after_a_cancel(tmp_path, monkeypatch):
    def open_it(request):
        raise BuildCanceled('asked for')

    runtime = opening_module._Runtime(open_it, lambda device: '')
    monkeypatch.setitem(opening_module._RUNTIMES, 'tensorrt', runtime)
    with pytest.raises(BuildCanceled):
        open_engine(color_segmentation(tmp_path / 'my.onnx'))


def test_onnxruntime_on_cuda(tmp_path, monkeypatch):
    standin = standin_pycuda.install(monkeypatch)
    standin_onnxruntime.install(monkeypatch, standin)
    monkeypatch.setitem(opening_module._RUNTIMES, 'tensorrt', lacking('it broke'))
    path = color_segmentation(tmp_path / 'my.onnx')
    for name in ('auto', 'onnxruntime_cuda'):
        engine = open_engine(path, runtime=name)
        assert isinstance(engine, OnnxRuntimeCudaEngine)
        assert engine.info.class_names == ('background', 'red', 'green', 'blue')
        engine.close()
    with pytest.raises(ModelError, match='there is no GPU 1'):
        open_engine(path, runtime='onnxruntime_cuda', device=1)
    gc.collect()
    standin.check()


@pytest.mark.parametrize('name', RUNTIMES[1:])
def test_an_unavailable_runtime_says_why(tmp_path, monkeypatch, name):
    monkeypatch.setitem(opening_module._RUNTIMES, name, lacking('it broke'))
    path = color_segmentation(tmp_path / 'my.onnx')
    with pytest.raises(
        ModelError, match=rf"runtime '{name}' cannot be used: it broke; or use run"
    ):
        open_engine(path, runtime=name)


def test_unknown_runtime(tmp_path):
    with pytest.raises(ParameterError, match=r"did you mean 'tensorrt'\?") as error:
        open_engine(tmp_path / 'my.onnx', runtime='tensor_rt')
    assert error.value.parameter == 'runtime'
    assert ', '.join(RUNTIMES) in str(error.value)


def test_info_is_metadata_then_yaml_then_overrides(tmp_path):
    path = detector(tmp_path / 'my.onnx', size_wh=(64, 64))
    (tmp_path / 'my.yaml').write_text('names: [cat, dog]\nresize: stretch\nscale: 1\n')
    info = open_engine(path, overrides=ModelInfo(resize='letterbox', color_order='bgr')).info
    assert info == ModelInfo(
        path=str(path),
        task='detect',
        class_names=('cat', 'dog'),
        input_size_wh=(64, 64),
        stride=32,
        resize='letterbox',
        color_order='bgr',
        scale=1.0,
    )


@pytest.mark.parametrize(
    ('argument', 'override', 'yaml', 'expected'),
    [
        pytest.param(None, None, '', (64, 96), id='metadata'),
        pytest.param(None, None, 'input_size_wh: [32, 64]', (32, 64), id='yaml'),
        pytest.param(None, (96, 32), 'input_size_wh: [32, 64]', (96, 32), id='override'),
        pytest.param((128, 32), (96, 32), 'input_size_wh: [32, 64]', (128, 32), id='argument'),
    ],
)
def test_who_says_an_open_size(tmp_path, argument, override, yaml, expected):
    path = color_segmentation(tmp_path / 'my.onnx', dynamic=True, metadata={'imgsz': '[96, 64]'})
    (tmp_path / 'my.yaml').write_text(yaml)
    engine = open_engine(path, input_size_wh=argument, overrides=ModelInfo(input_size_wh=override))
    assert engine.info.input_size_wh == expected
    assert engine.inputs[0].shape == (1, 3, expected[1], expected[0])


def test_broken_yaml_beside_the_model(tmp_path):
    path = color_segmentation(tmp_path / 'my.onnx')
    (tmp_path / 'my.yaml').write_text('nc: 80\n')
    with pytest.raises(ModelError, match=r"my\.yaml: unknown key 'nc'"):
        open_engine(path)


def test_override_out_of_range_names_the_parameter(tmp_path):
    path = color_segmentation(tmp_path / 'my.onnx')
    with pytest.raises(ParameterError, match=r"resize: 'fit' is not one of letterbox, ") as error:
        open_engine(path, overrides=ModelInfo(resize='fit'))
    assert error.value.parameter == 'resize'


def test_values_that_contradict_each_other_only_together(tmp_path):
    path = detector(tmp_path / 'my.onnx', metadata={'kpt_shape': '[3, 3]'})
    (tmp_path / 'my.yaml').write_text('skeleton: [[0, 5]]')
    with pytest.raises(ModelError, match=r'skeleton: joins keypoint 5; .* are combined'):
        open_engine(path)


class TestEngineFile:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / 'my.engine'
        path.write_bytes(b'ftrt')
        return path

    def test_where_tensorrt_is_not(self, path, monkeypatch):
        monkeypatch.setitem(opening_module._RUNTIMES, 'tensorrt', lacking('no TensorRT'))
        with pytest.raises(
            ModelError, match=r'no TensorRT; or give the ONNX file that it was built from'
        ):
            open_engine(path)

    @pytest.mark.parametrize('runtime', ['onnxruntime_cpu', 'onnxruntime_cuda'])
    def test_for_another_runtime(self, path, runtime):
        with pytest.raises(ParameterError, match=r"which only 'tensorrt' runs") as error:
            open_engine(path, runtime=runtime)
        assert error.value.parameter == 'runtime'

    def test_missing(self, tmp_path):
        with pytest.raises(ModelError, match=r'there is no engine file .*your\.plan'):
            open_engine(tmp_path / 'your.plan')

    def test_that_anybody_may_write(self, path):
        path.chmod(0o666)
        with pytest.raises(ModelError, match=rf'run `chmod o-w {path}`'):
            open_engine(path)


class TestDlaCore:
    """A core is for one runtime: without it there is a reason, and no other one is taken."""

    @pytest.mark.parametrize('runtime', ['onnxruntime_cpu', 'onnxruntime_cuda'])
    def test_of_another_runtime(self, tmp_path, runtime):
        path = color_segmentation(tmp_path / 'my.onnx')
        told = f"dla_core is 0, and runtime is '{runtime}'; only 'tensorrt' runs .* dla_core to -1"
        with pytest.raises(ParameterError, match=told) as error:
            open_engine(path, runtime=runtime, dla_core=0)
        assert error.value.parameter == 'dla_core'

    @pytest.mark.parametrize('runtime', ['auto', 'tensorrt'])
    def test_without_tensorrt(self, tmp_path, monkeypatch, runtime):
        monkeypatch.setitem(opening_module._RUNTIMES, 'tensorrt', lacking('it broke'))
        path = color_segmentation(tmp_path / 'my.onnx')
        with pytest.raises(ModelError, match='cannot be used: it broke; or set dla_core to -1'):
            open_engine(path, runtime=runtime, dla_core=1)

    def test_auto_takes_tensorrt_or_nothing(self, tmp_path, monkeypatch):
        asked = []

        def open_it(request):
            asked.append(request.dla_core)
            raise CudaError('the GPU is full')

        runtime = opening_module._Runtime(open_it, lambda device: '')
        monkeypatch.setitem(opening_module._RUNTIMES, 'tensorrt', runtime)
        with pytest.raises(CudaError, match='the GPU is full'):
            open_engine(color_segmentation(tmp_path / 'my.onnx'), dla_core=1)
        assert asked == [1]


class TestPrecision:
    @pytest.mark.parametrize('precision', ['fp32', 'fp16', 'best'])
    def test_does_not_concern_a_runtime_that_takes_the_file_as_it_is(self, tmp_path, precision):
        path = color_segmentation(tmp_path / 'my.onnx')
        assert open_engine(path, precision=precision, threads=1).outputs

    def test_int8_is_refused_for_a_model_that_is_not_quantized(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx')
        with pytest.raises(ModelError, match=r'nothing in it is quantized; .* quantize'):
            open_engine(path, precision='int8', runtime='onnxruntime_cpu')

    def test_int8_of_a_quantized_model(self, tmp_path):
        path = quantize_input(color_segmentation(tmp_path / 'my.onnx'))
        engine = open_engine(path, precision='int8', runtime='onnxruntime_cpu', threads=1)
        assert engine.infer(np.zeros(engine.inputs[0].shape, np.float32))

    def test_int8_on_a_gpu_is_of_quantized_models_too(self, tmp_path, monkeypatch, standin):
        provider = standin_onnxruntime.install(monkeypatch, standin)
        path = color_segmentation(tmp_path / 'my.onnx')
        with pytest.raises(ModelError, match=r'nothing in it is quantized; .* quantize'):
            open_engine(path, precision='int8', runtime='onnxruntime_cuda')
        assert not provider.sessions
        quantize_input(path)
        engine = open_engine(path, precision='int8', runtime='onnxruntime_cuda')
        assert isinstance(engine, OnnxRuntimeCudaEngine)
        engine.close()

    def test_one_that_does_not_exist(self, tmp_path):
        with pytest.raises(ParameterError, match=r"did you mean 'fp16'\?") as error:
            open_engine(tmp_path / 'my.onnx', precision='fp61')
        assert error.value.parameter == 'precision'
