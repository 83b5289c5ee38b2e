"""Figures as JSON that every reader takes, whatever was measured."""

import json

import numpy as np
import pytest
import small_networks

from jetson_perception.commands import convert
from jetson_perception.commands.figures import typed_command, write_figures
from jetson_perception.commands.main import main


def strictly(path):
    """Python writes and reads what is no JSON."""
    return json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f'has {word}'))


def test_what_is_not_finite_is_null(tmp_path):
    figures = {'a': float('inf'), 'b': (float('nan'), np.float64('-inf'), 1.5, 2, 'NaN', None)}
    write_figures(tmp_path / 'a.json', [figures])
    assert strictly(tmp_path / 'a.json') == [{'a': None, 'b': [None, None, 1.5, 2, 'NaN', None]}]


def test_results_of_different_shapes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    apart = convert.Difference(1, float('inf'), float('inf'))
    monkeypatch.setattr(convert, '_difference', lambda *_: apart)
    small_networks.yolo(tmp_path / 'my.onnx', opset=17)
    argv = ['convert', 'my.onnx', '--opset', '13', '--json', 'said.json', '--unchecked']
    assert main(argv) == 1
    said = strictly(tmp_path / 'said.json')
    assert said['difference'] == {'pictures': 1, 'largest': None, 'share': None}
    assert 'results differ' in said['problem']


def test_what_was_typed_is_kept_without_passwords(monkeypatch):
    monkeypatch.setattr('sys.argv', ['x', 'run', 'oranges', 'rtsp://me:s3cret@10.0.0.2/live'])
    assert typed_command() == 'jetson-perception run oranges rtsp://10.0.0.2/live'
