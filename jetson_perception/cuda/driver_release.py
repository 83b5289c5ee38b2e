"""Which NVIDIA driver this machine has."""

from __future__ import annotations

import os
from pathlib import Path

_VERSION = Path('/proc/driver/nvidia/version')
_MOST_CHARACTERS = 300


def driver_release() -> str:
    """A text that is another one for another driver."""
    try:
        with _VERSION.open(encoding='utf-8', errors='replace') as file:
            return file.readline(_MOST_CHARACTERS).strip()
    except OSError:
        return os.uname().release  # on a Jetson, the driver comes with the kernel
