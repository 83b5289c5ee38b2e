"""How much memory this process and the GPU use."""

from __future__ import annotations

import ctypes
from pathlib import Path

_PR_SET_THP_DISABLE = 41  # of linux/prctl.h


def resident_mb() -> float:
    """Resident memory of this process, MB of 10⁶ bytes; 0 if the system does not say."""
    try:
        text = Path('/proc/self/status').read_text(encoding='ascii', errors='replace')
    except OSError:
        return 0.0
    for line in text.splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def keep_to_small_pages() -> bool:
    """Keep the kernel from giving this process huge pages, if possible.

    Otherwise it merges pages into huge ones of 2 MiB and fills in what the process never touched.
    Resident memory then grows every ten seconds (khugepaged's scan_sleep_millisecs), even if the
    process uses no more.

    Returns
    -------
    bool
        Whether the kernel agreed.
    """
    try:
        return ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):  # not Linux
        return False


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
