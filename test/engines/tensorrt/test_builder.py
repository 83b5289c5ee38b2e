"""Engines built for real, in a process of their own: TensorRT-RTX needs no GPU for that."""

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import nudenet
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import color_segmentation
from small_networks import segmentation, yolo
from tensorrt_there import requires_tensorrt

from jetson_perception.engines.onnx_file.quantization import quantize_model
from jetson_perception.engines.tensorrt import builder as builder_module
from jetson_perception.engines.tensorrt.builder import (
    BuildOptions,
    BuiltEngine,
    build_engine,
    trtexec_line,
)
from jetson_perception.engines.tensorrt.plan_file import plan_version
from jetson_perception.errors import BuildCanceled, ModelError, ParameterError
from jetson_perception.resources import model_names, model_path

SHIPPED = [
    pytest.param(model_path(name), precision, id=f'{name}-{precision}')
    for name in model_names()
    for precision in ('fp32', 'fp16')
]
NUDENET = Path(nudenet.__file__).with_name('320n.onnx')


def tensors(count=3, shape=(1, 3, 64, 64)):
    random = np.random.default_rng(0)
    return [random.random(shape, np.float32) for _ in range(count)]


def write(path, nodes, inputs, outputs, weights=(), *, opset=17, domains=()):
    """A model of these nodes; nothing checks it."""
    opsets = [helper.make_opsetid('', opset), *(helper.make_opsetid(each, 1) for each in domains)]
    graph = helper.make_graph(nodes, 'test', inputs, outputs, list(weights))
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


def value(name, shape=(1, 3, 8, 8), kind=1):
    return helper.make_tensor_value_info(name, kind, shape)


@requires_tensorrt
class TestPrecisions:
    @pytest.mark.parametrize(('path', 'precision'), SHIPPED)
    @pytest.mark.slow
    def test_models_that_are_shipped(self, path, precision):
        built = build_engine(path, BuildOptions(precision=precision))
        assert plan_version(built.plan) == built.tensorrt
        assert built.shapes == {}
        assert any('converted to FP16' in note for note in built.notes) == (precision != 'fp32')

    @pytest.mark.parametrize('name', ['people_detect', 'people_pose'])
    def test_shipped_models_once_they_are_quantized(self, name, tmp_path):
        path = tmp_path / f'{name}_int8.onnx'
        quantize_model(model_path(name), path, tensors(2, (1, 3, 480, 640)))
        built = build_engine(path, BuildOptions(precision='int8'))
        assert plan_version(built.plan) == built.tensorrt
        assert any('converted to FP16' in note for note in built.notes)

    @pytest.mark.parametrize(
        'make',
        [
            pytest.param(yolo, id='detector'),
            pytest.param(lambda path: yolo(path, 'pose'), id='pose'),
            pytest.param(segmentation, id='segmentation'),
            pytest.param(lambda path: yolo(path, batch='n'), id='open_batch'),
            pytest.param(lambda path: segmentation(path, dynamic=True), id='open_size'),
        ],
    )
    def test_fp32_fp16_and_int8(self, make, tmp_path):
        path = make(tmp_path / 'model.onnx')
        quantize_model(path, tmp_path / 'int8.onnx', tensors())
        sizes = {}
        for precision in ('fp32', 'fp16', 'int8', 'best'):
            file = tmp_path / 'int8.onnx' if precision in ('int8', 'best') else path
            built = build_engine(file, BuildOptions(precision=precision), size_wh=(64, 64))
            sizes[precision] = len(built.plan)
            assert built.layers > 5
        assert sizes['fp16'] != sizes['fp32']
        assert sizes['best'] == sizes['int8']

    def test_a_real_detector_of_open_size(self):
        sizes = ((256, 256), (320, 320), (640, 640))
        built = build_engine(NUDENET, BuildOptions(batch=(1, 2, 4), size_wh=sizes))
        shapes = [[1, 3, 256, 256], [2, 3, 320, 320], [4, 3, 640, 640]]
        assert built.shapes == {'images': shapes}

    @pytest.mark.slow
    def test_a_real_detector_in_int8(self, tmp_path):
        images = tensors(2, (1, 3, 320, 320))
        made = quantize_model(NUDENET, tmp_path / 'int8.onnx', images)
        assert (made.nodes, made.kept) == (55, 8)
        options = BuildOptions(precision='int8')
        assert build_engine(tmp_path / 'int8.onnx', options, size_wh=(320, 320)).plan

    def test_int8_from_images_without_a_calibrator(self, tmp_path):
        path = yolo(tmp_path / 'model.onnx')
        built = build_engine(path, BuildOptions(precision='int8'), calibration=tensors(4))
        assert built.notes[0].startswith('quantized on 4 images')
        assert plan_version(built.plan)

    def test_int8_from_no_images(self, tmp_path):
        path = yolo(tmp_path / 'model.onnx')
        with pytest.raises(ParameterError, match='no images'):
            build_engine(path, BuildOptions(precision='int8'), calibration=[])

    def test_images_are_not_looked_at_for_fp16(self, tmp_path):
        def unread():
            raise AssertionError('nobody needs these')
            yield

        path = yolo(tmp_path / 'model.onnx')
        assert build_engine(path, BuildOptions(precision='fp16'), calibration=unread()).plan

    def test_the_converted_model_can_be_kept(self, tmp_path):
        path, kept = yolo(tmp_path / 'model.onnx'), tmp_path / 'half.onnx'
        built = build_engine(path, BuildOptions(save_onnx=str(kept)))
        again = build_engine(kept, BuildOptions(precision='fp16'))
        assert again.notes == ()  # it is in FP16 already
        assert again.layers == built.layers

    def test_old_opsets(self, tmp_path):
        scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), 'scales')
        nodes = [helper.make_node('Upsample', ['x', 'scales'], ['y'])]
        path = write(
            tmp_path / 'old.onnx', nodes, [value('x')], [value('y', None)], [scales], opset=9
        )
        assert build_engine(path, BuildOptions(precision='fp32')).plan


@requires_tensorrt
class TestRefusals:
    """Each failure that a builder can meet says which node, and what to do."""

    @pytest.mark.parametrize('domain', ['', 'my.operators'])
    def test_an_unknown_operator(self, tmp_path, domain):
        node = helper.make_node('Magic', ['x'], ['y'], name='spell', domain=domain)
        path = write(
            tmp_path / 'm.onnx',
            [node],
            [value('x')],
            [value('y', None)],
            domains=[domain] if domain else [],
        )
        with pytest.raises(
            ModelError, match=r"node 'spell' \(Magic\): .*Plugin not found.*library that has it"
        ):
            build_engine(path, BuildOptions(precision='fp32'))

    @pytest.mark.parametrize('operator', ['Det', 'Bernoulli'])
    def test_an_operator_that_tensorrt_lacks(self, tmp_path, operator):
        node = helper.make_node(operator, ['x'], ['y'], name='mine')
        path = write(tmp_path / 'm.onnx', [node], [value('x')], [value('y', None)])
        with pytest.raises(
            ModelError, match=rf"node 'mine' \({operator}\): UNSUPPORTED_NODE; .*export the model"
        ):
            build_engine(path, BuildOptions(precision='fp32'))

    def test_text_as_input(self, tmp_path):
        node = helper.make_node('Identity', ['s'], ['y'])
        path = write(tmp_path / 'm.onnx', [node], [value('s', [2], 8)], [value('y', [2], 8)])
        with pytest.raises(ModelError, match=r'UNSUPPORTED_NODE.*TensorRT data type'):
            build_engine(path, BuildOptions(precision='fp32'))

    @pytest.mark.parametrize('precision', ['fp32', 'fp16'])
    def test_damaged(self, tmp_path, precision):
        path = tmp_path / 'm.onnx'
        path.write_bytes(model_path('oranges').read_bytes()[:5000])
        with pytest.raises(ModelError, match='damaged'):
            build_engine(path, BuildOptions(precision=precision))

    @pytest.mark.parametrize(
        ('content', 'problem'),
        [
            pytest.param(b'', 'is empty', id='empty'),
            pytest.param(b'hello world' * 100, 'has no outputs|has no nodes|damaged', id='text'),
        ],
    )
    @pytest.mark.parametrize('precision', ['fp32', 'fp16'])
    def test_no_model(self, tmp_path, precision, content, problem):
        (tmp_path / 'm.onnx').write_bytes(content)
        with pytest.raises(ModelError, match=problem):
            build_engine(tmp_path / 'm.onnx', BuildOptions(precision=precision))

    def test_no_file(self, tmp_path):
        with pytest.raises(ModelError, match='there is no model file'):
            build_engine(tmp_path / 'm.onnx')

    @pytest.mark.parametrize('precision', ['fp32', 'fp16'])
    @pytest.mark.parametrize('how', ['cut_off', 'missing'])
    def test_external_data(self, tmp_path, precision, how):
        path = tmp_path / 'm.onnx'
        onnx.save(
            onnx.load(model_path('oranges')),
            path,
            save_as_external_data=True,
            location='m.bin',
            size_threshold=10,
        )
        assert build_engine(path, BuildOptions(precision=precision)).plan
        told = 'external data is missing or cut off; copy it'
        if how == 'missing':
            (tmp_path / 'm.bin').unlink()
            told = 'm.bin, which is missing; copy it there'
        else:
            os.truncate(tmp_path / 'm.bin', 1000)
        with pytest.raises(ModelError, match=told):
            build_engine(path, BuildOptions(precision=precision))

    def test_an_open_size(self, tmp_path):
        path = segmentation(tmp_path / 'm.onnx', dynamic=True)
        with pytest.raises(ParameterError, match='leaves its size open') as error:
            build_engine(path)
        assert error.value.parameter == 'size_wh'

    @pytest.mark.parametrize(
        ('options', 'problem'),
        [
            pytest.param({'size_wh': ((32, 32),) * 3}, r'32x32, but .*fixed at 64x64', id='size'),
            pytest.param({'batch': (1, 2, 4)}, r"batch .*'image' is fixed at 1;", id='batch'),
            pytest.param(
                {'precision': 'int8'}, 'is not quantized.*perception quantize', id='int8'
            ),
            pytest.param({'dla_core': 0}, 'TensorRT-RTX .* finds no DLA core', id='dla'),
            pytest.param({'plugins': ('/no/lib.so',)}, r'/no/lib\.so cannot be loaded', id='lib'),
        ],
    )
    def test_options_that_do_not_fit(self, tmp_path, options, problem):
        path = segmentation(tmp_path / 'm.onnx')
        with pytest.raises(ParameterError, match=problem):
            build_engine(path, BuildOptions(**options))

    def test_a_dynamic_input_that_is_not_an_image(self, tmp_path):
        node = helper.make_node('Relu', ['k'], ['y'])
        path = write(tmp_path / 'm.onnx', [node], [value('k', ['n', 7])], [value('y', None)])
        with pytest.raises(
            ModelError, match=r"'k' is \[-1, 7\], with open dimensions, and is not an im"
        ):
            build_engine(path, BuildOptions(precision='fp32'))

    def test_too_little_workspace(self, tmp_path):
        path = segmentation(tmp_path / 'm.onnx')
        with pytest.raises(ModelError, match=r'Allow more workspace \(now 1 MiB\)|Memory ran out'):
            build_engine(path, BuildOptions(precision='fp32', workspace_mib=1))

    @pytest.mark.parametrize(
        ('kind', 'zero'),
        [pytest.param(np.int8, 3, id='int8'), pytest.param(np.uint8, 128, id='uint8')],
    )
    def test_zero_points(self, tmp_path, kind, zero):
        nodes = [
            helper.make_node('QuantizeLinear', ['x', 's', 'z'], ['q'], name='quantize'),
            helper.make_node('DequantizeLinear', ['q', 's', 'z'], ['y'], name='dequantize'),
        ]
        weights = [
            numpy_helper.from_array(np.float32(0.1), 's'),
            numpy_helper.from_array(kind(zero), 'z'),
        ]
        path = write(tmp_path / 'm.onnx', nodes, [value('x')], [value('y')], weights)
        with pytest.raises(ModelError, match=r"'quantize' .*zero point.*perception quantize"):
            build_engine(path, BuildOptions(precision='fp32'))

    def test_biases_in_int32(self, tmp_path):
        nodes = [
            helper.make_node('DequantizeLinear', ['b', 's', 'z'], ['bias'], name='bias_dq'),
            helper.make_node('Add', ['x', 'bias'], ['y']),
        ]
        weights = [
            numpy_helper.from_array(np.zeros((1, 3, 8, 8), np.int32), 'b'),
            numpy_helper.from_array(np.float32(0.1), 's'),
            numpy_helper.from_array(np.int32(0), 'z'),
        ]
        path = write(tmp_path / 'm.onnx', nodes, [value('x')], [value('y')], weights)
        with pytest.raises(ModelError, match=r"'bias_dq' .*Int32 .*biases in int32") as error:
            build_engine(path, BuildOptions(precision='fp32'))
        assert 'cudaError' not in str(error.value)


@requires_tensorrt
class TestProgressAndEnd:
    def test_progress(self):
        said = []
        build_engine(model_path('oranges'), progress=lambda *event: said.append(event))
        fractions = [fraction for fraction, _ in said if fraction is not None]
        assert said[0] == (None, 'reading the model')
        assert fractions == sorted(fractions)
        assert (fractions[0], fractions[-1]) == (0, 1)
        assert len(set(fractions)) > 10

    def test_cancel_before(self):
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(BuildCanceled, match='was canceled'):
            build_engine(model_path('oranges'), cancel=cancel)

    def test_cancel_meanwhile(self, monkeypatch):
        children = watch_children(monkeypatch)
        cancel = threading.Event()
        with pytest.raises(BuildCanceled):
            build_engine(
                model_path('people_pose'), cancel=cancel, progress=lambda *_: cancel.set()
            )
        assert [child.poll() for child in children] == [-signal.SIGKILL]

    def test_an_exception_of_the_callers_ends_the_child(self, monkeypatch):
        children = watch_children(monkeypatch)

        def interrupt(*_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build_engine(model_path('people_pose'), progress=interrupt)
        assert [child.poll() for child in children] == [-signal.SIGKILL]

    def test_killed_by_the_kernel(self, monkeypatch):
        children = watch_children(monkeypatch)
        with pytest.raises(ModelError, match=r'was killed, most likely by the kernel .*add swap'):
            build_engine(
                model_path('people_pose'),
                progress=lambda *_: os.kill(children[0].pid, signal.SIGKILL),
            )

    def test_warnings_of_tensorrt_are_logged_once(self, tmp_path, caplog):
        path = yolo(tmp_path / 'model.onnx')
        quantize_model(path, tmp_path / 'int8.onnx', tensors())
        with caplog.at_level(logging.WARNING):
            build_engine(tmp_path / 'int8.onnx', BuildOptions(precision='int8'))
        said = [each.message for each in caplog.records if each.name.endswith('.tensorrt')]
        assert len(said) == len(set(said))


def watch_children(monkeypatch):
    """Every child process that is started from now on."""
    children = []
    start = subprocess.Popen

    def watched(*args, **options):
        children.append(start(*args, **options))
        return children[-1]

    monkeypatch.setattr(builder_module.subprocess, 'Popen', watched)
    return children


class TestTheChild:
    """With modules in TensorRT's place that end in ways that TensorRT can."""

    @pytest.fixture
    def fails(self, tmp_path, monkeypatch):
        def use(source):
            (tmp_path / 'modules').mkdir()
            (tmp_path / 'modules/tensorrt.py').write_text(source)
            monkeypatch.setenv('PYTHONPATH', str(tmp_path / 'modules'))
            return color_segmentation(tmp_path / 'm.onnx')

        return use

    def test_a_crash(self, fails):
        path = fails("import os; print('CUDA: assertion failed', flush=True); os.abort()")
        with pytest.raises(
            ModelError, match=r'ended with SIGABRT; its last output: .*CUDA: assertion failed'
        ):
            build_engine(path)

    def test_an_exit(self, fails):
        path = fails('import os; os._exit(3)')
        with pytest.raises(ModelError, match='ended with exit code 3; its last output: none'):
            build_engine(path)

    def test_modules_in_the_working_directory_are_not_run(self, fails, tmp_path, monkeypatch):
        path = fails('import os; os._exit(3)')
        (tmp_path / 'numpy.py').write_text('raise SystemExit(7)')
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelError, match='ended with exit code 3; its last output: none'):
            build_engine(path)

    def test_it_ends_when_its_parent_is_killed(self, fails):
        """The child hangs, and nobody is left to kill it."""
        path = fails("import threading; print('hangs', flush=True); threading.Event().wait()\n")
        code = (
            'import sys\n'
            'from jetson_perception.engines.tensorrt import builder\n'
            'class Popen(builder.subprocess.Popen):\n'
            '    def __init__(self, *args, **options):\n'
            "        super().__init__(*args, **{**options, 'stdout': 1})\n"
            'builder.subprocess.Popen = Popen\n'
            'builder.build_engine(sys.argv[1])\n'
        )
        with subprocess.Popen(
            [sys.executable, '-c', code, str(path)],
            stdout=subprocess.PIPE,
            env=builder_module._environment(),
        ) as parent:
            assert parent.stdout.readline() == b'hangs\n'
            parent.kill()
            # Ends when nobody holds the other end any more: neither the parent, nor the child.
            assert parent.stdout.read() == b''

    def test_an_unexpected_failure(self, fails):
        path = fails("__version__ = '10.3'\nRuntime = ILogger = object\n")
        with pytest.raises(ModelError, match=r'CUDA cannot be used|failed unexpectedly'):
            build_engine(path)


@pytest.mark.parametrize(
    ('visible', 'device', 'seen'),
    [
        pytest.param(None, 0, None, id='the_only_one'),
        pytest.param('3', 0, '3', id='as_it_is'),
        pytest.param(None, 1, '1', id='another'),
        pytest.param('3,GPU-5f,7', 1, 'GPU-5f', id='another_of_those_that_are_visible'),
    ],
)
def test_the_gpu_of_the_child(monkeypatch, visible, device, seen):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    if visible is not None:
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
    assert builder_module._environment(device).get('CUDA_VISIBLE_DEVICES') == seen


class TestTrtexec:
    def built(self, shapes=None, flags=(), tensorrt='TensorRT 10.3.0', **options):
        return BuiltEngine(
            plan=b'',
            tensorrt=tensorrt,
            gpu='Orin',
            options=BuildOptions(**options),
            layers=10,
            workspace_mib=2048,
            shapes=shapes or {},
            flags=flags,
            notes=(),
            elapsed_s=1.0,
        )

    def test_fp16(self):
        line = trtexec_line('my model.onnx', 'my.engine', self.built(flags=('FP16',)))
        assert line == (
            "trtexec '--onnx=my model.onnx' --saveEngine=my.engine --fp16 "
            '--memPoolSize=workspace:2048'
        )

    def test_everything(self):
        shapes = {'images': [[1, 3, 64, 32], [2, 3, 64, 32], [4, 3, 64, 32]]}
        built = self.built(
            shapes,
            ('FP16', 'INT8'),
            dla_core=1,
            timing_cache='times',
            optimization_level=5,
            max_aux_streams=0,
            plugins=('libone.so',),
            save_onnx='half.onnx',
        )
        assert trtexec_line('my.onnx', 'my.plan', built).split() == [
            'trtexec',
            '--onnx=half.onnx',
            '--saveEngine=my.plan',
            '--fp16',
            '--int8',
            '--minShapes=images:1x3x64x32',
            '--optShapes=images:2x3x64x32',
            '--maxShapes=images:4x3x64x32',
            '--memPoolSize=workspace:2048',
            '--timingCacheFile=times',
            '--useDLACore=1',
            '--allowGPUFallback',
            '--builderOptimizationLevel=5',
            '--maxAuxStreams=0',
            '--dynamicPlugins=libone.so',
        ]

    def test_strongly_typed(self):
        assert '--stronglyTyped' in trtexec_line('a', 'b', self.built(strongly_typed=True))

    def test_rtx(self):
        line = trtexec_line('a', 'b', self.built(tensorrt='TensorRT-RTX 1.7'))
        assert line.startswith('tensorrt_rtx ')
