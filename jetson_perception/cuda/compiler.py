"""Compiles kernels from source with the machine's nvcc on first use, and caches them.

A cache key covers the source and its headers, nvcc's version, the architecture and the options, so
nothing must be deleted by hand when one of them changes.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.cuda.device import CudaDevice, translated
from jetson_perception.errors import CudaError
from jetson_perception.files.kept_files import KeptFiles
from jetson_perception.files.private_files import PrivateFolder, cache_folder
from jetson_perception.process.start_times import START_TIMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jetson_perception.cuda.device import Stream

KERNELS = Path(__file__).resolve().parent / 'kernels'
"""Where the package's own .cu and .cuh files are."""

# Without contraction to fused multiply-adds, results equal NumPy's to the last bit.
_OPTIONS = ('-O3', '-std=c++17', '--fmad=false')

_NEWEST_FIRST_PATTERNS = ('/usr/local/cuda-*', '/opt/nvidia/cuda-*', '/opt/cuda-*')
_TOOLKITS = ('/usr/local/cuda', '/opt/cuda', '/usr/lib/cuda', '/usr/lib/nvidia-cuda-toolkit')
_IN_WHEELS = ('nvidia/cu13', 'nvidia/cuda_nvcc')

_SECONDS = 300  # a Jetson Nano takes some 20 s for the largest file

# The largest file takes 0.1 MB for one architecture.
_MAX_BYTES, _MAX_FILE_BYTES = 64 << 20, 16 << 20

_SHARED_BYTES = 48 << 10  # what a block may use without asking for more

#: By the name under which a result is kept.
_compiling: dict[str, threading.Lock] = {}


def find_nvcc() -> Path | None:
    """The CUDA compiler; None if this machine has none.

    It is searched for on PATH, in CUDA_HOME and CUDA_PATH, and where JetPack and NVIDIA's packages
    install it (/usr/local/cuda, else the newest /usr/local/cuda-*): on a Jetson it is there, but
    not on PATH.
    """
    on_path = shutil.which('nvcc')
    if on_path:
        return Path(on_path)
    for toolkit in toolkits():
        nvcc = toolkit / 'bin' / 'nvcc'
        if nvcc.is_file() and os.access(nvcc, os.X_OK):
            return nvcc
    return None


def toolkits() -> Iterator[Path]:
    """Where CUDA's toolkit may be installed, the likeliest first; not all of these exist."""
    for variable in ('CUDA_HOME', 'CUDA_PATH', 'CUDA_ROOT'):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    yield from map(Path, _TOOLKITS)
    for pattern in _NEWEST_FIRST_PATTERNS:
        folder, name = os.path.split(pattern)
        yield from sorted(Path(folder).glob(name), key=_version_in_name, reverse=True)
    for entry in sys.path:
        for name in _IN_WHEELS:
            yield Path(entry or '.', name)


def _version_in_name(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r'\d+', path.name))


def compile_kernels(
    source: Path, architecture: str | None = None, options: Sequence[str] = ()
) -> bytes:
    """A compiled kernel file, from the cache or by nvcc.

    Parameters
    ----------
    source : Path
        The .cu file. Headers beside it (.cuh) may be included.
    architecture : str, optional
        Such as 'sm_87'. If nvcc does not know it yet, the result is PTX, which the driver
        translates. Default: that of GPU 0.
    options : sequence of str
        More options for nvcc, such as '-DNAME=1'.

    Returns
    -------
    bytes
        A cubin or PTX, for the driver to load.

    Raises
    ------
    CudaError
        When there is no nvcc, or it fails; the message has its text.
    """
    nvcc = find_nvcc()
    if nvcc is None:
        raise CudaError(
            'there is no CUDA compiler (nvcc) on this machine: not on PATH, not in CUDA_HOME, not '
            'under /usr/local/cuda; install it (on a Jetson: sudo apt-get install cuda-toolkit)'
        )
    if architecture is None:
        architecture = _architecture_of_first_gpu()
    target = _target(nvcc, architecture)
    arguments = [*_OPTIONS, *target, *options]
    kept, name = _kept_kernels(), f'{source.stem}-{_key(source, nvcc, arguments)}.bin'
    # Several may ask for the same file at the same time; different ones are compiled side by side.
    with _compiling.setdefault(name, threading.Lock()):
        image = kept.read(name)
        if not image:
            with START_TIMES.span('compiling kernels', source.name):
                image = _run_nvcc(nvcc, source, arguments)
            kept.write(name, image)
    return image


def _architecture_of_first_gpu() -> str:
    device = CudaDevice.get(0)
    device.close()
    return architecture_of(device)


def architecture_of(device: CudaDevice) -> str:
    """Nvcc's name for a device's architecture, such as 'sm_87'."""
    major, minor = device.compute_capability
    return f'sm_{major}{minor}'


def _target(nvcc: Path, architecture: str) -> list[str]:
    """Options for an architecture, whether or not this nvcc knows it."""
    known = _known_architectures(nvcc, _modified(nvcc))
    number = int(re.sub(r'\D', '', architecture) or 0)
    if number in known or not known:
        return ['-cubin', f'-arch={architecture}']
    older = [each for each in known if each < number]
    if not older:
        raise CudaError(
            f'{nvcc} cannot compile for {architecture}, only from sm_{min(known)} on; install a '
            'CUDA toolkit that still supports this GPU'
        )
    return ['-ptx', f'-arch=compute_{max(older)}']


@functools.cache
def _known_architectures(nvcc: Path, modified: float) -> frozenset[int]:
    """Numbers of the architectures that this nvcc supports; empty if it does not say."""
    listed = _output_of([str(nvcc), '--list-gpu-code'])
    return frozenset(int(number) for number in re.findall(r'\bsm_(\d+)\b', listed))


@functools.cache
def _nvcc_version(nvcc: Path, modified: float) -> str:
    return _output_of([str(nvcc), '--version'])


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def _output_of(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors='replace',
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ''
    return done.stdout if done.returncode == 0 else ''


def _key(source: Path, nvcc: Path, arguments: list[str]) -> str:
    """Digest of everything that the result depends on, including all headers of the folder."""
    digest = hashlib.sha256()
    parts = [_nvcc_version(nvcc, _modified(nvcc)), *arguments]
    for path in [source, *sorted(source.parent.glob('*.cuh'))]:
        try:
            parts += [path.name, path.read_text('utf-8')]
        except OSError as err:
            raise CudaError(f'the kernel file {path} cannot be read: {err.strerror}') from err
    for part in parts:
        encoded = part.encode()
        digest.update(struct.pack('<q', len(encoded)) + encoded)
    return digest.hexdigest()[:32]


def _run_nvcc(nvcc: Path, source: Path, arguments: list[str]) -> bytes:
    with tempfile.TemporaryDirectory(prefix='jetson_perception_nvcc_') as folder:
        target = Path(folder, 'out')
        command = [str(nvcc), *arguments, '-o', str(target), str(source)]
        text = _failure_of(command, folder)
        if 'unsupported GNU version' in text:
            # The host compiler is too new for this nvcc, which does not matter without host code.
            text = _failure_of([*command, '-allow-unsupported-compiler'], folder)
        if text:
            raise CudaError(f'{nvcc} could not compile {source.name}: {text}')
        try:
            return target.read_bytes()
        except OSError as err:
            raise CudaError(f'{nvcc} left no result for {source.name}: {err}') from err


def _failure_of(command: list[str], folder: str) -> str:
    """What nvcc prints when it fails; empty if it succeeds."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors='replace',
            timeout=_SECONDS,
            check=False,
            env={**os.environ, 'TMPDIR': folder},
        )
    except subprocess.TimeoutExpired:
        return f'it did not end within {_SECONDS} s'
    except OSError as err:
        return f'it cannot be started: {err.strerror}'
    if done.returncode == 0:
        return ''
    return (done.stderr + done.stdout).strip()[-4000:] or f'it ended with {done.returncode}'


def kernel_cache() -> PrivateFolder:
    """Where compiled kernels are kept."""
    return PrivateFolder(cache_folder('kernels'), holds='kernels', error=CudaError)


def _kept_kernels() -> KeptFiles:
    return KeptFiles(
        kernel_cache(),
        what='compiled kernels',
        made='compiled',
        max_bytes=_MAX_BYTES,
        max_file_bytes=_MAX_FILE_BYTES,
    )


def load_module(device: CudaDevice, name: str, options: Sequence[str] = ()) -> Module:
    """A kernel file of this package, such as 'preprocess' for preprocess.cu, loaded on a device.

    Raises
    ------
    CudaError
        See `compile_kernels`; also when the driver refuses the code.
    """
    source = KERNELS / f'{name}.cu'
    if not source.is_file():
        there = ', '.join(sorted(each.stem for each in KERNELS.glob('*.cu'))) or 'none'
        raise CudaError(f'this package has no kernels {name!r}; it has: {there}')
    return Module(device, compile_kernels(source, architecture_of(device), options), name)


def compile_ahead(device: CudaDevice, names: Sequence[str]) -> None:
    """Begin to compile kernel files of this package that `load_module` will be asked for.

    Returns at once. What cannot be compiled is left to `load_module`, which says why.
    """
    for name in names:
        compile_it = partial(compile_kernels, KERNELS / f'{name}.cu', architecture_of(device))
        # A process that ends does not wait for it.
        threading.Thread(target=_quietly, args=(compile_it,), name=name, daemon=True).start()


def _quietly(compile_it: Callable[[], object]) -> None:
    with suppress(CudaError):
        compile_it()


class Module:
    """The kernels of one file on one device; made by `load_module`."""

    def __init__(self, device: CudaDevice, image: bytes, name: str) -> None:
        self.device = device
        self.name = name
        self._kernels: list[Kernel] = []
        with device.pushed():
            try:
                self._module: Any = device.driver.module_from_buffer(image)
            except device.driver.Error as err:
                raise translated(err, f'loading the kernels {name!r}') from err

    def get_function(self, name: str, signature: str) -> Kernel:
        """The kernel with this `extern "C"` name.

        Parameters
        ----------
        name : str
        signature : str
            One letter per argument, as in Python's struct: 'P' address, 'i' int, 'I' unsigned,
            'q' long long, 'f' float, 'd' double.

        Raises
        ------
        CudaError
            When there is no kernel with this name, or the module is closed.
        """
        if self._module is None:
            raise CudaError(f'the kernels {self.name!r} were closed')
        with self.device.pushed():
            try:
                function = self._module.get_function(name)
            except self.device.driver.Error as err:
                raise translated(err, f'finding the kernel {name!r} in {self.name!r}') from err
        kernel = Kernel(self, function, name, signature)
        self._kernels.append(kernel)
        return kernel

    def close(self) -> None:
        """Unload it, from any thread; may be called twice. No kernel of it may be running."""
        if self._module is None:
            return
        with self.device.pushed():
            for kernel in self._kernels:
                kernel._function = None  # each of them keeps the module loaded
            self._module = None  # pycuda unloads it with its last reference


class Kernel:
    """One kernel, launched by ``kernel.launch(stream, (blocks_x,), (threads_x,), address, 3)``."""

    __slots__ = ('_function', '_module', '_pack', '_shared_bytes', 'name')

    def __init__(self, module: Module, function: Any, name: str, signature: str) -> None:
        self._module = module
        self._function = function
        self._pack = struct.Struct('@' + signature).pack  # aligned as C aligns arguments
        self._shared_bytes = _SHARED_BYTES
        self.name = name

    def launch(
        self,
        stream: Stream,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *arguments: float,
        shared_bytes: int = 0,
    ) -> None:
        """Enqueue it on a stream; the context must be current.

        Parameters
        ----------
        stream : Stream
        grid, block : tuple of int
            Blocks, and threads per block; one to three dimensions, Python ints.
        *arguments : int or float
            According to the signature; Python or NumPy numbers.
        shared_bytes : int
            Dynamic shared memory per block.
        """
        driver = self._module.device.driver
        if self._function is None:
            raise CudaError(f'the kernel {self.name!r} was launched after its module was closed')
        try:
            if shared_bytes > self._shared_bytes:
                attribute = driver.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES
                self._function.set_attribute(attribute, shared_bytes)
                self._shared_bytes = shared_bytes
            # Not pycuda's public call, which first calls deprecated functions of the driver.
            self._function._launch_kernel(
                grid, block, self._pack(*arguments), shared_bytes, stream.raw
            )
        except driver.Error as err:
            raise translated(err, f'launching the kernel {self.name!r}') from err
