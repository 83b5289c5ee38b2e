"""How much memory this process and the GPU use."""

from __future__ import annotations

from pathlib import Path


def resident_mb() -> float:
    """Resident memory of this process, MB of 10⁶ bytes; 0 where the system does not tell."""
    try:
        text = Path('/proc/self/status').read_text(encoding='ascii', errors='replace')
    except OSError:
        return 0.0
    for line in text.splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def device_used_mb(index: int = 0) -> float:
    """Memory in use on a GPU by all its processes, MB of 10⁶ bytes.

    Raises
    ------
    CudaError
        When there is no such GPU.
    """
    from jetson_perception.cuda.device import CudaDevice

    device = CudaDevice.get(index)
    try:
        free, total = device.memory_info()
    finally:
        device.close()
    return (total - free) / 1e6
