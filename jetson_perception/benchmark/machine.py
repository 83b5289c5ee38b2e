"""Describes the machine that figures were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from jetson_perception.engines.onnxruntime.cpu import available_cores
from jetson_perception.printable import counted

#: A load, for each core, from which on a machine is not quiet.
_BUSY = 0.5


def load() -> float:
    """Processes that want a core, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


def load_note(before: float, when: str) -> str:
    """What to say of figures that were measured on a busy machine; '' of a quiet one.

    Parameters
    ----------
    before : float
        The load before anything was measured.
    when : str
        Before what: 'anything was sent'.
    """
    if before <= _BUSY * available_cores():
        return ''
    return (
        f'other programs ran on this machine: a load of {before:.1f} on '
        f'{counted(available_cores(), "core")} before {when}'
    )


def describe_machine(*, gpu: bool, index: int = 0) -> dict[str, Any]:
    """Processor, cores, versions and, if used, the GPU; for a JSON file of figures."""
    described: dict[str, Any] = {
        'system': f'{platform.system()} {platform.machine()}',
        'processor': _processor(),
        'cores': available_cores(),
        'python': platform.python_version(),
        'numpy': np.__version__,
        'opencv': cv2.__version__,
        'ros': os.environ.get('ROS_DISTRO', ''),
    }
    try:
        import onnxruntime
    except ImportError:
        pass
    else:
        described['onnxruntime'] = onnxruntime.__version__
    if gpu:
        described |= _gpu(index)
    return described


def one_line(machine: dict[str, Any]) -> str:
    """The same for people."""
    parts = [
        machine.get('gpu'),
        f'{machine["processor"]}, {counted(machine["cores"], "core")}',
        f'Python {machine["python"]}',
        f'ONNX Runtime {machine["onnxruntime"]}' if 'onnxruntime' in machine else None,
    ]
    return ' · '.join(part for part in parts if part)


def _processor() -> str:
    model = Path('/proc/device-tree/model')  # a Jetson and other boards
    if model.is_file():
        return model.read_text(encoding='utf-8', errors='replace').strip('\0 \n')
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace')
    except OSError:
        text = ''
    for line in text.splitlines():
        if line.startswith('model name'):
            return line.partition(':')[2].strip()
    return platform.processor() or 'unknown processor'


def _gpu(index: int) -> dict[str, Any]:
    from jetson_perception.cuda.device import CudaDevice

    device = CudaDevice.get(index)
    try:
        driver = device.driver
        return {
            'gpu': device.name,
            'compute_capability': '.'.join(map(str, device.compute_capability)),
            'gpu_memory_mb': round(device.total_memory / 1e6),
            'cuda_driver': driver.get_driver_version(),
        }
    finally:
        device.close()
