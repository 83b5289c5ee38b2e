"""What a node's start loads ahead: only what its command line lets expect to be needed."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jetson_perception.process import gpu_ahead

DRIVER, LIBRARIES = 'starting the GPU ahead', "loading CUDA's libraries ahead"
IN_ORDER = ('cudart.so.13', 'cublasLt.so.13', 'cublas.so.13', 'cudnn.so.9', 'cudnn_graph.so.9')


@pytest.fixture
def packages(tmp_path):
    """A folder of packages as with onnxruntime-gpu and pycuda; its libraries are empty files."""
    (tmp_path / 'pycuda').mkdir()
    capi = tmp_path / 'onnxruntime' / 'capi'
    capi.mkdir(parents=True)
    (capi / 'libonnxruntime_providers_cuda.so').touch()
    (capi / 'build_and_package_info.py').write_text("package_name = 'x'\ncuda_version = '13.0'\n")
    for folder, names in (('cu13', IN_ORDER[:3]), ('cudnn', IN_ORDER[3:])):
        (tmp_path / 'nvidia' / folder / 'lib').mkdir(parents=True)
        for name in names:
            (tmp_path / 'nvidia' / folder / 'lib' / f'lib{name}').touch()
    return tmp_path


@pytest.fixture
def begun(monkeypatch):
    """What would be done in threads, which are not started."""
    monkeypatch.setattr(gpu_ahead, '_begun', lambda what, work: what)

    def begin(path, *arguments, **environ):
        return gpu_ahead.begin(['node', '--ros-args', *arguments], environ, [str(path)])

    return begin


@pytest.mark.skipif(os.uname().machine != 'x86_64', reason='libraries are loaded on x86-64 alone')
@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ((), [DRIVER, LIBRARIES]),
        (('-p', 'det.runtime:=auto'), [DRIVER, LIBRARIES]),
        (('-p', 'det.runtime:=onnxruntime_cpu'), []),
        (('-p', 'a.runtime:=onnxruntime_cpu', '-p', 'b.runtime:=onnxruntime_cuda'), None),
        (('-p', 'det.runtime:=tensorrt'), [DRIVER]),
        (('-p', 'det.device:=1'), [LIBRARIES]),  # else a GPU would have a context for nobody
        (('-p', 'det.device:=0'), [DRIVER, LIBRARIES]),
        (('--params-file', 'no_such_file'), [DRIVER, LIBRARIES]),
        (('--params-file',), [DRIVER, LIBRARIES]),
    ],
)
def test_follows_the_command_line(packages, begun, arguments, expected):
    assert begun(packages, *arguments) == ([DRIVER, LIBRARIES] if expected is None else expected)


@pytest.mark.parametrize('text', ['runtime: onnxruntime_cpu', '{"runtime":"onnxruntime_cpu"}'])
def test_follows_files_of_parameters(packages, begun, tmp_path, text):
    file = tmp_path / 'params.yaml'
    file.write_text(f'/**:\n  ros__parameters:\n    det: {text}\n')
    assert begun(packages, '--params-file', str(file)) == []


def test_reads_no_more_than_the_beginning_of_a_file(packages, begun, tmp_path):
    os.mkfifo(tmp_path / 'pipe')  # nobody writes to it: to read would wait for ever
    assert DRIVER in begun(packages, '--params-file', str(tmp_path / 'pipe'))
    assert DRIVER in begun(packages, '--params-file', '/dev/zero')


def test_leaves_cuda_alone_where_tensorrt_comes_first(packages, begun):
    (packages / 'tensorrt').mkdir()
    assert begun(packages) == [DRIVER]
    assert DRIVER in begun(packages, '-p', 'runtime:=onnxruntime_cuda')


def test_does_nothing_where_no_engine_can_use_a_gpu(packages, begun):
    assert begun(packages, JETSON_PERCEPTION_GPU_AHEAD='0') == []
    (packages / 'pycuda').rmdir()
    assert begun(packages) == []


@pytest.mark.skipif(os.uname().machine != 'x86_64', reason='libraries are loaded on x86-64 alone')
def test_libraries_come_after_those_that_they_need(packages):
    (packages / 'nvidia' / 'cu12' / 'lib').mkdir(parents=True)
    (packages / 'nvidia' / 'cu12' / 'lib' / 'libcublas.so.12').touch()
    found = gpu_ahead.cuda_libraries([str(packages / 'nothing'), str(packages)])
    files = [each for each in found if Path(each).is_absolute()]
    assert [Path(each).name for each in files] == [f'lib{name}' for name in IN_ORDER]
    # Others may be installed for all programs, where the loader finds them.
    assert {'libcufft.so.12', 'libcudnn_ops.so.9'} <= set(found)


def test_an_onnx_runtime_without_cuda_needs_none(packages):
    (packages / 'onnxruntime' / 'capi' / 'libonnxruntime_providers_cuda.so').unlink()
    assert gpu_ahead.cuda_libraries([str(packages)]) == []


def test_loads_what_can_be_loaded_and_no_more():
    library = next(
        line.split()[-1]
        for line in Path('/proc/self/maps').read_text().splitlines()
        if 'libc.so' in line
    )
    gpu_ahead._load(['/no/such/library.so', __file__, library])
    assert ctypes.CDLL(library, mode=os.RTLD_NOLOAD)


def test_a_process_without_a_gpu_starts_and_ends_as_ever(packages):
    script = (
        'import sys; from jetson_perception.process import gpu_ahead; '
        f'print(len(gpu_ahead.begin([], {{}}, [{str(packages)!r}])))'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=False
    )
    assert (done.stdout[1:], done.stderr, done.returncode) == ('\n', '', 0)
