import io
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_output import VERBS, stripes, write_picture
from small_disk import small_disk

from jetson_perception.camera.named_frames import NamedFrame
from jetson_perception.commands.main import main
from jetson_perception.commands.result_folder import ResultFolder
from jetson_perception.errors import ParameterError
from jetson_perception.models import open_model

pytestmark = pytest.mark.usefixtures('wide_terminal')


class TestFullDisk:
    @staticmethod
    def run(*arguments, stdout=subprocess.PIPE, most_bytes=None):
        limit = (
            f'import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); '
            f'resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes})); '
            if most_bytes
            else ''
        )
        script = f'{limit}import sys, jetson_perception.commands.main as cli; sys.exit(cli.main())'
        return subprocess.run(
            [sys.executable, '-c', script, *arguments],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    def test_standard_output(self, colors, tmp_path):
        picture = write_picture(tmp_path / 'a.png')
        with open('/dev/full', 'w') as full:
            done = self.run('run', colors, picture, '--json', stdout=full)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            'jetson-perception: the output, or a temporary file, cannot be written: No space left '
            'on device'
        )
        assert 'Traceback' not in done.stderr
        assert 'Exception ignored' not in done.stderr

    def test_output_of_run_keeps_what_was_written(self, colors, tmp_path):
        folder = tmp_path / 'pictures'
        for index in range(3):
            write_picture(folder / f'{index}.png')
        noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
        write_picture(folder / '3.png', noise)
        out = tmp_path / 'out'
        done = self.run('run', colors, str(folder), '--output', str(out), most_bytes=30_000)
        assert done.returncode == 1
        assert 'Traceback' not in done.stderr
        assert (
            '3.jpg cannot be written: File too large; make room, or write elsewhere'
            in (done.stderr.splitlines()[-1])
        )
        records = [json.loads(line) for line in (out / 'results.jsonl').read_text().splitlines()]
        assert [record['annotated'] for record in records] == ['0.jpg', '1.jpg', '2.jpg']
        names = {'results.jsonl'} | {
            f'{n}{end}' for n in range(3) for end in ('.jpg', '_mask.png')
        }
        assert set(os.listdir(out)) == names
        assert cv2.imread(str(out / '2.jpg')) is not None

    def test_records_end_with_a_whole_line(self, colors, tmp_path):
        disk = tmp_path / 'disk'
        disk.mkdir()

        def fill():
            frame = NamedFrame('x' * 5000, 'a', 0, stripes())
            with closing(open_model(colors)) as model, closing(ResultFolder(disk)) as folder:
                for _ in range(1000):
                    folder.write(frame, model, model(stripes()), stripes())

        with small_disk(disk, 1):
            with pytest.raises(ParameterError, match='cannot be written: No space left') as caught:
                fill()
            assert caught.value.parameter == 'output'
            lines = (disk / 'results.jsonl').read_text()
            assert lines.endswith('}\n')
            assert all(map(json.loads, lines.splitlines()))

    @pytest.mark.parametrize(
        'arguments',
        [
            pytest.param(['compare', '{model}', '{model}', '--images', '{picture}'], id='compare'),
            pytest.param(
                ['bench', '{model}', '--images', '{picture}', '--seconds', '0.1'], id='bench'
            ),
        ],
    )
    def test_figures(self, colors, tmp_path, capsys, arguments):
        picture = write_picture(tmp_path / 'a.png')
        arguments = [each.format(model=colors, picture=picture) for each in arguments]
        assert main([*arguments, '--json', '/dev/full']) in (1, 2)
        error = capsys.readouterr().err.splitlines()[-1]
        assert '/dev/full cannot be written: No space left on device; make room' in error


class TestPlainTerminal:
    """Every verb, with ASCII standard output and error and a file name that is not ASCII."""

    @pytest.fixture
    def said(self, monkeypatch):
        """Runs a command; returns its exit code and what it wrote."""

        def run(*arguments):
            streams = [io.TextIOWrapper(io.BytesIO(), 'ascii') for _ in range(2)]
            with monkeypatch.context() as patched:
                for name, stream in zip(('stdout', 'stderr'), streams, strict=True):
                    patched.setattr(sys, name, stream)
                try:
                    code = main([str(argument) for argument in arguments])
                except SystemExit as exited:
                    code = exited.code
                for stream in streams:
                    stream.flush()
            return code, *(stream.buffer.getvalue().decode() for stream in streams)

        return run

    @pytest.fixture
    def model(self, colors, tmp_path):
        return Path(colors).rename(tmp_path / 'modèle.onnx')

    @pytest.fixture
    def pictures(self, tmp_path):
        for index in range(3):
            write_picture(tmp_path / 'été' / 'images' / f'人{index}.png')
            mask = np.ones((48, 64), np.uint8)
            write_picture(tmp_path / 'été' / 'masks' / f'人{index}.png', mask)
        return tmp_path / 'été'

    @pytest.mark.parametrize('verb', VERBS)
    def test_help_and_wrong_usage(self, said, verb):
        code, out, _ = said(verb, '--help')
        assert (code, 'usage: jetson-perception' in out) == (0, True)
        code, _, err = said(verb, '--×')
        assert (code, 'usage: jetson-perception' in err) == (2, True)

    @pytest.mark.parametrize(
        'arguments',
        [
            pytest.param(['info', 'MODEL'], id='info'),
            pytest.param(['run', 'MODEL', 'PICTURES/images', '--json'], id='run'),
            pytest.param(['run', 'MODEL', 'PICTURES/images', '--output', 'OUT'], id='run_output'),
            pytest.param(['evaluate', '--model', 'MODEL', '--dataset', 'PICTURES'], id='evaluate'),
            pytest.param(
                ['compare', 'MODEL', 'MODEL', '--images', 'PICTURES/images'], id='compare'
            ),
            pytest.param(['bench', 'MODEL', '--frames', '3', '--size', '64x64'], id='bench'),
            pytest.param(['cache', 'ls'], id='cache'),
        ],
    )
    def test_what_works_elsewhere_works(self, said, model, pictures, tmp_path, arguments):
        places = {'MODEL': model, 'PICTURES': pictures, 'OUT': tmp_path / 'sortie'}
        for name, place in places.items():
            arguments = [each.replace(name, str(place)) for each in arguments]
        code, out, err = said(*arguments)
        assert code == 0, err
        assert out or err

    @pytest.mark.parametrize(
        'arguments',
        [
            pytest.param(['info'], id='info'),
            pytest.param(['run'], id='run'),
            pytest.param(['build-engine'], id='build_engine'),
            pytest.param(['quantize', '--images', 'été'], id='quantize'),
        ],
    )
    def test_an_error_is_printed(self, said, pictures, arguments):
        code, _, err = said(
            *arguments, 'modèle.onnx', *([pictures / 'images'] if arguments == ['run'] else [])
        )
        assert code == 1
        assert 'mod\\xe8le.onnx' in err


@pytest.mark.parametrize('closed', ['>&-', '2>&-', '>&- 2>&- <&-'])
@pytest.mark.parametrize('verb', ['run', 'info'])
def test_closed_standard_streams(colors, tmp_path, verb, closed):
    """As a service without a log has them; `main` is called by itself, too."""
    words = {'run': [colors, write_picture(tmp_path / 'a.png'), '--json'], 'info': [colors]}
    script = 'import sys, jetson_perception.commands.main as cli; sys.exit(cli.main())'
    python = [sys.executable, '-c', script]
    done = subprocess.run(
        ['sh', '-c', f'exec "$@" {closed}', 'sh', *python, verb, *words[verb]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Error' not in done.stderr
    assert done.returncode == 0
