"""Probes of the real machine: programs that hang, fail, print nonsense or do not exist."""

from __future__ import annotations

import os
import select
import sys

import pytest

from jetson_perception.doctor import Machine, probes


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


class TestFiles:
    def test_of_a_root(self, machine, tmp_path):
        (tmp_path / 'proc').mkdir()
        (tmp_path / 'proc/model').write_bytes(b'NVIDIA Jetson\0')
        assert machine.text('/proc/model') == 'NVIDIA Jetson'
        assert machine.exists('/proc')
        assert machine.glob('/proc/mo*') == ['/proc/model']

    @pytest.mark.parametrize('path', ['/gone', '/', '/gone/deeper'])
    def test_that_cannot_be_read(self, machine, path):
        assert machine.text(path) == ''

    def test_bytes_that_are_not_text(self, machine, tmp_path):
        (tmp_path / 'x').write_bytes(b'\xff\xfe')
        assert machine.text('/x') == '��'


class TestPrograms:
    def test_that_answers(self, machine):
        answer = machine.run('echo', 'NV Power Mode: MAXN')
        assert answer.output == 'NV Power Mode: MAXN\n'
        assert not answer.problem

    @pytest.mark.parametrize(
        ('command', 'problem'),
        [
            pytest.param(('/no/such',), '/no/such is not installed', id='missing'),
            pytest.param(('/etc/passwd',), 'cannot be run: Permission denied', id='no_program'),
            pytest.param(('sh', '-c', 'echo why >&2; exit 3'), 'exit code 3: why', id='fails'),
            pytest.param(('sh', '-c', 'exit 3'), 'exit code 3', id='fails_silently'),
            pytest.param(('sh', '-c', 'kill -SEGV $$'), 'ended by SIGSEGV', id='crashes'),
        ],
    )
    def test_that_does_not(self, machine, command, problem):
        answer = machine.run(*command)
        assert problem in answer.problem

    def test_one_that_hangs_is_ended_with_its_children(self, machine, tmp_path):
        pids = tmp_path / 'pids'
        script = f'sleep 600 & echo $! > {pids}; wait'
        answer = machine.run('sh', '-c', script, timeout_s=1.0)
        assert answer.problem == 'no answer within 1 s'
        try:
            child = os.pidfd_open(int(pids.read_text()))
        except ProcessLookupError:
            return  # reaped already
        try:
            ended, _, _ = select.select([child], [], [], 10)
        finally:
            os.close(child)
        assert ended


class TestProbes:
    def test_a_module(self, machine):
        found = machine.probe('module', 'yaml')
        assert found['installed']
        assert found['version']

    def test_a_module_that_is_not_installed(self, machine):
        assert machine.probe('module', 'no_such_module') == {'installed': False}
        assert machine.probe('module', 'no_such_package.driver') == {'installed': False}

    def test_they_see_what_this_process_sees(self, machine, tmp_path, monkeypatch):
        (tmp_path / 'only_here.py').write_text('__version__ = "1.2"\nprint("half a line", end="")')
        monkeypatch.syspath_prepend(str(tmp_path))
        found = machine.probe('module', 'only_here')
        assert found['version'] == '1.2'

    @pytest.mark.parametrize(
        ('content', 'error'),
        [
            pytest.param(
                'import nothing_like_it', "No module named 'nothing_like_it'", id='lacks'
            ),
            pytest.param(
                'raise RuntimeError("old driver")', 'RuntimeError: old driver', id='raises'
            ),
            pytest.param('import os; os.abort()', 'ended by SIGABRT', id='aborts'),
            pytest.param('import os; os._exit(0)', 'printed', id='leaves'),
            pytest.param('import time; time.sleep(600)', 'no answer within 3 s', id='hangs'),
        ],
    )
    def test_a_module_that_is_broken(self, machine, tmp_path, monkeypatch, content, error):
        (tmp_path / 'broken_module.py').write_text(content)
        monkeypatch.syspath_prepend(str(tmp_path))
        found = machine.probe('module', 'broken_module', timeout_s=3.0)
        assert error in found['error']
        assert found.get('version') is None

    def test_a_probe_that_does_not_exist(self, machine):
        assert 'KeyError' in machine.probe('unknown')['error']

    def test_this_machine(self, machine):
        """Each comes through for real, whatever it finds."""
        python = machine.probe('python')
        assert python['executable'] == sys.executable
        assert 'CPUExecutionProvider' in machine.probe('onnxruntime')['providers']
        assert machine.probe('opencv')['version']
        assert ('devices' in machine.probe('cuda')) == os.path.exists('/dev/nvidiactl')
        assert isinstance(machine.probe('cameras')['devices'], list)

    def test_every_distribution_of_onnxruntime_is_found(self, machine, tmp_path, monkeypatch):
        """Another one beside that of this environment, as pip records it."""
        beside = tmp_path / 'onnxruntime_gpu-1.2.3.dist-info'
        beside.mkdir()
        (beside / 'METADATA').write_text(
            'Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.2.3\n'
        )
        other = tmp_path / 'onnxruntime_extensions-0.1.dist-info'  # has a folder of its own
        other.mkdir()
        (other / 'METADATA').write_text(
            'Metadata-Version: 2.1\nName: onnxruntime-extensions\nVersion: 0.1\n'
        )
        (other / 'RECORD').write_text('onnxruntime_extensions/__init__.py,,\n')
        alone = machine.probe('onnxruntime')['distributions']
        monkeypatch.syspath_prepend(str(tmp_path))
        found = machine.probe('onnxruntime')['distributions']
        assert found == {**alone, 'onnxruntime-gpu': '1.2.3'}
        assert len(alone) == 1

    def test_models_are_run(self, machine):
        found = machine.probe('models', timeout_s=120.0)
        assert {'oranges', 'people_detect', 'people_pose'} <= found['models'].keys()
        for model in found['models'].values():
            assert model['ms'] > 0
            assert 'CPU' in model['runtime']

    def test_every_probe_is_one_that_a_line_asks_for(self):
        assert set(probes._PROBES) == {
            *('module', 'python', 'cuda', 'onnxruntime', 'opencv', 'ros', 'cameras', 'models')
        }
