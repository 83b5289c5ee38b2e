import importlib.util
import json
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from bags import write_bag
from dataset_folders import coco_folder, coco_objects, yolo_folder
from onnx_models import (
    color_segmentation,
    detector,
    instance_segmenter,
    objectness_detector,
    pose_detector,
    quantize_input,
    ultralytics_metadata,
    unknown_output,
)
from small_disk import small_disk

from jetson_perception.camera.named_frames import NamedFrame
from jetson_perception.commands.main import main
from jetson_perception.commands.result_folder import ResultFolder
from jetson_perception.engines import opening
from jetson_perception.errors import ParameterError
from jetson_perception.models import open_model

needs_evaluate_extra = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ('matplotlib', 'pycocotools'))),
    reason="needs pip install 'jetson-perception[evaluate]'",
)


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setenv('NO_COLOR', '1')


@pytest.fixture
def colors(tmp_path):
    return str(color_segmentation(tmp_path / 'colors.onnx'))


def stripes(width=64, height=48):
    """Left half red, right half green; BGR."""
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[:, : width // 2, 2] = 255
    bgr[:, width // 2 :, 1] = 255
    return bgr


def write_picture(path, bgr=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), stripes() if bgr is None else bgr)
    return str(path)


def write_video(path, count=5, size_wh=(64, 48)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, size_wh)
    for _ in range(count):
        writer.write(stripes(*size_wh))
    writer.release()
    return str(path)


def rows(text):
    """A printed two-column listing as a dict."""
    pairs = (re.split(r'\s{2,}', line.strip(), maxsplit=1) for line in text.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def cells(text):
    """Rows of a printed table."""
    lines = (line.strip('│┃ ') for line in text.splitlines() if '│' in line)
    return {line.split('│')[0].strip(): line.split('│')[1].strip() for line in lines}


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

    def test_as_a_module_without_ros(self, colors):
        root = Path(__file__).resolve().parents[2]
        environment = {'PATH': os.environ['PATH'], 'PYTHONPATH': str(root)}
        watch = (
            'import sys, jetson_perception.commands.main as cli; cli.main(["info", sys.argv[1]]);'
            + ('print(sorted({"rclpy", "torch", "onnx"} & set(sys.modules)))')
        )
        done = subprocess.run(
            [sys.executable, '-c', watch, colors],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == '[]'
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


class TestInfo:
    def test_segmentation(self, colors, capsys):
        assert main(['info', colors]) == 0
        shown = rows(capsys.readouterr().out)
        assert shown['task'] == 'semantic segmentation'
        assert shown['layout'] == 'logits, 4 classes'
        assert shown['classes'] == 'background, red, green, blue'
        assert shown['input'] == 'image: float32 1 × 3 × 48 × 64'
        assert shown['output'] == 'scores: float32 1 × 4 × 48 × 64'
        assert shown['resize'].startswith('stretch')
        assert shown['normalization'] == 'value / 255'
        assert re.match(r'ONNX Runtime .*, CPU, \d+ thread', shown['engine'])
        assert 'keypoints' not in shown
        assert shown['assumed'].startswith('output logits, resize stretch, scale 1/255, mean 0')

    def test_pose(self, tmp_path, capsys):
        path = pose_detector(tmp_path / 'my.onnx')
        (tmp_path / 'my.yaml').write_text('keypoint_names: [tip, mid, tail]\nskeleton: [[0, 1]]')
        assert main(['info', str(path), '--threads', '1']) == 0
        shown = rows(capsys.readouterr().out)
        assert shown['task'] == 'pose'
        assert shown['layout'] == 'anchor_free, 1 class'
        assert shown['keypoints'] == '3: tip, mid, tail'
        assert shown['skeleton'] == '1 line'
        assert shown['resize'].startswith('letterbox')
        assert shown['engine'].endswith('CPU, 1 thread')
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
            pytest.param(['task=dtect'], r"--set: task: 'dtect' is none .*'detect'\?", id='task'),
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

    def test_model_that_nobody_knows_is_one_line(self, tmp_path, capsys):
        assert main(['info', str(unknown_output(tmp_path / 'my.onnx'))]) == 1
        captured = capsys.readouterr()
        assert captured.out == ''
        assert re.fullmatch(r'jetson-perception: .*my\.onnx.*\n', captured.err)

    def test_engine_that_is_not_here(self, colors, capsys, monkeypatch):
        lacking = opening._Runtime(None, lambda device: 'it is not here')
        monkeypatch.setitem(opening._RUNTIMES, 'tensorrt', lacking)
        assert main(['info', colors, '--runtime', 'tensorrt']) == 1
        assert "runtime 'tensorrt' cannot be used: it is not here" in capsys.readouterr().err

    def test_verbose_says_what_auto_took(self, colors, capsys):
        assert main(['info', colors, '-v']) == 0
        assert "runtime 'auto' took onnxruntime_cpu" in capsys.readouterr().err


class TestRun:
    def test_json_lines_of_a_segmentation(self, colors, tmp_path, capsys):
        picture = write_picture(tmp_path / 'a.png')
        assert main(['run', colors, picture, '--json']) == 0
        captured = capsys.readouterr()
        (record,) = map(json.loads, captured.out.splitlines())
        assert record == {
            'source': picture,
            'frame': 0,
            'width': 64,
            'height': 48,
            'classes': [
                {'class_id': 0, 'class_name': 'background', 'pixels': 0, 'ratio': 0.0},
                {'class_id': 1, 'class_name': 'red', 'pixels': 1536, 'ratio': 0.5},
                {'class_id': 2, 'class_name': 'green', 'pixels': 1536, 'ratio': 0.5},
                {'class_id': 3, 'class_name': 'blue', 'pixels': 0, 'ratio': 0.0},
            ],
        }
        assumed = [line for line in captured.err.splitlines() if 'assumed' in line]
        assert len(assumed) == 1
        assert 'colors.onnx does not say its output, resize, scale' in assumed[0]
        assert '--set NAME=VALUE' in assumed[0]

    def test_json_lines_of_a_pose_model(self, tmp_path, capsys):
        path = pose_detector(tmp_path / 'my.onnx', [(320, 320, 100, 80, 0, 0.9)])
        picture = write_picture(tmp_path / 'a.png', np.zeros((320, 640, 3), np.uint8))
        assert main(['run', str(path), picture, '--json']) == 0
        (record,) = map(json.loads, capsys.readouterr().out.splitlines())
        assert record['detections'] == [
            {
                'class_id': 0,
                'class_name': 'name_0',
                'score': 0.9,
                'xyxy': [270.0, 120.0, 370.0, 200.0],
                'keypoints': [
                    {'name': 'keypoint_0', 'x': 300.0, 'y': 60.0, 'score': 0.8},
                    {'name': 'keypoint_1', 'x': 320.0, 'y': 70.0, 'score': 0.6},
                    {'name': 'keypoint_2', 'x': 340.0, 'y': 80.0, 'score': 0.4},
                ],
            }
        ]

    def test_thresholds(self, tmp_path, capsys):
        boxes = [(320, 320, 100, 80, 0, 0.5), (330, 320, 100, 80, 0, 0.4)]
        path = str(detector(tmp_path / 'my.onnx', boxes))
        picture = write_picture(tmp_path / 'a.png')

        def found(*options):
            assert main(['run', path, picture, '--json', *options]) == 0
            return len(json.loads(capsys.readouterr().out)['detections'])

        assert found() == 1
        assert found('--iou-threshold', '0.9') == 2
        assert found('--score-threshold', '0.6') == 0
        assert main(['run', path, picture, '--score-threshold', '1.5']) == 1
        assert 'score_threshold is 1.5; give a number from 0 to 1' in capsys.readouterr().err

    def test_classes(self, colors, tmp_path, capsys):
        boxes = [(100, 320, 100, 80, 0, 0.5), (330, 320, 100, 80, 1, 0.4)]
        path = str(detector(tmp_path / 'my.onnx', boxes))
        picture = write_picture(tmp_path / 'a.png')

        def found(*options):
            assert main(['run', path, picture, '--json', *options]) == 0
            record = json.loads(capsys.readouterr().out)
            return [detection['class_name'] for detection in record['detections']]

        assert found() == found('--classes', 'name_1,name_0') == ['name_0', 'name_1']
        assert found('--classes', 'name_1') == ['name_1']
        assert main(['run', path, picture, '--classes', 'nam_1']) == 1
        assert re.search(r"'nam_1', and no class .*; did you mean 'n", capsys.readouterr().err)
        assert main(['run', colors, picture, '--classes', 'red']) == 1
        assert '--classes is for detectors' in capsys.readouterr().err

    def test_instances(self, tmp_path, capsys):
        """The mask has a detection's index plus 1, and JSON the pixels of each."""
        boxes = [(320, 320, 200, 200, 0, 0.9, 1), (320, 320, 100, 100, 1, 0.8)]
        path = str(instance_segmenter(tmp_path / 'my.onnx', boxes))
        picture = write_picture(tmp_path / 'a.png', np.zeros((640, 640, 3), np.uint8))
        out = tmp_path / 'out'
        assert main(['run', path, picture, '--output', str(out)]) == 0
        record = json.loads((out / 'results.jsonl').read_text())
        assert record['mask'] == 'a_mask.png'
        assert [found['pixels'] for found in record['detections']] == [100 * 200, 50 * 100]
        expected = np.zeros((640, 640), np.uint8)
        expected[270:370, 270:370] = 2
        expected[220:420, 320:420] = 1
        mask = cv2.imread(str(out / 'a_mask.png'), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, expected)
        assert cv2.imread(str(out / 'a.jpg'))[320, 370].max() > 60
        capsys.readouterr()

        assert main(['info', path]) == 0
        assert rows(capsys.readouterr().out)['task'] == 'instance segmentation'

    def test_output_folder(self, colors, tmp_path, capsys):
        write_picture(tmp_path / 'in' / 'b.png')
        write_picture(tmp_path / 'in' / 'a.jpg')
        other = write_picture(tmp_path / 'other' / 'a.png')
        video = write_video(tmp_path / 'drive.mp4', 5)
        out = tmp_path / 'deep' / 'out'
        assert main(['run', colors, str(tmp_path / 'in'), other, video, '--output', str(out)]) == 0
        assert sorted(path.name for path in out.iterdir()) == [
            'a.jpg',
            'a_2.jpg',
            'a_2_mask.png',
            'a_mask.png',
            'b.jpg',
            'b_mask.png',
            'drive.mp4',
            'results.jsonl',
        ]
        captured = capsys.readouterr()
        assert captured.out == ''
        assert f'results are in {out}' in captured.err
        records = [json.loads(line) for line in (out / 'results.jsonl').read_text().splitlines()]
        assert [record['annotated'] for record in records] == [
            *('a.jpg', 'b.jpg', 'a_2.jpg'),
            *(['drive.mp4'] * 5),
        ]
        assert [record['frame'] for record in records] == [0, 0, 0, 0, 1, 2, 3, 4]
        mask = cv2.imread(str(out / records[1]['mask']), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (48, 64)
        assert mask[5, 5] == 1
        assert mask[5, 60] == 2
        # The left half is red; tinted with the color of class 1, dark red, it has less of it.
        assert cv2.imread(str(out / 'b.jpg'))[24, 16, 2] < 230

    def test_annotated_video_has_the_frames_and_rate_of_the_original(self, colors, tmp_path):
        video = write_video(tmp_path / 'drive.mp4', 7)
        assert main(['run', colors, video, '--output', str(tmp_path / 'out')]) == 0
        capture = cv2.VideoCapture(str(tmp_path / 'out' / 'drive.mp4'))
        assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
        count = 0
        while capture.read()[0]:
            count += 1
        assert count == 7

    def test_video_that_changes_size_begins_a_new_one(self, colors, tmp_path):
        model = open_model(colors)
        folder = ResultFolder(tmp_path / 'out')
        for index, size_wh in enumerate([(64, 48), (64, 48), (32, 24)]):
            frame = NamedFrame('rtsp://camera', 'rtsp', index, stripes(*size_wh), 30.0)
            folder.write(frame, model, model(frame.bgr))
        folder.close()
        folder.close()
        lines = (tmp_path / 'out' / 'results.jsonl').read_text().splitlines()
        names = [json.loads(line)['annotated'] for line in lines]
        assert [Path(name).stem for name in names] == ['rtsp', 'rtsp', 'rtsp_2']
        assert all((tmp_path / 'out' / name).stat().st_size for name in names)

    def test_at_most_so_many_frames_of_each_source(self, colors, tmp_path, capsys):
        video = write_video(tmp_path / 'drive.mp4', 9)
        for name in 'abc':
            write_picture(tmp_path / 'in' / f'{name}.png')
        sources = [video, str(tmp_path / 'in')]
        assert main(['run', colors, *sources, '--json', '--frames', '2']) == 0
        assert len(capsys.readouterr().out.splitlines()) == 4

    def test_every_frame_of_a_scene_with_its_number(self, colors, tmp_path, capsys):
        """At any rate, that of the scene included: no frame is skipped for being late."""
        scene = 'scene://oranges?width=96&height=64&frames=9&fps=1000'
        assert main(['run', colors, scene, '--json', '--output', str(tmp_path / 'out')]) == 0
        records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [record['frame'] for record in records] == list(range(9))
        (video,) = (tmp_path / 'out').glob('scene.*')
        assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FPS) == pytest.approx(1000)

    def test_every_image_of_a_bag(self, colors, tmp_path, capsys):
        bag = write_bag(tmp_path / 'drive', [10, None, 30])
        assert main(['run', colors, str(bag), '--json']) == 0
        records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [record['frame'] for record in records] == [0, 2]

    def test_times_of_each_stage(self, colors, tmp_path, capsys):
        video = write_video(tmp_path / 'drive.mp4', 3)
        assert main(['run', colors, video]) == 0
        error = capsys.readouterr().err
        assert '3 frames, milliseconds a frame' in error
        assert list(cells(error)) == ['preprocess', 'inference', 'postprocess', 'total']
        assert all(re.fullmatch(r'\d+\.\d\d', median) for median in cells(error).values())

    def test_total_time_is_that_of_all_stages(self, colors, tmp_path, capsys):
        assert main(['run', colors, write_picture(tmp_path / 'a.png')]) == 0
        *stages, total = (float(median) for median in cells(capsys.readouterr().err).values())
        assert total == pytest.approx(sum(stages), abs=0.021)  # each is rounded to 0.01

    def test_videos_of_one_size_stay_apart(self, colors, tmp_path):
        videos = [write_video(tmp_path / f'{name}.mp4', 2) for name in 'ab']
        out = tmp_path / 'out'
        assert main(['run', colors, *videos, videos[0], '--output', str(out)]) == 0
        written = sorted(path.name for path in out.iterdir())
        assert written == ['a.mp4', 'a_2.mp4', 'b.mp4', 'results.jsonl']

    def test_damaged_picture_is_skipped_and_ends_with_1(self, colors, tmp_path, capsys):
        write_picture(tmp_path / 'in' / 'b.png')
        (tmp_path / 'in' / 'a.png').write_bytes(b'not a picture')
        assert main(['run', colors, str(tmp_path / 'in'), '--json']) == 1
        captured = capsys.readouterr()
        assert len(captured.out.splitlines()) == 1
        assert 'a.png is damaged or no picture: it begins' in captured.err

    def test_nothing_that_could_be_read(self, colors, tmp_path, capsys):
        path = tmp_path / 'a.png'
        path.write_bytes(b'not a picture')
        assert main(['run', colors, str(path)]) == 1
        assert f'not one frame could be read of {path}' in capsys.readouterr().err

    @pytest.mark.parametrize(
        ('source', 'message'),
        [
            pytest.param('none.png', r'none\.png', id='missing_picture'),
            pytest.param('none.mp4', r'none\.mp4 is neither a file', id='missing_video'),
            pytest.param('ftp://x/y', r'no source is called ftp://', id='scheme'),
        ],
    )
    def test_source_that_cannot_be_opened(self, colors, source, message, capsys):
        assert main(['run', colors, source]) == 1
        assumed, error = capsys.readouterr().err.splitlines()
        assert 'assumed' in assumed
        assert re.search(message, error)

    def test_output_that_is_a_file(self, colors, tmp_path, capsys):
        picture = write_picture(tmp_path / 'a.png')
        assert main(['run', colors, picture, '--output', picture]) == 1
        assert 'cannot be written: File exists; write elsewhere' in capsys.readouterr().err


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
                    folder.write(frame, model, model(stripes()))

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


class TestEvaluate:
    @staticmethod
    def dataset(folder, masks):
        for index, mask in enumerate(masks):
            write_picture(folder / 'images' / f'{index}.png')
            write_picture(folder / 'masks' / f'{index}.png', mask)
        return str(folder)

    @staticmethod
    def truth():
        mask = np.ones((48, 64), np.uint8)
        mask[:, 32:] = 2
        return mask

    def test_perfect(self, colors, tmp_path, capsys):
        dataset = self.dataset(tmp_path / 'set', [self.truth()] * 3)
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 0
        out = capsys.readouterr().out
        assert out.startswith(f'{colors} on 3 pictures of {dataset}\n')
        assert cells(out) == {
            'background': 'absent',
            'red': '1.0000',
            'green': '1.0000',
            'blue': 'absent',
            'mean (mIoU)': '1.0000',
            'pixels right': '1.0000',
        }

    def test_figures_as_json(self, colors, tmp_path):
        half = self.truth()
        half[:, 16:32] = 0  # background that the model takes for red
        dataset = self.dataset(tmp_path / 'set', [half])
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', colors, '--dataset', f'file://{dataset}', '--json']
        assert main([*command, str(file)]) == 0
        assert json.loads(file.read_text()) == {
            'model': colors,
            'dataset': f'file://{dataset}',
            'pictures': 1,
            'mean_iou': 0.5,
            'accuracy': 0.75,
            'iou': {'background': 0.0, 'red': 0.5, 'green': 1.0, 'blue': None},
        }
        assert main([*command, str(tmp_path / 'none' / 'figures.json')]) == 1

    @pytest.mark.parametrize(
        ('mask', 'message'),
        [
            pytest.param(
                np.zeros((48, 60), np.uint8),
                r'0\.png is 60×48, its picture 64×48; expected the same size',
                id='size',
            ),
            pytest.param(np.zeros((48, 64, 3), np.uint8), r'one channel of 8 bits', id='color'),
            pytest.param(np.zeros((48, 64), np.uint16), r'is uint16 \(48, 64\)', id='16_bits'),
            pytest.param(np.full((48, 64), 9, np.uint8), r'0\.png: .* class id 9', id='class'),
        ],
    )
    def test_masks_that_cannot_be_used(self, colors, tmp_path, mask, message, capsys):
        dataset = self.dataset(tmp_path / 'set', [mask])
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert re.search(message, capsys.readouterr().err)

    def test_missing_mask_and_damaged_picture(self, colors, tmp_path, capsys):
        dataset = self.dataset(tmp_path / 'set', [self.truth()])
        write_picture(tmp_path / 'set' / 'images' / '5.jpg')
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert re.search(r'5\.jpg has no mask; expected .*/5\.png', capsys.readouterr().err)
        (tmp_path / 'set' / 'images' / '0.png').write_bytes(b'x')
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert '0.png is damaged or no picture' in capsys.readouterr().err

    @pytest.mark.parametrize(
        ('dataset', 'message'),
        [
            pytest.param('coco', r'coco is no dataset; expected scene://oranges', id='unknown'),
            pytest.param('.', r'\. is no dataset', id='folder_without_masks'),
            pytest.param(
                'scene://moon', r"scene is called 'moon'; scenes are oranges, people$", id='scene'
            ),
            pytest.param('scene://oranges?count=0', r'with N of 1 or more', id='no_pictures'),
            pytest.param('scene://oranges?count=x', r'with N of 1 or more', id='count_word'),
            pytest.param('scene://oranges?size=3', r'expected scene://oranges\?cou', id='query'),
        ],
    )
    def test_unknown_datasets(self, colors, dataset, message, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert re.search(message, capsys.readouterr().err.strip())

    def test_rendered_scenes(self, colors, tmp_path, capsys):
        file = tmp_path / 'figures.json'
        dataset = 'scene://oranges?count=2'
        command = ['evaluate', '--model', colors, '--dataset', dataset, '--json', str(file)]
        assert main(command) == 0
        figures = json.loads(file.read_text())
        assert figures['pictures'] == 2
        assert 0 < figures['mean_iou'] < 1

    def test_detector(self, tmp_path, capsys):
        path = str(detector(tmp_path / 'my.onnx'))
        dataset = self.dataset(tmp_path / 'set', [self.truth()])
        assert main(['evaluate', '--model', path, '--dataset', dataset]) == 1
        assert 'is a detector' in capsys.readouterr().err

    def test_class_ids_without_names(self, tmp_path, capsys):
        path = str(color_segmentation(tmp_path / 'my.onnx', argmax=True, metadata={}))
        dataset = self.dataset(tmp_path / 'set', [self.truth()])
        command = ['evaluate', '--model', path, '--dataset', dataset]
        assert main(command) == 1
        assert 'set class_names, as --set class_names=' in capsys.readouterr().err
        assert main([*command, '--set', 'class_names=[none, red, green, blue]']) == 0
        assert cells(capsys.readouterr().out)['mean (mIoU)'] == '1.0000'

    def test_ignored_pixels(self, colors, tmp_path, capsys):
        half = self.truth()
        half[:, :16] = 255
        dataset = self.dataset(tmp_path / 'set', [half])
        command = ['evaluate', '--model', colors, '--dataset', dataset]
        assert main(command) == 1
        assert 'class id 255' in capsys.readouterr().err
        assert main([*command, '--ignore', '255']) == 0
        assert cells(capsys.readouterr().out)['mean (mIoU)'] == '1.0000'


def table_rows(text):
    """Cells of each row of printed tables, by the first."""
    lines = (line.strip('│┃ ') for line in text.splitlines() if '│' in line)
    found = ([cell.strip() for cell in line.split('│')] for line in lines)
    return {row[0]: row[1:] for row in found}


class TestEvaluateObjects:
    """Detectors that find what is planted: half of the objects, with a box each."""

    # On a 640×480 picture the letterbox puts 80 rows above: center (320, 240) is (320, 320).
    pytestmark = needs_evaluate_extra

    PLANTED = ((320, 320, 100, 80, 0, 0.9),)
    RIGHT = (270, 200, 100, 80, 10)
    OTHER = (0, 0, 50, 50, 10)

    @pytest.fixture
    def model(self, tmp_path):
        return str(detector(tmp_path / 'my.onnx', self.PLANTED))

    @pytest.mark.parametrize(
        ('objects', 'ap50'),
        [
            pytest.param([RIGHT], 1.0, id='right'),
            pytest.param([OTHER], 0.0, id='elsewhere'),
            # Recall stops at one half: 51 of 101 points of the curve are 1.
            pytest.param([RIGHT, OTHER], 51 / 101, id='half_of_them'),
        ],
    )
    @pytest.mark.parametrize('kind', ['coco', 'yolo'])
    def test_known_precision(self, model, tmp_path, objects, ap50, kind, capsys):
        if kind == 'coco':
            coco_folder(tmp_path / 'set', [coco_objects(*objects)] * 2)
        else:
            lines = [
                f'0 {(x + w / 2) / 640} {(y + h / 2) / 480} {w / 640} {h / 480}\n'
                for x, y, w, h, _ in objects
            ]
            yolo_folder(tmp_path / 'set', [''.join(lines)] * 2)
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', model, '--dataset', str(tmp_path / 'set')]
        assert main([*command, '--json', str(file)]) == 0
        out = capsys.readouterr().out
        assert out.startswith(f'{model} on 2 pictures of {tmp_path / "set"}\n')
        rows = table_rows(out)
        assert rows['name_0'][:3] == [str(2 * len(objects)), f'{ap50:.4f}', f'{ap50:.4f}']
        assert rows['mean (mAP)'][1:3] == [f'{ap50:.4f}'] * 2
        assert 'name_1' not in rows  # it does not occur
        figures = json.loads(file.read_text())
        assert figures['pictures'] == 2
        assert figures['score_threshold'] == 0.001
        assert figures['boxes']['ap50'] == pytest.approx(ap50)
        assert figures['boxes']['classes']['name_0']['objects'] == 2 * len(objects)

    def test_scores_just_above_nothing_count(self, tmp_path, capsys):
        path = str(detector(tmp_path / 'my.onnx', [(*self.PLANTED[0][:5], 0.01)]))
        dataset = str(coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT)]))
        command = ['evaluate', '--model', path, '--dataset', dataset]
        assert main(command) == 0
        assert table_rows(capsys.readouterr().out)['mean (mAP)'][1] == '1.0000'
        assert main([*command, '--score-threshold', '0.25']) == 0
        assert table_rows(capsys.readouterr().out)['mean (mAP)'][1] == '0.0000'

    def test_several_models_side_by_side(self, model, tmp_path, capsys):
        blind = str(detector(tmp_path / 'blind.onnx', []))
        dataset = str(coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT)]))
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', model, blind, '--dataset', dataset, '--json', str(file)]
        assert main(command) == 0
        rows = table_rows(capsys.readouterr().out)
        assert rows[model] == ['1.0000', '1.0000']
        assert rows[blind] == ['0.0000', '0.0000']
        one, other = json.loads(file.read_text())
        assert (one['model'], other['model']) == (model, blind)
        assert other['boxes']['classes']['name_0']['best_score_threshold'] is None

    def test_keypoints(self, tmp_path, capsys):
        points = [(300, 300), (320, 310), (340, 320)]
        path = str(
            pose_detector(
                tmp_path / 'pose.onnx',
                self.PLANTED,
                keypoints=[(x, y, 0.9) for x, y in points],
            )
        )
        labelled = [value for x, y in points for value in (x, y - 80, 2)]
        objects = coco_objects(self.RIGHT, keypoints=labelled)
        coco_folder(tmp_path / 'set', [objects], names=['name_0'], keypoints=['a', 'b', 'c'])
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', path, '--dataset', str(tmp_path / 'set')]
        assert main([*command, '--json', str(file)]) == 0
        assert json.loads(file.read_text())['keypoints']['ap50_95'] == pytest.approx(1)
        assert 'OKS AP50-95' in capsys.readouterr().out

        two = coco_objects(self.RIGHT, keypoints=labelled[:6])
        coco_folder(tmp_path / 'set', [two], names=['name_0'], keypoints=['a', 'b'])
        assert main(command) == 1
        assert 'finds 3 keypoints an object, the dataset has 2;' in capsys.readouterr().err

    def test_rendered_people(self, tmp_path, capsys):
        """A detector that finds one box in the middle whatever the picture shows."""
        metadata = ultralytics_metadata('detect', 2, (640, 640), names="{0: 'person', 1: 'cat'}")
        path = str(detector(tmp_path / 'my.onnx', self.PLANTED, metadata=metadata))
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', path, '--dataset', 'scene://people?count=3']
        assert main([*command, '--json', str(file)]) == 0
        figures = json.loads(file.read_text())
        assert figures['boxes']['classes']['person']['objects'] > 0
        assert set(figures['boxes']['classes']) == {'person'}
        assert 'left out: ' in capsys.readouterr().out

    @pytest.mark.parametrize(
        ('side', 'ap50'), [pytest.param((), 1.0, id='all'), pytest.param((-1,), 0.0, id='left')]
    )
    def test_instance_masks(self, tmp_path, side, ap50):
        """Half a mask has an IoU of at most one half, while its box is right."""
        planted = [(*self.PLANTED[0], *side)]
        path = str(instance_segmenter(tmp_path / 'seg.onnx', planted))
        outline = '0.421875 0.414 0.578125 0.414 0.578125 0.584 0.421875 0.584'
        yolo_folder(tmp_path / 'set', [f'0 {outline}'])
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', path, '--dataset', str(tmp_path / 'set')]
        assert main([*command, '--json', str(file)]) == 0
        figures = json.loads(file.read_text())
        assert figures['boxes']['ap50'] == pytest.approx(1)
        assert figures['masks']['ap50'] == pytest.approx(ap50)

    def test_classes_go_together_by_name(self, model, tmp_path, capsys):
        objects = coco_objects((*self.RIGHT[:4], 30))
        names = ['unicorn', 'Name-1', 'NAME 0']
        dataset = str(coco_folder(tmp_path / 'set', [objects], names=names))
        assert main(['evaluate', '--model', model, '--dataset', dataset]) == 0
        assert table_rows(capsys.readouterr().out)['NAME 0'][:2] == ['1', '1.0000']

    def test_classes_that_the_model_does_not_know(self, model, tmp_path, capsys):
        objects = coco_objects(self.RIGHT, (0, 0, 50, 50, 20))
        coco_folder(tmp_path / 'set', [objects], names=['name_0', 'unicorn'])
        command = ['evaluate', '--model', model, '--dataset', str(tmp_path / 'set')]
        assert main(command) == 0
        out = capsys.readouterr().out
        assert 'not known to the model, and left out: unicorn' in out
        assert table_rows(out)['mean (mAP)'][:2] == ['1', '1.0000']

    @pytest.mark.parametrize('suffix', ['png', 'svg'])
    def test_plot(self, model, tmp_path, suffix):
        dataset = str(coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT, self.OTHER)]))
        file = tmp_path / f'plot.{suffix}'
        command = ['evaluate', '--model', model, '--dataset', dataset, '--plot']
        assert main([*command, str(file)]) == 0
        if suffix == 'png':
            picture = cv2.imread(str(file))
            assert picture.shape[1] == 1320
            assert picture.std() > 10  # something is drawn
        else:
            assert 'precision over recall' in re.sub(r'<!-- (.*?) -->', r'\1', file.read_text())
        assert main([*command, str(tmp_path / 'plot.doc')]) == 1
        assert main([*command, str(tmp_path / 'none' / 'plot.png')]) == 1

    def test_plot_of_masks(self, colors, tmp_path):
        dataset = TestEvaluate.dataset(tmp_path / 'set', [TestEvaluate.truth()])
        file = tmp_path / 'plot.png'
        assert (
            main(['evaluate', '--model', colors, '--dataset', dataset, '--plot', str(file)]) == 0
        )
        assert cv2.imread(str(file)).std() > 10

    @pytest.mark.parametrize(
        ('break_it', 'text'),
        [
            pytest.param(lambda f: (f / 'images' / '0.png').unlink(), r'0\.png', id='picture'),
            pytest.param(
                lambda f: (f / 'annotations' / 'objects.json').write_text('{\n]'),
                r'objects\.json cannot be read as JSON: line 2',
                id='json',
            ),
        ],
    )
    def test_broken_dataset(self, model, tmp_path, break_it, text, capsys):
        coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT)])
        break_it(tmp_path / 'set')
        assert main(['evaluate', '--model', model, '--dataset', str(tmp_path / 'set')]) == 1
        err = capsys.readouterr().err
        assert re.search(text, err)
        assert err.count('\n') == 1

    def test_segmentation_model(self, colors, tmp_path, capsys):
        dataset = str(coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT)]))
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert 'is a semantic segmentation model, and the dataset has' in capsys.readouterr().err


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

    def test_at_most_so_many(self, colors, pictures, capsys):
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
        assert main(['compare', colors, colors, '--images', pictures]) == 2
        assert '1.png is damaged' in capsys.readouterr().err


class TestPrecision:
    """Of engines that are built; here it shows by a model that is asked for in int8 and is not."""

    def test_of_one_model(self, colors, capsys):
        assert main(['info', colors, '--precision', 'fp32']) == 0
        assert main(['info', colors, '--precision', 'int8', '--runtime', 'onnxruntime_cpu']) == 1
        assert 'nothing in it is quantized' in capsys.readouterr().err

    def test_of_each_of_two(self, colors, tmp_path, capsys):
        quantized = str(quantize_input(color_segmentation(tmp_path / 'quantized.onnx')))
        write_picture(tmp_path / 'pictures' / '0.png')
        arguments = ['compare', colors, quantized, '--images', str(tmp_path / 'pictures')]
        arguments += ['--runtime-a', 'onnxruntime_cpu', '--runtime-b', 'onnxruntime_cpu']
        assert main([*arguments, '--precision-b', 'int8']) == 0
        assert main([*arguments, '--precision-a', 'int8']) == 2
        assert 'nothing in it is quantized' in capsys.readouterr().err
