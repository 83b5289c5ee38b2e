"""Counts in texts: '1 picture', '2 pictures', never '1 pictures'."""

import ast
import re
from pathlib import Path

import pytest

from jetson_perception.printable import counted

ROOT = Path(__file__).resolve().parents[1]
#: What the package counts, right after a number.
PLURAL = re.compile(
    r' (?:other |mask |keypoint )?(?:frames|images|pictures|files|videos|results|objects|boxes|'
    r'detections|classes|keypoints|coefficients|values(?! an anchor| per anchor)|'
    r'entries|rows|layers|nodes|engines|'
    r'models|sizes|levels|bins|warnings|cores|publishers|subscribers)\b'
)
#: Values that are never 1, by how they are written.
LIMITS = re.compile(r'_?[A-Z_]+|.*limits\.\w+|self\._enough|.*join\(.*|len\(known\)|rows|_show.*')


@pytest.mark.parametrize(
    ('count', 'noun', 'text'),
    [
        (0, 'picture', '0 pictures'),
        (1, 'picture', '1 picture'),
        (2, 'picture', '2 pictures'),
        (1, 'class', '1 class'),
        (3, 'class', '3 classes'),
        (2, 'channel of 8 bits', '2 channels of 8 bits'),
        (1200, 'image', '1200 images'),
        (2, 'box', '2 boxes'),
    ],
)
def test_a_count_and_its_noun(count, noun, text):
    assert counted(count, noun) == text


def counts_with_a_plural(source):
    """Line and text of each f-string that puts a plural right behind a value which may be 1."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                continue
            name = ast.unparse(value.value)
            is_count = value.format_spec is None and not LIMITS.fullmatch(name)
            if is_count and PLURAL.match(text.value):
                yield value.lineno, f'{{{name}}}{text.value}'


def test_no_text_has_a_count_with_a_plural_of_its_own():
    found = [
        f'{path.relative_to(ROOT)}:{line}: {text}'
        for path in sorted((ROOT / 'jetson_perception').rglob('*.py'))
        for line, text in counts_with_a_plural(path.read_text('utf-8'))
    ]
    assert found == []


def test_the_search_finds_what_it_is_for():
    (found,) = counts_with_a_plural("f'none of the {len(names)} pictures can be read'")
    assert found == (1, '{len(names)} pictures can be read')


def test_neither_has_the_live_view():
    """Its scripts choose the noun by the number."""
    found = [
        f'{path.name}: {text}'
        for path in sorted((ROOT / 'jetson_perception/view/page').glob('*.js'))
        for text in re.findall(r'\$\{\w+\} (?:pictures|results|frames)\b', path.read_text('utf-8'))
    ]
    assert found == []
