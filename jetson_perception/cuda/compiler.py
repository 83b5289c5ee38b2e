"""Kernels from source: compiled with the machine's nvcc on first use, kept for later.

A cubin is kept by the content of what it was made from: source and headers, version of nvcc,
architecture, options. Nothing has to be thrown away by hand when one of them changes.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import CudaError  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.cuda.device import CudaDevice, Stream

KERNELS = Path(__file__).resolve().parent / 'kernels'
"""Where the package's own .cu and .cuh files are."""


def find_nvcc() -> Path | None:
    """The CUDA compiler; None when this machine has none.

    Looked for on PATH, in CUDA_HOME and CUDA_PATH, and where JetPack and NVIDIA's packages put it
    (/usr/local/cuda, /usr/local/cuda-*: the newest), since a Jetson has it there and not on PATH.
    """
    raise NotImplementedError


def compile_kernels(
    source: Path, architecture: str | None = None, options: Sequence[str] = ()
) -> bytes:
    """A compiled kernel file, from the cache or by nvcc.

    Parameters
    ----------
    source : Path
        The .cu file; headers beside it may be included.
    architecture : str, optional
        As 'sm_87', for a cubin; 'compute_87' for PTX that the driver compiles. Default: that of
        GPU 0.
    options : sequence of str
        More options of nvcc, as '-DNAME=1'.

    Raises
    ------
    CudaError
        When there is no nvcc, or it refuses; with its own text.
    """
    raise NotImplementedError


def load_module(device: CudaDevice, name: str, options: Sequence[str] = ()) -> Module:
    """A kernel file of the package, 'preprocess' for preprocess.cu, ready to launch on a device.

    Raises
    ------
    CudaError
        As `compile_kernels`, or when the driver does not take it.
    """
    raise NotImplementedError


class Module:
    """Kernels of one file on one device; from `load_module`."""

    def __init__(self, device: CudaDevice, image: bytes, name: str) -> None:
        self.device = device
        self.name = name

    def get_function(self, name: str, signature: str) -> Kernel:
        """A kernel by its `extern "C"` name.

        Parameters
        ----------
        name : str
        signature : str
            A letter an argument, as Python's struct has them: 'P' address, 'i' int, 'I' unsigned,
            'q' long long, 'f' float, 'd' double.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Unload it, from any thread; twice is harmless. None of its kernels may be running."""
        raise NotImplementedError


class Kernel:
    """One kernel, launched as ``kernel.launch(stream, (blocks_x,), (threads_x,), address, 3)``."""

    __slots__ = ('_function', '_pack', 'name')

    def __init__(self, function: Any, name: str, signature: str) -> None:
        self._function = function
        self._pack = struct.Struct('@' + signature).pack
        self.name = name

    def launch(
        self,
        stream: Stream,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *arguments: float,
        shared_bytes: int = 0,
    ) -> None:
        """Enqueue it on a stream; the context has to be current.

        Parameters
        ----------
        stream : Stream
        grid, block : tuple of int
            Blocks, and threads in a block; one to three dimensions, Python ints.
        *arguments : int or float
            As the signature says.
        shared_bytes : int
            Dynamic shared memory of a block.
        """
        raise NotImplementedError
