"""The version of a checkout: it is in several files, which have to say the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

VERSION = re.compile(r'(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)')
#: Files with a version, and the expression whose first group is it; the first file is the one that
#: all others follow.
PLACES = (
    ('package.xml', r'<version>(.*?)</version>'),
    ('scenes/pyproject.toml', r'(?m)^version = "(.*?)"'),
    ('examples/*/package.xml', r'<version>(.*?)</version>'),
    ('examples/*/setup.py', r"version='(.*?)'"),
)
CHANGELOG, FORTHCOMING = 'CHANGELOG.rst', 'Forthcoming'
#: Of addresses that reach nobody.
_PLACEHOLDER = '@example.'


def version_of(root: Path) -> str:
    """The version in package.xml; '' if it has none."""
    name, expression = PLACES[0]
    found = re.search(expression, (root / name).read_text('utf-8'))
    return found[1] if found else ''


def set_version(root: Path, version: str, day: date) -> list[str]:
    """Write a version everywhere, and give it what the changelog says under Forthcoming.

    Returns
    -------
    list of str
        The files that were changed, relative to the checkout.

    Raises
    ------
    SystemExit
        When the version is none, or the changelog has nothing under Forthcoming.
    """
    if not VERSION.fullmatch(version):
        raise SystemExit(f'{version!r} is no version; expected three numbers, such as 1.2.0')
    changed = []
    for path, expression in _places(root):
        text = path.read_text('utf-8')
        found = re.search(expression, text)
        if found is None:
            raise SystemExit(f'{path} has no version; expected {expression}')
        path.write_text(text[: found.start(1)] + version + text[found.end(1) :], 'utf-8')
        changed.append(str(path.relative_to(root)))
    path = root / CHANGELOG
    text = path.read_text('utf-8')
    heading = f'{FORTHCOMING}\n{"-" * len(FORTHCOMING)}\n'
    if heading + '*' not in text:
        raise SystemExit(f'{path} has nothing under {FORTHCOMING}; there is nothing to release')
    title = f'{version} ({day.isoformat()})'
    path.write_text(text.replace(heading, f'{title}\n{"-" * len(title)}\n', 1), 'utf-8')
    return [*changed, CHANGELOG]


def version_problems(root: Path, version: str) -> list[str]:
    """Why a checkout cannot be released as a version."""
    problems = []
    if not VERSION.fullmatch(version):
        problems.append(f'{version!r} is no version; expected three numbers, such as 1.2.0')
    for path, expression in _places(root):
        found = re.search(expression, path.read_text('utf-8'))
        said = found[1] if found else 'none'
        if said != version:
            name = path.relative_to(root)
            problems.append(f'{name} has version {said}; expected {version}')
    changelog = (root / CHANGELOG).read_text('utf-8')
    if not re.search(rf'(?m)^{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n-+\n\* ', changelog):
        problems.append(
            f'{CHANGELOG} has no section "{version} (YYYY-MM-DD)"; see tools/set_version.py'
        )
    if re.search(rf'(?m)^{FORTHCOMING}\n-+\n\* ', changelog):
        problems.append(f'{CHANGELOG} still has entries under {FORTHCOMING}')
    return problems


def contact_problems(root: Path) -> list[str]:
    """Files whose maintainer or author nobody can reach."""
    names = ('package.xml', 'pyproject.toml', 'scenes/pyproject.toml')
    return [
        f'{name} has the address of nobody (…{_PLACEHOLDER}…); expected whom users can write to'
        for name in names
        if _PLACEHOLDER in (root / name).read_text('utf-8')
    ]


def _places(root: Path) -> list[tuple[Path, str]]:
    return [
        (path, expression) for pattern, expression in PLACES for path in sorted(root.glob(pattern))
    ]
