"""The stand-in for TensorRT is strict: it raises where TensorRT would crash."""

import ast
import gc
import re
from pathlib import Path

import numpy as np
import pytest
import standin_pycuda
import standin_tensorrt
from onnx_models import color_segmentation
from standin_pycuda import MisuseError
from standin_tensorrt import VERSIONS, make_plan
from tensorrt_there import requires_tensorrt

from jetson_perception.cuda import CudaDevice, DeviceBuffer
from jetson_perception.cuda.graphs import capture
from jetson_perception.errors import CudaError

STUBS = Path(__file__).parents[3] / '.venv' / 'stubs' / 'tensorrt_bindings' / 'tensorrt.pyi'
PROFILES = [{'image': [[1, 3, 16, 16], [1, 3, 32, 32], [1, 3, 48, 64]]}] * 2
INPUT, OUTPUT = (1, 3, 48, 64), (1, 4, 48, 64)


class Setup:
    """An engine with dynamic shapes, a context, a stream, and buffers for the largest shape."""

    def __init__(self, monkeypatch, tmp_path, version, **facts):
        self.cuda = standin_pycuda.install(monkeypatch)
        self.trt = standin_tensorrt.install(monkeypatch, self.cuda, version)
        self.device = CudaDevice.get(0)
        self.device.pushed().__enter__()
        self.logged = []
        logged = self.logged

        class Logger(self.trt.ILogger):
            def log(self, severity, msg):
                logged.append(msg)

        self.path = color_segmentation(tmp_path / 'my.onnx', dynamic=True)
        self.runtime = self.trt.Runtime(Logger())
        plan = make_plan(self.path, version, profiles=PROFILES, **facts)
        self.engine = self.runtime.deserialize_cuda_engine(plan)
        self.context = self.engine.create_execution_context()
        self.stream = self.device.new_stream()
        self.other_stream = self.device.new_stream()
        self.buffers = {
            'image': DeviceBuffer(self.device, INPUT, np.float32),
            'scores': DeviceBuffer(self.device, OUTPUT, np.float32),
        }

    def set_shape(self):
        assert self.context.set_input_shape('image', INPUT)

    def set_addresses(self):
        for name, buffer in self.buffers.items():
            assert self.context.set_tensor_address(name, buffer.address)

    def run(self, stream=None):
        return self.context.execute_async_v3((stream or self.stream).handle)

    def ready(self):
        self.set_shape()
        self.set_addresses()
        assert self.run()
        self.stream.synchronize()

    def close(self):
        """What the fixture does, and a test may do earlier."""
        if self.engine is None:
            return
        self.stream.synchronize()
        self.other_stream.synchronize()
        self.context = self.engine = None
        for each in [*self.buffers.values(), self.stream, self.other_stream]:
            each.close()
        self.device.pushed().__exit__()


@pytest.fixture(params=['8.6', '10.3'])
def setup(monkeypatch, tmp_path, request):
    made = Setup(monkeypatch, tmp_path, request.param)
    yield made
    made.close()
    gc.collect()


def test_a_right_order_computes(setup):
    setup.ready()
    values = setup.cuda.view(setup.buffers['scores'].address, OUTPUT, np.float32)
    assert not np.all(values == values[0, 0, 0, 0])
    setup.close()
    setup.cuda.check()


class TestOrder:
    def test_address_before_shape(self, setup):
        with pytest.raises(MisuseError, match='before the shapes'):
            setup.set_addresses()

    def test_shape_after_address(self, setup):
        setup.set_shape()
        setup.set_addresses()
        with pytest.raises(MisuseError, match='a shape was set after addresses'):
            setup.set_shape()

    def test_profile_after_address(self, setup):
        setup.set_shape()
        setup.set_addresses()
        with pytest.raises(MisuseError, match='a profile was set after addresses'):
            setup.context.set_optimization_profile_async(1, setup.stream.handle)

    def test_a_profile_change_that_was_not_waited_for(self, setup):
        assert setup.context.set_optimization_profile_async(1, setup.stream.handle)
        with pytest.raises(MisuseError, match='nobody waited for'):
            setup.set_shape()
        setup.stream.synchronize()
        setup.set_shape()

    def test_run_without_addresses_is_refused(self, setup):
        setup.set_shape()
        assert not setup.run()
        assert 'Neither address or allocator is set for input tensor image' in setup.logged[-1]
        assert setup.context.set_tensor_address('image', setup.buffers['image'].address)
        assert not setup.run()
        assert 'output tensor scores' in setup.logged[-1]

    def test_second_context_of_8_has_no_profile(self, setup):
        second = setup.engine.create_execution_context()
        if setup.trt.__version__.startswith('8.'):
            assert second.active_optimization_profile == -1
            with pytest.raises(MisuseError, match='before a profile'):
                second.set_input_shape('image', INPUT)
            assert not second.set_optimization_profile_async(0, setup.stream.handle)
            assert 'has been chosen by another context' in setup.logged[-1]
            assert second.set_optimization_profile_async(1, setup.stream.handle)
            setup.stream.synchronize()
        assert second.set_input_shape('image', INPUT)


class TestMemory:
    def test_freed(self, setup):
        setup.ready()
        setup.buffers['scores'].close()
        with pytest.raises(MisuseError, match='not inside of any allocation'):
            setup.run()
        setup.context = None
        assert "the memory of 'scores' was freed before its context" in setup.cuda.faults

    def test_freed_while_it_is_used(self, setup):
        setup.ready()
        assert setup.run()
        with pytest.raises(MisuseError, match='freed while work on it was under way'):
            setup.buffers['scores'].close()
        setup.buffers['scores'].__init__(setup.device, OUTPUT, np.float32)

    @pytest.mark.parametrize('dtype', [np.float16, np.float64])
    def test_of_another_type(self, setup, dtype):
        setup.set_shape()
        buffer = DeviceBuffer(setup.device, INPUT, dtype)
        with pytest.raises(MisuseError, match=r'not inside of any|takes \d+ bytes'):
            setup.context.set_tensor_address('image', buffer.address)
        buffer.close()

    def test_not_aligned(self, setup):
        setup.set_shape()
        buffer = DeviceBuffer(setup.device, (1 << 20,), np.uint8)
        with pytest.raises(MisuseError, match='not a multiple of 256'):
            setup.context.set_tensor_address('image', buffer.address + 128)
        buffer.close()

    def test_scratch_that_was_never_given(self, setup):
        if setup.trt.__version__.startswith('8.'):
            context = setup.engine.create_execution_context_without_device_memory()
        else:
            strategy = setup.trt.ExecutionContextAllocationStrategy.USER_MANAGED
            context = setup.engine.create_execution_context(strategy)
        setup.context = context
        if setup.trt.__version__.startswith('8.'):
            context.set_optimization_profile_async(1, setup.stream.handle)
            setup.stream.synchronize()
        setup.set_shape()
        setup.set_addresses()
        with pytest.raises(MisuseError, match='without scratch memory'):
            setup.run()

    def test_scratch_beside_its_own(self, setup):
        with pytest.raises(MisuseError, match='has its own'):
            setup.context.device_memory = setup.buffers['image'].address


class TestStreams:
    def test_default(self, setup):
        setup.ready()
        with pytest.raises(MisuseError, match='default stream'):
            setup.context.execute_async_v3(0)

    def test_destroyed(self, setup):
        setup.ready()
        with pytest.raises(MisuseError, match='was destroyed, or never was'):
            setup.context.execute_async_v3(12345)

    def test_two_at_once(self, setup):
        setup.ready()
        assert setup.run()
        with pytest.raises(MisuseError, match='on two streams at once'):
            setup.run(setup.other_stream)
        setup.stream.synchronize()
        assert setup.run(setup.other_stream)

    def test_results_are_there_when_somebody_waited(self, setup):
        setup.set_shape()
        setup.set_addresses()
        assert setup.run()
        values = setup.cuda.view(setup.buffers['scores'].address, OUTPUT, np.uint8)
        assert np.all(values == 0xCD)
        setup.stream.synchronize()
        assert not np.all(values == 0xCD)


class TestGraphs:
    def test_without_a_warm_up(self, setup):
        setup.set_shape()
        setup.set_addresses()
        refused = []
        with pytest.raises(CudaError, match='capturing a CUDA graph failed'):
            capture(setup.stream, lambda: refused.append(setup.run()))
        assert refused == [False]
        assert 'capturing' in setup.logged[-1]

    @pytest.mark.parametrize(
        'touch',
        [
            lambda setup: setup.run(),
            lambda setup: setup.set_shape(),
            lambda setup: setup.set_addresses(),
            lambda setup: setup.context.set_optimization_profile_async(1, setup.stream.handle),
        ],
        ids=['run', 'shape', 'addresses', 'profile'],
    )
    def test_context_is_left_alone_while_its_graph_lives(self, setup, touch):
        setup.ready()
        graph = capture(setup.stream, setup.run)
        with pytest.raises(MisuseError, match='that a graph was captured from'):
            touch(setup)
        graph.close()
        assert setup.run()

    def test_context_is_deleted_after_its_graph(self, setup):
        setup.ready()
        graph = capture(setup.stream, setup.run)
        setup.context = None
        assert 'a context was deleted while a graph of it lives' in setup.cuda.faults
        graph.close()


class TestObjects:
    def test_deleted_where_no_context_is_current(self, setup):
        setup.device.pushed().__exit__()
        setup.context = setup.engine = None
        assert [fault.partition(' was')[0] for fault in setup.cuda.faults] == [
            'a context',
            'an engine',
        ]
        setup.device.pushed().__enter__()
        setup.engine = False  # for the fixture to close the rest

    def test_used_where_no_context_is_current(self, setup):
        setup.ready()
        setup.device.pushed().__exit__()
        with pytest.raises(MisuseError, match=r'execute_async_v3 .* no CUDA context is'):
            setup.run()
        with pytest.raises(MisuseError, match='create_execution_context'):
            setup.engine.create_execution_context()
        setup.device.pushed().__enter__()

    def test_deleted_while_running(self, setup):
        setup.ready()
        assert setup.run()
        setup.context = None
        assert 'a context was deleted while it was running' in setup.cuda.faults
        setup.stream.synchronize()

    def test_types_of_arguments(self, setup):
        for call in (
            lambda: setup.context.set_input_shape('image', np.array(INPUT)),
            lambda: setup.context.set_input_shape('image', tuple(map(np.int64, INPUT))),
            lambda: setup.context.set_tensor_address('image', np.int64(256)),
            lambda: setup.context.set_tensor_address('image', None),
            lambda: setup.runtime.deserialize_cuda_engine('text'),
            lambda: setup.runtime.deserialize_cuda_engine(bytearray(8)),
            lambda: setup.engine.get_tensor_shape(0),
            lambda: setup.trt.Runtime(object()),
        ):
            with pytest.raises(TypeError, match='incompatible'):
                call()

    def test_shapes_are_not_tuples(self, setup):
        shape = setup.engine.get_tensor_shape('image')
        assert list(shape) == [-1, 3, -1, -1]
        with pytest.raises(MisuseError, match='make them tuples'):
            assert shape == (-1, 3, -1, -1)

    def test_logger_whose_constructor_was_not_called(self, setup):
        class Logger(setup.trt.ILogger):
            def __init__(self):
                pass

        with pytest.raises(TypeError, match='logger'):
            setup.trt.Runtime(Logger())

    def test_damaged_plan(self, setup):
        plan = bytearray(make_plan(setup.path, '10.3'))
        plan[-1] ^= 1
        if not setup.trt.__version__.startswith('8.'):
            with pytest.raises(MisuseError, match='damaged plan'):
                setup.runtime.deserialize_cuda_engine(bytes(plan))


NAMES = {
    'ICudaEngine': {
        'device_memory_size': ('8.5', '8.6', '10.3', '10.13'),
        'device_memory_size_v2': ('10.3', '10.13', '11'),
        'create_execution_context_without_device_memory': ('8.5', '8.6', '10.3', '10.13'),
        'num_aux_streams': ('8.6', '10.3', '10.13', '11'),
        'num_io_tensors': tuple(VERSIONS),
    },
    'IExecutionContext': {
        'set_device_memory': ('10.3', '10.13', '11'),
        'update_device_memory_size_for_shapes': ('10.3', '10.13', '11'),
        'execute_async_v3': tuple(VERSIONS),
        'execute_async_v2': (),
    },
    'DataType': {
        'INT64': ('10.3', '10.13', '11'),
        'BF16': ('10.3', '10.13', '11'),
        'FP8': ('8.6', '10.3', '10.13', '11'),
        'UINT8': tuple(VERSIONS),
    },
    'module': {
        'ExecutionContextAllocationStrategy': ('10.3', '10.13', '11'),
        'nptype': (),
    },
}


@pytest.mark.parametrize('version', VERSIONS)
def test_has_the_names_of_its_version(monkeypatch, tmp_path, version):
    made = Setup(monkeypatch, tmp_path, version)
    things = {
        'ICudaEngine': made.engine,
        'IExecutionContext': made.context,
        'DataType': made.trt.DataType,
        'module': made.trt,
    }
    for thing, names in NAMES.items():
        for name, versions in names.items():
            assert hasattr(things[thing], name) == (version in versions), (thing, name)
    things.clear()
    made.close()


class TestNamesAreNvidias:
    """What the stand-in offers of its own accord would let a wrong call pass."""

    def offered(self, version, monkeypatch):
        cuda = standin_pycuda.install(monkeypatch)
        trt = standin_tensorrt.install(monkeypatch, cuda, version)
        for kind in (trt.Runtime, trt.ICudaEngine, trt.IExecutionContext):
            names = {name for name in vars(kind.__mro__[1]) if not name.startswith('_')}
            assert len(names) > 0
            yield kind.__name__, names - (standin_tensorrt._GATED - kind.names)

    @requires_tensorrt
    def test_of_11(self, monkeypatch):
        """TensorRT-RTX has the API of 11."""
        rtx = pytest.importorskip('tensorrt_rtx_bindings')
        for kind, names in self.offered('11', monkeypatch):
            assert not {name for name in names if not hasattr(getattr(rtx, kind), name)}

    @pytest.mark.skipif(not STUBS.is_file(), reason="TensorRT's types are not here: make setup")
    def test_of_10_13(self, monkeypatch):
        classes = {
            node.name: node
            for node in ast.parse(STUBS.read_text()).body
            if isinstance(node, ast.ClassDef)
        }
        for kind, names in self.offered('10.13', monkeypatch):
            text = ast.unparse(classes[kind])
            # Properties are in the text about the class.
            assert not {name for name in names if not re.search(rf'\b{name}\b', text)}


def test_no_gpu(monkeypatch):
    for version in VERSIONS:
        cuda = standin_pycuda.install(monkeypatch, devices=0)
        trt = standin_tensorrt.install(monkeypatch, cuda, version)
        with pytest.raises((TypeError, MisuseError), match=r'nullptr|segmentation fault'):
            trt.Runtime(trt.ILogger())
