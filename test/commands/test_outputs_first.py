"""What commands write is checked before the work: here each has no model, which ends it later."""

import importlib.util
from pathlib import Path

import pytest
from bags import write_bag
from command_output import write_picture, write_video

from jetson_perception.commands.main import main

RUN = ['run', 'none.onnx', 'a.png']
EVALUATE = ['evaluate', '--model', 'none.onnx', '--dataset', 'none.json']
COMPARE = ['compare', 'none.onnx', 'none.onnx', '--images', 'a.png']
BENCH = ['bench', 'none.onnx']
GRAPH = ['bench', '--ros', '/image', '/answer']
QUANTIZE = ['quantize', 'none.onnx', '--images', 'a.png']
CONVERT = ['convert', 'none.onnx', '--opset', '13']
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec('matplotlib') is None, reason='needs matplotlib'
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_picture(Path('a.png'))
    Path('folder').mkdir()


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        pytest.param('none/out{}', 'No such file or directory', id='no_folder'),
        pytest.param('a.png/out{}', 'Not a directory', id='a_file_as_the_folder'),
        pytest.param('x' * 300 + '{}', 'File name too long', id='name_too_long'),
        pytest.param('folder', 'Is a directory', id='folder'),
        pytest.param('/proc/out{}', 'No such file or directory', id='folder_that_takes_none'),
    ],
)
@pytest.mark.parametrize(
    ('command', 'ending'),
    [
        pytest.param([*RUN, '--trace'], '.json', id='run_trace'),
        pytest.param([*EVALUATE, '--json'], '.json', id='evaluate_json'),
        pytest.param([*EVALUATE, '--plot'], '.svg', id='evaluate_plot', marks=needs_matplotlib),
        pytest.param([*COMPARE, '--json'], '.json', id='compare_json'),
        pytest.param([*BENCH, '--json'], '.json', id='bench_json'),
        pytest.param([*BENCH, '--plot'], '.svg', id='bench_plot', marks=needs_matplotlib),
        pytest.param([*GRAPH, '--json'], '.json', id='bench_ros_json'),
        pytest.param([*QUANTIZE, '--output'], '.onnx', id='quantize_output'),
        pytest.param([*QUANTIZE, '--json'], '.json', id='quantize_json'),
        pytest.param([*CONVERT, '--output'], '.onnx', id='convert_output'),
        pytest.param([*CONVERT, '--json'], '.json', id='convert_json'),
        pytest.param(['build-engine', 'oranges', '--output'], '.engine', id='build_output'),
        pytest.param(['build-engine', 'oranges', '--json'], '.json', id='build_json'),
        pytest.param(['build-engine', 'oranges', '--save-onnx'], '.onnx', id='build_save_onnx'),
        pytest.param(['trace', '--output'], '.json', id='trace'),
        pytest.param(['selftest', '--report'], '.txt', id='selftest'),
    ],
)
def test_a_file_that_cannot_be_written(command, ending, name, reason, capsys):
    if name == 'folder':
        if command[-1] in ('--plot', '--output') and command[0] != 'trace':
            name, reason = f'folder{ending}', 'Is a directory'
        Path(name).mkdir(exist_ok=True)
    before = sorted(Path().rglob('*'))
    assert main([*command, name.format(ending)]) in (1, 2)
    said = ' '.join(capsys.readouterr().err.split())
    assert 'cannot be written: ' in said
    assert reason in said
    assert sorted(Path().rglob('*')) == before


@needs_matplotlib
@pytest.mark.parametrize('command', [EVALUATE, BENCH])
def test_a_format_that_matplotlib_does_not_make(command, capsys):
    assert main([*command, '--plot', 'plot.doc']) == 1
    said = ' '.join(capsys.readouterr().err.split())
    assert 'plot.doc cannot be written: matplotlib makes no .doc; it makes' in said
    assert 'pdf' in said.partition('it makes')[2]


class TestSources:
    """Of `run`: a later one is looked at before the first."""

    @pytest.fixture
    def said(self, capsys):
        def run(*sources):
            assert main(['run', 'none.onnx', 'a.png', *map(str, sources)]) == 1
            return ' '.join(capsys.readouterr().err.split())

        return run

    @pytest.mark.parametrize(
        ('source', 'text'),
        [
            pytest.param('none.mp4', 'there is no none.mp4', id='no_video'),
            pytest.param('file://none.mp4', 'there is no none.mp4', id='no_video_by_uri'),
            pytest.param('notes.txt', 'notes.txt is a text', id='text'),
            pytest.param('empty.mp4', 'empty.mp4 is empty', id='empty'),
            pytest.param('noise.mp4', 'noise.mp4 is not a video', id='no_video_in_it'),
            pytest.param('bag://none', 'there is no such file or folder', id='no_bag'),
            pytest.param('bag://folder', 'it has no metadata.yaml', id='no_bag_in_it'),
            pytest.param('drive?topic=/none', '/none', id='no_such_topic'),
            pytest.param('none/', 'none', id='no_folder'),
        ],
    )
    def test_refused(self, said, source, text):
        Path('notes.txt').write_text('one, two\n' * 100)
        Path('empty.mp4').touch()
        Path('noise.mp4').write_bytes(bytes(range(256)) * 9)
        write_bag(Path('drive'), [9, 9])
        found = said(source)
        assert text in found
        assert 'none.onnx' not in found

    def test_those_that_are_there_pass(self, said):
        write_bag(Path('drive'), [9, 9])
        whole = write_bag(Path('cut'), [9] * 20)
        (whole / 'metadata.yaml').unlink()
        file = next(whole.glob('*.mcap'))
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
        video = write_video(Path('a.mp4'))
        found = said(video, 'drive', 'cut', 'scene://oranges')
        assert 'none.onnx' in found
        assert 'cut off' not in found
