"""`jetson-perception bench`: a table, a file of figures, a picture."""

import importlib.util
import json
import os

import numpy as np
import pytest
from onnx_models import color_segmentation, detector

from jetson_perception.benchmark import messages, plot
from jetson_perception.benchmark.machine import load_note
from jetson_perception.commands.main import main

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec('matplotlib') is None, reason='needs matplotlib'
)


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setenv('NO_COLOR', '1')


@pytest.fixture
def models(tmp_path):
    return [
        str(detector(tmp_path / 'a.onnx', size_wh=(64, 64))),
        str(detector(tmp_path / 'a.onnx', size_wh=(64, 64))),
        str(color_segmentation(tmp_path / 'colors.onnx')),
    ]


QUICK = ['--frames', '4', '--size', '320x240']


def test_figures(models, tmp_path, capsys):
    file = tmp_path / 'out.json'
    argv = ['bench', *models, '--device', 'cpu', *QUICK, '640x480', '--draw']
    assert main([*argv, '--baseline', 'seed', 'streams', '--json', str(file)]) == 0
    printed = capsys.readouterr().out
    for text in ('inference alone', '320×240', '640×480', 'the usual loop', 'postprocess', 'MB'):
        assert text in printed
    record = json.loads(file.read_text())
    assert list(record['runtimes']) == ['a 1', 'a 2', 'colors']
    assert record['device'] == 'cpu'
    assert record['command'].startswith('jetson-perception')
    assert record['inference']['in_turn']['frames'] == 4
    assert [(each['width'], each['height']) for each in record['sizes']] == [
        (320, 240),
        (640, 480),
    ]
    for size in record['sizes']:
        for run in ('end_to_end', 'drawn', 'seed', 'streams'):
            assert size[run]['frames'] == 4
            assert size[run]['rate_hz'] > 0
        ratio = size['end_to_end']['rate_hz'] / record['inference']['together']['rate_hz']
        assert size['of_inference'] == pytest.approx(ratio)
        for name in ('seed', 'streams'):
            ratio = size['end_to_end']['rate_hz'] / size[name]['rate_hz']
            assert size[f'of_{name}'] == pytest.approx(ratio)
        for counts in size['end_to_end']['counts'].values():
            assert counts['skipped'] == counts['failed'] == 0
        assert size['end_to_end']['cpu_ms']['publisher'] >= 0  # idle lanes publish themselves
        assert sum(size['end_to_end']['cpu_ms'].values()) > 0
    assert record['memory']['open']['host_mb'] > 10
    assert record['settings']['sizes'] == [[320, 240], [640, 480]]
    busy = load_note(record['load'], 'anything was measured')
    assert record['notes'] == ([busy] if busy else [])
    assert ('Other programs ran on this machine' in printed) == bool(busy)


def test_what_ran_beside_is_told(models, monkeypatch, capsys):
    monkeypatch.setattr(os, 'getloadavg', lambda: (1234.56, 0.0, 0.0))
    assert main(['bench', models[2], *QUICK, '--device', 'cpu']) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith('Other programs ran on this machine: a load of 1234.6 on ')
    assert last.endswith(' before anything was measured.')


@needs_matplotlib
def test_picture_at_once_and_later(models, tmp_path, capsys):
    file, picture = tmp_path / 'out.json', tmp_path / 'out.png'
    argv = ['bench', models[0], *QUICK, '--json', str(file), '--plot', str(picture)]
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert f'figures are in {file}\nplots are in {picture}\n' in captured.err
    assert [line for line in captured.out.splitlines() if line != line.rstrip()] == []
    assert picture.read_bytes().startswith(b'\x89PNG')
    picture.unlink()
    assert plot.main([str(file), str(picture)]) == 0
    assert picture.read_bytes().startswith(b'\x89PNG')
    assert plot.main([str(tmp_path / 'none.json'), str(picture)]) == 1
    assert 'none.json cannot be drawn' in capsys.readouterr().err
    assert plot.main([]) == 2


@pytest.mark.parametrize(
    ('options', 'code', 'text'),
    [
        pytest.param(['--size', '640'], 2, '640 is not a size', id='size'),
        pytest.param(['--size', '4x4'], 2, 'too small', id='small'),
        pytest.param(['--frames', '0'], 2, '0 is not 1 or more', id='frames'),
        pytest.param(['--seconds', '0'], 1, '--seconds is 0', id='seconds'),
        pytest.param(['--seconds', 'nan'], 1, '--seconds is nan', id='seconds_nan'),
        pytest.param(['--seconds', 'inf'], 1, '--seconds is inf', id='seconds_inf'),
        pytest.param(
            ['--device', 'cpu', '--runtime', 'onnxruntime_cuda'], 1, 'give one of them', id='both'
        ),
        pytest.param(['--images', '/nowhere'], 1, '/nowhere', id='images'),
        pytest.param(['--json', '/nowhere/a.json', *QUICK], 1, 'cannot be written', id='json'),
    ],
)
def test_wrong_usage(models, options, code, text, capsys):
    argv = ['bench', models[0], *options]
    if code == 2:
        with pytest.raises(SystemExit, match='2'):
            main(argv)
    else:
        assert main(argv) == code
    assert text in capsys.readouterr().err


@pytest.mark.slow
def test_profile(models, tmp_path, capsys):
    file = tmp_path / 'out.json'
    argv = ['bench', models[0], '--seconds', '1.5', '--size', '320x240', '--profile']
    assert main([*argv, '--json', str(file)]) == 0
    (size,) = json.loads(file.read_text())['sizes']
    threads = size['profile']['threads']
    assert {'lane a', 'publisher', 'MainThread'} <= set(threads)
    assert all(0 < share <= 1 for places in threads.values() for share in places.values())
    assert any('pipeline/' in place for place in threads['lane a'])
    assert 'where lane a was seen:' in capsys.readouterr().out


def test_a_model_that_does_not_exist(capsys):
    assert main(['bench', 'no_such_model', *QUICK]) == 1
    (line,) = capsys.readouterr().err.splitlines()  # before images are read, which takes seconds
    assert 'no_such_model' in line


def test_without_ros_results_stay_objects(models, monkeypatch, tmp_path):
    monkeypatch.setattr(messages, 'messages_available', lambda: False)
    file = tmp_path / 'out.json'
    assert main(['bench', models[0], *QUICK, '--json', str(file)]) == 0
    assert json.loads(file.read_text())['built'].startswith('result objects')


@pytest.mark.skipif(importlib.util.find_spec('rclpy') is None, reason='needs ROS 2')
def test_messages_are_built(models):
    from rclpy.serialization import deserialize_message
    from vision_msgs.msg import Detection2DArray

    from jetson_perception.models import open_model

    header = messages.new_header()
    for path, kinds in (
        (models[0], ['bytes']),
        (models[2], ['Image', 'SegmentationSummary']),
    ):
        model = open_model(path)
        built = messages.message_builder(model)(model(np.zeros((48, 64, 3), np.uint8)), header)
        assert [type(each).__name__ for each in built] == kinds
        if kinds == ['bytes']:
            built = [deserialize_message(built[0], Detection2DArray)]
        assert all(each.header == header for each in built)
        model.close()
