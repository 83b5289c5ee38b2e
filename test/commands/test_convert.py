"""`jetson-perception convert`, on real files and ONNX Runtime."""

import json
import re

import numpy as np
import onnx
import pytest
import small_networks
from command_output import write_picture
from onnx import helper
from onnx_models import color_segmentation, detector

from jetson_perception.commands import convert
from jetson_perception.commands.main import main
from jetson_perception.engines.onnx_file.precision import opset_of

pytestmark = pytest.mark.usefixtures('wide_terminal')


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'my.yaml').write_text('class_names: [one, two]\n')
    return small_networks.yolo(tmp_path / 'my.onnx', opset=17)


def test_says_what_it_changed_and_that_results_are_the_same(model, tmp_path, capsys):
    assert main(['convert', str(model), '--opset', '13', '--json', 'said.json']) == 0
    said = capsys.readouterr().out
    assert 'my.onnx: opset 17 to 13, IR version 8 to 7' in said
    assert 'version 13 instead of 14' in said
    assert 'largest difference on 3 pictures: 0' in said
    assert 'wrote my_opset13.onnx, with the same results' in said
    out = onnx.load(tmp_path / 'my_opset13.onnx')
    assert opset_of(out) == 13
    kept = {each.key: each.value for each in out.metadata_props}
    assert kept == {each.key: each.value for each in onnx.load(model).metadata_props}
    assert (tmp_path / 'my_opset13.yaml').read_text() == 'class_names: [one, two]\n'
    record = json.loads((tmp_path / 'said.json').read_text())
    assert record['opsets'] == [17, 13]
    assert record['difference'] == {'pictures': 3, 'largest': 0.0, 'share': 0.0}


def test_never_overwrites_unless_told_to(model, tmp_path, capsys):
    out = tmp_path / 'there.onnx'
    out.write_bytes(b'precious')
    argv = ['convert', str(model), '--opset', '15', '--output', str(out)]
    assert main(argv) == 1
    assert 'there.onnx exists; --force replaces it' in capsys.readouterr().err
    assert out.read_bytes() == b'precious'
    assert main([*argv, '--force']) == 0
    assert opset_of(onnx.load(out)) == 15
    assert main(['convert', str(model), '--opset', '15', '--output', str(model), '--force']) == 1
    assert 'expected another .onnx file than the model' in capsys.readouterr().err
    assert opset_of(onnx.load(model)) == 17


def test_pictures_of_the_user(model, tmp_path, capsys):
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for name in ('a.png', 'b.png'):
        write_picture(pictures / name, np.full((30, 40, 3), 90, np.uint8))
    assert main(['convert', str(model), '--opset', '13', '--images', str(pictures)]) == 0
    assert 'largest difference on 2 pictures' in capsys.readouterr().out


def test_what_gives_something_else_is_not_written(tmp_path, monkeypatch, capsys):
    """onnx converts a softmax over channels to opset 12, where it is one over all that follows."""
    monkeypatch.chdir(tmp_path)
    path = color_segmentation(tmp_path / 'my.onnx', metadata={'output': 'probabilities'})
    file = onnx.load(path)
    last = file.graph.output[0].name
    for each in file.graph.node:
        each.output[:] = ['before' if name == last else name for name in each.output]
    file.graph.node.append(helper.make_node('Softmax', ['before'], [last], axis=1))
    file.opset_import[0].version = 13
    onnx.save(file, path)
    argv = ['convert', str(path), '--opset', '12', '--set', 'output=probabilities']
    assert main(argv) == 1
    said = capsys.readouterr()
    assert 'results differ by up to' in said.err
    assert 'nothing was written' in said.err
    assert not (tmp_path / 'my_opset12.onnx').exists()
    assert main([*argv, '--unchecked']) == 1
    assert 'wrote my_opset12.onnx: results differ' in capsys.readouterr().out


def test_results_that_cannot_be_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = detector(tmp_path / 'my.onnx', metadata={'task': 'nothing that is known'})
    assert main(['convert', str(path), '--opset', '20']) == 1
    assert 'results cannot be compared: ' in capsys.readouterr().err
    assert not (tmp_path / 'my_opset20.onnx').exists()


def test_a_difference_that_is_no_number_is_one():
    class Gives:
        def __init__(self, value):
            self._value = value

        def preprocess(self, bgr):
            return bgr, None

        def infer(self, tensor):
            return [np.array([1.0, self._value]), np.array([2.0])]

    some = [np.zeros((2, 2, 3), np.uint8)] * 2
    assert convert._difference(Gives(3), Gives(3), some) == (2, 0.0, 0.0)
    assert convert._difference(Gives(4), Gives(3), some) == (2, 1.0, 0.25)
    assert not convert._difference(Gives(4), Gives(np.nan), some).share <= 1


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        pytest.param(['none.onnx', '--opset', '13'], 'none.onnx cannot be read', id='no_file'),
        pytest.param(['my.engine', '--opset', '13'], 'is no ONNX file', id='engine'),
        pytest.param(['my.onnx', '--opset', '17'], 'has opset 17 .* already', id='the_same'),
        pytest.param(['my.onnx', '--opset', '13', '--output', 'x.pb'], 'another .onnx', id='name'),
    ],
)
def test_what_is_refused(model, tmp_path, argv, message, capsys):
    (tmp_path / 'my.engine').write_bytes(b'x')
    assert main(['convert', *argv]) == 1
    assert re.search(message, capsys.readouterr().err)
