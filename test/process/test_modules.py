"""Processes that run a module of the package."""

import os
import subprocess

import pytest

from jetson_perception.process.modules import module_command, module_environment


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the main function of a module with this source."""

    def run(source, *arguments):
        (tmp_path / 'modules').mkdir()
        (tmp_path / 'modules/mine.py').write_text(source)
        # The empty entry would be the working directory.
        monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path / 'modules'), '']))
        (tmp_path / 'here').mkdir()
        for name in ('json', 'jetson_perception', 'other'):
            (tmp_path / 'here' / f'{name}.py').write_text('raise SystemExit(7)')
        return subprocess.run(
            module_command('mine', *arguments),
            env=module_environment(),
            cwd=tmp_path / 'here',
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


def test_arguments_are_given(run):
    done = run('import sys\ndef main(): print(sys.argv[1:])\n', 3, "it's", '')
    assert (done.stdout, done.stderr) == ("['3', \"it's\", '']\n", '')


def test_no_module_is_looked_for_in_the_working_directory(run):
    done = run(
        'import json, jetson_perception.errors\n'
        'def main():\n'
        '    try: import other\n'
        "    except ImportError: print('none')\n"
    )
    assert (done.stdout, done.stderr) == ('none\n', '')


def test_the_packages_own_folder_is_not_on_the_path(run):
    """Its rooms would be found by names that others use, as `process` and `files`."""
    done = run("def main():\n    try: import engines\n    except ImportError: print('none')\n")
    assert (done.stdout, done.stderr) == ('none\n', '')
