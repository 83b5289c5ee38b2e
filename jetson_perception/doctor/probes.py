"""What only an import or a library call can tell; each runs in a process that may crash.

`Machine.probe` starts them. The last line that they print is one JSON object.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: They bring the folder `onnxruntime`, whatever is known of their files.
_ONNXRUNTIMES = ('onnxruntime', 'onnxruntime-gpu')


def module(name: str) -> dict[str, Any]:
    """Version and file of a module; `installed` is False when there is none of the name."""
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError as err:
        if err.name and (err.name == name or name.startswith(f'{err.name}.')):
            return {'installed': False}
        raise
    package = importlib.import_module(name.partition('.')[0])
    version = getattr(package, '__version__', None) or getattr(package, 'VERSION_TEXT', None)
    if version is None:
        with suppress(metadata.PackageNotFoundError):
            version = metadata.version(package.__name__)
    return {
        'installed': True,
        'version': str(version or ''),
        'file': str(getattr(found, '__file__', '') or ''),
    }


def python() -> dict[str, Any]:
    """The interpreter, and NumPy's version."""
    found = module('numpy')
    return {
        'version': '.'.join(map(str, sys.version_info[:3])),
        'executable': sys.executable,
        'virtual': sys.prefix != sys.base_prefix,
        'numpy': found.get('version', ''),
    }


def cuda() -> dict[str, Any]:
    """The driver's CUDA version and its GPUs, asked of libcuda itself."""
    try:
        library = ctypes.CDLL('libcuda.so.1')
    except OSError as err:
        return {'error': str(err), 'installed': False}
    code = library.cuInit(0)
    if code:
        text = ctypes.c_char_p()
        library.cuGetErrorName(code, ctypes.byref(text))
        name = text.value.decode() if text.value else 'unknown'
        return {'error': f'cuInit gives {code} ({name})', 'installed': True}
    version, count = ctypes.c_int(), ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    library.cuDeviceGetCount(ctypes.byref(count))
    return {
        'driver': f'{version.value // 1000}.{version.value % 1000 // 10}',
        'devices': [_cuda_device(library, index) for index in range(count.value)],
    }


def _cuda_device(library: ctypes.CDLL, index: int) -> dict[str, Any]:
    major, minor, integrated = 75, 76, 18  # CU_DEVICE_ATTRIBUTE_…
    device = ctypes.c_int()
    library.cuDeviceGet(ctypes.byref(device), index)
    name = ctypes.create_string_buffer(128)
    library.cuDeviceGetName(name, len(name), device)
    memory = ctypes.c_size_t()
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), device)

    def attribute(number: int) -> int:
        value = ctypes.c_int()
        library.cuDeviceGetAttribute(ctypes.byref(value), number, device)
        return value.value

    return {
        'name': name.value.decode('utf-8', 'replace'),
        'capability': f'{attribute(major)}.{attribute(minor)}',
        'memory_bytes': memory.value,
        'integrated': bool(attribute(integrated)),
    }


def onnxruntime() -> dict[str, Any]:
    """Version, the execution providers of this build, and the distributions that brought it."""
    found = module('onnxruntime')
    if found['installed']:
        runtime = importlib.import_module('onnxruntime')
        found['providers'] = list(runtime.get_available_providers())
        found['distributions'] = _distributions_of_onnxruntime()
    return found


def _distributions_of_onnxruntime() -> dict[str, str]:
    """Versions of what pip put into the folder `onnxruntime`, by names of distributions."""
    found = {}
    for distribution in metadata.distributions():
        name = str(distribution.metadata['Name'] or '').lower().replace('_', '-')
        if name == 'onnxruntime' or name.startswith(('onnxruntime-', 'ort-nightly')):
            files = distribution.files or ()
            if name in _ONNXRUNTIMES or any(each.parts[0] == 'onnxruntime' for each in files):
                found[name] = str(distribution.version)
    return dict(sorted(found.items()))


def opencv() -> dict[str, Any]:
    """Version, and whether it was built with GStreamer."""
    found = module('cv2')
    if found['installed']:
        lines = importlib.import_module('cv2').getBuildInformation().splitlines()
        found['gstreamer'] = any('GStreamer:' in line and 'YES' in line for line in lines)
    return found


def ros() -> dict[str, Any]:
    """Whether rclpy imports, its middleware, and the messages that are there."""
    found = module('rclpy')
    if not found['installed']:
        return found
    utilities = importlib.import_module('rclpy.utilities')
    found['rmw'] = utilities.get_rmw_implementation_identifier()
    found['messages'] = {}
    for name in ('sensor_msgs.msg', 'vision_msgs.msg', 'jetson_perception.msg'):
        try:
            importlib.import_module(name)
        except ImportError as err:
            found['messages'][name] = str(err)
        else:
            found['messages'][name] = ''
    return found


def cameras() -> dict[str, Any]:
    """Each /dev/video*: its name, what it gives, or why it cannot be used."""
    from jetson_perception.camera.v4l2 import check_device
    from jetson_perception.camera.v4l2_formats import describe_device
    from jetson_perception.errors import SourceError

    found = []
    for path in sorted(Path('/dev').glob('video*'), key=_by_number):
        try:
            check_device(str(path))
            found.append(describe_device(str(path)))
        except (SourceError, OSError) as err:
            found.append({'device': str(path), 'error': str(err)})
    return {'devices': found}


def _by_number(path: Path) -> tuple[int, str]:
    digits = path.name.removeprefix('video')
    return (int(digits) if digits.isdecimal() else sys.maxsize, path.name)


def models() -> dict[str, Any]:
    """Each model that the package brings, run on a picture on the CPU; the scenes' names."""
    import numpy as np

    from jetson_perception.camera.scene_kinds import scene_names
    from jetson_perception.models import open_model
    from jetson_perception.resources import model_names, model_path, share_directory

    folder = share_directory() / 'models'
    picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    found: dict[str, Any] = {}
    for name in model_names():
        try:
            with open_model(model_path(name), runtime='onnxruntime_cpu') as model:
                model(picture)
                begun = time.perf_counter()
                model(picture)
                elapsed_ms = (time.perf_counter() - begun) * 1e3
                found[name] = {'runtime': model.engine.description, 'ms': elapsed_ms}
        except Exception as err:  # noqa: BLE001 - whatever it is, it is the finding
            found[name] = {'error': f'{type(err).__name__}: {err}'}
    return {'folder': str(folder), 'models': found, 'scenes': scene_names()}


_PROBES: dict[str, Callable[..., dict[str, Any]]] = {
    probe.__name__: probe
    for probe in (module, python, cuda, onnxruntime, opencv, ros, cameras, models)
}


def main() -> None:
    """Run the probe that the command line names and print what it found."""
    name, *arguments = sys.argv[1:]
    try:
        found = _PROBES[name](*arguments)
    except Exception as err:  # noqa: BLE001 - a broken module may raise anything
        found = {'installed': True, 'error': f'{type(err).__name__}: {err}'.strip()}
    # Start a new line: an imported module may have printed half of one.
    sys.stdout.write('\n' + json.dumps(found) + '\n')
