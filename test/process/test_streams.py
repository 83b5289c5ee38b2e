"""Text that a terminal's encoding cannot show."""

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jetson_perception.process.streams import PLAIN, replace_what_cannot_be_shown

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def streams(monkeypatch):
    """Makes standard output and error of an encoding; both end as bytes."""

    def make(encoding):
        made = [io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for _ in range(2)]
        for name, stream in zip(('stdout', 'stderr'), made, strict=True):
            monkeypatch.setattr(sys, name, stream)
        replace_what_cannot_be_shown()
        return [stream.buffer for stream in made]

    return make


@pytest.mark.parametrize(
    ('encoding', 'text', 'shown'),
    [
        pytest.param('ascii', 'plain', b'plain', id='plain'),
        pytest.param('ascii', '1280×720 …', b'1280x720 ...', id='ours'),
        pytest.param('ascii', 'café.png', b'caf\\xe9.png', id='foreign'),
        pytest.param('ascii', '人×\U0001f600', b'\\u4ebax\\U0001f600', id='mixed'),
        pytest.param('latin-1', '×é…', b'\xd7\xe9...', id='part_of_them'),
        pytest.param('utf-8', '×é…', '×é…'.encode(), id='all_of_them'),
        pytest.param('utf-8', 'caf\udce9', b'caf\\udce9', id='no_utf8'),
    ],
)
def test_characters_that_the_encoding_lacks_are_replaced_on_both(streams, encoding, text, shown):
    out, err = streams(encoding)
    sys.stdout.write(text)
    sys.stderr.write(text)
    assert out.getvalue() == err.getvalue() == shown


def test_streams_that_are_not_pythons_are_left_alone(monkeypatch):
    class Notebook:
        def write(self, text):
            return len(text)

    monkeypatch.setattr(sys, 'stdout', Notebook())
    monkeypatch.setattr(sys, 'stderr', None)
    replace_what_cannot_be_shown()


def test_every_character_that_the_package_prints_has_one_in_ascii():
    """Characters of its texts, but those that say which characters are not to be printed."""
    found = set()
    for path in (ROOT / 'jetson_perception').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {each for each in node.value if not each.isascii()}
    assert len(found) > 5
    assert {each for each in found if each.isprintable()} - set(PLAIN) == set()
    assert all(plain.isascii() for plain in PLAIN.values())


ENVIRONMENTS = [
    pytest.param({'PYTHONIOENCODING': 'ascii'}, id='PYTHONIOENCODING'),
    pytest.param(
        {'LC_ALL': 'POSIX', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}, id='POSIX_locale'
    ),
    pytest.param({'PYTHONIOENCODING': 'latin-1'}, id='latin_1'),
]


@pytest.mark.parametrize('environment', ENVIRONMENTS)
def test_a_command_in_such_a_terminal(environment):
    command = [sys.executable, '-m', 'jetson_perception', 'info', 'oranges']
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    size = b'1 \xd7 3 \xd7' if environment.get('PYTHONIOENCODING') == 'latin-1' else b'1 x 3 x'
    assert size in done.stdout
    assert done.stderr == b''


#: Says what it has for standard streams, in a file of which it is told.
ASKING = """
import os, sys

def main(*_):
    with open('said', 'w') as file:
        for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
            same = os.path.samestat(os.fstat(number), os.stat(os.devnull))
            print(stream.fileno(), stream.isatty(), same, file=file)
    print('for nobody', flush=True)
    print('for nobody', file=sys.stderr)
    return 3
"""


@pytest.mark.parametrize('closed', [(1,), (2,), (0, 1), (0, 1, 2)])
def test_closed_streams_of_commands_are_dev_null(tmp_path, closed):
    (tmp_path / 'asking.py').write_text(ASKING)
    script = (
        "from jetson_perception.process import executable; executable.run_command_module('asking')"
    )
    redirections = ' '.join(f'{each}>&-' for each in closed)
    done = subprocess.run(
        ['sh', '-c', f'exec "$@" {redirections}', 'sh', sys.executable, '-c', script],
        cwd=tmp_path,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    assert 'Traceback' not in done.stderr
    assert done.returncode == 3
    said = (tmp_path / 'said').read_text().splitlines()
    for number in closed:
        assert said[number] == f'{number} False True'
    assert ('for nobody' in done.stdout) == (1 not in closed)
    assert ('for nobody' in done.stderr) == (2 not in closed)
