"""TensorRT as this package uses it: the module, one logger for the process, its data types, CUDA.

Names differ between TensorRT 8.5, 11 and TensorRT-RTX, so `hasattr` decides which features there
are, and versions appear only in messages. When TensorRT fails, it returns None or False and logs
the reason, which `collect_errors` keeps.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import logging
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tensorrt

_log = logging.getLogger('jetson_perception.tensorrt')

MODULES = ('tensorrt', 'tensorrt_rtx', 'tensorrt_rtx_bindings')
"""Where TensorRT is looked for, in this order."""


@functools.cache
def import_tensorrt() -> Any:
    """The TensorRT module, imported once.

    Raises
    ------
    ModelError
        When none can be imported. The message says why for each one that is installed but broken,
        or what to install.
    """
    broken = []
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as err:
            if err.name != name:
                broken.append(f'{name}: {err}')
        except (ImportError, OSError, AttributeError, RuntimeError) as err:
            broken.append(f'{name}: {err}')  # libraries of another CUDA, or missing
        else:
            # A leftover folder imports as an empty namespace.
            if hasattr(module, 'Runtime') and hasattr(module, 'ILogger'):
                return module
            broken.append(f'{name}: no Runtime in it ({getattr(module, "__path__", "?")})')
    if broken:
        reasons = '; '.join(' '.join(reason.split()) for reason in broken)
        raise ModelError(f'TensorRT is installed but cannot be imported: {reasons}')
    raise ModelError(
        'TensorRT is not installed: Python finds no module tensorrt. On a Jetson, JetPack has it: '
        'sudo apt-get install python3-libnvinfer, and make virtual environments with '
        '--system-site-packages so that they see it'
    )


def is_rtx(trt: Any) -> bool:
    """Whether this is TensorRT-RTX, which builds for GeForce and RTX GPUs."""
    return 'rtx' in trt.__name__


def describe_tensorrt(trt: Any) -> str:
    """Name and version in words, such as 'TensorRT 10.3.0' or 'TensorRT-RTX 1.7.1.116'."""
    return f'TensorRT{"-RTX" if is_rtx(trt) else ""} {trt.__version__}'


def has_precision_flags(trt: Any) -> bool:
    """Whether flags set the precisions that the builder may use (8.5 to 10.x).

    In TensorRT 11 and TensorRT-RTX it follows the types in the ONNX file.
    """
    return hasattr(trt.BuilderFlag, 'FP16')


def creation_flag(trt: Any, name: str) -> int:
    """Bit of a `NetworkDefinitionCreationFlag`; 0 if this version has no flag of that name.

    STRONGLY_TYPED has different values in 10 and 11, so it is never written as a literal.
    """
    flag = getattr(trt.NetworkDefinitionCreationFlag, name, None)
    return 0 if flag is None else 1 << int(flag)


# --- The logger ---------------------------------------------------------------------------------

_LEVELS = (logging.ERROR, logging.ERROR, logging.WARNING, logging.DEBUG, logging.DEBUG)
"""For TensorRT's INTERNAL_ERROR, ERROR, WARNING, INFO and VERBOSE. Its INFO is too chatty."""

_MOST_ERRORS = 20

_logger_lock = threading.Lock()
_collecting = threading.RLock()  # one build or load at a time, so that errors have one owner
_errors: deque[str] = deque(maxlen=_MOST_ERRORS)
_collectors: list[list[str]] = []
_logger: Any = None


def process_logger() -> tensorrt.ILogger:
    """The one logger that all TensorRT objects of this process get.

    TensorRT keeps the first logger that it sees while any builder or runtime lives. This one
    forwards to the Python logger 'jetson_perception.tensorrt', and keeps the last errors.
    """
    global _logger
    with _logger_lock:
        if _logger is None:
            _logger = _make_logger(import_tensorrt())
    return _logger


def _make_logger(trt: Any) -> Any:
    class ForwardingLogger(trt.ILogger):  # type: ignore[misc]
        """Called in the caller's thread and in TensorRT's own; exceptions would be swallowed."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            """Take one message."""
            take_log_message(int(severity), msg)

    return ForwardingLogger()


def take_log_message(severity: int, text: str) -> None:
    """Forward one message from TensorRT, and keep it if it is an error.

    Parameters
    ----------
    severity : int
        0 INTERNAL_ERROR, 1 ERROR, 2 WARNING, 3 INFO, 4 VERBOSE.
    text : str
        The message.
    """
    level = _LEVELS[min(max(severity, 0), len(_LEVELS) - 1)]
    if level < logging.ERROR:
        _log.log(level, '%s', text)
        return
    with _logger_lock:
        _errors.append(text)
        collectors = list(_collectors)
        for collected in collectors:
            if len(collected) < _MOST_ERRORS:
                collected.append(text)
    # Whoever collects errors raises them; logged as well, one error would look like two.
    _log.log(logging.DEBUG if collectors else level, '%s', text)


@contextmanager
def collect_errors() -> Iterator[list[str]]:
    """Errors that TensorRT logs within the block, oldest first; for building and loading.

    Only one thread at a time is in such a block, so the errors are its own (unless an engine that
    runs meanwhile fails).

    Examples
    --------
    >>> with collect_errors() as errors:
    ...     take_log_message(1, 'Error Code 1: magicTag')
    >>> first_error(errors)
    'Error Code 1: magicTag'
    """
    collected: list[str] = []
    with _collecting:
        with _logger_lock:
            _collectors.append(collected)
        try:
            yield collected
        finally:
            with _logger_lock:
                # Compared by identity: two empty lists are equal.
                _collectors[:] = [each for each in _collectors if each is not collected]


def last_errors() -> list[str]:
    """The last errors of the process, oldest first: for failing calls on the hot path."""
    with _logger_lock:
        return list(_errors)


def first_error(errors: list[str]) -> str:
    """The error that explains the others, on one line; a substitute if there is none.

    It is the first one: later ones are often about something else, such as a missing driver.
    """
    if not errors:
        return 'TensorRT did not say why'
    return ' '.join(errors[0].split())


# --- Data types ---------------------------------------------------------------------------------

# By name: `trt.nptype` fails in 8.5.2 with NumPy 1.24 and later, and lacks INT64 before 10.
_DTYPES: dict[str, np.dtype] = {
    'FLOAT': np.dtype(np.float32),
    'HALF': np.dtype(np.float16),
    'INT8': np.dtype(np.int8),
    'INT32': np.dtype(np.int32),
    'INT64': np.dtype(np.int64),
    'BOOL': np.dtype(np.bool_),
    'UINT8': np.dtype(np.uint8),
}


def to_numpy_dtype(data_type: tensorrt.DataType, tensor: str = '') -> np.dtype:
    """The NumPy dtype for a TensorRT data type.

    Parameters
    ----------
    data_type : tensorrt.DataType
        From `get_tensor_dtype`.
    tensor : str
        Name of the tensor, for the error.

    Raises
    ------
    ModelError
        For a type that NumPy does not have: BF16, FP8, FP4, INT4, E8M0.
    """
    name = data_type.name
    if name not in _DTYPES:
        raise ModelError(
            f"tensor '{tensor}' is {name}, for which NumPy has no type; expected one of "
            f'{", ".join(_DTYPES)}. Export the model with float32 or float16 inputs and outputs'
        )
    return _DTYPES[name]


# --- CUDA ---------------------------------------------------------------------------------------

_CUDA_ERRORS = {
    3: 'the driver is not initialized',
    34: 'the driver is a stub library; remove "stubs" of the CUDA toolkit from LD_LIBRARY_PATH',
    35: 'the driver is older than this CUDA',
    100: 'the driver sees no GPU (in a container: start it with --runtime nvidia or --gpus all)',
    803: 'the driver and its libraries have different versions; reboot after an update',
    804: 'CUDA forward compatibility is not possible on this GPU',
    999: 'the driver failed; do the device files exist, and may this user open them?',
}

_COMPUTE_CAPABILITY_MAJOR = 75
_COMPUTE_CAPABILITY_MINOR = 76
_INTEGRATED = 18


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as the CUDA driver describes it.

    Attributes
    ----------
    name : str
        Such as 'Orin' or 'NVIDIA H100 80GB HBM3'.
    compute_capability : tuple of int
        Such as (8, 7).
    memory_bytes : int
        Total memory; on a Jetson, the system's, which the GPU shares.
    integrated : bool
        Whether it shares the system's memory.
    """

    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    integrated: bool


def find_gpu(index: int = 0) -> Gpu:
    """A GPU of this machine. Asks the driver, and creates no CUDA context.

    Call it before you create a TensorRT object: without a driver, 8.x raises TypeError there, and
    11 crashes.

    Raises
    ------
    ModelError
        When there is no driver, no GPU, or the driver fails; the message says what to check.
    """
    driver = _load_driver()
    count = ctypes.c_int()
    _check(driver.cuDeviceGetCount(ctypes.byref(count)))
    if not 0 <= index < count.value:
        _check(100 if count.value == 0 else 0)
        raise ModelError(
            f'there is no GPU {index}; this machine has {count.value}, numbered from 0'
        )
    device = ctypes.c_int()
    _check(driver.cuDeviceGet(ctypes.byref(device), index))
    name = ctypes.create_string_buffer(256)
    _check(driver.cuDeviceGetName(name, len(name), device))
    memory = ctypes.c_size_t()
    _check(driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device))

    def attribute(number: int) -> int:
        value = ctypes.c_int()
        _check(driver.cuDeviceGetAttribute(ctypes.byref(value), number, device))
        return value.value

    return Gpu(
        name.value.decode(errors='replace'),
        (attribute(_COMPUTE_CAPABILITY_MAJOR), attribute(_COMPUTE_CAPABILITY_MINOR)),
        memory.value,
        bool(attribute(_INTEGRATED)),
    )


def _load_driver() -> Any:
    try:
        driver = ctypes.CDLL('libcuda.so.1')
    except OSError as err:
        raise ModelError(
            f'CUDA cannot be used: there is no driver ({err}). On a Jetson, JetPack installs it; '
            'start containers with --runtime nvidia'
        ) from err
    _check(driver.cuInit(0))
    return driver


def _check(code: int) -> None:
    if code:
        meaning = _CUDA_ERRORS.get(code, 'see CUresult in the CUDA driver API')
        raise ModelError(f'CUDA cannot be used: error {code}: {meaning}')
