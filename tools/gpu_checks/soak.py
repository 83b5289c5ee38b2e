"""Minutes at full rate: memory stays flat, nothing fails, SIGINT ends it cleanly."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from gpu_checks.checks import say

if TYPE_CHECKING:
    from gpu_checks.checks import Checks, Options

#: Growth that still counts as flat, from the second tenth of the time to the last, MB.
_HOST_GROWTH_MB = 8.0
_DEVICE_GROWTH_MB = 4.0
_START_S = 90.0
_SILENCE_S = 15.0
_END_S = 30.0
#: What Python, pycuda and the C++ runtime print when things are released in the wrong order.
_TROUBLE = ('Traceback', 'PyCUDA', 'pycuda', 'CUDA error', 'terminate called', 'Fatal Python')


def run(options: Options, checks: Checks) -> None:
    """Run `jetson_perception.benchmark.soak` in its own process."""
    width, height = options.sizes[-1]
    command = [sys.executable, '-m', 'jetson_perception.benchmark.soak', *options.models]
    command += ['--runtime', options.runtime, '--size', f'{width}x{height}']
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        lines: queue.Queue[str | None] = queue.Queue()
        errors: list[str] = []
        threads = [
            threading.Thread(target=_read, args=(process.stdout, lines.put), daemon=True),
            threading.Thread(target=_read, args=(process.stderr, errors.append), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            samples = _watch(lines, options.soak_seconds)
            say('SIGINT')
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        finally:
            ended = process.poll() is not None
            if not ended:
                process.kill()
            process.wait()
            for thread in threads:
                thread.join(5)
    rest = []
    while not lines.empty():
        rest.append(lines.get())
    last = _parse([each for each in rest if each])
    said = ''.join(each for each in errors if each).strip()
    if said:
        print(said[-4000:], flush=True)
    checks.record('samples', samples[:: max(1, len(samples) // 200)])
    judge(checks, samples, last)
    checks.holds(f'ended within {_END_S:.0f} s of SIGINT', ended)
    checks.holds('exit code 0', process.returncode == 0, str(process.returncode))
    checks.holds('closed cleanly', bool(last and last[-1].get('closed')))
    trouble = [line for line in said.splitlines() if any(word in line for word in _TROUBLE)]
    checks.holds(
        'no traceback or CUDA warning at the end', not trouble, trouble[0] if trouble else 'yes'
    )


def _read(stream: Any, put: Any) -> None:
    for line in stream:
        put(line)
    put(None)


def _watch(lines: queue.Queue[str | None], seconds: float) -> list[dict[str, Any]]:
    """The figures of every second, until the time is over or no more come."""
    samples: list[dict[str, Any]] = []
    begun = told = time.monotonic()
    while not samples or time.monotonic() - begun < seconds:
        try:
            line = lines.get(timeout=_SILENCE_S if samples else _START_S)
        except queue.Empty:
            say('no more lines came')
            break
        if line is None:
            say('the process ended by itself')
            lines.put(None)
            break
        if not samples:
            begun = told = time.monotonic()
        samples += _parse([line])
        if samples and (len(samples) == 1 or time.monotonic() - told >= 15):
            told = time.monotonic()
            say(line.strip())
    return samples


def _parse(lines: list[str]) -> list[dict[str, Any]]:
    parsed = []
    for line in lines:
        try:
            parsed.append(json.loads(line))
        except ValueError:
            print(line, end='', flush=True)
    return parsed


def judge(checks: Checks, samples: list[dict[str, Any]], last: list[dict[str, Any]]) -> None:
    """Check memory, frame rates and the end of a soak from its samples."""
    checks.holds('figures came every second', len(samples) >= 2, f'{len(samples)} of them')
    if len(samples) < 2:
        return
    span = samples[-1]['seconds'] - samples[0]['seconds']
    frames = samples[-1]['frames'] - samples[0]['frames']
    checks.note('seconds', span)
    checks.note('frames', frames)
    checks.note('frames per second', frames / span if span else 0.0)
    failed = [*samples, *last][-1]['failed']
    checks.holds('no frame failed or skipped', failed == 0, str(failed))
    tenth = max(1, len(samples) // 10)
    for key, name, bar in (
        ('host_mb', 'host memory, growth in MB', _HOST_GROWTH_MB),
        ('device_mb', 'GPU memory, growth in MB', _DEVICE_GROWTH_MB),
    ):
        if key not in samples[0]:
            continue
        values = [sample[key] for sample in samples]
        early = float(np.median(values[tenth : 2 * tenth] or values[:1]))
        late = float(np.median(values[-tenth:]))
        checks.note(f'{name.split(",")[0]} at the end, MB', late)
        checks.at_most(name, late - early, bar)
