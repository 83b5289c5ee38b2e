"""Has a GPU ready by the time that a node's modules are imported.

To start the driver and to map libraries of gigabytes takes as long as these imports, and needs
the interpreter's lock for nothing. So threads do both meanwhile, if the node is likely to run ONNX
Runtime on a GPU. They guess that from its command line. A wrong guess costs time or memory and
nothing else: engines open as they would without, wait in the driver and the loader for what is
under way there, and say what is wrong.

Imports little, since nothing else runs before it.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import threading
from itertools import pairwise

from jetson_perception.process.start_times import START_TIMES

TYPE_CHECKING = False  # `typing` itself takes milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

VARIABLE, OFF = 'JETSON_PERCEPTION_GPU_AHEAD', '0'
"""A variable, and its value where nothing is to be loaded ahead."""

_MOST_BYTES = 1 << 20  # of a parameter file
_PATIENCE_S = 2.0
_NOW = 2  # RTLD_NOW

#: What a model of convolutions needs of CUDA and cuDNN. cuDNN itself loads most of its parts as
#: it plans the first convolution. ONNX Runtime's own libraries are not among them: its provider
#: asks ONNX Runtime for an address as it is loaded, which must be there by then.
_OF_CUDA = ('cudart.so.{0}', 'cublasLt.so.{0}', 'cublas.so.{0}', 'curand.so.10', 'nvrtc.so.{0}')
_CUFFT = {'11': 'cufft.so.10', '12': 'cufft.so.11', '13': 'cufft.so.12'}
_OF_CUDNN = (
    'cudnn.so.9',
    'cudnn_graph.so.9',
    'cudnn_ops.so.9',
    'cudnn_heuristic.so.9',
    'cudnn_engines_precompiled.so.9',
    'cudnn_engines_runtime_compiled.so.9',
)

# The same in a file of parameters, on a command line and among a launch file's arguments.
_RUNTIME = re.compile(r'\bruntime[\'"]?\s*:=?\s*[\'"]?(\w+)')
_DEVICE = re.compile(r'\bdevice[\'"]?\s*:=?\s*[\'"]?(\d+)')
_CUDA_VERSION = re.compile(r'^cuda_version\s*=\s*[\'"](\d+)', re.MULTILINE)

_RUNTIMES_ON_GPU = frozenset({'auto', 'onnxruntime_cuda', 'tensorrt'})
_TENSORRT = ('tensorrt', 'tensorrt_rtx', 'tensorrt_rtx_bindings')


def begin(
    arguments: Sequence[str], environ: Mapping[str, str], path: Sequence[str]
) -> list[threading.Thread]:
    """Start the driver and load libraries in threads, if the node is likely to need them.

    Parameters
    ----------
    arguments : sequence of str
        The command line.
    environ : mapping of str to str
        The environment.
    path : sequence of str
        Where modules are installed.

    Returns
    -------
    list of Thread
        They end by themselves. A process that ends before waits for them, for a while.
    """
    if environ.get(VARIABLE) == OFF or not _has_modules(path, 'pycuda'):
        return []
    text = _parameters(arguments)
    runtimes = set(_RUNTIME.findall(text)) or {'auto'}
    if not runtimes & _RUNTIMES_ON_GPU:
        return []
    threads = []
    if set(_DEVICE.findall(text)) <= {'0'}:
        threads.append(_begun('starting the GPU ahead', _start_gpu))
    auto_is_tensorrt = 'onnxruntime_cuda' not in runtimes and _has_modules(path, *_TENSORRT)
    if runtimes != {'tensorrt'} and not auto_is_tensorrt:
        libraries = cuda_libraries(path)
        if libraries:
            threads.append(
                _begun(
                    "loading CUDA's libraries ahead",
                    lambda: _load(libraries if _has_driver() else []),
                )
            )
    return threads


def cuda_libraries(path: Iterable[str]) -> list[str]:
    """Libraries that ONNX Runtime on CUDA loads: files of Python packages, else their mere names.

    Only on x86-64: others have less room for what libraries keep for each thread, and whether it
    suffices depends on the order in which all are loaded. Empty for an ONNX Runtime without CUDA.
    """
    if os.uname().machine != 'x86_64':
        return []
    for folder in path:
        capi = os.path.join(folder, 'onnxruntime', 'capi')
        if not os.path.isdir(capi):
            continue
        if not os.path.isfile(os.path.join(capi, 'libonnxruntime_providers_cuda.so')):
            return []
        found = _CUDA_VERSION.search(_text_of(os.path.join(capi, 'build_and_package_info.py')))
        return _in_packages(os.path.join(folder, 'nvidia'), found[1]) if found else []
    return []


def _in_packages(packages: str, release: str) -> list[str]:
    """Libraries for a release of CUDA, each after those that it needs."""
    try:
        folders = [os.path.join(packages, each, 'lib') for each in sorted(os.listdir(packages))]
    except OSError:
        folders = []
    # Packages of two releases may be installed, and some libraries are called the same in both.
    folders.sort(key=lambda folder: f'cu{release}' not in folder)
    names = [each.format(release) for each in _OF_CUDA]
    names += [_CUFFT[release]] if release in _CUFFT else []
    paths = []
    for name in (*names, *_OF_CUDNN):
        there = (os.path.join(folder, f'lib{name}') for folder in folders)
        paths.append(next(filter(os.path.isfile, there), f'lib{name}'))
    return paths


def _has_modules(path: Iterable[str], *names: str) -> bool:
    """Whether any of these packages is installed, without importing it."""
    return any(os.path.isdir(os.path.join(folder, name)) for folder in path for name in names)


def _parameters(arguments: Sequence[str]) -> str:
    """What the command line and the files of parameters say that it names, as one text."""
    texts = list(arguments)
    for flag, value in pairwise(arguments):
        if flag == '--params-file':
            texts.append(_text_of(value))
    return '\n'.join(texts)


def _text_of(file: str) -> str:
    """The beginning of a regular file; empty if it cannot be read, of which others tell."""
    try:
        if not os.path.isfile(file):
            return ''
        with open(file, encoding='utf-8', errors='replace') as opened:
            return opened.read(_MOST_BYTES)
    except OSError:
        return ''


def _begun(what: str, work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        with START_TIMES.span(what):
            work()

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    # The loader and the driver end badly under a thread that is in them.
    atexit.register(thread.join, _PATIENCE_S)
    return thread


def _has_driver() -> bool:
    """Whether this machine has NVIDIA's driver; onnxruntime-gpu may be installed without one."""
    try:
        ctypes.CDLL('libcuda.so.1')
    except OSError:
        return False
    return True


def _start_gpu() -> None:
    """Have the driver make the primary context of the first GPU, which all runtimes share."""
    if not _has_driver():
        return
    driver = ctypes.CDLL('libcuda.so.1')
    device, context = ctypes.c_int(), ctypes.c_void_p()
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        return
    # Never released: it stays until the process ends, as do those that engines use.
    driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)


def _load(files: Iterable[str]) -> None:
    """Map libraries for whoever loads them later; leaves out what cannot be loaded."""
    # ctypes.CDLL would hold the interpreter's lock meanwhile; a call of a function does not.
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
    for file in files:
        dlopen(os.fsencode(file), _NOW)
