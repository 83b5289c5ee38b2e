"""Writing generated files, or comparing them with what the code says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def write_or_check(files: Mapping[Path, str], root: Path, *, check: bool, tool: str) -> int:
    """Write the files that are not up to date, or only name them. Returns the exit code.

    Parameters
    ----------
    files : mapping of Path to str
        What each file is to hold.
    root : Path
        Folder that paths are shown relative to.
    check : bool
        Write nothing; the exit code is 1 when a file is not up to date.
    tool : str
        Name of the script to run for files that are not.
    """
    stale = [
        path
        for path, text in files.items()
        if not path.exists() or path.read_text('utf-8') != text
    ]
    for path in stale:
        if check:
            print(f'{path.relative_to(root)} is not up to date; run {tool}')
        else:
            path.write_text(files[path], 'utf-8')
            print(f'wrote {path.relative_to(root)}')
    return int(check and bool(stale))


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Lines of a table in Markdown; a | in a cell is escaped."""
    header = list(header)
    lines = [_row(header), _row(['---'] * len(header))]
    return lines + [_row(cell.replace('|', r'\|') for cell in row) for row in rows]


def _row(cells: Iterable[str]) -> str:
    return '| ' + ' | '.join(cells) + ' |'
