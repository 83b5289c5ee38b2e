"""A GPU of this machine: its primary context, streams and events.

ONNX Runtime and TensorRT use the primary context too; their handles would be invalid in a context
of our own. It is current in a thread only inside `CudaDevice.pushed()`, and every CUDA call must
be made there.
"""

from __future__ import annotations

import atexit
import ctypes
import threading
import warnings
from typing import TYPE_CHECKING, Any

from jetson_perception.cuda.presence import gpu_problem
from jetson_perception.errors import CudaError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ['CudaDevice', 'CudaError', 'Event', 'Stream', 'cuda_problem']

# The driver's own numbers; not every version of pycuda has names for all of them.
_STREAM_NON_BLOCKING = 1
_EVENT_BLOCKING_SYNC = 1
_EVENT_DISABLE_TIMING = 2

# pycuda refuses this as a stream or event; None would be the default stream.
_CLOSED = object()

# After one of these errors, every later call in the context fails with the same one.
_FATAL = (
    'illegal memory access',
    'misaligned address',
    'illegal instruction',
    'invalid program counter',
    'address space',
    'device-side assert',
    'stack error',
    'unspecified launch failure',
    'launch timed out',
    'uncorrectable',
    'context is destroyed',
)


def driver() -> Any:
    """The module pycuda.driver, initialized.

    Raises
    ------
    CudaError
        When pycuda or the driver is not available; the message says what to do.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # the error below says the same
            import pycuda.driver
    except ImportError as err:
        raise CudaError(_why_not_imported(err)) from err
    try:
        pycuda.driver.init()
    except pycuda.driver.Error as err:
        raise translated(err, 'starting CUDA') from err
    return pycuda.driver


def _why_not_imported(err: ImportError) -> str:
    problem = gpu_problem()
    if problem:  # pycuda would help nobody
        return problem
    text = str(err)
    if 'undefined symbol' in text:
        return (
            f'pycuda was built for another CUDA version than this driver has ({text}); update the '
            'driver, or build pycuda again: pip install --force-reinstall --no-cache-dir pycuda'
        )
    return (
        f'pycuda cannot be imported ({text}); pip install pycuda (it is built against the CUDA '
        'toolkit of the machine, for which nvcc must be on PATH)'
    )


def translated(err: Exception, doing: str) -> CudaError:
    """A `CudaError` for an error of pycuda, with advice if there is any."""
    text = str(err)
    lower = text.lower()
    if 'out of memory' in lower:
        advice = (
            'the GPU is full: run fewer or smaller models, close other programs that use it '
            '(nvidia-smi, tegrastats), or add swap on a Jetson'
        )
    elif 'no cuda-capable device' in lower or 'no device' in lower:
        advice = 'is the driver loaded, and CUDA_VISIBLE_DEVICES not empty?'
    elif 'driver version is insufficient' in lower:
        advice = 'the NVIDIA driver is older than the CUDA toolkit; update the driver'
    elif any(each in lower for each in _FATAL):
        return CudaError(
            f'{doing} failed: {text}; the GPU cannot be used again until this process is '
            'restarted',
            fatal=True,
        )
    else:
        advice = ''
    return CudaError(f'{doing} failed: {text}' + (f'; {advice}' if advice else ''))


def cuda_problem(index: int = 0) -> str:
    """Why the GPU with this index cannot be used; empty when it can."""
    try:
        count = driver().Device.count()
    except CudaError as err:
        return str(err)
    if index not in range(count):
        return _no_such_device(index, count)
    return ''


def _no_such_device(index: int, count: int) -> str:
    there = f'0 to {count - 1}' if count > 1 else '0' if count else 'none'
    return f'there is no GPU {index}; the driver of this machine shows: {there}'


class CudaDevice:
    """A GPU and its primary context; `CudaDevice.get` returns the only object for each GPU.

    Attributes
    ----------
    index : int
        Position among the GPUs that the driver shows, from 0.
    name : str
        Such as 'Orin' or 'NVIDIA H100 80GB HBM3'.
    compute_capability : tuple of int
        Major and minor, such as (8, 7).
    integrated : bool
        Whether it shares its memory with the CPU, as on every Jetson.
    total_memory : int
        Bytes.
    driver : module
        pycuda.driver, initialized.
    """

    # The collector may let go of what uses a device while this thread holds the lock.
    _lock = threading.RLock()
    _devices: dict[int, CudaDevice] = {}  # noqa: RUF012 - one for the process is the point

    def __init__(self, index: int) -> None:
        self.driver = cuda = driver()
        try:
            count = cuda.Device.count()
            if index not in range(count):
                raise CudaError(_no_such_device(index, count))
            device = cuda.Device(index)
            self.index = index
            self.name: str = device.name()
            major, minor = device.compute_capability()
            self.compute_capability: tuple[int, int] = (int(major), int(minor))
            self.integrated = bool(device.get_attribute(cuda.device_attribute.INTEGRATED))
            self.total_memory = int(device.total_memory())
            self._context = device.retain_primary_context()
        except cuda.Error as err:
            raise translated(err, f'opening GPU {index}') from err
        self._users = 0
        self._pushed = _Pushed(self)

    @classmethod
    def get(cls, index: int = 0) -> CudaDevice:
        """The device with this index; the caller must `close` it once.

        Raises
        ------
        CudaError
            When it is not available; the message says why, and what to do.
        """
        with cls._lock:
            device = cls._devices.get(index)
            if device is None:
                device = cls(index)
                if not cls._devices:
                    atexit.register(_release_unused)
                cls._devices[index] = device
            device._users += 1
            return device

    @classmethod
    def in_use(cls) -> list[int]:
        """Indices of the devices that were opened and not yet closed."""
        with cls._lock:
            return [index for index, device in cls._devices.items() if device._users]

    @property
    def context_handle(self) -> int:
        """The driver's handle of the primary context, for other libraries."""
        return int(self._context.handle)

    def pushed(self) -> AbstractContextManager[None]:
        """Make the context current in this thread inside a `with`; may be nested.

        A thread must not end inside it: pycuda would abort the process.
        """
        return self._pushed

    def new_stream(self) -> Stream:
        """A new stream, which does not wait for the default one."""
        return Stream(self)

    def new_event(self, *, timing: bool = False, blocking: bool = True) -> Event:
        """A new event.

        Parameters
        ----------
        timing : bool
            Whether `Event.elapsed_ms` will be called; costs a little.
        blocking : bool
            Whether `synchronize` sleeps instead of spinning.
        """
        return Event(self, timing=timing, blocking=blocking)

    def memory_info(self) -> tuple[int, int]:
        """Free and total bytes of device memory, of all processes together."""
        with self.pushed():
            try:
                free, total = self.driver.mem_get_info()
            except self.driver.Error as err:
                raise translated(err, 'asking for free memory') from err
        return int(free), int(total)

    def synchronize(self) -> None:
        """Wait for all work on the device, on every stream."""
        with self.pushed():
            try:
                self._context.synchronize()
            except self.driver.Error as err:
                raise translated(err, 'waiting for the GPU') from err

    def close(self) -> None:
        """Release the reference that one `get` returned.

        The context itself stays until the process ends, ready for the next `get`: ONNX Runtime and
        TensorRT keep things in it that outlive their sessions.
        """
        with self._lock:
            if self._users == 0:
                raise CudaError(f'GPU {self.index} was closed more often than it was opened')
            self._users -= 1

    def __repr__(self) -> str:
        return f'<GPU {self.index}: {self.name}>'


class _Pushed:
    """Makes a context current; stateless, so that one object serves all threads."""

    def __init__(self, device: CudaDevice) -> None:
        self._device = device

    def __enter__(self) -> None:
        stack = _current.stack
        if not stack or stack[-1] is not self._device:
            try:
                self._device._context.push()
            except self._device.driver.Error as err:
                raise translated(err, f'making GPU {self._device.index} current') from err
        stack.append(self._device)

    def __exit__(self, *exc_info: object) -> None:
        stack = _current.stack
        stack.pop()
        if not stack or stack[-1] is not self._device:
            self._device._context.pop()


class _Current(threading.local):
    """The devices that are pushed in this thread, the current one last."""

    def __init__(self) -> None:
        self.stack: list[CudaDevice] = []


_current = _Current()


def _release_unused() -> None:
    """Release the contexts when the process ends.

    Contexts that are still in use are left to the operating system, because their users free
    things in them later.
    """
    with CudaDevice._lock:
        for device in CudaDevice._devices.values():
            context = device._context
            if device._users or _current.stack:
                # A reference that nobody drops, so that pycuda does not release it either.
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(context))
                continue
            context.push()
            context.detach()  # also takes it off the stack
        CudaDevice._devices.clear()


class Stream:
    """Runs work on the GPU in order; made by `CudaDevice.new_stream`.

    Attributes
    ----------
    device : CudaDevice
    handle : int
        The driver's handle, for other libraries.
    raw : pycuda.driver.Stream
        The stream for pycuda's functions.
    """

    __slots__ = ('device', 'handle', 'raw')

    def __init__(self, device: CudaDevice) -> None:
        self.device = device
        cuda = device.driver
        with device.pushed():
            try:
                self.raw: Any = cuda.Stream(_STREAM_NON_BLOCKING)
            except cuda.Error as err:
                raise translated(err, 'creating a stream') from err
        self.handle = int(self.raw.handle)

    def wait_for_event(self, event: Event) -> None:
        """Make later work on this stream wait for the work before the event."""
        try:
            self.raw.wait_for_event(event.raw)
        except self.device.driver.Error as err:
            raise translated(err, 'waiting for an event on a stream') from err

    def synchronize(self) -> None:
        """Block until all work on the stream is done."""
        try:
            self.raw.synchronize()
        except self.device.driver.Error as err:
            raise translated(err, 'waiting for a stream') from err

    def is_done(self) -> bool:
        """Whether no work is waiting or running on it."""
        try:
            return bool(self.raw.is_done())
        except self.device.driver.Error as err:
            raise translated(err, 'asking a stream') from err

    def close(self) -> None:
        """Wait for its work and release it, from any thread; may be called twice."""
        if self.raw is _CLOSED:
            return
        with self.device.pushed():
            try:
                self.synchronize()
            finally:
                self.raw = _CLOSED  # pycuda destroys it with its last reference
                self.handle = 0


class Event:
    """A mark in a stream's work; made by `CudaDevice.new_event`.

    Attributes
    ----------
    device : CudaDevice
    raw : pycuda.driver.Event
    """

    __slots__ = ('device', 'raw')

    def __init__(self, device: CudaDevice, *, timing: bool = False, blocking: bool = True) -> None:
        self.device = device
        flags = 0 if timing else _EVENT_DISABLE_TIMING
        flags |= _EVENT_BLOCKING_SYNC if blocking else 0
        cuda = device.driver
        with device.pushed():
            try:
                self.raw: Any = cuda.Event(flags)
            except cuda.Error as err:
                raise translated(err, 'creating an event') from err

    def record(self, stream: Stream) -> None:
        """Place the mark behind all work that is on the stream now."""
        try:
            self.raw.record(stream.raw)
        except self.device.driver.Error as err:
            raise translated(err, 'recording an event') from err

    def synchronize(self) -> None:
        """Block until the work before the mark is done; return at once if it was never placed."""
        try:
            self.raw.synchronize()
        except self.device.driver.Error as err:
            raise translated(err, 'waiting for the GPU') from err

    def query(self) -> bool:
        """Whether the work before the mark is done."""
        try:
            return bool(self.raw.query())
        except self.device.driver.Error as err:
            raise translated(err, 'asking an event') from err

    def elapsed_ms(self, since: Event) -> float:
        """GPU time in ms from `since` to this event; both must have `timing`, and be done."""
        try:
            return float(self.raw.time_since(since.raw))
        except self.device.driver.Error as err:
            raise translated(err, 'reading the time between two events') from err

    def close(self) -> None:
        """Release it, from any thread; may be called twice."""
        if self.raw is _CLOSED:
            return
        with self.device.pushed():
            self.raw = _CLOSED  # pycuda destroys it with its last reference
