"""What layers alone do not hold: how long classes are, and that tools import what there is."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = 'jetson_perception'
ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 250

# Classes that were longer already. None of them is to grow.
LONGER = {
    'ManagedNode': 295,  # rclpy's lifecycle, whose transitions each need a method
}

TOOLS = [
    path
    for folder in ('tools', 'scenes/training')
    for path in sorted((ROOT / folder).rglob('*.py'))
]


class Class(NamedTuple):
    """A class of the package: its length, and the names of what it inherits from."""

    module: str
    name: str
    lines: int
    bases: tuple[str, ...]


@functools.cache
def classes() -> list[Class]:
    found = []
    package = ROOT / PACKAGE
    for path in sorted(package.rglob('*.py')):
        module = '.'.join([PACKAGE, *path.relative_to(package).with_suffix('').parts])
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases = tuple(ast.unparse(each).partition('[')[0] for each in node.bases)
                length = (node.end_lineno or 0) - node.lineno + 1
                found.append(Class(module, node.name, length, bases))
    return found


def with_inherited(name: str, apart: tuple[str, ...] = ()) -> int:
    """Lines of a class and of all classes of ours that it inherits from."""
    ours = {each.name: each for each in classes()}
    lines, left, seen = 0, [name], set(apart)
    while left:
        each = ours.get(left.pop().rpartition('.')[2])
        if each is not None and each.name not in seen:
            seen.add(each.name)
            lines += each.lines
            left += each.bases
    return lines


def test_no_class_is_too_long():
    assert len(classes()) > 200
    long = {c.name: c.lines for c in classes() if c.lines > LONGER.get(c.name, MOST_LINES)}
    assert not long


def test_no_named_tuple_is_generic():
    """Python 3.10, which Humble and JetPack 6 have, refuses to make such a class."""
    named_tuples = [each for each in classes() if 'NamedTuple' in each.bases]
    assert len(named_tuples) > 10
    assert not [each.name for each in named_tuples if len(each.bases) > 1]


@pytest.mark.parametrize(
    'name', ['EngineCache', 'OnnxRuntimeCudaEngine', 'PerceptionNode', 'TensorRTEngine']
)
def test_those_that_much_is_added_to_are_short_with_what_they_inherit(name):
    assert 0 < with_inherited(name, ('ManagedNode',)) <= MOST_LINES


def imports(path: Path) -> list[tuple[int, str, str]]:
    """What a file imports of ours, late imports too: line, module, name; '' for the module."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, '') for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [(node.lineno, node.module or '', alias.name) for alias in node.names]
    return [each for each in found if each[1].partition('.')[0].startswith(PACKAGE)]


def problem(module: str, name: str) -> str:
    """Why an import fails; '' if it does not. A library that is not here is no fault of ours."""
    try:
        imported = importlib.import_module(module)
        if name and not hasattr(imported, name):
            importlib.import_module(f'{module}.{name}')
    except ModuleNotFoundError as err:
        return str(err) if (err.name or '').startswith(PACKAGE) else ''
    return ''


@pytest.mark.parametrize('path', TOOLS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tools_import_only_existing_names(path):
    wrong = [
        f'line {line}: {why}'
        for line, module, name in imports(path)
        if (why := problem(module, name))
    ]
    assert not wrong
