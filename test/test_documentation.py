"""What the hand-written pages name is there: files, modules, pages, and their anchors."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / 'jetson_perception'
PAGES = sorted(
    [*ROOT.glob('docs/*.md'), ROOT / 'README.md', ROOT / 'CONTRIBUTING.md'],
    key=lambda path: path.name,
)
STRUCTURE = [ROOT / 'docs' / 'architecture.md', ROOT / 'CONTRIBUTING.md']
GUIDES = ('Add a task', 'Add a runtime', 'Add a source', 'Add a tracker')


def anchor(heading):
    """As GitHub makes it of a heading."""
    kept = ''.join(c for c in heading.lower() if c.isalnum() or c in ' -_')
    return kept.replace(' ', '-')


def anchors(page):
    return {anchor(each) for each in re.findall(r'^#+ (.*)$', page.read_text(), re.MULTILINE)}


def named_files(page):
    """Paths of files of this repository; a pattern, or a file of the user's, is none."""
    found = re.findall(r'[\w./<>*-]+\.(?:py|cu|yaml|md|rst)\b', page.read_text())
    return [each for each in found if not re.search(r'[<>*]|^/|^my[.\w-]*$', each)]


def in_repository(path, page):
    return any((folder / path).exists() for folder in (ROOT, PACKAGE, page.parent))


@pytest.mark.parametrize('page', STRUCTURE, ids=lambda page: page.name)
def test_files_named_on_a_page_exist(page):
    files = named_files(page)
    assert len(files) > 5
    assert [each for each in files if not in_repository(each, page)] == []


@pytest.mark.parametrize('page', STRUCTURE, ids=lambda page: page.name)
def test_modules_that_a_page_names_can_be_imported(page):
    rooms = {path.stem for path in PACKAGE.iterdir()}
    names = re.findall(r'`([a-z_]+(?:\.\w+)+)(?:\([^`]*\))?`', page.read_text())
    lacking = [
        name for name in names if name.partition('.')[0] in rooms and not can_be_found(name)
    ]
    assert lacking == []


def can_be_found(name):
    """Whether a dotted name below the package is a module, or something in one."""
    if re.search(r'\.(?:py|yaml|md|launch|param)$', name):
        return True  # a file, which the test above looks for
    module, *rest = name.split('.')
    found = import_module(f'jetson_perception.{module}')
    for part in rest:
        if not hasattr(found, part):
            inner = f'{found.__name__}.{part}'
            if find_spec(inner) is None:
                return False
            if part == rest[-1]:  # not imported: it may need what is not installed here
                return True
            found = import_module(inner)
        else:
            found = getattr(found, part)
    return True


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    broken = []
    for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if re.match(r'[a-z]+:', link):
            continue
        path, _, fragment = link.partition('#')
        target = page.parent / path if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize('title', GUIDES)
def test_a_guide_is_a_page_of_at_most_forty_lines(title):
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    (section,) = re.findall(rf'^## {title}$(.*?)(?=^## |\Z)', text, re.MULTILINE | re.DOTALL)
    assert 5 < len(section.strip().splitlines()) <= 40


def named_tests(page):
    """Tests with their files: `test/a.py::test_b`, and in its line `test_c` of the same file."""
    for line in page.read_text().splitlines():
        file = ''
        for found, name in re.findall(r'`(?:(test/[\w/]+\.py)::)?((?:test_|Test)\w+)`', line):
            file = found or file
            if file:
                yield file, name


def test_tests_that_a_page_names_exist():
    lacking, count = [], 0
    for page in PAGES:
        for file, name in named_tests(page):
            count += 1
            path = ROOT / file
            if not path.exists() or not re.search(rf'(def|class) {name}\b', path.read_text()):
                lacking.append(f'{page.name}: {file}::{name}')
    assert lacking == []
    assert count > 20
