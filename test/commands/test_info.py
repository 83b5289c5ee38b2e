import re

import pytest
from command_output import rows
from onnx_models import (
    color_segmentation,
    detector,
    pose_detector,
    unknown_output,
)

from jetson_perception.commands.main import main
from jetson_perception.engines import opening

pytestmark = pytest.mark.usefixtures('wide_terminal')


class TestInfo:
    def test_segmentation(self, colors, capsys):
        assert main(['info', colors]) == 0
        shown = rows(capsys.readouterr().out)
        assert shown['task'] == 'semantic segmentation'
        assert shown['layout'] == 'logits, 4 classes'
        assert shown['told by'].startswith("the task, 'semantic', which metadata")
        assert shown['classes'] == 'background, red, green, blue'
        assert shown['input'] == 'image: float32 1 × 3 × 48 × 64'
        assert shown['output'] == 'scores: float32 1 × 4 × 48 × 64'
        assert shown['resize'].startswith('stretch')
        assert shown['normalization'] == 'value / 255'
        assert re.match(r'ONNX Runtime .*, CPU, \d+ thread', shown['runtime'])
        assert 'keypoints' not in shown
        assert shown['assumed'].startswith('output logits, resize stretch, scale 1/255, mean 0')

    def test_segmentation_that_the_user_tells(self, tmp_path, capsys):
        path = color_segmentation(tmp_path / 'my.onnx', metadata={})
        (tmp_path / 'my.yaml').write_text('output: probabilities')
        assert main(['info', str(path)]) == 0
        shown = rows(capsys.readouterr().out)
        assert shown['told by'].startswith("output, 'probabilities', which metadata")

    @pytest.mark.parametrize(
        ('dynamic', 'told'),
        [
            pytest.param(True, 'batch, height, width; the input above is in use here', id='open'),
            pytest.param(False, None, id='fixed'),
        ],
    )
    def test_what_a_model_leaves_open(self, tmp_path, capsys, dynamic, told):
        path = color_segmentation(tmp_path / 'my.onnx', dynamic=dynamic)
        (tmp_path / 'my.yaml').write_text('input_size: [64, 48]')
        assert main(['info', str(path)]) == 0
        shown = rows(capsys.readouterr().out)
        assert shown['input'].endswith(' × 3 × 48 × 64')
        assert shown.get('left open') == told

    def test_pose(self, tmp_path, capsys):
        path = pose_detector(tmp_path / 'my.onnx')
        (tmp_path / 'my.yaml').write_text('keypoint_names: [tip, mid, tail]\nskeleton: [[0, 1]]')
        assert main(['info', str(path), '--threads', '1']) == 0
        shown = rows(capsys.readouterr().out)
        assert shown['task'] == 'pose'
        assert shown['layout'] == 'anchor_free, 1 class'
        assert shown['told by'] == 'one row a cell, and the number of its values'
        assert shown['keypoints'] == '3: tip, mid, tail'
        assert shown['skeleton'] == '1 line'
        assert shown['resize'].startswith('letterbox')
        assert shown['runtime'].endswith('CPU, 1 thread')
        assert 'assumed' not in shown

    def test_settings(self, colors, capsys):
        settings = [
            '--set=class_names=[a, b, "[c]", d]',
            '--set=mean=[0.5,0.5,0.5]',
            '--set=std=[0.25,0.25,0.25]',
            '--set=color_order=bgr',
            '--set=resize=letterbox',
            '--set=input_size=[64,48]',
        ]
        assert main(['info', colors, *settings]) == 0
        shown = rows(capsys.readouterr().out)
        assert shown['classes'] == 'a, b, [c], d'
        assert shown['normalization'] == '(value / 255 - [0.5, 0.5, 0.5]) / [0.25, 0.25, 0.25]'
        assert shown['color order'] == 'bgr'
        assert shown['assumed'].startswith('output logits, scale 1/255, as nothing')
        assert shown['resize'].startswith('letterbox')

    def test_many_classes_are_cut(self, tmp_path, capsys):
        path = detector(tmp_path / 'my.onnx', class_count=80)
        assert main(['info', str(path)]) == 0
        assert 'name_19, … (80 in all)' in rows(capsys.readouterr().out)['classes']

    @pytest.mark.parametrize(
        ('settings', 'message'),
        [
            pytest.param(['task'], r'--set task: expected KEY=VALUE', id='no_value'),
            pytest.param(
                ['task=dtect'], r"--set: task: 'dtect' is not one .*'detect'\?", id='task'
            ),
            pytest.param(['tusk=detect'], r"unknown key 'tusk'; did you mean 'task'\?", id='key'),
            pytest.param(['mean=[1, 2'], r'--set mean=\[1, 2: the value cannot be', id='yaml'),
            pytest.param(['scale=-0'], r'--set: scale: -?0\.0 must be a number', id='range'),
        ],
    )
    def test_settings_that_cannot_be_used(self, colors, settings, message, capsys):
        assert main(['info', colors, *(f'--set={setting}' for setting in settings)]) == 1
        assert re.search(message, capsys.readouterr().err)

    def test_ambiguous_model_names_the_parameter_that_helps(self, tmp_path, capsys):
        path = str(detector(tmp_path / 'my.onnx', class_count=52, metadata={}))
        assert main(['info', path]) == 1
        error = capsys.readouterr().err
        assert error.startswith('jetson-perception: ')
        assert error.count('\n') == 1
        assert "set 'task': detect or pose" in error
        assert main(['info', path, '--set', 'task=detect']) == 0
        assert rows(capsys.readouterr().out)['layout'] == 'anchor_free, 52 classes'

    def test_an_unknown_model_gives_one_line(self, tmp_path, capsys):
        assert main(['info', str(unknown_output(tmp_path / 'my.onnx'))]) == 1
        captured = capsys.readouterr()
        assert captured.out == ''
        assert re.fullmatch(r'jetson-perception: .*my\.onnx.*\n', captured.err)

    def test_engine_that_is_not_here(self, colors, capsys, monkeypatch):
        lacking = opening._Runtime(None, lambda device: 'it is not here')
        monkeypatch.setitem(opening._RUNTIMES, 'tensorrt', lacking)
        assert main(['info', colors, '--runtime', 'tensorrt']) == 1
        assert "runtime 'tensorrt' cannot be used: it is not here" in capsys.readouterr().err

    def test_verbose_says_what_auto_chose(self, colors, capsys):
        assert main(['info', colors, '-v']) == 0
        assert "runtime 'auto' took onnxruntime_cpu" in capsys.readouterr().err


def test_precision_of_an_engine_that_is_built(colors, capsys):
    assert main(['info', colors, '--precision', 'fp32']) == 0
    assert main(['info', colors, '--precision', 'int8', '--runtime', 'onnxruntime_cpu']) == 1
    assert 'nothing in it is quantized' in capsys.readouterr().err
