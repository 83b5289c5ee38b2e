"""The files of the page, as they are served."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent / 'page'
_TYPES = {
    '.html': 'text/html',
    '.css': 'text/css',
    '.js': 'text/javascript',
    '.svg': 'image/svg+xml',
}


class PageFile(NamedTuple):
    """One of them: its bytes, and its type for browsers."""

    data: bytes
    content_type: str


def page_files() -> dict[str, PageFile]:
    """All of them, by name."""
    return {
        path.name: PageFile(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _TYPES
    }
