"""Kernels on the CPU: launches what g++ compiled of a .cu file against the emulator's header.

    kernels = emulated(KERNELS / 'yolo.cu')
    kernels.launch('decode', (blocks,), (256,), scores, np.int32(len(scores)), out)

It is not a GPU: what it says about results holds, about speed it says nothing. What it is stricter
about than a GPU stands in `cuda_emulator.hpp`.
"""

from __future__ import annotations

import ctypes
import tempfile
import threading
import weakref
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from emulator.compiling import EmulationError, compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

ORDERS = {'first_to_last': 0, 'last_to_first': 1, 'shuffled': 20261123}
"""Orders of threads and of blocks. A result that depends on it is a race."""

MAX_THREADS = 1024
MAX_BLOCKS = (2**31 - 1, 65535, 65535)
MAX_BLOCK = (1024, 1024, 64)
MAX_SHARED_BYTES = 48 << 10  # what every GPU gives without being asked for more

# threadIdx, the table of buffers and the rest are variables of the library. The garbage collector
# may free a buffer in the middle of anything.
_in_library = threading.RLock()


@cache
def emulated(source: Path, defines: tuple[str, ...] = ()) -> Emulated:
    """`Emulated`, loaded once per process."""
    return Emulated(source, defines)


class Emulated:
    """The kernels of one .cu file.

    Parameters
    ----------
    source : Path
        Headers beside it may be included.
    defines : sequence of str
        As 'NAME=1'.

    Attributes
    ----------
    kernels : tuple of str
        Names of all `extern "C"` kernels in it.

    Raises
    ------
    EmulationError
        When g++ refuses it; with its text.
    """

    def __init__(self, source: Path, defines: Sequence[str] = ()) -> None:
        with tempfile.TemporaryDirectory(prefix='cuda_emulator_') as folder:
            path = Path(folder, 'emulated.so')
            path.write_bytes(compiled(source, defines))
            self._library = ctypes.CDLL(str(path))
        self._library.emulator_kernels.restype = ctypes.c_char_p
        self.kernels = tuple(self._library.emulator_kernels().decode().split())
        self._library.emulator_error.restype = ctypes.c_char_p
        self._library.emulator_allocate.restype = ctypes.c_void_p
        self._library.emulator_allocate.argtypes = [ctypes.c_size_t]
        self._library.emulator_free.argtypes = [ctypes.c_void_p]
        self._parameters = {kernel: self._parameters_of(kernel) for kernel in self.kernels}

    def buffer(self, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> NDArray[Any]:
        """Memory for kernels that lives as long as an array of it, beginning as garbage.

        Its `ctypes.data` is an address that kernels take. Access beyond its end is an error.
        """
        dtype = np.dtype(dtype)
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        with _in_library:
            address = self._library.emulator_allocate(max(nbytes, 1))
        if not address:
            raise MemoryError(f'{nbytes} bytes')
        memory = (ctypes.c_ubyte * max(nbytes, 1)).from_address(address)
        weakref.finalize(memory, self._free, address)
        array = np.frombuffer(memory, np.uint8, nbytes)
        array[:] = 0xA5
        return array.view(dtype).reshape(shape)

    def _free(self, address: int) -> None:
        with _in_library:
            self._library.emulator_free(address)

    def launch(
        self,
        kernel: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *arguments: Any,
        shared_bytes: int = 0,
        order: str = 'first_to_last',
    ) -> None:
        """Run a kernel to its end.

        Parameters
        ----------
        kernel : str
        grid, block : tuple of int
            Blocks, and threads in a block; one to three dimensions.
        *arguments
            One per parameter, of exactly its type: NumPy scalars (np.int32(3), np.float32(0.5)),
            structures as NumPy void scalars, and for pointers arrays (C order; copied to memory
            of their exact size, and back), None, or addresses as int. Arrays must not overlap,
            but may be the same.
        shared_bytes : int
            Dynamic shared memory of a block.
        order : str
            One of `ORDERS`.

        Raises
        ------
        EmulationError
            With the block and thread that it happened in.
        """
        grid, block = _three(grid), _three(block)
        self._check(kernel, grid, block, arguments, shared_bytes)
        copies: dict[tuple[int, int], tuple[NDArray[Any], NDArray[Any]]] = {}
        values = [
            self._value(argument, parameter, copies, f'argument {i} of {kernel}')
            for i, (argument, parameter) in enumerate(
                zip(arguments, self._parameters[kernel], strict=True)
            )
        ]
        pointers = (ctypes.c_void_p * max(len(values), 1))(*(v.ctypes.data for v in values))
        with _in_library:
            failed = getattr(self._library, f"emulate_{kernel}")(
                pointers, (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block),
                ctypes.c_uint(shared_bytes), ctypes.c_uint(ORDERS[order]),
            )  # fmt: skip
            if failed:
                raise EmulationError(f'{kernel}: {self._library.emulator_error().decode()}')
        for array, copy in copies.values():
            if array.flags.writeable:
                array[...] = copy
            elif array.tobytes() != copy.tobytes():
                raise EmulationError(f'{kernel} writes to an array that is read-only')

    def _parameters_of(self, kernel: str) -> list[tuple[str, int]]:
        kinds = (ctypes.c_int * 256)()
        count = getattr(self._library, f'parameters_{kernel}')(kinds)
        return [(chr(kind >> 16), kind & 0xFFFF) for kind in kinds[:count]]

    def _check(
        self,
        kernel: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: tuple[Any, ...],
        shared_bytes: int,
    ) -> None:
        if kernel not in self.kernels:
            raise EmulationError(f'there is no kernel {kernel!r}, only {", ".join(self.kernels)}')
        if any(not 1 <= n <= most for n, most in zip(grid, MAX_BLOCKS, strict=True)):
            raise EmulationError(f'{kernel}: a grid of {grid} cannot be launched')
        too_large = any(not 1 <= n <= most for n, most in zip(block, MAX_BLOCK, strict=True))
        if too_large or np.prod(block) > MAX_THREADS:
            raise EmulationError(f'{kernel}: a block of {block} cannot be launched')
        if not 0 <= shared_bytes <= MAX_SHARED_BYTES:
            raise EmulationError(f'{kernel}: {shared_bytes} bytes of shared memory')
        if len(arguments) != len(self._parameters[kernel]):
            raise EmulationError(
                f'{kernel} takes {len(self._parameters[kernel])} arguments, not {len(arguments)}'
            )

    def _value(
        self,
        argument: Any,
        parameter: tuple[str, int],
        copies: dict[tuple[int, int], tuple[NDArray[Any], NDArray[Any]]],
        where: str,
    ) -> NDArray[Any]:
        """The argument's bytes as the kernel takes them."""
        kind, size = parameter
        if kind != 'p':
            if not isinstance(argument, np.generic):
                raise EmulationError(f'{where} is {argument!r}; give a NumPy scalar')
            given = {'b': 'u', 'V': 's'}.get(argument.dtype.kind, argument.dtype.kind)
            if (given, argument.dtype.itemsize) != parameter:
                raise EmulationError(
                    f'{where} is {argument.dtype}; the parameter is {kind!r} of {size} bytes'
                )
            return np.frombuffer(argument.tobytes() + bytes(16), np.uint8).copy()
        if argument is None or isinstance(argument, (int, np.uint64)):
            return np.array([argument or 0], np.uint64)
        if not isinstance(argument, np.ndarray) or not argument.flags.c_contiguous:
            raise EmulationError(f'{where} is {type(argument)}; give an array in C order')
        key = argument.ctypes.data, argument.nbytes
        if key not in copies:
            if any(key[0] < at + n and at < key[0] + key[1] for at, n in copies):
                raise EmulationError(f'{where} overlaps another array')
            copy = self.buffer(argument.shape, argument.dtype)
            copy[...] = argument
            copies[key] = argument, copy
        return np.array([copies[key][1].ctypes.data], np.uint64)


def _three(size: tuple[int, ...]) -> tuple[int, ...]:
    return (*size, *(1,) * (3 - len(size)))
