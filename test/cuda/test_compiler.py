"""Finding nvcc, keeping its output, reporting why it failed: with a stand-in for nvcc.

It is a shell script that writes its own arguments as the result. test_kernels_compile.py has the
real one.
"""

import hashlib
import queue
import re
import stat
import sys
import threading

import numpy as np
import pytest

from jetson_perception.cuda import CudaError, DeviceBuffer
from jetson_perception.cuda import compiler as compiler_module
from jetson_perception.cuda.compiler import (
    KERNELS,
    compile_ahead,
    compile_kernels,
    find_nvcc,
    kernel_cache,
    load_module,
)

SCRIPT = """#!/bin/sh
case "$*" in
  *--version*) echo "release {version}"; exit 0 ;;
  *--list-gpu-code*) printf 'sm_75\\nsm_87\\nsm_90\\n'; exit 0 ;;
esac
echo "$*" >> "{log}"
{body}
while [ "$1" != -o ]; do shift; done
echo "$*" > "$2"
"""


class Nvcc:
    """A made-up nvcc in its own folder."""

    def __init__(self, folder):
        self.path = folder / 'bin' / 'nvcc'
        self.log = folder / 'calls'
        self.write()

    def write(self, *, version='13.0', body=''):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(SCRIPT.format(version=version, log=self.log, body=body))
        self.path.chmod(0o755)
        compiler_module._nvcc_version.cache_clear()
        compiler_module._known_architectures.cache_clear()

    @property
    def calls(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No nvcc in any of the places."""
    monkeypatch.setenv('PATH', '/usr/bin:/bin')
    for name in ('CUDA_HOME', 'CUDA_PATH', 'CUDA_ROOT'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(compiler_module, '_TOOLKITS', (str(tmp_path / 'usr/local/cuda'),))
    monkeypatch.setattr(
        compiler_module, '_NEWEST_FIRST_PATTERNS', (str(tmp_path / 'usr/local/cuda-*'),)
    )
    monkeypatch.setattr(sys, 'path', [str(tmp_path / 'site-packages')])
    return tmp_path


@pytest.fixture
def nvcc(nowhere, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(nowhere / 'cache'))
    nvcc = Nvcc(nowhere / 'toolkit')
    monkeypatch.setenv('CUDA_HOME', str(nvcc.path.parent.parent))
    return nvcc


@pytest.fixture
def source(tmp_path):
    source = tmp_path / 'kernels' / 'my.cu'
    source.parent.mkdir()
    source.write_text('extern "C" __global__ void my() {}')
    return source


class TestFinding:
    @pytest.mark.usefixtures('nowhere')
    def test_none(self, source):
        assert find_nvcc() is None
        with pytest.raises(CudaError, match=r'there is no CUDA compiler \(nvcc\).*apt-get'):
            compile_kernels(source, 'sm_87')

    def test_on_path_first(self, nowhere, monkeypatch):
        first, second = Nvcc(nowhere / 'first'), Nvcc(nowhere / 'second')
        monkeypatch.setenv('PATH', str(first.path.parent))
        monkeypatch.setenv('CUDA_HOME', str(second.path.parent.parent))
        assert find_nvcc() == first.path

    @pytest.mark.parametrize(
        'folder',
        ['usr/local/cuda', 'usr/local/cuda-12.6', 'site-packages/nvidia/cu13'],
    )
    def test_where_packages_put_it(self, nowhere, folder):
        nvcc = Nvcc(nowhere / folder)
        assert find_nvcc() == nvcc.path

    def test_newest_of_several(self, nowhere):
        for name in ('cuda-9.2', 'cuda-12.6', 'cuda-12.10'):
            Nvcc(nowhere / 'usr/local' / name)
        assert find_nvcc() == nowhere / 'usr/local/cuda-12.10/bin/nvcc'

    def test_file_that_cannot_be_run(self, nowhere):
        Nvcc(nowhere / 'usr/local/cuda').path.chmod(0o644)
        assert find_nvcc() is None


class TestArchitectures:
    def test_known_one_gets_a_cubin(self, nvcc, source):
        compile_kernels(source, 'sm_87')
        assert '-cubin -arch=sm_87' in nvcc.calls[0]
        assert '--fmad=false' in nvcc.calls[0]

    @pytest.mark.parametrize(('asked', 'target'), [('sm_120', '90'), ('sm_89', '87')])
    def test_one_that_is_newer_than_nvcc_gets_ptx(self, nvcc, source, asked, target):
        compile_kernels(source, asked)
        assert f'-ptx -arch=compute_{target}' in nvcc.calls[0]

    def test_one_that_nvcc_no_longer_knows(self, nvcc, source):
        with pytest.raises(CudaError, match='cannot compile for sm_53, only from sm_75 on'):
            compile_kernels(source, 'sm_53')

    @pytest.mark.usefixtures('standin')
    def test_that_of_the_first_gpu(self, nvcc, source, monkeypatch):
        monkeypatch.setattr(compiler_module, 'compile_kernels', compile_kernels)
        compile_kernels(source)
        assert 'arch=sm_87' in nvcc.calls[0]


def to_link(path):
    """Put a link in a file's place."""
    path.rename(path.with_suffix('.moved'))
    path.symlink_to(path.with_suffix('.moved'))


class TestCache:
    def test_compiles_once(self, nvcc, source):
        first = compile_kernels(source, 'sm_87')
        assert compile_kernels(source, 'sm_87') == first
        assert len(nvcc.calls) == 1

    def test_everything_that_matters_makes_another(self, nvcc, source):
        header = source.with_name('my.cuh')
        header.write_text('')
        changes = [
            lambda: None,
            lambda: source.write_text('// changed'),
            lambda: header.write_text('// changed'),
            lambda: nvcc.write(version='13.1'),
        ]
        for count, change in enumerate(changes, 1):
            change()
            compile_kernels(source, 'sm_87')
            assert len(nvcc.calls) == count
        compile_kernels(source, 'sm_90')
        compile_kernels(source, 'sm_90', ['-DN=1'])
        assert len(nvcc.calls) == len(changes) + 2

    def test_is_its_users_own(self, nvcc, source):
        compile_kernels(source, 'sm_87')
        (kept,) = kernel_cache().path.iterdir()
        for path in (kept, kept.parent):
            assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)

    @pytest.mark.parametrize(
        'damage',
        [
            pytest.param(lambda path: path.write_bytes(b''), id='empty'),
            pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1]), id='cut_off'),
            pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1] + b'?'), id='byte'),
            pytest.param(lambda path: path.unlink(), id='gone'),
            pytest.param(lambda path: path.chmod(0o666), id='others_may_write'),
            pytest.param(to_link, id='link'),
        ],
    )
    def test_damage_is_compiled_again(self, nvcc, source, damage):
        first = compile_kernels(source, 'sm_87')
        (kept,) = kernel_cache().path.iterdir()
        damage(kept)
        assert compile_kernels(source, 'sm_87')[:2] == first[:2]
        assert len(nvcc.calls) == 2
        compile_kernels(source, 'sm_87')
        assert len(nvcc.calls) == 2

    def test_folder_that_others_may_write(self, nvcc, source, caplog):
        folder = kernel_cache().path
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        for _ in range(2):
            compile_kernels(source, 'sm_87')
        assert len(nvcc.calls) == 2
        assert list(folder.iterdir()) == []
        assert 'may be written by others (mode 777), and kernels are executed' in caplog.text

    def test_folder_that_others_may_exchange(self, nvcc, source, caplog):
        compile_kernels(source, 'sm_87')
        nvcc.path.parents[2].joinpath('cache').chmod(0o777)
        for _ in range(2):
            compile_kernels(source, 'sm_87')
        assert len(nvcc.calls) == 3
        assert 'any user of this machine can replace' in caplog.text

    def test_files_kept_by_users_stay_valid(self, nvcc, source, tmp_path):
        """Path and format of files that are on users' disks: they are not compiled again."""
        compile_kernels(source, 'sm_87')
        folder = tmp_path / 'cache/jetson_perception/kernels'
        (kept,) = folder.iterdir()
        assert re.fullmatch('my-[0-9a-f]{32}[.]bin', kept.name)
        image = b'as an older version kept it'
        kept.write_bytes(hashlib.sha256(image).digest() + image)
        assert compile_kernels(source, 'sm_87') == image
        assert len(nvcc.calls) == 1

    def test_folder_that_cannot_be_made(self, nvcc, source, caplog, tmp_path):
        (tmp_path / 'cache').write_text('a file')
        compile_kernels(source, 'sm_87')
        assert 'will be compiled at every start' in caplog.text

    def test_threads_that_want_the_same_compile_it_once(self, nvcc, source):
        threads = [
            threading.Thread(target=compile_kernels, args=(source, 'sm_87')) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(nvcc.calls) == 1

    def test_different_files_are_compiled_side_by_side(self, nvcc, source):
        other = source.with_name('other.cu')
        other.write_text(source.read_text())
        # Each waits until the other one has begun.
        nvcc.write(
            body=f'n=0; until [ "$(wc -l < {nvcc.log})" = 2 ]; do sleep 0.02; n=$((n + 1)); '
            '[ $n = 500 ] && exit 1; done'
        )
        errors = []

        def compile_one(path):
            try:
                compile_kernels(path, 'sm_87')
            except CudaError as error:
                errors.append(error)

        threads = [threading.Thread(target=compile_one, args=(each,)) for each in (source, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []


def test_ahead_failures_are_left_to_who_loads(standin, device, monkeypatch):
    asked = queue.SimpleQueue()

    def fail(source, architecture, *_):
        asked.put((source.stem, architecture))
        raise CudaError('nvcc was not found')

    monkeypatch.setattr(compiler_module, 'compile_kernels', fail)
    compile_ahead(device, ['preprocess', 'yolo'])
    found = {asked.get(timeout=30.0) for _ in range(2)}
    assert found == {('preprocess', 'sm_87'), ('yolo', 'sm_87')}
    with pytest.raises(CudaError, match='nvcc was not found'):
        load_module(device, 'yolo')


class TestFailures:
    def test_text_of_nvcc(self, nvcc, source):
        nvcc.write(body='echo "my.cu(1): error: expected a ;" >&2; exit 2')
        with pytest.raises(CudaError, match=r'could not compile my\.cu: .*expected a ;'):
            compile_kernels(source, 'sm_87')

    def test_silent_failure(self, nvcc, source):
        nvcc.write(body='exit 3')
        with pytest.raises(CudaError, match='it ended with 3'):
            compile_kernels(source, 'sm_87')

    def test_no_result(self, nvcc, source):
        nvcc.write(body='exit 0')
        with pytest.raises(CudaError, match='left no result'):
            compile_kernels(source, 'sm_87')

    def test_host_compiler_that_is_newer_than_nvcc(self, nvcc, source):
        nvcc.write(
            body='case "$*" in *allow-unsupported*) ;; '
            '*) echo "#error -- unsupported GNU version!" >&2; exit 1 ;; esac'
        )
        assert compile_kernels(source, 'sm_87')

    def test_no_source(self, nvcc, tmp_path):
        with pytest.raises(CudaError, match=r'kernel file .*none\.cu cannot be read'):
            compile_kernels(tmp_path / 'none.cu', 'sm_87')


class TestModules:
    def test_an_unknown_name_is_refused_with_the_known_ones(self, device):
        with pytest.raises(CudaError, match=r"no kernels 'none'; it has: .*preprocess"):
            load_module(device, 'none')

    def test_launch(self, standin, device):
        def scale(grid, block, address, count, factor):
            seen.append((grid, block))
            standin.view(address, (count,), np.float32)[:] *= factor

        seen = []
        standin.register('scale', 'Pif', scale)
        module = load_module(device, 'preprocess')
        stream, memory = device.new_stream(), DeviceBuffer(device, (4,), np.float32)
        kernel = module.get_function('scale', 'Pif')
        standin.view(memory.address, (4,), np.float32)[:] = 3
        with device.pushed():
            kernel.launch(stream, (2, 1), (128,), memory.address, np.int32(4), np.float32(0.5))
            stream.synchronize()
        assert standin.view(memory.address, (4,), np.float32).tolist() == [1.5] * 4
        assert seen == [((2, 1), (128,))]
        for each in (memory, stream, module):
            each.close()
        module.close()
        with pytest.raises(CudaError, match="'preprocess' were closed"):
            module.get_function('scale', 'Pif')
        with pytest.raises(CudaError, match="'scale' was launched after its module was closed"):
            kernel.launch(stream, (1,), (1,), 0, 0, 0.0)

    def test_more_shared_memory_than_blocks_get_unasked(self, standin, device):
        standin.register('sort', 'i', lambda grid, block, count: None)
        module, stream = load_module(device, 'preprocess'), device.new_stream()
        kernel = module.get_function('sort', 'i')
        with device.pushed():
            for shared_bytes in (0, 48 << 10, 96 << 10, 64 << 10):
                kernel.launch(stream, (1,), (1,), 0, shared_bytes=shared_bytes)
            stream.synchronize()
        assert standin.launches == ['sort'] * 4
        stream.close()
        module.close()

    def test_unknown_kernel(self, device):
        module = load_module(device, 'preprocess')
        with pytest.raises(CudaError, match="finding the kernel 'none' in 'preprocess' failed"):
            module.get_function('none', '')
        module.close()

    @pytest.mark.parametrize(
        ('grid', 'block'), [((0,), (1,)), ((1,), (2048,)), ((1,), (32, 64)), ((1,), (0,))]
    )
    def test_impossible_launch(self, standin, device, grid, block):
        standin.register('any', '', lambda grid, block: None)
        module, stream = load_module(device, 'preprocess'), device.new_stream()
        kernel = module.get_function('any', '')
        with device.pushed(), pytest.raises(CudaError, match=r"kernel 'any' failed: .*invalid"):
            kernel.launch(stream, grid, block)
        stream.close()
        module.close()


def test_kernels_are_where_the_package_is():
    assert {'preprocess.cu', 'segmentation.cu'} <= {path.name for path in KERNELS.iterdir()}
