"""Every kernel file compiles for the GPUs that users have, and for the newest that nvcc knows."""

import re
import subprocess

import pytest
from emulator.emulate import emulated

from jetson_perception.cuda.compiler import KERNELS, compile_kernels, find_nvcc

SOURCES = sorted(KERNELS.glob('*.cu'))
# Turing, the oldest that current CUDA knows; Orin; Hopper.
ARCHITECTURES = ('sm_75', 'sm_87', 'sm_90')

pytestmark = pytest.mark.skipif(find_nvcc() is None, reason='no nvcc on this machine')


def known_architectures():
    """All that this nvcc makes code for, the oldest first."""
    nvcc = find_nvcc()
    if nvcc is None:
        return ['none']
    listed = subprocess.run([nvcc, '--list-gpu-code'], capture_output=True, text=True, check=True)
    return sorted(set(re.findall(r'sm_\d+', listed.stdout)), key=lambda name: int(name[3:]))


KNOWN = known_architectures()


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))


def test_there_are_kernels():
    assert {'preprocess', 'segmentation', 'tint', 'yolo'} <= {source.stem for source in SOURCES}


@pytest.mark.parametrize(
    'architecture',
    [
        pytest.param(each, marks=() if each == 'sm_87' else pytest.mark.slow)
        for each in sorted({*ARCHITECTURES, KNOWN[-1]})
    ],
)
@pytest.mark.parametrize('source', SOURCES, ids=lambda path: path.stem)
def test_compiles_without_a_warning(source, architecture):
    if architecture not in KNOWN:
        pytest.skip(f'this nvcc makes no code for {architecture}, only for {", ".join(KNOWN)}')
    cubin = compile_kernels(source, architecture, ('-Werror', 'all-warnings'))
    assert cubin.startswith(b'\x7fELF')
    for kernel in emulated(source).kernels:
        assert kernel.encode() in cubin
