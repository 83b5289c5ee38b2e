"""A stand-in GPU that runs the package's kernels: pycuda's stand-in, launching in the emulator.

What a wrapper enqueues is done for real, by the kernels' own code, on the CPU. It is not a GPU.

::

    standin = standin_pycuda.install(monkeypatch)
    register_kernels(standin, 'preprocess')
"""

import shutil
import threading

import numpy as np
import pytest
from emulator.emulate import emulated

from jetson_perception.cuda.compiler import KERNELS

# How the emulator names a parameter, and the letter of Python's struct with its NumPy type.
_LETTERS = {
    ('p', 8): ('P', int),
    ('i', 4): ('i', np.int32),
    ('u', 4): ('I', np.uint32),
    ('i', 8): ('q', np.int64),
    ('u', 8): ('Q', np.uint64),
    ('f', 4): ('f', np.float32),
    ('f', 8): ('d', np.float64),
}


_emulating = threading.Lock()  # its table of memory is of one thread at a time


def register_kernels(standin, name):
    """Let the stand-in run all kernels of one of the package's files; skips where g++ is not."""
    if shutil.which('g++') is None:
        pytest.skip('there is no g++ on this machine, which compiles kernels for the emulator')
    kernels = emulated(KERNELS / f'{name}.cu')
    for kernel in kernels.kernels:
        parameters = [_LETTERS[parameter] for parameter in kernels._parameters[kernel]]
        signature = ''.join(letter for letter, _ in parameters)
        types = [kind for _, kind in parameters]
        standin.register(kernel, signature, _Launch(standin, kernels, kernel, types))


class _Launch:
    def __init__(self, standin, kernels, name, types):
        self.standin, self.kernels, self.name, self.types = standin, kernels, name, types

    def __call__(self, grid, block, *values):
        with _emulating:
            self._launch(grid, block, *values)

    def _launch(self, grid, block, *values):
        # Each allocation is moved to where the emulator notices access beyond its end.
        moved = {}
        arguments = []
        for kind, value in zip(self.types, values, strict=True):
            if kind is not int or not value:
                arguments.append(kind(value))
                continue
            memory, offset = self.standin.find(value, 1)
            if memory.address not in moved:
                copy = self.kernels.buffer((memory.nbytes,))
                copy[:] = memory.array
                moved[memory.address] = memory, copy
            arguments.append(moved[memory.address][1].ctypes.data + offset)
        self.kernels.launch(self.name, grid, block, *arguments, order='shuffled')
        for memory, copy in moved.values():
            memory.array[:] = copy
