"""The demo as people run it, with small models and few frames."""

import os
import re
import shlex
import signal
import subprocess
import sys
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from onnx_models import color_segmentation, detector, slow_segmentation


def run_demo(folder, *options):
    return subprocess.run(
        demo_command('--output', str(folder), '--duration', '2', '--record', '1', *options),
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, 'COLUMNS': '120'},
        check=False,
    )


def number(text, what):
    """The number behind some words of the output."""
    return int(re.search(rf'{what} ?(\d+)', text)[1])


def demo_command(*options):
    return [sys.executable, '-m', 'jetson_perception.ros.demo', *options]


def assert_saved(folder):
    pictures = sorted(folder.glob('annotated_*.png'))
    assert pictures
    assert cv2.imread(str(pictures[0])).shape == (240, 320, 3)
    assert cv2.VideoCapture(str(folder / 'annotated.mp4')).read()[0]


def test_with_a_slow_engine_the_newest_frame_wins_and_the_table_says_how_many_were_skipped(
    tmp_path,
):
    model = tmp_path / 'slow.onnx'
    slow_segmentation(model, 150)
    source = 'scene://oranges?width=320&height=240&fps=30'
    done = run_demo(tmp_path / 'out', '--model', str(model), '--source', source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert number(done.stdout, 'skipped for a newer one') > 0
    assert number(done.stdout, 'failed') == 0
    for stage in ('transport', 'inference', 'publish', 'total'):
        assert re.search(rf'│ {stage} +│ +\d+\.\d\d ms │', done.stdout), done.stdout
    assert 'class ratios: ' in done.stdout
    assert f'make demo SOURCE={shlex.quote(source)} MODEL={model} VIEW=true' in done.stdout
    # A second has 6 pictures at most; where there are few, it is recorded for longer.
    assert 'Recording for 1 s, or up to 3 s until there are 30 pictures' in done.stdout
    assert number(done.stdout, r'the video annotated\.\w+ \(') > 7
    assert [line for line in done.stdout.splitlines() if line != line.rstrip()] == []
    assert_saved(tmp_path / 'out')


def test_yolo_with_a_model_of_the_users_own(tmp_path):
    model = tmp_path / 'boxes.onnx'
    detector(model)
    source = 'scene://people?width=320&height=240&fps=10'
    done = run_demo(tmp_path / 'out', '--node', 'yolo', '--model', str(model), '--source', source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r'^det: results [\d.]+ Hz · frames lost', done.stdout, re.MULTILINE)
    assert 'det, objects per frame: ' in done.stdout
    assert 'Recording for 1 s, or up to 3 s until there are 30 pictures' in done.stdout
    assert 'no image any more' not in (tmp_path / 'out' / 'yolo_node.log').read_text()
    assert_saved(tmp_path / 'out')


@pytest.mark.parametrize(
    ('node', 'make', 'command', 'launch_file'),
    [
        pytest.param('seg', detector, 'make demo-yolo', 'yolo.launch.py', id='yolo_for_seg'),
        pytest.param('yolo', color_segmentation, 'make demo', 'seg.launch.py', id='seg_for_yolo'),
    ],
)
def test_a_model_of_the_other_demo(tmp_path, node, make, command, launch_file):
    model = tmp_path / 'my.onnx'
    make(model)
    done = run_demo(tmp_path / 'out', '--node', node, '--model', str(model))
    assert done.returncode == 1
    assert f'Here: {command} MODEL={model}' in done.stdout
    assert f'({launch_file})' in done.stdout


@pytest.mark.slow
def test_it_goes_on_in_a_browser_until_it_is_told_to_end(tmp_path):
    pytest.importorskip('aiohttp')
    model = color_segmentation(tmp_path / 'colors.onnx')
    options = ('--model', str(model), '--source', 'scene://oranges?width=320&height=240&fps=10')
    command = demo_command(
        *('--output', str(tmp_path / 'out'), '--duration', '1', '--record', '1', *options),
        *('--view', '--view-port', '0'),
    )
    environ = {**os.environ, 'COLUMNS': '120', 'PYTHONUNBUFFERED': '1'}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as demo:
        said = []
        for line in demo.stdout:
            said.append(line)
            if found := re.search(r'in a browser: (http://\S+) \(Ctrl\+C', line):
                break
        with urlopen(found[1], timeout=20) as page:
            assert b'<title>Live view</title>' in page.read()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    assert any('class ratios: ' in line for line in said)
    assert_saved(tmp_path / 'out')


@pytest.mark.parametrize('output', ['seg', '.'])
def test_a_source_in_the_output_folder_is_kept(tmp_path, output):
    """As the video of an earlier demo."""
    folder = tmp_path / output
    folder.mkdir(exist_ok=True)
    video = folder / 'annotated.mp4'
    video.write_bytes(b'mine')
    done = run_demo(folder, '--source', str(video))
    assert done.returncode == 1
    assert 'holds annotated.mp4, which is one of the sources' in ' '.join(done.stdout.split())
    assert video.read_bytes() == b'mine'


@pytest.mark.slow
def test_pictures_of_several_sizes_fit_into_one_video(tmp_path):
    model = detector(tmp_path / 'boxes.onnx')
    for index, size_wh in enumerate([(320, 240), (240, 320), (100, 30), (639, 361)]):
        pixels = np.full((size_wh[1], size_wh[0], 3), 60 * index, np.uint8)
        cv2.imwrite(str(tmp_path / f'{index}.png'), pixels)
    source = f'images://{tmp_path}'
    done = run_demo(tmp_path / 'out', '--node', 'yolo', '--model', str(model), '--source', source)
    assert done.returncode == 0, done.stdout + done.stderr
    capture = cv2.VideoCapture(str(tmp_path / 'out' / 'annotated.mp4'))
    while (read := capture.read())[0]:
        last = read[1]
    assert last.shape[:2] in {(240, 320), (320, 240), (30, 100), (360, 638)}


@pytest.mark.parametrize('node', ['seg', 'yolo'])
def test_each_demo_has_its_own_folder(tmp_path, node):
    (tmp_path / 'demo_output').touch()
    done = subprocess.run(
        demo_command('--node', node),
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        env={**os.environ, 'COLUMNS': '120'},
        check=False,
    )
    assert done.returncode == 1
    assert f'demo_output/{node}' in done.stdout


def test_a_node_that_cannot_start_is_reported_with_its_log(tmp_path):
    done = run_demo(tmp_path / 'out', '--source', '::')
    assert done.returncode == 1
    assert 'demo failed' in done.stdout
    assert 'Traceback' not in done.stdout + done.stderr


@pytest.mark.parametrize(
    'option',
    [
        pytest.param('--node=detr', id='no_such_node'),
        pytest.param('--duration=0', id='no_time'),
        pytest.param('--record=nan', id='no_number'),
    ],
)
def test_wrong_options(tmp_path, option):
    assert run_demo(tmp_path, option).returncode == 2
