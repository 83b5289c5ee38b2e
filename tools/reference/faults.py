"""The page of faults, from test/faults.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = """# Faults

<!-- Written by tools/generate_reference.py from test/faults.yaml. -->

What fails around a node, and what it does then. Each row is injected for real by the test that it
names, below `test/`: a limit that Linux sets, a process that is killed or stopped, a file that is
cut off, a link that is down. Of a GPU and of TensorRT, which not every machine that runs the tests
has, a stand-in fails.

The log has what is said at once, and [diagnostics](diagnostics.md) within a second. What shows by
silence alone takes 3 s: no image, or a call that does not return; 9 s before the first image of a
camera that is there. Levels are those of the line that it is about.
"""


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes
    ----------
    area : str
        What fails: camera, model, …
    fault, says, goes_on, recovers : str
        What happens, what the node says of it, what it goes on doing, what brings it back.
    test : str
        Node id below test/ of the test that injects it.
    broken : tuple of str
        A file of the package, code that occurs there once, and what it is replaced by to take the
        handling out.
    """

    area: str
    fault: str
    says: str
    goes_on: str
    recovers: str
    test: str
    broken: tuple[str, ...]


def read(root: Path) -> list[Fault]:
    """All rows, in the order of the file."""
    areas = yaml.safe_load((root / 'test' / 'faults.yaml').read_text('utf-8'))
    return [
        Fault(area, **{**row, 'broken': tuple(row['broken'])})
        for area, rows in areas.items()
        for row in rows
    ]


def page(root: Path) -> str:
    """docs/faults.md."""
    faults = read(root)
    parts = [_HEAD]
    for area in dict.fromkeys(each.area for each in faults):
        rows = [each for each in faults if each.area == area]
        parts.append(f'\n## {area.capitalize()}\n\n')
        parts.append('| fault | it says | it goes on with | it recovers | test |\n')
        parts.append('| --- | --- | --- | --- | --- |\n')
        parts += [_row(each) for each in rows]
    return ''.join(parts)


def _row(each: Fault) -> str:
    file, _, name = each.test.partition('::')
    cells = (each.fault, each.says, each.goes_on, each.recovers, f'`{file}` `{name}`')
    return f'| {" | ".join(cells)} |\n'
