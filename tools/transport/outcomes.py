"""What was found in a situation, and the table of it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.kernel_buffers import NAMES, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """A line of the table.

    Attributes
    ----------
    row : str
        The number or name that `--rows` has.
    situation, bar, measured : str
        What was tried, what is asked for, what was found.
    kept : bool or None
        Whether the bar is kept; None where the situation was not run.
    record : dict
        The figures.
    """

    row: str
    situation: str
    bar: str
    measured: str
    kept: bool | None
    record: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """As a line of Markdown."""
        verdict = {True: 'kept', False: '**missed**', None: 'not run'}[self.kept]
        cells = (self.row, self.situation, self.bar, self.measured, verdict)
        return f'| {" | ".join(cells)} |'


HEAD = '| row | situation | bar | measured | |\n| --- | --- | --- | --- | --- |'


def printed(error: Exception) -> str:
    """An error in one line, for the table; all of it goes to standard error."""
    print(error, file=sys.stderr, flush=True)
    return str(error).splitlines()[0]


def machine() -> str:
    """Where this runs, in a line."""
    model = next(
        (
            line.partition(':')[2].strip()
            for line in Path('/proc/cpuinfo').read_text().splitlines()
            if line.startswith('model name')
        ),
        platform.machine(),
    )
    distribution = os.environ.get('ROS_DISTRO', 'unknown')
    return (
        f'{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python '
        f'{platform.python_version()}, ROS 2 {distribution}'
    )


def commit() -> str:
    """What is measured; with + where files differ from the commit."""
    shown = ('git', '-C', str(ROOT), 'describe', '--always', '--dirty=+', '--exclude=*')
    done = subprocess.run(shown, capture_output=True, text=True, check=False)
    return done.stdout.strip() or 'unknown'


def kernel_settings() -> str:
    """The kernel's limits now."""
    return ', '.join(f'net.core.{name} {(SETTINGS / name).read_text().strip()}' for name in NAMES)


def save(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write everything as JSON."""
    content = {
        'command': ' '.join(sys.argv),
        'machine': machine(),
        'commit': commit(),
        'outcomes': [asdict(each) for each in outcomes],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
