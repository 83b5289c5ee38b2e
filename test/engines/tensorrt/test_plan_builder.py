"""What each TensorRT version is asked for, with the stand-in for builders, and what users see."""

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from small_networks import segmentation, yolo
from standin_driver import StandInDriver
from standin_tensorrt_builder import VERSIONS, make_tensorrt

from jetson_perception.engines.tensorrt import api, calibrator, plan_builder
from jetson_perception.engines.tensorrt.build_options import BuildOptions
from jetson_perception.engines.tensorrt.plan_builder import build_plan
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.resources import model_path

FLAGGED = ['8.5', '8.6', '10.3', '10.13']


@pytest.fixture(autouse=True)
def driver(monkeypatch):
    return StandInDriver().install(monkeypatch, api, calibrator)


@pytest.fixture
def stand_in(monkeypatch):
    """Make a stand-in of a version that is found as TensorRT."""

    def use(version, **facts):
        trt = make_tensorrt(version, **facts)
        monkeypatch.setattr(api, '_logger', None)
        monkeypatch.setattr(api, 'import_tensorrt', lambda: trt)
        return trt

    return use


@pytest.fixture
def build(stand_in, tmp_path):
    """Build, and return what TensorRT was told and what came with it."""

    def run(version, path=None, *, facts=None, trained_wh=None, images=None, **options):
        trt = stand_in(version, **(facts or {}))
        plan = build_plan(
            trt,
            path or segmentation(tmp_path / 'model.onnx'),
            BuildOptions(**options),
            size_wh=trained_wh,
            calibration=images,
        )
        return json.loads(plan.data), plan

    return run


@pytest.fixture
def quantized(tmp_path):
    """An ONNX file with Q/DQ nodes and int8 weights."""
    weight = numpy_helper.from_array(np.full((4, 3, 1, 1), 2, np.int8), 'weight')
    scales = numpy_helper.from_array(np.array([0.5, 1, 2, 3], np.float32), 'scales')
    zeros = numpy_helper.from_array(np.zeros(4, np.int8), 'zeros')
    scale = numpy_helper.from_array(np.float32(0.1), 'scale')
    zero = numpy_helper.from_array(np.int8(0), 'zero')
    nodes = [
        helper.make_node('QuantizeLinear', ['image', 'scale', 'zero'], ['q'], name='quantize'),
        helper.make_node('DequantizeLinear', ['q', 'scale', 'zero'], ['x'], name='dequantize'),
        helper.make_node(
            'DequantizeLinear', ['weight', 'scales', 'zeros'], ['w'], name='weights', axis=0
        ),
        helper.make_node('Conv', ['x', 'w'], ['y'], name='conv'),
    ]
    graph = helper.make_graph(
        nodes,
        'quantized',
        [helper.make_tensor_value_info('image', 1, [1, 3, 8, 8])],
        [helper.make_tensor_value_info('y', 1, [1, 4, 8, 8])],
        [weight, scales, zeros, scale, zero],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, tmp_path / 'quantized.onnx')
    return tmp_path / 'quantized.onnx'


def split_with_a_count(path):
    """A segmentation model with what opset 18 has of Split, which onnx's converter refuses."""
    nodes = [
        helper.make_node('Split', ['image'], ['a', 'b'], axis=3, num_outputs=2),
        helper.make_node('Concat', ['a', 'b'], ['y'], axis=3),
    ]
    graph = helper.make_graph(
        nodes,
        'split',
        [helper.make_tensor_value_info('image', 1, [1, 3, 8, 8])],
        [helper.make_tensor_value_info('y', 1, [1, 3, 8, 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def images(count, shape=(1, 3, 64, 64)):
    return iter([np.full(shape, index, np.float32) for index in range(count)])


class TestPrecision:
    @pytest.mark.parametrize('version', VERSIONS)
    def test_fp32(self, build, version):
        told, plan = build(version, precision='fp32')
        assert told['flags'] == []
        assert told['strongly_typed'] == (version == '11')
        assert not told['half']
        assert plan.notes == []

    @pytest.mark.parametrize('version', FLAGGED)
    def test_fp16_by_flag(self, build, version):
        told, plan = build(version, precision='fp16')
        assert (told['flags'], told['half'], told['strongly_typed']) == (['FP16'], False, False)
        assert plan.flags == ['FP16']

    def test_fp16_by_types(self, build):
        told, plan = build('11', precision='fp16')
        assert (told['flags'], told['half'], told['strongly_typed']) == ([], True, True)
        assert plan.notes == ['converted to FP16; inputs, outputs stay in FP32']

    def test_weights_that_are_stored_in_fp16_do_not_make_a_model_fp16(self, build):
        told, plan = build('11', model_path('people_detect'), precision='fp16')
        assert told['half']
        assert 'converted to FP16' in plan.notes[0]

    @pytest.mark.parametrize(
        ('version', 'precision'), [('8.5', 'fp16'), ('10.13', 'fp32'), ('11', 'fp32')]
    )
    def test_weights_that_are_stored_in_fp16_are_constants_for_the_parser(
        self, build, version, precision
    ):
        told, plan = build(version, model_path('people_detect'), precision=precision)
        assert not told['half']
        assert plan.notes == []

    @pytest.mark.parametrize('version', ['10.3', '10.13'])
    def test_strongly_typed_where_flags_are(self, build, version):
        told, _ = build(version, precision='fp16', strongly_typed=True)
        assert (told['flags'], told['half'], told['strongly_typed']) == ([], True, True)

    @pytest.mark.parametrize('version', ['8.5', '8.6'])
    def test_strongly_typed_where_it_is_not(self, build, version):
        with pytest.raises(ParameterError, match=r'8\.\d\.2 has no strongly typed.*with 9\.1'):
            build(version, strongly_typed=True)

    @pytest.mark.parametrize('version', FLAGGED)
    @pytest.mark.parametrize('precision', ['int8', 'fp16'])
    def test_a_quantized_model(self, build, quantized, version, precision):
        told, _ = build(version, quantized, precision=precision)
        assert told['flags'] == ['FP16', 'INT8']

    def test_a_quantized_model_by_types(self, build, quantized):
        told, _ = build('11', quantized, precision='int8')
        assert (told['flags'], told['half']) == ([], True)
        assert 'QuantizeLinear' in told['operators']

    @pytest.mark.parametrize('version', ['8.5', '8.6'])
    def test_int8_weights_become_floats_for_8(self, build, quantized, version):
        _, plan = build(version, quantized, precision='int8')
        assert plan.notes == ['quantized weights were written as floats']

    @pytest.mark.parametrize('version', ['10.3', '10.13'])
    def test_and_stay_for_10(self, build, quantized, version):
        assert build(version, quantized, precision='int8')[1].notes == []

    @pytest.mark.parametrize(
        ('version', 'flags'),
        [
            pytest.param('8.6', ['FP16'], id='8.6'),
            pytest.param('10.3', ['FP16', 'BF16'], id='10.3'),
            pytest.param('11', [], id='11'),
        ],
    )
    def test_best_without_ranges(self, build, version, flags):
        assert build(version, precision='best')[0]['flags'] == flags

    def test_best_of_a_quantized_model(self, build, quantized):
        told, _ = build('10.3', quantized, precision='best')
        assert told['flags'] == ['FP16', 'INT8', 'BF16']

    @pytest.mark.parametrize('version', VERSIONS)
    def test_int8_without_ranges(self, build, version):
        with pytest.raises(
            ParameterError, match=r'is not quantized: .*quantize model\.onnx .*--calibration'
        ) as error:
            build(version, precision='int8')
        assert error.value.parameter == 'precision'


class TestCalibration:
    @pytest.mark.parametrize('version', FLAGGED)
    def test_images_are_taken(self, build, driver, version):
        told, plan = build(version, precision='int8', images=images(5))
        assert told['flags'] == ['FP16', 'INT8']
        assert told['images'] == 5
        assert driver.copied == [3 * 64 * 64 * 4] * 5
        assert plan.notes == ['INT8 ranges were measured on 5 images']
        assert (driver.allocated, driver.retained) == ({}, 0)

    def test_batches(self, build, tmp_path, driver):
        path = segmentation(tmp_path / 'open.onnx', dynamic=True)
        told, plan = build(
            '10.3',
            path,
            precision='int8',
            batch=(1, 2, 4),
            trained_wh=(64, 64),
            images=images(5),
        )
        assert told['images'] == 4  # two batches of two; the fifth image is left out
        assert driver.copied == [2 * 3 * 64 * 64 * 4] * 2
        assert told['calibration_profile']
        assert plan.notes == ['INT8 ranges were measured on 4 images']

    def test_a_batch_that_the_model_fixes(self, build, tmp_path, driver):
        path = yolo(tmp_path / 'four.onnx', batch=4)
        told, _ = build('10.3', path, precision='int8', images=images(9))
        assert told['images'] == 8
        assert driver.copied == [4 * 3 * 64 * 64 * 4] * 2

    @pytest.mark.parametrize('count', [0, 1])
    def test_no_full_batch(self, build, tmp_path, count):
        path = yolo(tmp_path / 'two.onnx', batch=2)
        with pytest.raises(ParameterError, match='no images, or fewer than one batch'):
            build('10.3', path, precision='int8', images=images(count))

    def test_images_of_another_size(self, build):
        with pytest.raises(ModelError, match=r'image is \(1, 3, 32, 32\), .* \(1, 3, 64, 64\)'):
            build('10.3', precision='int8', images=images(2, (1, 3, 32, 32)))

    def test_a_picture_that_cannot_be_read(self, build, driver):
        def broken():
            yield from images(2)
            raise ModelError('picture 3 is damaged')

        with pytest.raises(ModelError, match='calibration failed: picture 3 is damaged'):
            build('10.3', precision='int8', images=broken())
        assert driver.allocated == {}

    def test_no_memory(self, build, driver):
        driver.fail_allocation = True
        with pytest.raises(
            ModelError, match='calibration: cuMemAlloc_v2 failed with CUDA error 2'
        ):
            build('10.3', precision='int8', images=images(2))

    def test_memory_goes_back_when_the_build_fails(self, build, driver):
        told, _ = build('10.3', precision='int8', images=images(1))
        assert told['images'] == 1
        with pytest.raises(ModelError):
            build('10.3', precision='int8', images=images(1), facts={'fail_build': 'no'})
        assert (driver.allocated, driver.retained) == ({}, 0)


class TestShapes:
    def test_fixed(self, build):
        told, plan = build('8.5')
        assert told['shapes'] == []
        assert plan.shapes == {}

    @pytest.mark.parametrize('version', VERSIONS)
    def test_open(self, build, tmp_path, version):
        path = segmentation(tmp_path / 'open.onnx', dynamic=True)
        told, _ = build(version, path, trained_wh=(96, 64))
        assert told['shapes'] == [{'image': [[1, 3, 64, 96]] * 3}]

    def test_ranges(self, build, tmp_path):
        path = segmentation(tmp_path / 'open.onnx', dynamic=True)
        sizes = ((32, 64), (64, 96), (128, 128))
        # Sizes that are asked for count more than the one that the model was trained at.
        told, _ = build('10.3', path, batch=(1, 2, 4), size_wh=sizes, trained_wh=(640, 640))
        expected = [[1, 3, 64, 32], [2, 3, 96, 64], [4, 3, 128, 128]]
        assert told['shapes'] == [{'image': expected}]

    def test_open_batch_of_a_fixed_size(self, build, tmp_path):
        path = yolo(tmp_path / 'open.onnx', batch='batch')
        told, _ = build('10.3', path, batch=(1, 1, 8))
        assert told['shapes'] == [{'images': [[1, 3, 64, 64], [1, 3, 64, 64], [8, 3, 64, 64]]}]


class TestTuning:
    def test_workspace(self, build):
        assert build('8.5', workspace_mib=100)[0]['workspace'] == 100 << 20

    @pytest.mark.parametrize(
        ('memory_bytes', 'mib'),
        [pytest.param(4 << 30, 1024, id='nano'), pytest.param(80 << 30, 4096, id='large')],
    )
    def test_workspace_by_default(self, build, monkeypatch, memory_bytes, mib):
        StandInDriver(memory_bytes=memory_bytes).install(monkeypatch, api)
        told, plan = build('10.3')
        assert (told['workspace'], plan.workspace_mib) == (mib << 20, mib)

    def test_levels(self, build):
        told, plan = build('8.6', optimization_level=5, max_aux_streams=0)
        assert (told['level'], told['aux_streams'], plan.notes) == (5, 0, [])

    def test_levels_that_do_not_exist(self, build):
        told, plan = build('8.5', optimization_level=5, max_aux_streams=0)
        assert told['level'] is None
        assert [note.split(',')[0] for note in plan.notes] == [
            'TensorRT 8.5.2 has no optimization_level',
            'TensorRT 8.5.2 has no max_aux_streams',
        ]

    @pytest.mark.parametrize('version', VERSIONS)
    def test_dla(self, build, version):
        told, plan = build(version, dla_core=1, facts={'dla_cores': 2})
        assert told['dla'] == 1
        assert 'GPU_FALLBACK' in told['flags']
        assert 'all layers can run on the DLA core' in plan.notes

    @pytest.mark.parametrize('version', VERSIONS)
    def test_layers_that_a_dla_leaves_to_the_gpu_are_listed(self, build, tmp_path, version):
        nodes = [
            helper.make_node('Conv', ['image', 'w'], ['a'], name='conv'),
            helper.make_node('Erf', ['a'], ['b'], name='wave\n'),
            helper.make_node('Relu', ['b'], ['c'], name='relu'),
            helper.make_node('Erf', ['c'], ['y'], name='last'),
        ]
        weights = numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), 'w')
        graph = helper.make_graph(
            nodes,
            'waves',
            [helper.make_tensor_value_info('image', 1, [1, 3, 8, 8])],
            [helper.make_tensor_value_info('y', 1, [1, 4, 8, 8])],
            [weights],
        )
        opset = helper.make_opsetid('', 17)
        onnx.save(
            helper.make_model(graph, opset_imports=[opset], ir_version=8), tmp_path / 'waves.onnx'
        )
        facts = {'dla_cores': 1, 'not_on_dla': ('Erf',)}
        _, plan = build(version, tmp_path / 'waves.onnx', dla_core=0, facts=facts)
        [note] = [note for note in plan.notes if 'DLA' in note]
        assert note.endswith(
            r"cannot run on the DLA core, so they run on the GPU: 'wave\n', 'last'"
        )
        assert note.startswith('2 of ')

    def test_dla_that_does_not_exist(self, build):
        with pytest.raises(ParameterError, match=r'TensorRT 10\.13\.3 finds no DLA core'):
            build('10.13', dla_core=0)

    def test_a_dla_core_too_many(self, build):
        with pytest.raises(ParameterError, match='dla_core is 2; this machine has 2, numbered'):
            build('10.3', dla_core=2, facts={'dla_cores': 2})

    def test_dla_takes_no_quantized_model_before_11(self, build, quantized):
        for precision in ('int8', 'fp16'):
            with pytest.raises(ParameterError, match='DLA takes from TensorRT 11 on; give the m'):
                build('10.3', quantized, precision=precision, dla_core=0, facts={'dla_cores': 1})


class TestTimingCache:
    @pytest.mark.parametrize('version', VERSIONS)
    def test_it_is_made(self, build, tmp_path, version):
        cache = tmp_path / 'folder/times.cache'
        told, plan = build(version, timing_cache=str(cache), precision='fp32')
        assert told['timing']
        assert cache.read_bytes() == b'times of Orin, and more'
        assert plan.notes == []
        assert [each.name for each in cache.parent.iterdir()] == ['times.cache']

    def test_it_is_used_again(self, build, tmp_path):
        (tmp_path / 'times').write_bytes(b'times of Orin')
        told, plan = build('10.3', timing_cache=str(tmp_path / 'times'))
        assert (told['timing'], plan.notes) == (True, [])

    def test_one_from_another_device_is_started_over(self, build, tmp_path):
        cache = tmp_path / 'times'
        cache.write_bytes(b'times of Xavier')
        told, plan = build('10.3', timing_cache=str(cache))
        assert told['timing']
        assert 'an empty one (Timing cache was made on another device)' in plan.notes[0]
        assert cache.read_bytes() == b'times of Orin, and more'

    def test_a_folder_in_its_place(self, build, tmp_path):
        with pytest.raises(ParameterError, match=r'timing_cache .* is a folder'):
            build('10.3', timing_cache=str(tmp_path))

    def test_a_build_is_not_lost_for_it(self, build, caplog):
        told, _ = build('10.3', timing_cache='/proc/no/such/place')
        assert told['timing']
        assert 'cannot be written' in caplog.text


class TestParserErrors:
    @pytest.fixture
    def custom(self, tmp_path):
        x = helper.make_tensor_value_info('x', 1, [1, 3, 8, 8])
        y = helper.make_tensor_value_info('y', 1, None)
        node = helper.make_node('Magic', ['x'], ['y'], name='spell', domain='my.operators')
        opsets = [helper.make_opsetid('', 17), helper.make_opsetid('my.operators', 1)]
        model = helper.make_model(
            helper.make_graph([node], 'g', [x], [y]), opset_imports=opsets, ir_version=8
        )
        onnx.save(model, tmp_path / 'custom.onnx')
        return tmp_path / 'custom.onnx'

    def test_the_node_is_named(self, build, custom):
        with pytest.raises(
            ModelError,
            match=r"node 'spell' \(Magic\): UNSUPPORTED_NODE; TensorRT does not support",
        ):
            build('10.3', custom, precision='fp32')

    def test_8_knows_its_index(self, build, custom):
        with pytest.raises(ModelError, match='node 0: UNSUPPORTED_NODE; TensorRT does not'):
            build('8.5', custom, precision='fp32')

    @pytest.mark.parametrize('version', ['8.5', '8.6'])
    def test_an_opset_that_is_too_new_is_converted(self, build, tmp_path, version):
        path = segmentation(tmp_path / 'new.onnx', opset=18)
        _, plan = build(version, path)
        assert plan.notes == ['converted from opset 18, IR version 8, to opset 17']

    @pytest.mark.parametrize('version', ['8.5', '8.6'])
    def test_by_rules_where_the_converter_of_onnx_knows_no_way(self, build, tmp_path, version):
        path = split_with_a_count(tmp_path / 'new.onnx')
        _, plan = build(version, path)
        (note,) = plan.notes
        assert note.startswith('converted from opset 18, IR version 8, to opset 17 (onnx')
        assert 'jetson-perception convert new.onnx --opset 17 compares results' in note

    def test_without_onnx(self, build, custom, monkeypatch):
        monkeypatch.setitem(sys.modules, 'onnx', None)
        with pytest.raises(
            ModelError,
            match=r"'spell' .*Besides, it may be readable in opset 17, but .*pip install onnx",
        ):
            build('10.3', custom, precision='fp32')

    def test_one_that_cannot_be(self, build, custom):
        model = onnx.load(custom)
        model.opset_import[0].version = 19
        onnx.save(model, custom)
        with pytest.raises(ModelError, match=r'opset 19, .*\w\. Export it with'):
            build('8.6', custom, precision='fp32')


class TestFailures:
    @pytest.mark.parametrize(
        ('said', 'told'),
        [
            pytest.param(
                'Error Code 2: OutOfMemory (no further information)',
                'OutOfMemory .*Memory ran out: close other programs',
                id='memory',
            ),
            pytest.param(
                'Requested amount of GPU memory (5 bytes) could not be allocated',
                'Memory ran out.*add swap',
                id='allocation',
            ),
            pytest.param(
                'Error Code 10: Could not find any implementation for node {Conv_1}',
                r'Conv_1.*Allow more workspace \(now 1907 MiB\)',
                id='workspace',
            ),
            pytest.param('Error Code 9: Internal', r'Internal$', id='other'),
        ],
    )
    def test_building(self, build, said, told):
        with pytest.raises(ModelError, match=f'could not build the engine: .*{told}'):
            build('10.3', facts={'fail_build': said})

    def test_no_builder(self, build, stand_in, monkeypatch, tmp_path):
        trt = stand_in('8.5')

        def refuse(logger):
            logger.log(1, 'CUDA initialization failure with error: 999')
            raise TypeError('pybind11::init(): factory function returned nullptr')

        monkeypatch.setattr(trt, 'Builder', refuse)
        with pytest.raises(
            ModelError, match='cannot start a builder: CUDA initialization failure'
        ):
            build_plan(trt, segmentation(tmp_path / 'm.onnx'), BuildOptions())

    def test_no_gpu(self, build, monkeypatch):
        StandInDriver(init=100).install(monkeypatch, api)
        with pytest.raises(ModelError, match='sees no GPU'):
            build('11')

    def test_a_plugin_library_that_does_not_exist(self, stand_in, tmp_path, monkeypatch):
        def load(name, **_):
            raise OSError(f'{name}: cannot open shared object file')

        trt = stand_in('10.3')
        monkeypatch.setattr(plan_builder.ctypes, 'CDLL', load)
        monkeypatch.setattr(plan_builder, 'find_gpu', lambda: None)
        with pytest.raises(ParameterError, match=r'libmine\.so cannot be loaded: .*cannot open'):
            build_plan(
                trt, segmentation(tmp_path / 'm.onnx'), BuildOptions(plugins=('libmine.so',))
            )


class TestProgress:
    @pytest.mark.parametrize('version', ['10.3', '10.13', '11'])
    def test_where_there_is_a_monitor(self, stand_in, tmp_path, version):
        said = []
        build_plan(
            stand_in(version),
            segmentation(tmp_path / 'm.onnx'),
            BuildOptions(),
            report=lambda fraction, phase: said.append((fraction, phase)),
        )
        assert said[0] == (None, 'reading the model')
        fractions = [fraction for fraction, _ in said[1:]]
        assert fractions[0] == 0
        assert fractions[-1] == 1
        assert fractions == sorted(fractions)
        assert {'Building Engine', 'Timing'} <= {phase for _, phase in said}

    @pytest.mark.parametrize('version', ['8.5', '8.6'])
    def test_without_progress_from_tensorrt(self, stand_in, tmp_path, version):
        said = []
        build_plan(
            stand_in(version),
            segmentation(tmp_path / 'm.onnx'),
            BuildOptions(),
            report=lambda fraction, phase: said.append((fraction, phase)),
        )
        assert said == [(None, 'reading the model'), (None, 'building')]
