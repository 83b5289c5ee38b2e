"""The board: which Jetson it is, its JetPack, its power mode, its memory."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

from jetson_perception.doctor.finding import OK, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.doctor.machine import Machine

_GROUP = 'machine'
_GIB = 1 << 20  # /proc/meminfo counts in KiB
# L4T's major release, as in /etc/nv_tegra_release, and JetPack's.
_JETPACKS = {32: '4', 34: '5', 35: '5', 36: '6', 38: '7'}


def is_jetson(machine: Machine) -> bool:
    """Whether this is a Jetson, or a container on one."""
    model = machine.text('/proc/device-tree/model')
    return 'jetson' in model.lower() or machine.exists('/etc/nv_tegra_release')


def examine_board(machine: Machine) -> Iterator[Finding]:
    """Findings about the board and its memory."""
    yield _model(machine)
    if is_jetson(machine):
        yield _jetpack(machine)
        yield _power_mode(machine)
        yield _clocks(machine)
    yield from _memory(machine)


def _model(machine: Machine) -> Finding:
    model = machine.text('/proc/device-tree/model')
    names = re.findall(r'^PRETTY_NAME="?([^"\n]+)', machine.text('/etc/os-release'), re.MULTILINE)
    system = ', '.join([*names, f'Linux on {_architecture(machine)}'])
    if is_jetson(machine):
        return Finding(_GROUP, 'board', f'{model or "Jetson of unknown model"}; {system}')
    return Finding(_GROUP, 'board', f'{model + "; " if model else ""}{system}; no Jetson')


def _architecture(machine: Machine) -> str:
    return machine.run('uname', '-m').output.strip() or platform.machine()


def _jetpack(machine: Machine) -> Finding:
    release = machine.text('/etc/nv_tegra_release')
    found = re.search(r'R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)', release)
    l4t = f'L4T {found[1]}.{found[2]}' if found else ''
    package = machine.run('dpkg-query', '-W', '-f', '${Version}', 'nvidia-jetpack').output.strip()
    major = _JETPACKS.get(int(found[1])) if found else None
    if package:
        name = f'JetPack {package.partition("+")[0]}'
    else:
        name = f'JetPack {major}, without the package nvidia-jetpack' if major else ''
    text = ', '.join(filter(None, (name, l4t)))
    if not text:
        return Finding(
            _GROUP,
            'JetPack',
            'neither /etc/nv_tegra_release nor the package nvidia-jetpack',
            WARNING,
            'in a container, start it with --runtime nvidia',
        )
    if major in ('4', '5') or package.startswith(('4.', '5.')):
        return Finding(
            _GROUP,
            'JetPack',
            text,
            WARNING,
            'its own Python is older than the 3.10 needed here, and its TensorRT module is for '
            'that Python: take JetPack 6 or 7, or a container that brings both',
        )
    return Finding(_GROUP, 'JetPack', text)


def _power_mode(machine: Machine) -> Finding:
    answer = machine.run('nvpmodel', '-q')
    found = re.search(r'NV Power Mode:\s*(\S+)(?:\s+(\d+))?', answer.output)
    modes = re.findall(
        r'<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>', machine.text('/etc/nvpmodel.conf')
    )
    if found:
        name = found[1]
    else:
        # nvpmodel needs root on some releases; its status file has the last mode that it set.
        status = re.search(r'pmode:0*(\d+)', machine.text('/var/lib/nvpmodel/status'))
        name = dict(modes).get(status[1], f'number {status[1]}') if status else ''
    if not name:
        return Finding(
            _GROUP,
            'power mode',
            f'unknown: {answer.problem or "nvpmodel -q does not say"}',
            WARNING,
            'sudo nvpmodel -q on the host',
        )
    fastest = [(number, mode) for number, mode in modes if mode.startswith('MAXN')]
    if fastest and not name.startswith('MAXN'):
        number, mode = fastest[-1]
        return Finding(
            _GROUP,
            'power mode',
            name,
            WARNING,
            f'{mode} is faster, where power supply and cooling allow: sudo nvpmodel -m {number}',
        )
    return Finding(_GROUP, 'power mode', name)


def _clocks(machine: Machine) -> Finding:
    """Whether jetson_clocks was run: it raises the lowest frequencies to the highest."""
    found, fixed = [], []
    gpu = next(
        (
            folder
            for folder in machine.glob('/sys/class/devfreq/*')
            if re.search(r'gpu|ga10b|gv11b|gp10b', folder)
        ),
        '',
    )
    cpu = '/sys/devices/system/cpu/cpu0/cpufreq'
    for name, least, most, unit in (
        ('GPU', f'{gpu}/min_freq', f'{gpu}/max_freq', 1e6),
        ('CPU', f'{cpu}/scaling_min_freq', f'{cpu}/scaling_max_freq', 1e3),
    ):
        low, high = machine.text(least), machine.text(most)
        if low.isdecimal() and high.isdecimal():
            fixed.append(low == high)
            span = f'{int(high) / unit:.0f} MHz'
            found.append(f'{name} {span if low == high else f"{int(low) / unit:.0f} to {span}"}')
    if not found:
        return Finding(_GROUP, 'clocks', 'unknown: sysfs does not say', WARNING)
    if all(fixed):
        return Finding(_GROUP, 'clocks', f'fixed: {", ".join(found)}')
    return Finding(
        _GROUP,
        'clocks',
        f'set by the load: {", ".join(found)}',
        OK,
        'for steady times, above all of small networks: sudo jetson_clocks',
    )


def _memory(machine: Machine) -> Iterator[Finding]:
    sizes = {
        name: int(size)
        for name, size in re.findall(
            r'^(\w+):\s+(\d+) kB', machine.text('/proc/meminfo'), re.MULTILINE
        )
    }
    if 'MemTotal' not in sizes:
        yield Finding(_GROUP, 'memory', 'unknown: /proc/meminfo does not say', WARNING)
        return
    total, free = sizes['MemTotal'], sizes.get('MemAvailable', sizes.get('MemFree', 0))
    text = f'{free / _GIB:.1f} of {total / _GIB:.1f} GiB available'
    if free < 1 * _GIB:
        advice = 'close other programs; on a Jetson: sudo systemctl isolate multi-user.target'
        yield Finding(_GROUP, 'memory', text, WARNING, f'too little to build an engine: {advice}')
    else:
        yield Finding(_GROUP, 'memory', text)
    yield _swap(sizes, total)


def _swap(sizes: dict[str, int], total: int) -> Finding:
    swap = sizes.get('SwapTotal', 0)
    if swap:
        return Finding(_GROUP, "swap", f'{sizes.get("SwapFree", 0) / _GIB:.1f} of '
                       f'{swap / _GIB:.1f} GiB free')  # fmt: skip
    if total < 12 * _GIB:
        return Finding(
            _GROUP,
            'swap',
            'none',
            WARNING,
            'building engines may run out of memory; 4 GiB more: sudo fallocate -l 4G /swapfile '
            '&& sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile',
        )
    return Finding(_GROUP, 'swap', 'none')
