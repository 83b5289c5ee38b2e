"""`jetson-perception quantize` and `build-engine`, as they are typed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx_models import color_segmentation
from small_networks import segmentation, yolo
from tensorrt_there import requires_tensorrt

from jetson_perception.commands import build_engine as build_command
from jetson_perception.commands.main import main
from jetson_perception.engines.onnx_file.graph import has_quantization
from jetson_perception.engines.tensorrt.availability import tensorrt_problem
from jetson_perception.engines.tensorrt.plan_file import plan_version, read_plan_file
from jetson_perception.errors import ParameterError
from jetson_perception.models import open_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setenv('NO_COLOR', '1')


@pytest.fixture
def pictures(tmp_path):
    """Ten pictures of colors."""
    random = np.random.default_rng(0)
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for index in range(10):
        small = random.integers(0, 256, (4, 4, 3), np.uint8)
        assert cv2.imwrite(
            str(folder / f'{index}.png'), cv2.resize(small, (64, 64), interpolation=0)
        )
    return str(folder)


@pytest.fixture
def deep_colors(tmp_path):
    """A segmentation that finds colors, with convolutions to quantize in front."""
    return str(color_segmentation(tmp_path / 'colors.onnx', size_wh=(64, 64), convolutions=4))


class TestQuantize:
    def test_a_segmentation(self, deep_colors, pictures, capsys):
        assert main(['quantize', deep_colors, '--images', pictures, '--json', 'out.json']) == 0
        said = capsys.readouterr().out
        assert 'colors_int8.onnx:' in said
        assert re.search(r'\d layers in INT8, \d in float; calibrated on 8 pictures ', said)
        assert 'on 2 other pictures' in said
        assert 'mask agreement' in said
        record = json.loads(Path('out.json').read_text())
        assert (record['calibrated_on'], record['pictures']) == (8, 2)
        assert record['past'] == []
        assert has_quantization('colors_int8.onnx')
        with open_model('colors_int8.onnx') as model:
            assert model.class_names == ('background', 'red', 'green', 'blue')

    def test_the_yaml_file_goes_along(self, deep_colors, pictures):
        Path('colors.yaml').write_text('color_order: rgb\nscale: 0.00392156862745098\n')
        assert main(['quantize', deep_colors, '--images', pictures, '--output', 'q.onnx']) == 0
        assert Path('q.yaml').read_text() == Path('colors.yaml').read_text()

    def test_one_that_is_there_stays(self, deep_colors, pictures):
        Path('colors.yaml').write_text('color_order: rgb\n')
        Path('q.yaml').write_text('color_order: bgr\n')
        assert main(['quantize', deep_colors, '--images', pictures, '--output', 'q.onnx']) == 0
        assert Path('q.yaml').read_text() == 'color_order: bgr\n'

    def test_a_detector_that_finds_nothing(self, tmp_path, pictures, capsys):
        """Random weights: there is nothing to compare, and the model is made all the same."""
        path = yolo(tmp_path / 'm.onnx')
        model = onnx.load(path)
        for each in model.graph.initializer:
            if each.dims == [2] and each.data_type == 1:  # biases of scores
                each.CopyFrom(onnx.numpy_helper.from_array(np.full(2, -50, np.float32), each.name))
        onnx.save(model, path)
        assert main(['quantize', str(path), '--images', pictures]) == 0
        said = capsys.readouterr().out
        assert 'neither engine found anything' in said
        (option,) = re.findall(r'--[a-z-]+', said)
        with pytest.raises(SystemExit, match='0'):
            main(['quantize', '--help'])
        assert option in capsys.readouterr().out
        assert has_quantization('m_int8.onnx')

    def test_too_few_pictures_to_compare_on(self, deep_colors, pictures, capsys):
        assert main(['quantize', deep_colors, '--images', pictures, '--count', '2']) == 0
        assert 'none is left to compare on; give more' in capsys.readouterr().out
        assert has_quantization('colors_int8.onnx')

    def test_options_reach_the_quantizer(self, deep_colors, pictures, capsys):
        arguments = ['quantize', deep_colors, '--images', pictures, '--float-first', '0']
        arguments += ['--float-nodes', 'Conv_1', '--method', 'percentile', '--count', '5']
        assert main(arguments) == 0
        assert 'calibrated on 5 pictures (percentile)' in capsys.readouterr().out

    @pytest.mark.parametrize(
        ('more', 'problem'),
        [
            pytest.param(['--count', '0'], '--count is 0; expected 1 or more', id='count'),
            pytest.param(['--every', '-1'], '--every is -1', id='every'),
            pytest.param(['--output', 'x.engine'], 'expected another .onnx file', id='suffix'),
            pytest.param(['--output', 'colors.onnx'], 'expected another .onnx', id='itself'),
            pytest.param(['--float-nodes', 'x'], "no node with weights is named 'x'", id='name'),
            pytest.param(['--images', 'nowhere'], 'nowhere', id='no_pictures'),
            pytest.param(['--set', 'scale'], 'expected KEY=VALUE', id='set'),
            pytest.param(['--held-out', 'nowhere'], 'nowhere', id='held_out'),
        ],
    )
    def test_refused(self, deep_colors, pictures, capsys, more, problem):
        assert main(['quantize', deep_colors, '--images', pictures, *more]) == 1
        assert problem in capsys.readouterr().err

    def test_twice(self, deep_colors, pictures, capsys):
        assert main(['quantize', deep_colors, '--images', pictures, '--output', 'q.onnx']) == 0
        assert main(['quantize', 'q.onnx', '--images', pictures]) == 1
        assert 'is quantized already' in capsys.readouterr().err


@requires_tensorrt
class TestBuildEngine:
    def test_what_it_says_and_writes(self, tmp_path, capsys):
        path = segmentation(tmp_path / 'm.onnx')
        assert main(['build-engine', str(path), '--json', 'out.json']) == 0
        said = capsys.readouterr().out.splitlines()
        assert re.match(r'm\.engine: \d+\.\d\d MB, fp16, TensorRT\S* [\d.]+', said[0])
        assert 'converted to FP16; inputs, outputs stay in FP32' in said
        converted = 'the same by trtexec, of the converted model that --save-onnx FILE keeps: '
        assert any(line.startswith(converted) for line in said)
        cannot_run = [line for line in said if line.startswith('this machine cannot run it: ')]
        assert len(cannot_run) == bool(tensorrt_problem())
        record = json.loads(Path('out.json').read_text())
        assert record['options']['precision'] == 'fp16'
        assert record['bytes'] == Path('m.engine').stat().st_size

    def test_the_converted_model_that_is_kept_is_named(self, tmp_path, capsys):
        path = segmentation(tmp_path / 'm.onnx')
        assert main(['build-engine', str(path), '--save-onnx', 'half.onnx']) == 0
        assert 'the converted model is in half.onnx\n' in capsys.readouterr().out
        assert Path('half.onnx').is_file()

    def test_the_engine_file_says_what_the_model_is(self, tmp_path):
        path = segmentation(tmp_path / 'm.onnx')
        Path('m.yaml').write_text('color_order: bgr\nscale: 0.5\n')
        assert main(['build-engine', str(path)]) == 0
        file = read_plan_file('m.engine')
        assert plan_version(file.plan)
        info = file.info('m.engine')
        assert (info.task, info.color_order, info.scale) == ('semantic', 'bgr', 0.5)

    def test_a_plan_is_bare(self, tmp_path):
        path = segmentation(tmp_path / 'm.onnx')
        assert main(['build-engine', str(path), '--output', 'm.plan']) == 0
        content = Path('m.plan').read_bytes()
        assert plan_version(content)
        assert read_plan_file('m.plan').metadata == {}

    @pytest.mark.parametrize(
        ('size', 'shapes'),
        [
            pytest.param('64x32', [[1, 3, 32, 64]] * 3, id='one'),
            pytest.param(
                '64x32:96x64:128X64',
                [[1, 3, 32, 64], [1, 3, 64, 96], [1, 3, 64, 128]],
                id='three',
            ),
        ],
    )
    def test_sizes(self, tmp_path, size, shapes):
        path = segmentation(tmp_path / 'm.onnx', dynamic=True)
        assert main(['build-engine', str(path), '--size', size, '--json', 'out.json']) == 0
        assert json.loads(Path('out.json').read_text())['shapes'] == {'image': shapes}

    def test_batches(self, tmp_path, capsys):
        path = yolo(tmp_path / 'm.onnx', batch='batch')
        assert main(['build-engine', str(path), '--batch', '1:2:4']) == 0
        said = capsys.readouterr().out
        assert 'input images: 1×3×64×64 to 4×3×64×64, best at 2×3×64×64' in said

    def test_the_size_that_the_model_says(self, tmp_path):
        path = segmentation(tmp_path / 'm.onnx', dynamic=True)
        Path('m.yaml').write_text('input_size: [96, 64]\n')
        assert main(['build-engine', str(path), '--json', 'out.json']) == 0
        shapes = json.loads(Path('out.json').read_text())['shapes']
        assert shapes == {'image': [[1, 3, 64, 96]] * 3}

    def test_the_size_that_the_user_says(self, tmp_path):
        path = segmentation(tmp_path / 'm.onnx', dynamic=True)
        arguments = ['build-engine', str(path), '--set', 'input_size=[32,64]', '--json', 'o.json']
        assert main(arguments) == 0
        assert json.loads(Path('o.json').read_text())['shapes'] == {'image': [[1, 3, 64, 32]] * 3}

    def test_int8_from_pictures(self, tmp_path, pictures, capsys):
        path = segmentation(tmp_path / 'm.onnx')
        arguments = ['build-engine', str(path), '--precision', 'int8', '--count', '4']
        assert main([*arguments, '--calibration', pictures]) == 0
        assert re.search('quantized on 4 images|measured on 4 images', capsys.readouterr().out)

    def test_pictures_are_fitted_to_the_size_that_is_asked_for(
        self, tmp_path, pictures, monkeypatch
    ):
        shapes = []

        def build(path, options, *, calibration, **_):
            shapes.extend(tensor.shape for tensor in calibration)
            raise ParameterError('seen enough')

        monkeypatch.setattr(build_command, 'build_engine', build)
        path = segmentation(tmp_path / 'm.onnx', dynamic=True)
        arguments = ['build-engine', str(path), '--size', '32x32:96x64:96x96', '--count', '3']
        assert main([*arguments, '--precision', 'int8', '--calibration', pictures]) == 1
        assert shapes == [(1, 3, 64, 96)] * 3

    @pytest.mark.parametrize(
        ('more', 'problem'),
        [
            pytest.param(['--output', 'm.onnx'], 'expected a .engine or .plan', id='suffix'),
            pytest.param(['--output', 'no/m.engine'], 'cannot be written: No such', id='folder'),
            pytest.param(['--precision', 'int8'], 'is not quantized', id='int8'),
            pytest.param(['--size', '32x32'], 'fixed at 64x64', id='size'),
            pytest.param(['--optimization-level', '9'], 'expected 0 to 5', id='level'),
            pytest.param(['--workspace', '-3'], 'workspace_mib is -3', id='workspace'),
            pytest.param(['--count', '0'], '--count is 0', id='count'),
        ],
    )
    def test_refused(self, tmp_path, capsys, more, problem):
        path = segmentation(tmp_path / 'm.onnx')
        assert main(['build-engine', str(path), *more]) == 1
        assert problem in capsys.readouterr().err

    @pytest.mark.parametrize(
        'more',
        [
            ['--size', '64'],
            ['--size', '64x64:64x64'],
            ['--size', 'axb'],
            ['--batch', '1:2'],
            ['--batch', 'x'],
            ['--precision', 'fp8'],
        ],
    )
    def test_words_that_mean_nothing(self, tmp_path, capsys, more):
        with pytest.raises(SystemExit) as end:
            main(['build-engine', 'm.onnx', *more])
        assert end.value.code == 2
        assert f'argument {more[0]}: ' in capsys.readouterr().err

    def test_a_dynamic_size_must_be_set(self, tmp_path, capsys):
        path = segmentation(tmp_path / 'm.onnx', dynamic=True)
        assert main(['build-engine', str(path)]) == 1
        assert 'leaves the size of its input open' in capsys.readouterr().err

    def test_an_old_engine_stays_when_a_build_fails(self, tmp_path):
        Path('m.engine').write_bytes(b'old')
        path = segmentation(tmp_path / 'm.onnx')
        arguments = ['build-engine', str(path), '--workspace', '1', '--precision', 'fp32']
        assert main(arguments) == 1
        assert Path('m.engine').read_bytes() == b'old'
        assert sorted(each.name for each in tmp_path.iterdir()) == ['m.engine', 'm.onnx']

    def test_ctrl_c(self, tmp_path):
        """Ends with 130, at once, with no file and no process left."""
        code = (
            'import os, signal, sys\n'
            'from jetson_perception.commands.build_bar import BuildBar\n'
            'from jetson_perception.commands.main import main\n'
            'def show(self, fraction, phase):\n'
            '    BuildBar.show = lambda *_: None\n'  # a signal may take a moment; it is one
            '    os.killpg(0, signal.SIGINT)\n'  # what the terminal sends to all in front
            'BuildBar.show = show\n'
            # Whoever starts tests in the background has them ignore it.
            'signal.signal(signal.SIGINT, signal.default_int_handler)\n'
            "sys.exit(main(['build-engine', 'people_pose']))\n"
        )
        done = subprocess.run(
            [sys.executable, '-c', code],
            env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path])},
            start_new_session=True,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, b'', b'')
        assert list(tmp_path.iterdir()) == []


def test_ros2_run_has_it():
    """`ros2 run jetson_perception build_engine` is an executable of the ROS package."""
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    line = (
        'install_script(build_engine ${PROJECT_NAME}.commands.build_engine lib/${PROJECT_NAME} '
        'run_command_module)'
    )
    assert line in ' '.join(cmake.split())
    with pytest.raises(SystemExit) as end:
        build_command.main(['--help'])
    assert end.value.code == 0
