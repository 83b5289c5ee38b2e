"""What runs networks: the GPU's driver and toolkit, TensorRT, pycuda, ONNX Runtime."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jetson_perception.doctor.board import is_jetson
from jetson_perception.doctor.finding import MISSING, OK, WARNING, Finding
from jetson_perception.installing import pip_install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.doctor.machine import Machine

_GROUP = 'runtimes'
_NO_GPU = 'needs an NVIDIA GPU'
#: What we run on of ONNX Runtime; a build may have others, such as those for a cloud.
_PROVIDERS = ('CUDA', 'CPU')


def examine_runtimes(machine: Machine) -> Iterator[Finding]:
    """Findings about all that networks run on."""
    jetson = is_jetson(machine)
    driver = machine.probe('cuda')
    has_gpu = bool(driver.get('devices'))
    yield _driver(driver, jetson)
    yield _toolkit(machine, has_gpu)
    yield _tensorrt(machine, has_gpu, jetson)
    if not jetson:
        yield _tensorrt_rtx(machine)
    yield _pycuda(machine, has_gpu, has_driver=driver.get('installed') is not False)
    yield _onnxruntime(machine, has_gpu, jetson)


def _driver(driver: dict[str, Any], jetson: bool) -> Finding:
    name = 'GPU and driver'
    devices = driver.get('devices')
    if devices:
        told = [
            f'{device["name"]}, compute capability {device["capability"]}, '
            f'{device["memory_bytes"] / (1 << 30):.1f} GiB'
            + (' shared with the CPU' if device.get('integrated') else '')
            for device in devices
        ]
        return Finding(_GROUP, name, f'{"; ".join(told)}; driver for CUDA {driver["driver"]}')
    reason = driver.get('error') or 'the driver is there, but no GPU'
    if jetson:
        advice = (
            'as a user of the group video (sudo usermod -aG video "$USER", then log in again); '
            'in a container: --runtime nvidia'
        )
        return Finding(_GROUP, name, reason, MISSING, advice)
    if driver.get('installed') is False:
        advice = 'networks run on the CPU; TensorRT and CUDA need an NVIDIA GPU'
        return Finding(_GROUP, name, 'no NVIDIA driver', MISSING, advice)
    return Finding(
        _GROUP, name, reason, MISSING, 'nvidia-smi tells more; in a container: --gpus all'
    )


def _toolkit(machine: Machine, has_gpu: bool) -> Finding:
    name = 'CUDA toolkit'
    on_path = machine.find_program('nvcc')
    installed = machine.glob('/usr/local/cuda*/bin/nvcc')
    # The link /usr/local/cuda comes first; versions beside it come later.
    nvcc = on_path or (installed[0] if installed else '')
    if not nvcc:
        advice = 'only to build pycuda from source: sudo apt-get install cuda-toolkit'
        return Finding(_GROUP, name, 'no nvcc', MISSING, advice if has_gpu else _NO_GPU)
    answer = machine.run(nvcc, '--version')
    version = re.search(r'release [\d.]+, V([\d.]+)', answer.output)
    text = f'{version[1] if version else answer.problem or "version unknown"}, {nvcc}'
    if not on_path:
        folder = nvcc.rpartition('/')[0]
        advice = f'where pycuda is built: export PATH={folder}:$PATH'
        return Finding(_GROUP, name, f'{text}, not on PATH', WARNING, advice)
    return Finding(_GROUP, name, text, OK if version else WARNING)


def _tensorrt(machine: Machine, has_gpu: bool, jetson: bool) -> Finding:
    name = 'TensorRT'
    found = machine.probe('module', 'tensorrt')
    version = found.get('version', '')
    if version:
        numbers = tuple(map(int, re.findall(r'\d+', version)[:2]))
        if numbers < (8, 5):
            return Finding(_GROUP, name, version, WARNING, '8.5 or later is needed')
        return Finding(_GROUP, name, f'{version}, {found.get("file", "")}'.rstrip(', '))
    packages = _packages(machine, 'libnvinfer[0-9]*', 'python3-libnvinfer', 'libnvinfer-bin')
    libraries = next(
        (v for p, v in packages.items() if re.fullmatch(r'libnvinfer\d*', p)), ''
    ).partition('-')[0]
    if found.get('error'):
        text = f'installed, but: {found["error"]}'
        return Finding(
            _GROUP, name, text, MISSING, 'its libraries and its module have to be of one version'
        )
    if 'python3-libnvinfer' in packages:
        return Finding(
            _GROUP,
            name,
            f'libraries {libraries}; the module is there, but not for this Python',
            MISSING,
            'it belongs to /usr/bin/python3: make the virtual environment with '
            'python3 -m venv --system-site-packages',
        )
    if libraries:
        advice = 'sudo apt-get install python3-libnvinfer'
        return Finding(_GROUP, name, f'libraries {libraries}, no Python module', MISSING, advice)
    if jetson:
        advice = 'sudo apt-get install nvidia-jetpack; in a container: an image that has TensorRT'
    else:
        advice = "pip install tensorrt, or NVIDIA's packages" if has_gpu else _NO_GPU
    return Finding(_GROUP, name, 'not installed', MISSING, advice)


def _packages(machine: Machine, *patterns: str) -> dict[str, str]:
    """Installed Debian packages and their versions."""
    form = '${db:Status-Status} ${Package} ${Version}\\n'
    lines = machine.run('dpkg-query', '-W', '-f', form, *patterns).output.splitlines()
    rows = (line.split() for line in lines)
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == 'installed'}


def _tensorrt_rtx(machine: Machine) -> Finding:
    for module in ('tensorrt_rtx', 'tensorrt_rtx_bindings'):
        found = machine.probe('module', module)
        if found.get('version'):
            return Finding(_GROUP, 'TensorRT-RTX', f'{found["version"]} ({module})')
        if found.get('error'):
            text = f'installed, but: {found["error"]}'
            return Finding(_GROUP, 'TensorRT-RTX', text, WARNING, 'install it anew')
    return Finding(_GROUP, 'TensorRT-RTX', 'not installed', MISSING, 'for RTX GPUs of PCs only')


def _pycuda(machine: Machine, has_gpu: bool, *, has_driver: bool) -> Finding:
    found = machine.probe('module', 'pycuda.driver')
    if found.get('version'):
        return Finding(_GROUP, 'pycuda', found['version'])
    if found.get('error'):
        rebuild = 'it was built for another CUDA or NumPy: pip install --no-cache-dir pycuda'
        advice = rebuild if has_driver else _NO_GPU
        return Finding(_GROUP, 'pycuda', f'installed, but: {found["error"]}', MISSING, advice)
    advice = 'pip install pycuda, with nvcc on PATH' if has_gpu else _NO_GPU
    return Finding(_GROUP, 'pycuda', 'not installed', MISSING, advice)


def _onnxruntime(machine: Machine, has_gpu: bool, jetson: bool) -> Finding:
    name = 'ONNX Runtime'
    found = machine.probe('onnxruntime')
    if not found.get('providers'):
        text = f'installed, but: {found["error"]}' if found.get('error') else 'not installed'
        return Finding(_GROUP, name, text, MISSING, pip_install('onnxruntime'), needed=True)
    providers = [provider.removesuffix('ExecutionProvider') for provider in found['providers']]
    runs_on = ', '.join(one for one in providers if one in _PROVIDERS) or 'neither CPU nor CUDA'
    text = f'{found["version"]}, for {runs_on}'
    several = found.get('distributions', {})
    if len(several) > 1:
        return _several_onnxruntimes(text, several, has_gpu, jetson)
    if has_gpu and 'CUDA' not in providers:
        wheel = 'the onnxruntime-gpu built for this JetPack' if jetson else 'onnxruntime-gpu'
        return Finding(
            _GROUP,
            name,
            text,
            WARNING,
            f'this build has no CUDA: pip uninstall onnxruntime, and install {wheel}, unless '
            'TensorRT is to run everything',
        )
    return Finding(_GROUP, name, text)


def _several_onnxruntimes(
    text: str, several: dict[str, str], has_gpu: bool, jetson: bool
) -> Finding:
    """That distributions overwrote each other: all have their files in one folder."""
    names = ' and '.join(f'{name} {version}' for name, version in several.items())
    wanted = 'onnxruntime-gpu' if has_gpu else 'onnxruntime'
    install = (
        'install the onnxruntime-gpu built for this JetPack'
        if has_gpu and jetson
        else pip_install(wanted)
    )
    return Finding(
        _GROUP,
        'ONNX Runtime',
        f'{text}; {names} are both installed, in one folder, and the one installed last has '
        'overwritten the other',
        WARNING,
        f'pip uninstall {" ".join(several)}, then {install}',
    )
