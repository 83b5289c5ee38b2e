"""INT8 twins of the demo models: made once, completely, by one process, in a private folder."""

import errno
import fcntl
import os
import re
import shutil
import stat
import subprocess
import sys
import threading

import pytest
from int8_twins import pretend_made

import jetson_perception
import jetson_perception_scenes as scenes
from jetson_perception.commands.int8_twins import main, make_folder, make_int8_twin
from jetson_perception.commands.main import main as command
from jetson_perception.commands.opening import make_lacking_twins
from jetson_perception.engines.onnx_file.graph import has_quantization
from jetson_perception.errors import ModelError, PerceptionError
from jetson_perception.models import open_model
from jetson_perception.resources import (
    has_int8_twin,
    int8_twin_path,
    model_path,
    share_directory,
)

NAME = 'people_detect_int8'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


@pytest.fixture
def open_mask():
    """The mask of many distributions' users, which lets the group write."""
    before = os.umask(0o002)
    yield
    os.umask(before)


@pytest.mark.usefixtures('open_mask')
def test_a_twin_is_made_once_and_found_by_its_name(capsys, cache):
    with pytest.raises(ModelError, match=f'{NAME} is not made yet; make it once: ros2 run'):
        model_path(NAME)
    assert main([NAME, '--count', '1']) == 0
    path = model_path(NAME)
    assert path.is_relative_to(cache / 'jetson_perception/models')
    out, said = capsys.readouterr()
    assert out == ''  # results of commands go there
    assert f'making {NAME} of 1 picture of scene://people' in said
    assert re.search(rf'made {path}: \d\.\d\d MB, \d+ s', said)
    assert has_quantization(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with open_model(NAME, runtime='onnxruntime_cpu') as model:
        assert model.class_names[0] == 'person'
        assert model.info.resize == 'letterbox'
    made = path.stat().st_mtime_ns
    assert make_int8_twin(NAME) == path
    assert path.stat().st_mtime_ns == made
    assert capsys.readouterr() == ('', '')


def test_one_process_makes_it_and_others_wait(capsys):
    folder = int8_twin_path(NAME).parent
    folder.mkdir(mode=0o700, parents=True)
    found = []
    with (folder / 'lock').open('a') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: found.append(make_int8_twin(NAME)), daemon=True)
        waiting.start()
        said = ''
        while 'waiting for it' not in said:
            said += capsys.readouterr().err
            waiting.join(0.02)
        assert not found
        pretend_made(NAME)
    waiting.join(30)
    assert found == [int8_twin_path(NAME)]
    assert 'making' not in capsys.readouterr().err


@pytest.mark.parametrize('number', [errno.ENOLCK, errno.ENOTSUP, errno.EIO])
def test_a_file_system_without_locks_costs_a_warning(number, monkeypatch, caplog):
    """Stands in for a network file system, of which none is here."""

    def no_locks(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, 'flock', no_locks)
    for _ in range(2):
        assert main([NAME, '--count', '1']) == 0
    assert has_int8_twin(NAME)
    (said,) = [each.message for each in caplog.records if 'cannot be locked' in each.message]
    assert os.strerror(number) in said


@pytest.mark.parametrize(
    'change',
    [
        pytest.param('jetson_perception/commands/int8_twins.py', id='pictures'),
        pytest.param('jetson_perception/engines/onnx_file/quantization.py', id='settings'),
        pytest.param('jetson_perception/engines/onnx_file/graph.py', id='float_nodes'),
        pytest.param('jetson_perception_scenes/people_body.py', id='scenes'),
        pytest.param('jetson_perception_scenes/models/people_detect.onnx', id='original'),
    ],
)
def test_another_recipe_gives_another_file(change, tmp_path):
    """In a copy of what is installed, of which one file changes."""
    places = {'jetson_perception': jetson_perception, 'jetson_perception_scenes': scenes}
    for name, package in places.items():
        (folder,) = package.__path__[:1]
        shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copytree(share_directory() / 'models', tmp_path / 'jetson_perception/share/models')
    before, again = twin_of(tmp_path), twin_of(tmp_path)
    with (tmp_path / change).open('a') as file:
        file.write('\n')
    assert before == again != twin_of(tmp_path)


def twin_of(folder):
    """Where the packages in a folder look for the twin."""
    code = f'import sys; sys.path.insert(0, {str(folder)!r}); import jetson_perception.resources\n'
    code += f'print(jetson_perception.resources.int8_twin_path({NAME!r}))'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


class TestCommands:
    """A twin is made on first use, whatever verb asks for it."""

    @pytest.mark.parametrize(
        'line',
        [
            pytest.param(f'info {NAME}', id='info'),
            pytest.param(f'run {NAME} some.png', id='run'),
            pytest.param(f'bench {NAME} --images nothing', id='bench'),
            pytest.param(f'compare {NAME} people_detect --images nothing', id='compare'),
            pytest.param(f'build-engine {NAME} --size 0x0', id='build-engine'),
        ],
    )
    def test_makes_it(self, line, monkeypatch, capsys, tmp_path):
        monkeypatch.chdir(tmp_path)
        (tmp_path / 'some.png').touch()
        monkeypatch.setitem(sys.modules, 'onnx', None)  # so that making ends soon
        assert command(line.split()) != 0
        said = capsys.readouterr().err
        assert 'the package onnx is needed' in said
        assert 'pip install onnx' in said

    def test_takes_one_that_is_made(self, capsys):
        make_int8_twin(NAME, 1)
        capsys.readouterr()
        assert command(['info', NAME]) == 0
        out, said = capsys.readouterr()
        assert NAME in out
        assert 'making' not in said

    def test_a_file_of_this_name_comes_first(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        (tmp_path / NAME).touch()
        make_lacking_twins(NAME, 'people_detect', 'x.onnx')
        assert not has_int8_twin(NAME)


@pytest.mark.parametrize('part', ['file', 'folder'])
def test_a_file_that_others_can_write_to_is_not_used(part):
    pretend_made(NAME)
    path = int8_twin_path(NAME)
    assert has_int8_twin(NAME)
    (path if part == 'file' else path.parent).chmod(0o770)
    assert not has_int8_twin(NAME)


def test_a_folder_that_others_can_write_to_is_refused():
    pretend_made(NAME)
    folder = int8_twin_path(NAME).parent
    folder.chmod(0o777)
    with pytest.raises(PerceptionError, match=rf'{folder} may be written by others.*chmod go-w'):
        make_int8_twin(NAME)
    assert not (folder / 'lock').exists()


def test_the_parent_folders_are_made_private_with_any_umask(cache):
    before = os.umask(0)
    try:
        with pytest.raises(SystemExit):
            main(['--count', '0'])
        assert not cache.exists()
        make_folder(int8_twin_path(NAME).parent)
    finally:
        os.umask(before)
    folder = int8_twin_path(NAME).parent
    for each in (folder, *folder.parents[:2]):
        assert each.stat().st_mode & 0o777 == 0o700, each


def test_a_cache_that_cannot_be_written(cache, capsys):
    cache.write_text('no folder')
    assert main([NAME]) == 1
    said = capsys.readouterr().err
    assert said.startswith('make_int8_models: ')
    assert 'cannot be written: File exists; set XDG_CACHE_HOME' in said


def test_without_onnx_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    assert main([NAME, '--count', '1']) == 1
    assert 'pip install onnx' in capsys.readouterr().err
    assert not has_int8_twin(NAME)


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(['oranges_int8'])
    assert end.value.code == 2
    assert 'oranges_int8: expected some of people_detect_int8' in capsys.readouterr().err
