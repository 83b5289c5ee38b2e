"""A stand-in for pycuda and the driver on machines without a GPU.

It is not a GPU: it shows that calls are correct, not that a GPU does what is expected.

Device memory is NumPy memory under made-up addresses. Work on a stream waits until somebody waits
for it, so that reading a result too early gives an old one. Kernels are Python functions that a
test registers. What pycuda or the driver would refuse, leak, warn of or crash on is an error here:
at once where the real call would raise, else in `faults`, which `check` looks at:

- no current context, another thread's event, NumPy ints where Boost.Python wants ints
- freed memory, memory freed twice or with work on it under way, copies beyond the end of a buffer
- asynchronous copies of memory that is not page-locked
- objects that are destroyed where their context is not current; contexts left on a thread
- allocations and waits while a graph is recorded on the thread

::

    standin = standin_pycuda.install(monkeypatch)
    standin.register('scale', 'PPfi', lambda grid, block, source, target, factor, count: ...)
    ...
    standin.check()  # nothing left over, nothing broken
"""

from __future__ import annotations

import struct
import sys
import threading
import types
from bisect import bisect_right
from collections import deque

import numpy as np

from jetson_perception.cuda import compiler as compiler_module
from jetson_perception.cuda import device as device_module
from jetson_perception.cuda import jpeg_decoder as jpeg_decoder_module
from jetson_perception.cuda import libcuda as libcuda_module
from jetson_perception.cuda import nvjpeg as nvjpeg_module

GUARD = 4096  # bytes between two allocations that belong to neither


class Error(Exception):
    """pycuda.driver.Error."""


class MemoryError(Error):
    pass


class LogicError(Error):
    pass


class LaunchError(Error):
    pass


class RuntimeError(Error):
    pass


class MisuseError(AssertionError):
    """Something that a real machine would not survive, or not notice."""


def install(monkeypatch, **options) -> Standin:
    """Put a stand-in in pycuda's place until the test ends.

    Options are those of `Standin`.
    """
    standin = Standin(**options)
    package = types.ModuleType('pycuda')
    package.driver = standin.driver
    monkeypatch.setitem(sys.modules, 'pycuda', package)
    monkeypatch.setitem(sys.modules, 'pycuda.driver', standin.driver)
    monkeypatch.setattr(device_module.CudaDevice, '_devices', {})
    monkeypatch.setattr(device_module, '_current', device_module._Current())
    monkeypatch.setattr(device_module.atexit, 'register', standin.at_exit.append)
    library = _Library(standin)
    monkeypatch.setattr(libcuda_module, 'library', lambda: library)
    monkeypatch.setattr(libcuda_module, 'quick_library', lambda: library)
    monkeypatch.setattr(nvjpeg_module, '_NAMES', ())  # a real one would find no GPU
    monkeypatch.setattr(jpeg_decoder_module, '_TRIED', {})
    monkeypatch.setattr(
        compiler_module,
        'compile_kernels',
        lambda source, *_, **__: b'standin ' + source.stem.encode(),
    )
    return standin


class Standin:
    """What the made-up machine has, and what was done to it.

    Parameters
    ----------
    devices : int
        GPUs that the driver shows.
    integrated : bool
        Whether they share the host's memory.
    total_memory : int
        Bytes of device memory.
    compute_capability : tuple of int
    eager : bool
        Whether work is done at once, rather than when somebody waits for it.

    Attributes
    ----------
    faults : list of str
        What went wrong where nothing could be raised.
    launches : list of str
        Names of the kernels that ran, in order.
    allocations : int
        How often device or page-locked memory was asked for, ever.
    """

    def __init__(
        self,
        *,
        devices=1,
        integrated=False,
        total_memory=8 << 30,
        compute_capability=(8, 7),
        eager=False,
    ):
        self.devices = devices
        self.integrated = integrated
        self.total_memory = total_memory
        self.compute_capability = compute_capability
        self.eager = eager
        self.faults: list[str] = []
        self.launches: list[str] = []
        self.at_exit: list = []
        self.allocations = 0
        self.clock_ms = 0.0
        self.knows_host_memory = True
        self.failure: BaseException | None = None
        self.condition = threading.Condition()
        self.kernels: dict[str, tuple[struct.Struct, object]] = {}
        self.memory: dict[int, Memory] = {}  # by address on the device
        self.pinned: dict[int, Memory] = {}  # by address on the host
        self.streams: dict[int, StandinStream] = {}
        self.live = {'stream': 0, 'event': 0, 'module': 0, 'graph': 0}
        self.stacks: list[list] = []
        self._thread = _PerThread(self)
        self._next_address = 0x7F00_0000_0000
        self._next_handle = 0x5500_0000_0000
        self.driver = _make_driver(self)

    # What tests use.

    def register(self, name, signature, function):
        """Have a kernel: ``function(grid, block, *arguments)``, letters as of Python's struct.

        Addresses come as ints; `view` gives the memory there.
        """
        self.kernels[name] = struct.Struct('@' + signature), function

    def view(self, address, shape, dtype) -> np.ndarray:
        """The device's memory at an address, checked to lie in one allocation."""
        dtype = np.dtype(dtype)
        nbytes = int(np.prod(shape)) * dtype.itemsize
        memory, offset = self.find(address, nbytes)
        return memory.array[offset : offset + nbytes].view(dtype).reshape(shape)

    def check(self):
        """Raise MisuseError when something is left over, or went wrong without an error."""
        problems = list(self.faults)
        problems += [f'{len(self.memory)} device allocations left'] * bool(self.memory)
        problems += [f'{len(self.pinned)} page-locked allocations left'] * bool(self.pinned)
        problems += [f'{count} {kind}s left' for kind, count in self.live.items() if count]
        problems += ['a context left on a thread'] * any(self.stacks)
        if problems:
            raise MisuseError('; '.join(problems))

    # What the classes below use.

    def stack(self):
        return self._thread.stack

    def current(self):
        """The current context; everything but pushing needs one."""
        if self.failure is not None:
            raise LaunchError('cuCall failed: unspecified launch failure') from self.failure
        if not self.stack():
            raise LogicError(
                'explicit_context_dependent failed: invalid device context - no currently active '
                'context?'
            )
        return self.stack()[-1]

    def not_capturing(self, doing):
        """Break the capture of this thread, if one is under way, as the driver does."""
        stream = self._thread.capturing
        if stream is not None:
            stream.broken = True
            raise LogicError(f'{doing} failed: operation not permitted when stream is capturing')

    def handle(self):
        self._next_handle += 16
        return self._next_handle

    def allocate(self, nbytes, array=None):
        if sum(memory.nbytes for memory in self.memory.values()) + nbytes > self.total_memory:
            raise MemoryError('cuMemAlloc failed: out of memory')
        with self.condition:
            self.allocations += 1
            memory = Memory(self._next_address, nbytes, array)
            self.memory[memory.address] = memory
            self._next_address += -(-(nbytes + GUARD) // 256) * 256
        return memory

    def release(self, memory):
        if self.memory.get(memory.address) is not memory:
            raise LogicError('device_allocation::free failed: invalid resource handle')
        if memory.pending:
            raise MisuseError(f'{memory} was freed while work on it was under way')
        del self.memory[memory.address]

    def find(self, address, nbytes):
        """The allocation that has these bytes, and where in it they begin."""
        starts = sorted(self.memory)
        position = bisect_right(starts, address) - 1
        if position >= 0:
            memory = self.memory[starts[position]]
            offset = address - memory.address
            if offset + nbytes <= memory.nbytes:
                return memory, offset
        raise MisuseError(f'{nbytes} bytes at {address:#x} are not inside of any allocation')

    def find_pinned(self, array):
        start = array.__array_interface__['data'][0]
        for address, memory in self.pinned.items():
            if address <= start and start + array.nbytes <= address + memory.nbytes:
                return memory
        raise MisuseError('host memory of an asynchronous copy is not page-locked, or was freed')

    def enqueue(self, stream, name, run, *memories):
        """Put work on a stream, or into the graph that is recorded there."""
        work = Work(name, run, memories)
        if stream.recorded is not None:
            stream.recorded.append(work)
        else:
            self.submit(stream, work)

    def submit(self, stream, work):
        with self.condition:
            for memory in work.memories:
                memory.pending += 1
            stream.queue.append(work)
            stream.submitted += 1
        if self.eager:
            self.drain(stream, stream.submitted)

    def drain(self, stream, upto):
        """Do the work on a stream up to a position; waits where another thread is at it."""
        while True:
            with self.condition:
                while stream.running and stream.done < upto:
                    self.condition.wait()
                if stream.done >= upto:
                    return
                stream.running = True
                work = stream.queue.popleft()
            try:
                if self.failure is None:
                    work.run()
            except BaseException as err:  # noqa: BLE001 - as on a GPU, nothing works after it
                self.failure = err
            finally:
                with self.condition:
                    self.clock_ms += 0.125
                    for memory in work.memories:
                        memory.pending -= 1
                    stream.done += 1
                    stream.running = False
                    self.condition.notify_all()

    def raise_failure(self, doing):
        if self.failure is not None:
            raise LaunchError(f'{doing} failed: unspecified launch failure') from self.failure


class _PerThread(threading.local):
    def __init__(self, standin):
        self.stack: list = []
        self.capturing = None
        standin.stacks.append(self.stack)


class Memory:
    def __init__(self, address, nbytes, array=None):
        self.address = address
        self.nbytes = nbytes
        # Fresh memory holds anything but zeros.
        self.array = np.full(nbytes, 0xCD, np.uint8) if array is None else array
        self.pending = 0

    def __repr__(self):
        return f'memory of {self.nbytes} bytes at {self.address:#x}'


class Work:
    def __init__(self, name, run, memories):
        self.name, self.run, self.memories = name, run, memories


def _check_int(value, what):
    if type(value) is not int:
        raise TypeError(
            f'Python argument types did not match C++ signature: {what} is {type(value).__name__}'
        )
    return value


class StandinStream:
    def __init__(self, standin, flags):
        standin.current()
        standin.not_capturing('cuStreamCreate')
        self.standin = standin
        self.flags = _check_int(flags, 'flags')
        self.context = standin.stack()[-1]
        self.handle = standin.handle()
        self.queue: deque = deque()
        self.submitted = self.done = 0
        self.running = False
        self.recorded: list | None = None
        self.broken = False
        standin.streams[self.handle] = self
        standin.live['stream'] += 1

    def synchronize(self):
        self.standin.current()
        if self.recorded is not None:
            self.broken = True
        self.standin.not_capturing('cuStreamSynchronize')
        self.standin.drain(self, self.submitted)
        self.standin.raise_failure('cuStreamSynchronize')

    def is_done(self):
        self.standin.current()
        self.standin.drain(self, min(self.done + 1, self.submitted))
        return self.done == self.submitted

    def wait_for_event(self, event):
        self.standin.current()
        if not isinstance(event, StandinEvent):
            raise TypeError('Python argument types did not match C++ signature: event')
        source, position = event.position
        if source is None:
            return
        if self.recorded is not None and source is not self:
            raise LogicError(
                'cuStreamWaitEvent failed: dependency created on uncaptured work in another stream'
            )
        self.standin.enqueue(self, 'wait', lambda: self.standin.drain(source, position))


class Stream:
    """The object that pycuda gives; destroyed with its last reference."""

    def __init__(self, standin, flags=0):
        self._stream = StandinStream(standin, flags)

    handle = property(lambda self: self._stream.handle)
    synchronize = property(lambda self: self._stream.synchronize)
    is_done = property(lambda self: self._stream.is_done)

    def wait_for_event(self, event):
        self._stream.wait_for_event(getattr(event, '_event', event))

    def __del__(self):
        if hasattr(self, '_stream'):
            _destroyed(self._stream, 'stream')
            self._stream.standin.streams.pop(self._stream.handle, None)
            if self._stream.done < self._stream.submitted:
                self._stream.standin.faults.append('a stream was destroyed with work on it')


def _destroyed(thing, kind):
    standin = thing.standin
    standin.live[kind] -= 1
    if not thing.context.valid:
        return  # pycuda says nothing then
    if not standin.stack() or standin.stack()[-1] is not thing.context:
        standin.faults.append(f'{kind} in out-of-thread context could not be cleaned up')


class StandinEvent:
    def __init__(self, standin, flags):
        standin.current()
        self.standin = standin
        self.timing = not _check_int(flags, 'flags') & 2
        self.context = standin.stack()[-1]
        self.position: tuple[StandinStream | None, int] = (None, 0)
        self.time_ms: float | None = None
        standin.live['event'] += 1


class Event:
    """The object that pycuda gives; destroyed with its last reference."""

    def __init__(self, standin, flags=0):
        self._event = StandinEvent(standin, flags)

    def record(self, stream=None):
        event, standin = self._event, self._event.standin
        standin.current()
        stream = _stream_of(stream)
        event.time_ms = None

        def run():
            event.time_ms = standin.clock_ms

        standin.enqueue(stream, 'record', run)
        if stream.recorded is None:
            event.position = (stream, stream.submitted)
        return self

    def synchronize(self):
        event = self._event
        event.standin.current()
        event.standin.not_capturing('cuEventSynchronize')
        stream, position = event.position
        if stream is not None:
            event.standin.drain(stream, position)
        event.standin.raise_failure('cuEventSynchronize')
        return self

    def query(self):
        event = self._event
        event.standin.current()
        event.standin.not_capturing('cuEventQuery')
        stream, position = event.position
        if stream is None:
            return True
        if stream.running:  # another thread is at it, and asking does not wait
            return stream.done >= position
        # So that a caller who asks again and again comes to an end.
        event.standin.drain(stream, min(stream.done + 1, position))
        event.standin.raise_failure('cuEventQuery')
        return stream.done >= position

    def time_since(self, start):
        for each in (self._event, start._event):
            each.standin.current()
            if not each.timing:
                raise LogicError('cuEventElapsedTime failed: invalid resource handle')
            if each.time_ms is None:
                raise RuntimeError('cuEventElapsedTime failed: device not ready')
        return self._event.time_ms - start._event.time_ms

    def __del__(self):
        if hasattr(self, '_event'):
            _destroyed(self._event, 'event')


def _stream_of(stream) -> StandinStream:
    if stream is None:
        raise MisuseError('work was put on the default stream')
    if not isinstance(stream, Stream):
        raise TypeError('No registered converter was able to extract a C++ reference to a stream')
    return stream._stream


class Context:
    def __init__(self, standin, index):
        self.standin, self.index = standin, index
        self.valid = True
        self.handle = standin.handle()

    def push(self):
        if not self.valid:
            raise LogicError('cuCtxPushCurrent failed: context is destroyed')
        self.standin.stack().append(self)

    def pop(self):
        stack = self.standin.stack()
        if not stack:
            raise LogicError('context::pop failed: invalid device context')
        if stack[-1] is not self:  # pycuda's is static; ours is always of the current one
            raise MisuseError('another context than the current one was popped')
        stack.pop()

    def detach(self):
        if not self.valid:
            raise LogicError('context::detach failed: invalid device context')
        if self.standin.stack() and self.standin.stack()[-1] is self:
            self.standin.stack().pop()
        self.valid = False

    def synchronize(self):
        self.standin.current()
        self.standin.not_capturing('cuCtxSynchronize')
        for stream in list(self.standin.streams.values()):
            self.standin.drain(stream, stream.submitted)
        self.standin.raise_failure('cuCtxSynchronize')


class Device:
    def __init__(self, standin, index):
        if index not in range(standin.devices):
            raise LogicError('cuDeviceGet failed: invalid device ordinal')
        self.standin, self.index = standin, index

    def name(self):
        return 'stand-in, no GPU'

    def compute_capability(self):
        return self.standin.compute_capability

    def total_memory(self):
        return self.standin.total_memory

    def get_attribute(self, attribute):
        assert attribute == 'INTEGRATED'
        return int(self.standin.integrated)

    def retain_primary_context(self):
        return Context(self.standin, self.index)


class DeviceAllocation:
    def __init__(self, standin, nbytes):
        standin.current()
        standin.not_capturing('cuMemAlloc')
        if _check_int(nbytes, 'size') <= 0:
            raise LogicError('cuMemAlloc failed: invalid argument')
        self.standin = standin
        self.context = standin.stack()[-1]
        self._memory = standin.allocate(nbytes)

    def __int__(self):
        return self._memory.address

    __index__ = __int__

    def free(self):
        self.standin.not_capturing('cuMemFree')
        if not self.standin.stack() or self.standin.stack()[-1] is not self.context:
            raise MisuseError('device memory was freed where its context is not current')
        self.standin.release(self._memory)

    def __del__(self):
        memory = getattr(self, '_memory', None)
        if memory is not None and self.standin.memory.get(memory.address) is memory:
            self.standin.faults.append(f'{memory} was left to the garbage collector')


class PinnedAllocation:
    """What the base of an array from pagelocked_empty is."""

    def __init__(self, standin, shape, dtype, flags):
        standin.current()
        standin.not_capturing('cuMemHostAlloc')
        nbytes = int(np.prod(shape)) * dtype.itemsize
        if nbytes <= 0:
            raise LogicError('cuMemHostAlloc failed: invalid argument')
        self.standin = standin
        self.context = standin.stack()[-1]
        self.mapped = bool(flags & 2)
        self.host = np.full(nbytes, 0xCD, np.uint8)
        self.memory = Memory(0, nbytes, self.host)
        self.device_memory = None
        standin.allocations += 1
        self._address = self.host.__array_interface__['data'][0]
        standin.pinned[self._address] = self.memory
        self.__array_interface__ = self.host.view(dtype).reshape(shape).__array_interface__

    def get_device_pointer(self):
        self.standin.current()
        if not self.mapped:
            raise LogicError('cuMemHostGetDevicePointer failed: invalid argument')
        if self.device_memory is None:
            self.device_memory = self.standin.allocate(self.host.nbytes, self.host)
        return self.device_memory.address

    def free(self):
        if not self.standin.stack() or self.standin.stack()[-1] is not self.context:
            raise MisuseError('page-locked memory was freed where its context is not current')
        if self.standin.pinned.get(self._address) is not self.memory:
            raise LogicError('pagelocked_host_allocation::free failed: invalid resource handle')
        if self.memory.pending:
            raise MisuseError('page-locked memory was freed while a copy was under way')
        if self.device_memory is not None:
            self.standin.release(self.device_memory)
        del self.standin.pinned[self._address]
        self.host[:] = 0xDD

    def __del__(self):
        if hasattr(self, '_address') and self.standin.pinned.get(self._address) is self.memory:
            self.standin.faults.append('page-locked memory was left to the garbage collector')


class Module:
    def __init__(self, standin, image):
        standin.current()
        if not bytes(image).startswith(b'standin '):
            raise RuntimeError('cuModuleLoadDataEx failed: no kernel image is available')
        self.standin = standin
        self.context = standin.stack()[-1]
        standin.live['module'] += 1

    def get_function(self, name):
        if name not in self.standin.kernels:
            raise LogicError('cuModuleGetFunction failed: named symbol not found')
        return Function(self, name)

    def __del__(self):
        if hasattr(self, 'context'):
            _destroyed(self, 'module')


class Function:
    def __init__(self, module, name):
        self.module = module  # as pycuda's, it keeps the module loaded
        self.standin, self.name = module.standin, name
        self.shared_bytes = 48 << 10

    def set_attribute(self, attribute, value):
        assert attribute == 'MAX_DYNAMIC_SHARED_SIZE_BYTES'
        self.shared_bytes = _check_int(value, 'value')

    def _launch_kernel(self, grid, block, arguments, shared_bytes, stream):
        standin = self.standin
        standin.current()
        for dimensions in (grid, block):
            if not isinstance(dimensions, tuple) or not 1 <= len(dimensions) <= 3:
                raise TypeError(f'{self.name}: grid and block are tuples of one to three')
            if any(_check_int(size, 'a dimension') < 1 for size in dimensions):
                raise LogicError('cuLaunchKernel failed: invalid argument')
        if int(np.prod(block)) > 1024 or (len(block) == 3 and block[2] > 64):
            raise LogicError('cuLaunchKernel failed: invalid argument')
        if _check_int(shared_bytes, 'shared_mem_bytes') > self.shared_bytes:
            raise LogicError('cuLaunchKernel failed: invalid argument')
        layout, function = standin.kernels[self.name]
        if len(arguments) != layout.size:
            raise MisuseError(
                f'{self.name} got {len(arguments)} bytes of arguments and takes {layout.size}'
            )
        values = layout.unpack(arguments)
        letters = layout.format.lstrip('@')
        memories = [
            standin.find(value, 1)[0]
            for letter, value in zip(letters, values, strict=True)
            if letter == 'P' and value
        ]

        def run():
            standin.launches.append(self.name)
            function(grid, block, *values)

        standin.enqueue(_stream_of(stream), self.name, run, *memories)


def _make_driver(standin):
    driver = types.ModuleType('pycuda.driver')
    driver.Error, driver.MemoryError, driver.LogicError = Error, MemoryError, LogicError
    driver.LaunchError, driver.RuntimeError = LaunchError, RuntimeError
    driver.device_attribute = types.SimpleNamespace(INTEGRATED='INTEGRATED')
    driver.function_attribute = types.SimpleNamespace(
        MAX_DYNAMIC_SHARED_SIZE_BYTES='MAX_DYNAMIC_SHARED_SIZE_BYTES'
    )
    driver.host_alloc_flags = types.SimpleNamespace(PORTABLE=1, DEVICEMAP=2, WRITECOMBINED=4)
    driver.init = lambda flags=0: None
    driver.get_version = lambda: (13, 0, 0)
    driver.get_driver_version = lambda: 13000
    driver.Stream = lambda flags=0: Stream(standin, flags)
    driver.Event = lambda flags=0: Event(standin, flags)
    driver.mem_alloc = lambda nbytes: DeviceAllocation(standin, nbytes)
    driver.module_from_buffer = lambda image: Module(standin, image)

    class BoundDevice(Device):
        def __init__(self, index):
            super().__init__(standin, index)

        @staticmethod
        def count():
            return standin.devices

    driver.Device = BoundDevice

    def mem_get_info():
        standin.current()
        used = sum(memory.nbytes for memory in standin.memory.values())
        return standin.total_memory - used, standin.total_memory

    def pagelocked_empty(shape, dtype, order='C', mem_flags=0):
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        allocation = PinnedAllocation(standin, shape, dtype, _check_int(mem_flags, 'mem_flags'))
        array = np.asarray(allocation)
        assert array.base is allocation  # as in pycuda's
        return array

    def memcpy_htod_async(dest, src, stream=None):
        standin.current()
        _check_int(dest, 'dest')
        if not isinstance(src, np.ndarray) or not src.flags.c_contiguous:
            raise ValueError('ndarray is not contiguous')
        source = standin.find_pinned(src)
        target, offset = standin.find(dest, src.nbytes)
        nbytes, data = src.nbytes, src.reshape(-1).view(np.uint8)

        def run():
            target.array[offset : offset + nbytes] = data

        standin.enqueue(_stream_of(stream), 'upload', run, source, target)

    def memcpy_dtoh_async(dest, src, stream=None):
        standin.current()
        _check_int(src, 'src')
        if not isinstance(dest, np.ndarray) or not dest.flags.c_contiguous:
            raise ValueError('ndarray is not contiguous')
        target = standin.find_pinned(dest)
        source, offset = standin.find(src, dest.nbytes)
        nbytes, data = dest.nbytes, dest.reshape(-1).view(np.uint8)

        def run():
            data[:] = source.array[offset : offset + nbytes]

        standin.enqueue(_stream_of(stream), 'download', run, source, target)

    def memset_d8_async(dest, data, size, stream=None):
        standin.current()
        target, offset = standin.find(_check_int(dest, 'dest'), _check_int(size, 'size'))

        def run():
            target.array[offset : offset + size] = data

        standin.enqueue(_stream_of(stream), 'clear', run, target)

    for function in (
        mem_get_info,
        pagelocked_empty,
        memcpy_htod_async,
        memcpy_dtoh_async,
        memset_d8_async,
    ):
        setattr(driver, function.__name__, function)
    return driver


class _Library:
    """The calls of libcuda that graphs need; pointers come as ctypes.byref(...)."""

    def __init__(self, standin):
        self._standin = standin
        self._graphs: dict[int, list[Work]] = {}
        self._executables: dict[int, list[Work]] = {}
        self._nodes: dict[int, Work] = {}
        self._nodes_of: dict[int, list[int]] = {}

    def cuGetErrorString(self, status, text):
        texts = {719: b'unspecified launch failure'}
        text._obj.value = texts.get(status, b'stand-in status')
        return 0

    def cuStreamBeginCapture_v2(self, handle, mode):
        stream = self._standin.streams[handle]
        if mode != 1 or stream.recorded is not None or self._standin._thread.capturing:
            return 901
        stream.recorded, stream.broken = [], False
        self._standin._thread.capturing = stream
        return 0

    def cuStreamEndCapture(self, handle, graph):
        stream = self._standin.streams[handle]
        if self._standin._thread.capturing is not stream:
            return 908  # wrong thread
        self._standin._thread.capturing = None
        recorded, stream.recorded = stream.recorded, None
        if stream.broken:
            graph._obj.value = None
            return 901
        graph._obj.value = self._standin.handle()
        self._graphs[graph._obj.value] = recorded
        self._standin.live['graph'] += 1
        return 0

    def cuGraphGetNodes(self, graph, nodes, count):
        recorded = self._graphs[graph.value]
        count._obj.value = len(recorded)
        for index, work in enumerate(recorded if nodes is not None else ()):
            nodes[index] = self._standin.handle()
            self._nodes[nodes[index]] = work
            self._nodes_of.setdefault(graph.value, []).append(nodes[index])
        return 0

    def cuGraphNodeGetType(self, node, kind):
        name = self._nodes[node].name
        kinds = {'upload': 1, 'download': 1, 'copy': 1, 'clear': 2, 'host': 3, 'record': 7}
        kind._obj.value = kinds.get(name, 0)
        return 0

    def cuGraphNodeGetDependentNodes(self, node, nodes, count):
        work = self._nodes[node]
        (recorded,) = (each for each in self._graphs.values() if work in each)
        count._obj.value = len(recorded) - recorded.index(work) - 1 > 0
        return 0

    def cuGraphDestroyNode(self, node):
        work = self._nodes.pop(node)
        for recorded in self._graphs.values():
            if work in recorded:
                recorded.remove(work)
        return 0

    def cuGraphMemcpyNodeGetParams(self, node, copy):
        name = self._nodes[node].name
        copy._obj.srcMemoryType = 1 if name == 'upload' else 2
        copy._obj.dstMemoryType = 1 if name == 'download' else 2
        return 0

    def cuPointerGetAttribute(self, found, attribute, address):
        found._obj.value = 1
        # Only page-locked memory gets this far here; a test may have it taken for other memory.
        return 0 if self._standin.knows_host_memory else 1

    def cuGraphInstantiateWithFlags(self, executable, graph, flags):
        executable._obj.value = self._standin.handle()
        self._executables[executable._obj.value] = self._graphs[graph.value]
        self._standin.live['graph'] += 1
        return 0

    def cuGraphDestroy(self, graph):
        del self._graphs[graph.value]
        for node in self._nodes_of.pop(graph.value, ()):
            self._nodes.pop(node, None)
        self._standin.live['graph'] -= 1
        return 0

    def cuGraphUpload(self, executable, stream):
        return 0

    def cuMemcpyDtoDAsync_v2(self, dest, src, size, handle):
        standin = self._standin
        if standin.failure is not None:
            return 719
        standin.current()
        for value in (dest, src, size, handle):
            _check_int(value, 'an argument')
        target, target_offset = standin.find(dest, size)
        source, source_offset = standin.find(src, size)

        def run():
            target.array[target_offset : target_offset + size] = source.array[
                source_offset : source_offset + size
            ]

        standin.enqueue(standin.streams[handle], 'copy', run, source, target)
        return 0

    def cuGraphLaunch(self, executable, handle):
        if self._standin.failure is not None:
            return 719
        self._standin.current()
        stream = self._standin.streams[handle]
        for work in self._executables[executable]:
            for memory in work.memories:
                if memory.address and self._standin.memory.get(memory.address) is not memory:
                    raise MisuseError(f'a graph uses {memory}, which was freed')
            if stream.recorded is not None:
                stream.recorded.append(work)
            else:
                self._standin.submit(stream, work)
        return 0

    def cuGraphExecDestroy(self, executable):
        if self._standin.failure is None:
            self._standin.current()
        del self._executables[executable]
        self._standin.live['graph'] -= 1
        return 0
