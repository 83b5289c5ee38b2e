import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_output import write_picture

from jetson_perception.commands.main import main

pytestmark = pytest.mark.usefixtures('wide_terminal')


class TestUsage:
    @pytest.mark.parametrize(
        ('argv', 'expected'),
        [
            pytest.param(['--help'], r'jetson-perception evaluate --model oranges', id='all'),
            pytest.param(['info', '--help'], r'--set input_size=\[640,480\]', id='info'),
            pytest.param(['run', '--help'], r'folder of pictures', id='run'),
            pytest.param(['evaluate', '--help'], r'images/ and masks/', id='evaluate'),
        ],
    )
    def test_help(self, argv, expected, capsys):
        with pytest.raises(SystemExit, match='0'):
            main(argv)
        assert re.search(expected, ' '.join(capsys.readouterr().out.split()))

    @pytest.mark.parametrize(
        'argv',
        [
            pytest.param([], id='no_command'),
            pytest.param(['fly'], id='unknown_command'),
            pytest.param(['info'], id='no_model'),
            pytest.param(['run', 'a.onnx'], id='no_source'),
            pytest.param(['info', 'a.onnx', '--runtime', 'gpu'], id='unknown_runtime'),
            pytest.param(['run', 'a.onnx', 'b', '--frames', '0'], id='no_frames'),
            pytest.param(['evaluate', '--model', 'a.onnx'], id='no_dataset'),
        ],
    )
    def test_wrong_usage_ends_with_2(self, argv, capsys):
        with pytest.raises(SystemExit, match='2'):
            main(argv)
        assert 'usage: jetson-perception' in capsys.readouterr().err

    def test_version(self, capsys):
        with pytest.raises(SystemExit, match='0'):
            main(['--version'])
        assert re.fullmatch(r'jetson-perception \d+\.\d+\.\d+\n', capsys.readouterr().out)

    def test_as_a_module_without_ros(self):
        root = Path(__file__).resolve().parents[2]
        environment = {'PATH': os.environ['PATH'], 'PYTHONPATH': str(root)}
        done = subprocess.run(
            [sys.executable, '-m', 'jetson_perception', 'info', 'none.onnx'],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith('jetson-perception: there is no model file /')

    def test_reader_of_the_pipe_that_goes_away(self, colors, tmp_path):
        picture = write_picture(tmp_path / 'a.png')
        root = Path(__file__).resolve().parents[2]
        command = [sys.executable, '-m', 'jetson_perception', 'run', colors, '--json']
        done = subprocess.run(
            f'{" ".join(command)} {" ".join([picture] * 200)} | head -n 1',
            shell=True,
            env={**os.environ, 'PYTHONPATH': str(root)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout)['frame'] == 0
        assert 'Traceback' not in done.stderr
        assert 'BrokenPipe' not in done.stderr


class TestImports:
    """A verb imports only what it needs itself, not what another verb needs."""

    VERBS = frozenset(
        f'jetson_perception.commands.{name}'
        for name in (
            'info',
            'run',
            'evaluate',
            'compare',
            'bench',
            'quantize',
            'convert',
            'trace',
            'build_engine',
            'doctor',
            'selftest',
            'cache',
        )
    )

    @staticmethod
    def modules_after(*arguments):
        """Modules that a process has when the command has done its work."""
        script = (
            'import json, sys\n'
            'from contextlib import suppress\n'
            'from jetson_perception.commands.main import main\n'
            'with suppress(SystemExit):\n'
            '    main(sys.argv[1:])\n'
            'print(json.dumps(sorted(sys.modules)))\n'
        )
        done = subprocess.run(
            [sys.executable, '-c', script, *arguments], capture_output=True, text=True, check=True
        )
        # Under emulation, ONNX Runtime complains of the processor as it is imported.
        said = [line for line in done.stderr.splitlines() if 'cpuinfo' not in line]
        assert said == []
        return set(json.loads(done.stdout.splitlines()[-1]))

    def test_every_verb_is_listed_and_is_a_module(self, capsys):
        with pytest.raises(SystemExit, match='0'):
            main(['--help'])
        listed = re.findall(r'^    ([a-z-]+)(?: |$)', capsys.readouterr().out, re.MULTILINE)
        assert {f'jetson_perception.commands.{verb.replace("-", "_")}' for verb in listed} == (
            self.VERBS
        )

    @pytest.mark.parametrize('option', ['--help', '--version'])
    def test_options_of_the_command_itself_need_no_library(self, option):
        loaded = self.modules_after(option)
        assert not loaded & self.VERBS
        assert not loaded & {'numpy', 'cv2', 'yaml', 'rich', 'onnxruntime', 'rclpy'}

    def test_info(self, colors):
        loaded = self.modules_after('info', colors)
        assert loaded & self.VERBS == {'jetson_perception.commands.info'}
        for room in ('camera', 'evaluation', 'benchmark', 'pipeline', 'doctor', 'selftest', 'ros'):
            assert f'jetson_perception.{room}' not in loaded
        assert not [name for name in loaded if 'scenes' in name]
        assert not loaded & {'rclpy', 'torch', 'onnx', 'matplotlib', 'rich'}

    def test_doctor(self):
        loaded = self.modules_after('doctor', '--help')
        assert loaded & self.VERBS == {'jetson_perception.commands.doctor'}
        assert not loaded & {'numpy', 'cv2', 'yaml', 'onnxruntime'}
