"""A stand-in for TensorRT's runtime on machines without it. It is not TensorRT: ONNX Runtime
computes, and it shows that calls are correct, not that TensorRT does what is expected.

It has the names of one version, of 8.5, 8.6, 10.3, 10.13 or 11 (their Python sources and headers
were read for it), and works on the memory and streams of `standin_pycuda`, so results are there
when the stream was waited for, and not before. What TensorRT refuses it refuses in the same way,
with None or False and a line in the log. What TensorRT would not survive, or not notice, raises
`MisuseError`, or is noted in `faults` of the stand-in for pycuda, which `check` looks at:

- objects made, used or deleted where no CUDA context is current
- shapes after addresses, runs before either, a profile set on another stream and not waited for
- addresses of memory that was freed, is too small or too large, or not aligned to 256 bytes
- the default stream, two streams or two threads at once, scratch memory that others use
- a context that is changed, or deleted, while a graph that was captured from it lives
- damaged plans, which TensorRT loads and crashes on

::

    cuda = standin_pycuda.install(monkeypatch)
    trt = standin_tensorrt.install(monkeypatch, cuda, '10.3')
    plan = standin_tensorrt.make_plan('my.onnx', '10.3')
"""

from __future__ import annotations

import enum
import json
import mmap
import struct
import sys
import threading
import types
import weakref
import zlib
from pathlib import Path

import numpy as np
import onnxruntime
from standin_pycuda import MisuseError

from jetson_perception.cuda import libcuda as libcuda_module
from jetson_perception.engines.tensorrt import api as tensorrt_api

VERSIONS = {
    '8.5': (8, 5, 2, 2),
    '8.6': (8, 6, 2, 3),
    '10.3': (10, 3, 0, 30),
    '10.13': (10, 13, 3, 9),
    '11': (11, 4, 1, 106),
}
_TAGS = {'8.5': 232, '8.6': 236, '10.3': 239, '10.13': 240, '11': 241}
_HEADER = struct.Struct('<4s4xQ8x4B4xI')  # magic, bytes in all, version, bytes of JSON

_NEWER_MAGIC = 'header.magicTag == kEXPECTED_MAGIC_TAG'
_NEWER_MAGIC_NOTE = (
    'Trying to load an engine created with incompatible serialization version (1696624494 != '
    '1953657974). Check that the engine was not created using safety runtime, same OS was used '
    'and version compatibility parameters were set accordingly and that it is a TRT engine file.'
)

_ELEMENT_TYPES = {
    'tensor(float)': 'FLOAT',
    'tensor(float16)': 'HALF',
    'tensor(int8)': 'INT8',
    'tensor(int32)': 'INT32',
    'tensor(int64)': 'INT64',
    'tensor(bool)': 'BOOL',
    'tensor(uint8)': 'UINT8',
}
_ITEM_BYTES = {'FLOAT': 4, 'HALF': 2, 'INT8': 1, 'INT32': 4, 'INT64': 8, 'BOOL': 1, 'UINT8': 1}


def install(monkeypatch, cuda, version='10.3'):
    """Put a stand-in in TensorRT's place until the test ends; returns the module."""
    trt = make_tensorrt(version, cuda)
    tensorrt_api.import_tensorrt.cache_clear()
    for name in tensorrt_api.MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, 'tensorrt', trt)
    monkeypatch.setattr(tensorrt_api, '_logger', None)
    tensorrt_api._errors.clear()
    return trt


def make_plan(onnx_path, version='10.3', **facts):
    """What this version would have serialized for a model, on the device of the stand-in.

    Parameters
    ----------
    onnx_path : path
        Static, or with open dimensions and `profiles`.
    version : str
        Of `VERSIONS`.
    profiles : list of {input name: (smallest, best, largest shape)}
        Of inputs with open dimensions.
    platform, compute_capability
        Where it was built.
    types, formats, locations : {tensor name: name of DataType, TensorFormat, TensorLocation}
        Which differ from the model's.
    data_dependent : list of tensor names
        Whose size is known only after a run.
    weight_bytes, scratch_bytes : int
        Memory of the engine, and of a context while it runs.
    capturable : bool
        Whether a run survives the capture of a graph.
    """
    content = Path(onnx_path).read_bytes()
    facts = {
        'tag': _TAGS[version],
        'platform': 'here',
        'compute_capability': [8, 7],
        'profiles': [{}],
        'types': {},
        'formats': {},
        'locations': {},
        'data_dependent': [],
        'weight_bytes': 4096,
        'scratch_bytes': 1 << 16,
        'capturable': True,
        'crc': zlib.crc32(content),
        **facts,
    }
    text = json.dumps(facts).encode()
    magic = b'ptrt' if version.startswith('8.') else b'ftrt'
    length = _HEADER.size + len(text) + len(content)
    return _HEADER.pack(magic, length, *VERSIONS[version], len(text)) + text + content


class Dims:
    """A shape as TensorRT gives it: no tuple, to be read element by element."""

    def __init__(self, sizes):
        self._sizes = list(sizes)

    def __len__(self):
        return len(self._sizes)

    def __getitem__(self, index):
        return self._sizes[index]

    __hash__ = None

    def __eq__(self, other):
        raise MisuseError('Dims are compared; make them tuples first')


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class TensorLocation(enum.Enum):
    DEVICE, HOST = range(2)


class TensorFormat(enum.Enum):
    LINEAR, CHW2, HWC8, CHW4, CHW16, CHW32 = range(6)


def _data_type(version):
    names = ['FLOAT', 'HALF', 'INT8', 'INT32', 'BOOL', 'UINT8']
    if version != '8.5':
        names.append('FP8')
    if version not in ('8.5', '8.6'):
        names += ['BF16', 'INT64', 'INT4']
    if version in ('10.13', '11'):
        names.append('FP4')
    if version == '11':
        names.append('E8M0')
    return enum.Enum('DataType', names, start=0)


class Severity(enum.IntEnum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ILogger:
    Severity = Severity

    def __init__(self):
        self._ready = True


class _Shared:
    """What objects of one made-up TensorRT know of each other."""

    def __init__(self, version, cuda, module):
        self.version = version
        self.cuda = cuda
        self.module = module
        self.logger = None
        self.dla_cores = 0
        self.fail: dict[str, str] = {}
        self.calls: list[str] = []
        self.turns: dict[int, list[int]] = {}

    def say(self, text, severity=Severity.ERROR):
        if self.logger is not None:
            self.logger.log(severity, text)

    def call(self, name):
        """Note a call; True when the test wants it to fail, which is logged."""
        self.need_context(name)
        self.calls.append(name)
        text = self.fail.get(name)
        if text is not None:
            self.say(text)
        return text is not None

    def need_context(self, name):
        if not self.cuda.stack():
            raise MisuseError(f'{name} was called where no CUDA context is current')

    def gone(self, name):
        if not self.cuda.stack():
            self.cuda.faults.append(f'{name} was deleted where no CUDA context is current')

    def turn(self, memory):
        """A function that raises unless it is called in the order in which turns were taken."""
        count = self.turns.setdefault(memory.address, [0, 0])
        position, count[0] = count[0], count[0] + 1

        def take():
            if count[1] != position:
                raise MisuseError('scratch memory was used by two engines at once')
            count[1] += 1

        return take

    def stream(self, handle):
        if type(handle) is not int:
            raise TypeError(f'incompatible function arguments: {handle!r} is no stream handle')
        if handle == 0:
            raise MisuseError('work was put on the default stream')
        if handle not in self.cuda.streams:
            raise MisuseError(f'stream {handle:#x} was destroyed, or never was')
        return self.cuda.streams[handle]


def make_tensorrt(version, cuda):
    """A module with the names that `version` has.

    Three attributes are the stand-in's own: `standin.fail`, a dict of call name to text that makes
    the call fail and log the text, `standin.calls`, the names of the calls so far, and
    `standin.dla_cores`, how many the machine has.
    """
    trt = types.ModuleType('tensorrt')
    shared = _Shared(version, cuda, trt)
    trt.standin = shared
    trt.__version__ = '.'.join(map(str, VERSIONS[version]))
    trt.ILogger = ILogger
    trt.DataType = shared.DataType = _data_type(version)
    trt.TensorIOMode, trt.TensorLocation = TensorIOMode, TensorLocation
    trt.TensorFormat = TensorFormat
    trt.init_libnvinfer_plugins = lambda logger, namespace: shared.calls.append('plugins') or True
    numbers = VERSIONS[version]
    names = set()
    if numbers < (10, 17):
        names |= {'device_memory_size', 'create_execution_context_without_device_memory'}
    if numbers >= (8, 6):
        names |= {'num_aux_streams', 'set_aux_streams'}
    if numbers >= (10,):
        names |= {'update_device_memory_size_for_shapes'}
        trt.ExecutionContextAllocationStrategy = _Strategy
    if numbers >= (10, 1):
        names |= {'device_memory_size_v2', 'set_device_memory'}
    if numbers >= (10, 11):
        names |= {'create_runtime_config'}
    trt.Runtime = _without(_Runtime, names, shared)
    trt.ICudaEngine = _without(_Engine, names, shared)
    trt.IExecutionContext = _without(_Context, names, shared)
    return trt


class _Strategy(enum.Enum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


_GATED = {
    'device_memory_size',
    'device_memory_size_v2',
    'create_execution_context_without_device_memory',
    'create_runtime_config',
    'num_aux_streams',
    'set_aux_streams',
    'set_device_memory',
    'update_device_memory_size_for_shapes',
}


def _without(kind, names, shared):
    """The class with only those of the gated names that a version has."""

    def __getattribute__(self, name):  # noqa: N807 - it becomes a method
        if name in _GATED and name not in names:
            raise AttributeError(f"'{kind.__name__}' object has no attribute '{name}'")
        return object.__getattribute__(self, name)

    real = {'_Runtime': 'Runtime', '_Engine': 'ICudaEngine', '_Context': 'IExecutionContext'}
    return type(
        real[kind.__name__],
        (kind,),
        {'__getattribute__': __getattribute__, '_shared': shared, 'names': names},
    )


class _Runtime:
    _shared: _Shared

    def __init__(self, logger):
        shared = self._shared
        if not isinstance(logger, ILogger) or not getattr(logger, '_ready', False):
            raise TypeError('incompatible constructor arguments: logger')
        if not shared.cuda.devices:
            if shared.version == '11':
                raise MisuseError('Runtime without CUDA: a segmentation fault')
            raise TypeError('pybind11::init(): factory function returned nullptr')
        if shared.call('Runtime'):
            raise TypeError('pybind11::init(): factory function returned nullptr')
        if shared.logger not in (None, logger):
            shared.say('The logger passed into createInferRuntime differs', Severity.WARNING)
        shared.logger = shared.logger or logger
        self._dla_core = -1

    num_DLA_cores = property(lambda self: self._shared.dla_cores)  # noqa: N815

    @property
    def DLA_core(self):
        return self._dla_core

    @DLA_core.setter
    def DLA_core(self, core):
        if not 0 <= core < self._shared.dla_cores:
            raise MisuseError(f'DLA core {core} of {self._shared.dla_cores}')
        self._dla_core = core

    def deserialize_cuda_engine(self, serialized_engine):
        shared = self._shared
        if not isinstance(serialized_engine, (bytes, memoryview, mmap.mmap)):
            raise TypeError('incompatible function arguments: serialized_engine')
        if shared.call('deserialize_cuda_engine'):
            return None
        content = bytes(serialized_engine)
        problem = self._problem(content)
        if problem:
            shared.say(problem)
            # Unrelated, as real ones are followed by.
            shared.say(
                'CUDA initialization failure with error: 35. Please check your installation'
            )
            return None
        _, _, *_, length = _HEADER.unpack_from(content)
        facts = json.loads(content[_HEADER.size : _HEADER.size + length])
        model = content[_HEADER.size + length :]
        if zlib.crc32(model) != facts['crc']:
            raise MisuseError('a damaged plan was given to TensorRT, which would crash')
        problem = self._mismatch(facts)
        if problem:
            shared.say(problem)
            return None
        try:
            return shared.module.ICudaEngine(facts, model, self.DLA_core)
        except shared.cuda.driver.MemoryError:
            shared.say(
                f'Requested amount of GPU memory ({facts["weight_bytes"]} bytes) could not be '
                'allocated. There may not be enough free memory for allocation to succeed.'
            )
            shared.say('Error Code 2: OutOfMemory (no further information)')
            return None

    def _problem(self, content):
        if not content:
            return 'Cannot deserialize with an empty memory buffer'
        failed = ''
        if len(content) < _HEADER.size:
            failed = 'bufferSize >= minBufferSize'
        elif content[:4] not in (b'ftrt', b'ptrt'):
            older = self._shared.version.startswith('8.')
            failed = 'magicTag == rt::kPLAN_MAGIC_TAG' if older else _NEWER_MAGIC
        elif _HEADER.unpack_from(content)[1] != len(content):
            failed = 'plan.header.size == blobSize'
        if not failed:
            return ''
        more = _NEWER_MAGIC_NOTE if failed == _NEWER_MAGIC else ''
        return f'Error Code 1: Serialization (Serialization assertion {failed} failed.{more})'

    def _mismatch(self, facts):
        shared = self._shared
        current = _TAGS[shared.version]
        if facts['tag'] != current:
            also = 'incompatible serialization version. ' if shared.version == '11' else ''
            return (
                f'Error Code 1: Serialization ({also}Version tag does not match. Note: Current '
                f'Version: {current}, Serialized Engine Version: {facts["tag"]})'
            )
        if facts['platform'] != 'here':
            return 'Error Code 6: API Usage Error (Platform specific tag mismatch detected.)'
        if tuple(facts['compute_capability']) != shared.cuda.compute_capability:
            wanted = '.'.join(map(str, facts['compute_capability']))
            got = '.'.join(map(str, shared.cuda.compute_capability))
            return (
                'Error Code 6: The engine plan file is generated on an incompatible device, '
                f'expecting compute {got} got compute {wanted}, please rebuild.'
            )
        return ''


class _Engine:
    _shared: _Shared

    def __init__(self, facts, model, dla_core):
        self.facts = facts
        self.dla_core = dla_core
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        # The weights are in device memory, so that what is left behind is seen.
        self._weights = self._shared.cuda.allocate(facts['weight_bytes'])
        self.session = onnxruntime.InferenceSession(
            model, options, providers=['CPUExecutionProvider']
        )
        self.inputs = {each.name: each for each in self.session.get_inputs()}
        self.outputs = {each.name: each for each in self.session.get_outputs()}
        self._names = [*self.inputs, *self.outputs]
        self.contexts = weakref.WeakSet()
        self.made_contexts = 0

    def __del__(self):
        if hasattr(self, '_weights'):
            self._shared.gone('an engine')
            self._shared.cuda.release(self._weights)

    # Properties.

    num_io_tensors = property(lambda self: len(self._names))
    num_optimization_profiles = property(lambda self: len(self.facts['profiles']))
    num_aux_streams = property(lambda self: 0)
    device_memory_size = property(lambda self: self.facts['scratch_bytes'])
    device_memory_size_v2 = property(lambda self: self.facts['scratch_bytes'])

    def create_runtime_config(self):
        raise NotImplementedError

    # Tensors.

    def _need(self, name):
        if not isinstance(name, str):
            raise TypeError('incompatible function arguments: name')
        if name not in self._names:
            self._shared.say(f'Given invalid tensor name: {name}')
            return False
        return True

    def get_tensor_name(self, index):
        return self._names[index]

    def get_tensor_mode(self, name):
        if not self._need(name):
            return TensorIOMode.NONE
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        if not self._need(name):
            return Dims([])
        return Dims(self._open_shape(name))

    def get_tensor_dtype(self, name):
        self._need(name)
        kinds = self._shared.DataType
        given = self.facts['types'].get(name)
        if given is None:
            given = _ELEMENT_TYPES[{**self.inputs, **self.outputs}[name].type]
            if given == 'INT64' and 'INT64' not in kinds.__members__:
                given = 'INT32'
        return kinds[given]

    def get_tensor_format(self, name):
        self._need(name)
        return TensorFormat[self.facts['formats'].get(name, 'LINEAR')]

    def get_tensor_location(self, name):
        self._need(name)
        return TensorLocation[self.facts['locations'].get(name, 'DEVICE')]

    def get_tensor_profile_shape(self, name, profile_index):
        if not self._need(name) or name not in self.inputs:
            raise MisuseError(f'{name} has no profile')
        profile = self.facts['profiles'][profile_index]
        return [Dims(shape) for shape in profile.get(name, [self._open_shape(name)] * 3)]

    def _open_shape(self, name):
        """-1 for open dimensions."""
        node = {**self.inputs, **self.outputs}[name]
        return [size if isinstance(size, int) else -1 for size in node.shape]

    # Contexts.

    def create_execution_context(self, *arguments):
        new = hasattr(self._shared.module, 'ExecutionContextAllocationStrategy')
        if len(arguments) > (1 if new else 0) or not all(
            isinstance(each, _Strategy) for each in arguments
        ):
            raise TypeError('create_execution_context(): incompatible function arguments')
        return self._make('create_execution_context', _Strategy.USER_MANAGED not in arguments)

    def create_execution_context_without_device_memory(self):
        return self._make('create_execution_context_without_device_memory', own=False)

    def _make(self, name, own):
        if self._shared.call(name):
            return None
        try:
            context = self._shared.module.IExecutionContext(self, own)
        except self._shared.cuda.driver.MemoryError:
            self._shared.say(
                f'Error Code 2: OutOfMemory (Requested size was {self.facts["scratch_bytes"]} '
                'bytes.)'
            )
            return None
        self.contexts.add(context)
        self.made_contexts += 1
        return context


class _Context:
    _shared: _Shared

    def __init__(self, engine, own):
        cuda = self._shared.cuda
        self.engine = engine  # pybind11 keeps it, too
        self.facts = engine.facts
        self._own = cuda.allocate(max(self.facts['scratch_bytes'], 1)) if own else None
        self._scratch = self._own
        self._scratch_needed = self.facts['scratch_bytes']
        older = self._shared.version.startswith('8.')
        self.active_optimization_profile = -1 if older and engine.made_contexts else 0
        self._profile_stream = None
        self._shapes = {
            name: engine._open_shape(name)
            for name in engine.inputs
            if -1 not in engine._open_shape(name)
        }
        self._addresses: dict[str, int] = {}
        self._warm = False
        self._busy = threading.Lock()
        self._runs: weakref.WeakSet = weakref.WeakSet()  # under way, or in a graph
        self._recorded: weakref.WeakSet = weakref.WeakSet()
        self._last_stream = None

    def __del__(self):
        if not hasattr(self, '_last_stream'):
            return
        cuda = self._shared.cuda
        self._shared.gone('a context')
        if self._is_captured():
            cuda.faults.append('a context was deleted while a graph of it lives')
        if len(self._runs):
            cuda.faults.append('a context was deleted while it was running')
            return
        for name, address in self._addresses.items():
            if not any(address == memory.address for memory in cuda.memory.values()):
                cuda.faults.append(f"the memory of '{name}' was freed before its context")
        if self._own is not None:
            cuda.release(self._own)

    def _is_captured(self):
        """Whether a graph that was captured from it lives."""
        library = libcuda_module.library()
        graphs = [*library._graphs.values(), *library._executables.values()]
        return any(work.run in self._recorded for graph in graphs for work in graph)

    # Setting up.

    def _change(self, name):
        failed = self._shared.call(name)
        if self._is_captured():
            raise MisuseError(f'{name} on a context that a graph was captured from')
        if len(self._runs):
            raise MisuseError(f'{name} while the context is running')
        return failed

    def set_optimization_profile_async(self, profile_index, stream_handle):
        if self._change('set_optimization_profile_async'):
            return False
        if type(profile_index) is not int:
            raise TypeError('incompatible function arguments: profile_index')
        stream = self._shared.stream(stream_handle)
        if self._addresses:
            raise MisuseError('a profile was set after addresses')
        if not 0 <= profile_index < len(self.facts['profiles']):
            self._shared.say(f'Error Code 3: profileIndex {profile_index} out of range')
            return False
        if self._shared.version.startswith('8.') and any(
            other is not self and other.active_optimization_profile == profile_index
            for other in self.engine.contexts
        ):
            self._shared.say(f'Profile {profile_index} has been chosen by another context')
            return False
        self.active_optimization_profile = profile_index
        self._profile_stream = stream
        self._shapes = {}
        self._warm = False
        self._shared.cuda.enqueue(stream, 'profile', lambda: None)
        return True

    def _profile_is_set(self, stream=None):
        waited = self._profile_stream
        if waited is not None and waited is not stream and waited.done < waited.submitted:
            raise MisuseError('a profile was set on a stream that nobody waited for')

    def set_input_shape(self, name, shape):
        if self._change('set_input_shape'):
            return False
        if not isinstance(shape, (tuple, list)) or any(type(size) is not int for size in shape):
            raise TypeError('set_input_shape(): incompatible function arguments: shape')
        if not self.engine._need(name) or name not in self.engine.inputs:
            return False
        if self.active_optimization_profile < 0:
            raise MisuseError('a shape was set before a profile')
        self._profile_is_set()
        if self._addresses:
            raise MisuseError('a shape was set after addresses')
        low, _, high = self.engine.get_tensor_profile_shape(name, self.active_optimization_profile)
        if len(shape) != len(low) or any(
            not least <= size <= most for least, size, most in zip(low, shape, high, strict=True)
        ):
            self._shared.say(
                f"Error Code 3: API Usage Error (Parameter check failed: '{name}' does not "
                'satisfy any optimization profile)'
            )
            return False
        self._shapes[name] = list(shape)
        self._warm = False
        return True

    def infer_shapes(self):
        if self._shared.call('infer_shapes'):
            del self  # a call into C++ has no variables that its error could keep
            raise RuntimeError('infer_shapes error code: 1')
        return self._missing()

    def _missing(self):
        return [name for name in self.engine.inputs if name not in self._shapes]

    def get_tensor_shape(self, name):
        self._shared.need_context('get_tensor_shape')
        if not self.engine._need(name):
            return Dims([])
        if name in self.engine.inputs:
            return Dims(self._shapes.get(name, self.engine._open_shape(name)))
        if name in self.facts['data_dependent'] or self._missing():
            return Dims([-1] * len(self.engine._open_shape(name)))
        return Dims(self._output(name).shape)

    def _output(self, name):
        """An output's value for zeros: of the right shape, whatever the model computes."""
        feed = {each: np.zeros(shape, self._numpy(each)) for each, shape in self._shapes.items()}
        return self.engine.session.run([name], feed)[0]

    def _numpy(self, name):
        kind = self.engine.get_tensor_dtype(name).name
        return {
            "FLOAT": np.float32, "HALF": np.float16, "INT8": np.int8, "INT32": np.int32,
            "INT64": np.int64, "BOOL": np.bool_, "UINT8": np.uint8,
        }[kind]  # fmt: skip

    def set_tensor_address(self, name, memory):
        if self._change('set_tensor_address'):
            return False
        if type(memory) is not int:
            raise TypeError('set_tensor_address(): incompatible function arguments: memory')
        if not self.engine._need(name):
            return False
        if self._missing():
            raise MisuseError('an address was set before the shapes')
        self._memory(name, memory)
        self._addresses[name] = memory
        return True

    def get_tensor_address(self, name):
        return self._addresses.get(name, 0)

    def _nbytes(self, name):
        shape = list(self.get_tensor_shape(name))
        return int(np.prod(shape)) * _ITEM_BYTES[self.engine.get_tensor_dtype(name).name]

    def _memory(self, name, address):
        """The allocation of a tensor, checked to be alive, aligned and of its very size."""
        if address % 256:
            raise MisuseError(f"the address of '{name}' is not a multiple of 256")
        nbytes = self._nbytes(name)
        memory, offset = self._shared.cuda.find(address, nbytes)
        if memory.nbytes - offset != max(nbytes, 1):
            raise MisuseError(
                f"'{name}' takes {nbytes} bytes, and the memory given for it has {memory.nbytes}"
            )
        return memory

    # Scratch memory.

    def update_device_memory_size_for_shapes(self):
        if self._change('update_device_memory_size_for_shapes') or self._missing():
            return 0
        self._scratch_needed = self.facts['scratch_bytes'] // 2  # less than the upper bound
        return self._scratch_needed

    def set_device_memory(self, memory, size):
        self._change('set_device_memory')
        self._take_scratch(memory, size)

    def _set_device_memory(self, memory):
        self._change('device_memory')
        self._take_scratch(memory, self.facts['scratch_bytes'])

    device_memory = property(None, _set_device_memory)

    def _take_scratch(self, address, size):
        if self._own is not None:
            raise MisuseError('scratch memory was given to a context that has its own')
        if address % 256:
            raise MisuseError('the address of scratch memory is not a multiple of 256')
        if size < self._scratch_needed:
            raise MisuseError(
                f'{size} bytes of scratch memory for a context that needs {self._scratch_needed}'
            )
        memory, _ = self._shared.cuda.find(address, size)
        self._scratch = memory

    def _usable_scratch(self):
        if not self.facts['scratch_bytes']:
            return []
        if self._scratch is None:
            raise MisuseError('a context without scratch memory was run')
        if self._scratch is not self._own:
            self._shared.cuda.find(self._scratch.address, self._scratch.nbytes)
        return [self._scratch]

    # Running.

    def execute_async_v3(self, stream_handle):
        if not self._busy.acquire(blocking=False):
            raise MisuseError('a context was run by two threads at once')
        try:
            return self._execute(stream_handle)
        finally:
            self._busy.release()

    def _execute(self, stream_handle):
        shared, cuda = self._shared, self._shared.cuda
        shared.need_context('execute_async_v3')
        shared.calls.append('execute_async_v3')
        stream = shared.stream(stream_handle)
        recording = stream.recorded is not None
        if 'execute_async_v3' in shared.fail:
            shared.say(shared.fail['execute_async_v3'])
            return False
        if recording and 'capture' in shared.fail:
            shared.say(shared.fail['capture'])
            return False
        self._profile_is_set(stream)
        for name in (*self.engine.inputs, *self.engine.outputs):
            if name not in self._addresses:
                kind = 'input' if name in self.engine.inputs else 'output'
                shared.say(
                    'Error Code 3: API Usage Error (Parameter check failed: Neither address or '
                    f'allocator is set for {kind} tensor {name})'
                )
                return False
        if self._is_captured() and not recording:
            raise MisuseError('a context that a graph was captured from was run beside it')
        if self._last_stream not in (None, stream) and len(self._runs):
            raise MisuseError('a context was run on two streams at once')
        memories = [self._memory(name, address) for name, address in self._addresses.items()]
        scratch = self._usable_scratch()
        if recording and not (self._warm and self.facts['capturable']):
            # It allocates, which ends the capture.
            stream.broken = True
            shared.say(
                'Error Code 1: Cuda Runtime (operation not permitted when stream is capturing)'
            )
            return False
        run = self._make_run(scratch, stream)
        (self._recorded if recording else self._runs).add(run)
        self._warm = True
        self._last_stream = stream
        cuda.enqueue(stream, 'tensorrt', run, *memories, *scratch)
        return True

    def _make_run(self, scratch, stream):
        """What a run does when its turn on the stream comes; holds no reference to the context."""
        cuda, session = self._shared.cuda, self.engine.session
        inputs = [
            (name, self._addresses[name], tuple(self._shapes[name]), self._numpy(name))
            for name in self.engine.inputs
        ]
        outputs = [
            (name, self._addresses[name], tuple(self.get_tensor_shape(name)), self._numpy(name))
            for name in self.engine.outputs
        ]

        turns = [self._shared.turn(memory) for memory in scratch if stream.recorded is None]

        def run():
            for turn in turns:
                turn()
            for memory in scratch:
                memory.array[:] = 0xEE
            feed = {
                name: cuda.view(address, shape, dtype).copy()
                for name, address, shape, dtype in inputs
            }
            values = session.run([name for name, *_ in outputs], feed)
            for (_, address, shape, dtype), value in zip(outputs, values, strict=True):
                cuda.view(address, shape, dtype)[...] = value

        return run
