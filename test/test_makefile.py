"""The Makefile: what reaches the commands of what people give, and what an interruption leaves."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

if shutil.which('make') is None:
    pytest.skip('make is not installed', allow_module_level=True)

#: All that make or a shell might find something in.
UGLY = "rtsp://me:pa$word$(x)${HOME}`id`#'\"\\ %;&*@robot/it's, a stream"


def made(folder, *arguments, **environment):
    """A run of make, without what one that runs these tests left in the environment."""
    return subprocess.run(
        ['make', '-f', str(ROOT / 'Makefile'), *arguments],
        cwd=folder,
        env={
            name: value
            for name, value in (os.environ | environment).items()
            if name not in {'MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'MAKEOVERRIDES', 'ARGS'}
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize('target', ['demo', 'demo-yolo'])
@pytest.mark.parametrize('by', ['argument', 'environment'])
@pytest.mark.parametrize('name', ['SOURCE', 'MODEL', 'DURATION', 'OUTPUT'])
def test_options_of_the_demo_are_what_was_typed(target, name, by):
    given = [f'{name}={UGLY}'] if by == 'argument' else []
    environment = {name: UGLY} if by == 'environment' else {}
    done = made(ROOT, '-n', target, *given, **environment)
    assert done.returncode == 0
    words = shlex.split(done.stdout)
    assert words[words.index(f'--{name.lower()}') + 1 :] == [UGLY]


def test_options_that_are_not_given_are_none():
    words = shlex.split(made(ROOT, '-n', 'demo', 'SOURCE=', 'VIEW=false').stdout)
    assert words[-2:] == ['-m', 'jetson_perception.ros.demo']


def test_arguments_are_words_of_the_shell():
    text = "ARGS=--source 'pa$word' -x"
    words = shlex.split(made(ROOT, '-n', 'demo', text).stdout)
    assert words[-3:] == ['--source', 'pa$word', '-x']


def test_an_environment_of_the_docs_that_was_interrupted_is_made_anew(tmp_path):
    """Its Python is there before pip is."""
    venv = tmp_path / '.docs-venv'
    python = tmp_path / "it's a python"
    log = tmp_path / 'log'

    def write(path, script):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!{shutil.which("bash")}\n{script}\n')
        path.chmod(0o755)

    def docs():
        return made(tmp_path, 'docs', f'PYTHON={python}').returncode

    write(venv / 'bin/python', 'echo "No module named pip"; exit 1')
    write(python, 'exit 130')
    assert docs() != 0
    write(tmp_path / 'new', f'echo "$2" >>"{log}"')
    write(python, f'cp new {venv}/bin/python; echo "$@" >>"{log}"')
    for _ in range(2):
        assert docs() == 0
    assert log.read_text().splitlines() == [
        '-m venv --clear .docs-venv',
        *('pip', 'mkdocs', 'pip', 'mkdocs'),
    ]
