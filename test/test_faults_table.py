"""The table of faults names tests and places of the code that there are."""

import ast
import functools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tools'))

from reference.faults import page, read  # noqa: E402

FAULTS = read(ROOT)


@functools.cache
def names_in(file):
    """Names of the tests of a file, as in node ids."""
    found = set()
    for node in ast.parse((ROOT / 'test' / file).read_text('utf-8')).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            members = (each for each in node.body if isinstance(each, ast.FunctionDef))
            found.update(f'{node.name}::{each.name}' for each in members)
    return found


def test_there_are_60_rows_of_each_kind_some():
    assert len(FAULTS) >= 60
    areas = {each.area for each in FAULTS}
    assert areas == {'camera', 'model', 'engine', 'disk', 'memory', 'clock', 'network', 'graph'}


@pytest.mark.parametrize('fault', FAULTS, ids=lambda each: each.test)
def test_each_names_a_test(fault):
    file, _, name = fault.test.partition('::')
    assert name in names_in(file)


def test_no_test_stands_for_two_rows():
    tests = [each.test for each in FAULTS]
    assert sorted(tests) == sorted(set(tests))


@pytest.mark.parametrize('fault', FAULTS, ids=lambda each: each.test)
def test_the_place_that_is_broken_is_there_once(fault):
    name, code, replacement = fault.broken
    text = (ROOT / name).read_text('utf-8')
    assert text.count(code) == 1
    compile(text.replace(code, replacement), name, 'exec')


def test_the_page_is_up_to_date():
    written = (ROOT / 'docs' / 'faults.md').read_text('utf-8')
    assert written == page(ROOT), 'run tools/generate_reference.py'
