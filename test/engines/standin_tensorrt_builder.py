"""A stand-in for TensorRT's builder, in the names of 8.5, 8.6, 10.3, 10.13 or 11.

It is not TensorRT and builds nothing: its plan is JSON of what it was asked for, so a test sees
what each version would have been told. TensorRT-RTX tests what can be built without a GPU; this
has what RTX lacks: flags for precisions, calibrators, timing caches, DLA, builders without
progress. The names were read off NVIDIA's Python bindings of these versions.

It is strict. An attribute that a version has not raises; so do flags that contradict each other, a
logger whose constructor was not called, and objects used after what they stand on is gone. What
TensorRT answers with None and a line in the log is answered so.
"""

import enum
import gc
import json
import threading
import types
import weakref

import onnx


class MisuseError(AssertionError):
    """Something that TensorRT would not survive, or would ignore."""


VERSIONS = {'8.5': '8.5.2', '8.6': '8.6.2', '10.3': '10.3.0', '10.13': '10.13.3', '11': '11.4.1'}


def make_tensorrt(version, *, dla_cores=0, not_on_dla=(), fail_build=''):
    """A module with the builder's names of a version.

    Parameters
    ----------
    version : str
        Of `VERSIONS`.
    dla_cores : int
        That the machine has.
    not_on_dla : collection of str
        Operators that its DLA cannot run.
    fail_build : str
        What building logs before it gives None.
    """
    old, newest = version.startswith('8'), version == '11'
    trt = types.ModuleType('tensorrt')
    trt.__version__ = VERSIONS[version]
    trt.calls = []

    class ILogger:
        def __init__(self):
            self.ready = True

    class Severity(enum.IntEnum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    trt.ILogger, trt.Runtime = ILogger, object
    flags = ['TF32', 'GPU_FALLBACK', 'SPARSE_WEIGHTS']
    if not newest:
        flags += ['FP16', 'INT8']
    if not old and not newest:
        flags.append('BF16')
    trt.BuilderFlag = enum.IntEnum('BuilderFlag', flags, start=0)
    creation = {'EXPLICIT_BATCH': 0} if not newest else {}
    if not old:
        creation['STRONGLY_TYPED'] = 0 if newest else 1
    trt.NetworkDefinitionCreationFlag = enum.IntEnum('NetworkDefinitionCreationFlag', creation)
    trt.MemoryPoolType = enum.IntEnum('MemoryPoolType', ['WORKSPACE'], start=0)
    trt.DeviceType = enum.IntEnum('DeviceType', ['GPU', 'DLA'], start=0)
    trt.init_libnvinfer_plugins = lambda logger, namespace: trt.calls.append('plugins') or True

    if not newest:

        class IInt8EntropyCalibrator2:
            def __init__(self):
                self.ready = True

        trt.IInt8EntropyCalibrator2 = IInt8EntropyCalibrator2

    if not old:

        class IProgressMonitor:
            def __init__(self):
                self.ready = True

        trt.IProgressMonitor = IProgressMonitor

    def say(logger, text):
        logger.log(Severity.ERROR, text)

    class Network:
        def __init__(self, logger, strongly_typed, explicit_batch):
            self.logger, self.strongly_typed = logger, strongly_typed
            self.explicit_batch = explicit_batch
            self.model = None

        @property
        def _graph(self):
            if self.model is None:
                raise MisuseError('the network is empty')
            return self.model.graph

        @property
        def num_layers(self):
            return len(self._graph.node)

        @property
        def num_inputs(self):
            return len(self._graph.input)

        @property
        def num_outputs(self):
            return len(self._graph.output) if self.model else 0

        def get_layer(self, index):
            node = self._graph.node[index]
            return types.SimpleNamespace(name=node.name, operator=node.op_type)

        def get_input(self, index):
            value = self._graph.input[index]
            shape = [each.dim_value or -1 for each in value.type.tensor_type.shape.dim]
            return types.SimpleNamespace(name=value.name, shape=shape)

        def operators(self):
            return {node.op_type for node in self._graph.node}

        def has_half(self):
            half = onnx.TensorProto.FLOAT16
            return any(each.data_type == half for each in self._graph.initializer)

    class ParserError:
        def __init__(self, code, desc, node, name='', operator=''):
            self._values = code, desc, node
            if not old:
                self.node_name, self.node_operator = (lambda: name), (lambda: operator)

        def code(self):
            return f'ErrorCode.{self._values[0]}'

        def desc(self):
            return self._values[1]

        def node(self):
            return self._values[2]

        def __str__(self):
            return f'In node {self._values[2]}: {self._values[0]}: {self._values[1]}'

    class OnnxParser:
        def __init__(self, network, logger):
            _check_logger(trt, logger)
            self._network = network if old else weakref.proxy(network)
            self._errors = []

        def parse_from_file(self, path):
            assert isinstance(path, str)
            return self._take(onnx.load(path))

        def parse(self, content, path=None):
            if not isinstance(content, bytes):
                raise MisuseError('before 10.13 the buffer is read with the GIL dropped')
            return self._take(onnx.load_from_string(content))

        @property
        def num_errors(self):
            return len(self._errors)

        def get_error(self, index):
            return self._errors[index]

        def _take(self, model):
            if old and not self._network.explicit_batch:
                raise MisuseError('8.x reads ONNX with EXPLICIT_BATCH only')
            values = {each.name: each for each in model.graph.initializer}
            for index, node in enumerate(model.graph.node):
                if node.domain:
                    self._errors.append(
                        ParserError('UNSUPPORTED_NODE', 'false', index, node.name, node.op_type)
                    )
                stored = values.get(node.input[0]) if node.input else None
                if old and node.op_type == 'DequantizeLinear' and stored is not None:
                    desc = 'Assertion failed: int8 weight constants'
                    self._errors.append(
                        ParserError('INVALID_NODE', desc, index, node.name, node.op_type)
                    )
            if old and model.opset_import[0].version > 17:
                self._errors.append(ParserError('UNSUPPORTED_NODE', 'opset', 0))
            self._network.model = model
            return not self._errors

    class Config:
        __slots__ = tuple(
            ['__weakref__', 'state', 'int8_calibrator', 'default_device_type', 'DLA_core']
            + (['builder_optimization_level', 'max_aux_streams'] if version != '8.5' else [])
            + ([] if old else ['progress_monitor'])
        )

        def __init__(self):
            self.state = {'flags': [], 'profiles': [], 'timing': None, 'workspace': None}
            for name in ('builder_optimization_level', 'max_aux_streams'):
                if name in self.__slots__:
                    setattr(self, name, 3)

        def set_flag(self, flag):
            self.state['flags'].append(trt.BuilderFlag(flag).name)

        def can_run_on_DLA(self, layer):
            if not newest and not {'FP16', 'INT8'} & set(self.state['flags']):
                raise MisuseError('which layers a DLA runs depends on the flags, set none yet')
            if self.default_device_type is not trt.DeviceType.DLA:
                raise MisuseError('asked before the device type is set')
            return layer.operator not in not_on_dla

        def set_memory_pool_limit(self, pool, nbytes):
            assert pool is trt.MemoryPoolType.WORKSPACE
            assert isinstance(nbytes, int)
            self.state['workspace'] = nbytes

        def add_optimization_profile(self, profile):
            if not all(low <= best <= high for low, best, high in profile.sides()):
                return -1
            self.state['profiles'].append(profile)
            return len(self.state['profiles']) - 1

        def set_calibration_profile(self, profile):
            assert profile in self.state['profiles']
            self.state['calibration_profile'] = True
            return True

        def create_timing_cache(self, content):
            return types.SimpleNamespace(content=bytes(content))

        def set_timing_cache(self, cache, ignore_mismatch):
            assert ignore_mismatch is False
            if cache.content and not cache.content.startswith(b'times of Orin'):
                say(trt.logger(), 'Timing cache was made on another device')
                return False
            self.state['timing'] = cache
            return True

        def get_timing_cache(self):
            return types.SimpleNamespace(serialize=lambda: b'times of Orin, and more')

    class Profile:
        def __init__(self):
            self.shapes = {}

        def set_shape(self, name, low, best, high):
            for shape in (low, best, high):
                assert isinstance(shape, tuple)
                assert all(type(size) is int for size in shape)
            self.shapes[name] = (low, best, high)

        def sides(self):
            return [
                sides for shapes in self.shapes.values() for sides in zip(*shapes, strict=True)
            ]

    class Builder:
        num_DLA_cores = dla_cores  # noqa: N815

        def __init__(self, logger):
            _check_logger(trt, logger)
            self._logger = logger
            trt.logger = lambda: logger

        def create_network(self, flags):
            def has(name):
                bit = creation.get(name)
                return bit is not None and bool(flags >> bit & 1)

            if newest and flags not in (0, 1):
                raise MisuseError(f'flags {flags:b}: STRONGLY_TYPED is 0 in 11')
            return Network(self._logger, newest or has('STRONGLY_TYPED'), has('EXPLICIT_BATCH'))

        def create_builder_config(self):
            return Config()

        def create_optimization_profile(self):
            return Profile()

        def build_serialized_network(self, network, config):
            return _build(trt, network, config, old, fail_build, self._logger, say)

    trt.Builder, trt.OnnxParser = Builder, OnnxParser
    return trt


def _check_logger(trt, logger):
    if not isinstance(logger, trt.ILogger) or not getattr(logger, 'ready', False):
        raise MisuseError('the logger is no ILogger, or its constructor was not called')


def _build(trt, network, config, old, fail_build, logger, say):
    state = config.state
    flags = set(state['flags'])
    if network.strongly_typed and flags & {'FP16', 'INT8', 'BF16'}:
        raise MisuseError('flags of precisions with a strongly typed network')
    if state['workspace'] is None:
        raise MisuseError('without a limit a layer may take all memory')
    gc.collect()  # what nothing holds any more is gone
    open_names = {
        network.get_input(i).name
        for i in range(network.num_inputs)
        if -1 in network.get_input(i).shape
    }
    given = {name for profile in state['profiles'] for name in profile.shapes}
    if open_names - given:
        say(logger, 'Error Code 4: Network has dynamic inputs, but no optimization profile')
        return None
    if given - open_names:
        say(logger, f'Error Code 4: Dimension mismatch for {given} and profile 0')
        return None
    if old and 'QuantizeLinear' in network.operators() and 'INT8' not in flags:
        say(logger, 'Error Code 9: Q/DQ layers are only supported with INT8')
        return None
    dla = getattr(config, 'default_device_type', None) is trt.DeviceType.DLA
    if dla and not flags & {'FP16', 'INT8'} and not network.has_half():
        say(logger, 'DLA supports FP16 and INT8 only')
        return None
    if fail_build:
        say(logger, fail_build)
        say(logger, 'cudaError 35')
        return None
    images = _calibrate(config, flags, network)
    if not _report(config):
        say(logger, 'Error Code 7: BuildCanceled')
        return None
    return json.dumps(
        {
            'flags': state['flags'],
            'strongly_typed': network.strongly_typed,
            'half': network.has_half(),
            'operators': sorted(network.operators()),
            'workspace': state['workspace'],
            'shapes': [profile.shapes for profile in state['profiles']],
            'timing': state['timing'] is not None,
            'dla': config.DLA_core if dla else None,
            'images': images,
            'calibration_profile': state.get('calibration_profile', False),
            'level': getattr(config, 'builder_optimization_level', None),
            'aux_streams': getattr(config, 'max_aux_streams', None),
        }
    ).encode()


def _calibrate(config, flags, network):
    """What TensorRT does with a calibrator: exceptions in it end it quietly."""
    calibrator = getattr(config, 'int8_calibrator', None)
    if calibrator is None:
        return None
    if not getattr(calibrator, 'ready', False):
        raise MisuseError("the calibrator's constructor was not called")
    if 'INT8' not in flags:
        raise MisuseError('a calibrator without the INT8 flag is ignored')
    names = [network.get_input(index).name for index in range(network.num_inputs)]
    size, images = calibrator.get_batch_size(), 0
    assert calibrator.read_calibration_cache() is None
    while True:
        try:
            addresses = calibrator.get_batch(names)
        except Exception:  # noqa: BLE001 - printed by TensorRT
            break
        if not addresses:
            break
        assert len(addresses) == len(names)
        images += size
    calibrator.write_calibration_cache(memoryview(b'ranges'))
    return images


def _report(config):
    """Tell of progress from another thread; False when canceled."""
    monitor = getattr(config, 'progress_monitor', None)
    if monitor is None:
        return True
    if not getattr(monitor, 'ready', False):
        raise MisuseError("the monitor's constructor was not called")
    goes_on = []

    def work():
        monitor.phase_start('Building Engine', None, 2)
        for step in range(2):
            monitor.phase_start('Timing', 'Building Engine', 4)
            for inner in range(4):
                goes_on.append(monitor.step_complete('Timing', inner))
            monitor.phase_finish('Timing')
            goes_on.append(monitor.step_complete('Building Engine', step))
        monitor.phase_finish('Building Engine')

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return all(goes_on)
