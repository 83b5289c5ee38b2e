"""The pages of topics, messages, commands and launch arguments say what the code says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec('rclpy') is None:
    pytest.skip('the topics are those of running nodes', allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tools'))

from generate_reference import files  # noqa: E402
from reference import messages  # noqa: E402
from reference.writing import write_or_check  # noqa: E402


def test_the_pages_are_up_to_date(capsys):
    """In this process: nodes are started, and a process of its own would import it all again."""
    assert write_or_check(files(), ROOT, check=True, tool='') == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ('text', 'blocks'),
    [
        pytest.param('', [([], [])], id='empty'),
        pytest.param('# Of it all.\n\n# A.\nuint8 a\n', [([], ['Of it all.']), ('a', ['A.'])]),
        pytest.param('# Both.\nuint8 a\nuint8 b\n', [('ab', ['Both.'])], id='one_comment'),
        pytest.param('# A.\nuint8 a\n# B.\nuint8 b\n', [('a', ['A.']), ('b', ['B.'])]),
        pytest.param(
            'uint8 a  # A.\nuint8 b  # B.\n', [('a', ['A.']), ('b', ['B.'])], id='inline'
        ),
        pytest.param('# A.\n\nuint8 a\n\nuint8 b\n', [([], ['A.']), ('a', []), ('b', [])]),
        pytest.param('# <x>\n#   y\nuint8 a\n', [('a', ['&lt;x>', '  y'])], id='not_html'),
    ],
)
def test_comments_belong_to_the_fields_behind_them(text, blocks):
    found = [([name for _, name in each.fields], each.comment) for each in messages.blocks(text)]
    assert found == [(list(names), comment) for names, comment in blocks]


def test_every_message_and_field_of_the_package_is_there_and_described():
    page = (ROOT / 'docs' / 'messages.md').read_text('utf-8')
    for path in [*ROOT.glob('msg/*.msg'), *ROOT.glob('srv/*.srv')]:
        assert f'## {path.stem}\n' in page
        for block in messages.blocks(path.read_text('utf-8').replace('---\n', '\n')):
            assert block.comment, f'{path.name}: {block.fields} have no comment'
            for kind, name in block.fields:
                assert f'`{kind} {name}`' in page
