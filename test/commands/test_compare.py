import json
import re
from pathlib import Path

import pytest
from command_output import stripes, table_rows, write_picture
from onnx_models import (
    color_segmentation,
    detector,
    objectness_detector,
    quantize_input,
)

from jetson_perception.commands.main import main
from jetson_perception.engines import opening

pytestmark = pytest.mark.usefixtures('wide_terminal')


class TestCompare:
    @pytest.fixture
    def pictures(self, tmp_path):
        for index in range(2):
            write_picture(tmp_path / 'pictures' / f'{index}.png', stripes(640, 640))
        return str(tmp_path / 'pictures')

    @pytest.fixture
    def detectors(self, tmp_path):
        """One, the same in another layout, and one that scores less."""
        box = (320, 240, 100, 80, 0)
        return (
            str(detector(tmp_path / 'a.onnx', [(*box, 0.9)])),
            str(objectness_detector(tmp_path / 'b.onnx', [(*box, 1.0, 0.9)])),
            str(detector(tmp_path / 'c.onnx', [(*box, 0.6)])),
        )

    def test_agreement(self, detectors, pictures, tmp_path, capsys):
        a, b, _ = detectors
        file = tmp_path / 'figures.json'
        assert main(['compare', a, b, '--images', pictures, '--json', str(file)]) == 0
        out = capsys.readouterr().out
        assert re.match(rf'A  {a}: ONNX Runtime .*\nB  {b}: ONNX Runtime', out)
        rows = table_rows(out)
        assert rows['boxes matched'] == ['1.0000', '', '', '≥ 0.95', 'kept']
        assert rows['score drift'][3:] == ['p99 ≤ 0.1', 'kept']
        figures = json.loads(file.read_text())
        assert figures['pictures'] == 2
        assert figures['boxes_matched'] == 1
        assert figures['past'] == []
        assert [figures[each]['model'] for each in 'ab'] == [a, b]
        assert all('CPU' in figures[each]['runtime'] for each in 'ab')
        assert figures['corner_drift_px']['largest'] == 0

    def test_past_a_limit(self, detectors, pictures, tmp_path, capsys):
        a, _, c = detectors
        file = tmp_path / 'figures.json'
        command = ['compare', a, c, '--images', pictures]
        assert main([*command, '--json', str(file)]) == 1
        assert 'past the limit: score drift is 0.3000, limit p99 ≤ 0.1' in capsys.readouterr().out
        assert json.loads(file.read_text())['past'] == ['score drift']
        assert main([*command, '--max-score-drift', '0.31']) == 0
        assert main([*command, '--max-score-drift', '1', '--min-matched', '1.1']) == 1

    def test_masks_of_scenes_and_pictures(self, colors, pictures, capsys):
        for source in (pictures, f'{pictures}/0.png', 'scene://oranges?count=1'):
            assert main(['compare', colors, colors, '--images', source]) == 0
            assert table_rows(capsys.readouterr().out)['mask agreement (pixels)'][0] == '1.0000'

    def test_the_number_of_pictures_is_limited(self, colors, pictures, capsys):
        assert main(['compare', colors, colors, '--images', pictures, '--frames', '1']) == 0
        assert f'\n1 picture of {pictures}\n' in capsys.readouterr().out

    @pytest.mark.parametrize(
        ('more', 'text'),
        [
            pytest.param(['--images', 'none'], 'none', id='no_pictures'),
            pytest.param(['--images', 'scene://moon'], "no scene is called 'moon'", id='no_scene'),
            pytest.param(['--runtime-b', 'tensorrt'], 'it is not here', id='no_engine'),
            pytest.param(['--score-threshold', '2'], 'score_threshold is 2', id='threshold'),
            pytest.param(['--score-threshold', '0.95'], 'nothing was compared', id='nothing'),
        ],
    )
    def test_errors_exit_with_2(self, detectors, pictures, more, text, capsys, monkeypatch):
        lacking = opening._Runtime(None, lambda device: 'it is not here')
        monkeypatch.setitem(opening._RUNTIMES, 'tensorrt', lacking)
        command = ['compare', *detectors[:2], '--images', pictures]
        assert main([*command, *more]) == 2
        err = capsys.readouterr().err
        assert text in err
        assert err.count('\n') == 1

    def test_two_kinds_of_model(self, colors, detectors, pictures, capsys):
        assert main(['compare', colors, detectors[0], '--images', pictures]) == 2
        assert 'differ in their task' in capsys.readouterr().err

    def test_damaged_picture(self, colors, pictures, capsys):
        Path(pictures, '1.png').write_bytes(b'x')
        assert main(['compare', colors, colors, '--images', pictures]) == 0
        captured = capsys.readouterr()
        assert re.search(r'^WARNING: .*1\.png is damaged.*; skipped$', captured.err, re.MULTILINE)
        assert f'\n1 picture of {pictures}\n' in captured.out

    def test_nothing_but_damaged_pictures(self, colors, pictures, capsys):
        for name in ('0.png', '1.png'):
            Path(pictures, name).write_bytes(b'x')
        assert main(['compare', colors, colors, '--images', pictures]) == 2
        assert f'{pictures}: none of the 2 pictures can be read' in capsys.readouterr().err


def test_precision_of_each_of_two(colors, tmp_path, capsys):
    quantized = str(quantize_input(color_segmentation(tmp_path / 'quantized.onnx')))
    write_picture(tmp_path / 'pictures' / '0.png')
    arguments = ['compare', colors, quantized, '--images', str(tmp_path / 'pictures')]
    arguments += ['--runtime-a', 'onnxruntime_cpu', '--runtime-b', 'onnxruntime_cpu']
    assert main([*arguments, '--precision-b', 'int8']) == 0
    assert main([*arguments, '--precision-a', 'int8']) == 2
    assert 'nothing in it is quantized' in capsys.readouterr().err


@pytest.mark.parametrize('option', ['--match-iou', '--min-matched', '--max-corner-drift'])
@pytest.mark.parametrize('value', ['nan', 'x'])
def test_a_limit_that_is_no_number(capsys, option, value):
    with pytest.raises(SystemExit, match='2'):
        main(['compare', 'a.onnx', 'b.onnx', '--images', 'a.png', option, value])
    assert option in capsys.readouterr().err
