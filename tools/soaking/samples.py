"""What tools/soak.py measures: processes at a time, and how their memory grows."""

from __future__ import annotations

import math
import os
import re
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Parts of the time whose medians a slope is fitted to: samples of one moment resemble each other.
_PARTS = 20


@dataclass
class Sample:
    """A process at one time.

    Attributes
    ----------
    at_s : float
        Seconds since the end of the warm-up.
    own_kb, resident_kb : int
        Memory of its own, which is heaps and stacks; and all pages in memory.
    threads, handles : int
        How many it has.
    latency_ms : dict
        Median of image to result, by engine and camera.
    dropped : dict
        Images lost and frames skipped so far, by engine and camera.
    """

    at_s: float
    own_kb: int
    resident_kb: int
    threads: int
    handles: int
    latency_ms: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


def sample(pid: int, at_s: float, stats: Mapping[str, Any]) -> Sample:
    """A process now, with the newest PipelineStats of its engines by engine and camera."""
    status = Path(f'/proc/{pid}/status').read_text()
    found = dict(re.findall(r'^(RssAnon|VmRSS|Threads):\s+(\d+)', status, re.MULTILINE))
    return Sample(
        at_s,
        int(found['RssAnon']),
        int(found['VmRSS']),
        int(found['Threads']),
        len(os.listdir(f'/proc/{pid}/fd')),
        {
            name: stage.median_ms
            for name, each in stats.items()
            for stage in each.stages
            if stage.name == 'total'
        },
        {name: each.frames_lost + each.frames_skipped for name, each in stats.items()},
    )


def slope(at_s: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Growth an hour, and its standard error; by medians of parts of the time.

    A straight line through all samples would seem far more certain than it is, as memory goes up
    in steps.
    """
    size = max(len(values) // _PARTS, 1)
    parts = range(0, len(values) - size + 1, size)
    hours = [statistics.mean(at_s[part : part + size]) / 3600 for part in parts]
    medians = [statistics.median(values[part : part + size]) for part in parts]
    if len(parts) < 3:
        return math.nan, math.nan
    fitted, offset = statistics.linear_regression(hours, medians)
    residuals = [
        value - offset - fitted * hour for hour, value in zip(hours, medians, strict=True)
    ]
    spread = statistics.pvariance(hours) * len(hours)
    variance = sum(each * each for each in residuals) / (len(hours) - 2)
    return fitted, math.sqrt(variance / spread)


def imbalance(stats: Any) -> int:
    """How many received frames of a PipelineStats came to nothing that it counts."""
    settled = (
        stats.frames_processed + stats.frames_skipped + stats.frames_left_out + stats.frames_failed
    )
    return int(stats.frames_received - settled)
