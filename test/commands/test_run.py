import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from bags import write_bag
from command_output import cells, rows, stripes, write_picture, write_video
from onnx_models import (
    color_classifier,
    color_segmentation,
    detector,
    instance_segmenter,
    pose_detector,
)
from tracing.trace_format import check_document

from jetson_perception.camera.named_frames import NamedFrame
from jetson_perception.commands.frame_times import FrameTimes
from jetson_perception.commands.main import main
from jetson_perception.commands.recording import VideoFile
from jetson_perception.commands.result_folder import ResultFolder
from jetson_perception.models import open_model
from jetson_perception.tracing import RECORDER

pytestmark = pytest.mark.usefixtures('wide_terminal')


def _linked(link, folder):
    link.symlink_to(folder)
    return link


def _full_of(folder, files, link):
    """A folder of links to the files of another, under other names."""
    folder.mkdir()
    for path in files.iterdir():
        if path.is_file():
            link(folder / f'link_{path.name}', path)
    return folder


class Done(NamedTuple):
    code: int
    said: str


def in_terminal(*words, stdout):
    """`run` where standard error is a terminal."""
    ours, theirs = pty.openpty()
    said = []

    def read():
        with suppress(OSError):  # nobody has the other end any more
            while data := os.read(ours, 4096):
                said.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    done = subprocess.run(
        [sys.executable, '-m', 'jetson_perception', 'run', *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=theirs,
        env={
            **os.environ,
            'TERM': 'xterm',
            'COLUMNS': '100',
            'PYTHONPATH': os.pathsep.join(sys.path),
        },
        timeout=60,
        check=False,
    )
    os.close(theirs)
    reader.join()
    os.close(ours)
    return Done(done.returncode, b''.join(said).decode())


class TestTracker:
    def test_ids_are_in_records_and_begin_anew_with_each_source(self, tmp_path, capsys):
        model = str(detector(tmp_path / 'a.onnx'))
        video = write_video(tmp_path / 'a.mp4')
        assert main(['run', model, video, video, '--json', '--tracker', 'bytetrack']) == 0
        captured = capsys.readouterr()
        lines = [json.loads(line) for line in captured.out.splitlines()]
        ids = [[each['track_id'] for each in line['detections']] for line in lines]
        half = len(ids) // 2
        assert ids[:half] == ids[half:]
        assert ids[0]
        assert set(ids[0]) == {None}
        assert ids[1] == [*range(len(ids[0]))]
        assert 'refine' in captured.err

    def test_it_is_refused_for_what_has_no_objects(self, colors, tmp_path, capsys):
        picture = write_picture(tmp_path / 'a.png')
        assert main(['run', colors, picture, '--tracker', 'ocsort']) != 0
        assert '--tracker has no effect' in ' '.join(capsys.readouterr().err.split())


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
        assert 'colors.onnx does not specify output, resize, scale' in assumed[0]
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

    def test_tiles(self, colors, tmp_path, capsys):
        path = str(detector(tmp_path / 'my.onnx', [(320, 320, 100, 80, 0, 0.5)]))
        picture = write_picture(tmp_path / 'a.png')

        def found(*options):
            assert main(['run', path, picture, '--json', *options]) == 0
            return len(json.loads(capsys.readouterr().out)['detections'])

        assert found() == 1
        assert found('--tiles', '3x2', '--tiles-only') == 6
        assert found('--tiles', '3x1') == 3  # the one in the middle is that of the whole image
        for options, message in (
            (['--tiles', '0x2'], 'expected the numbers of columns and rows'),
            (['--tiles', '9x9'], 'at most 64'),
            (['--tiles', '2x2', '--tile-overlap', '0.9'], 'tile_overlap is 0.9; give a fraction'),
        ):
            assert main(['run', path, picture, *options]) == 1
            assert message in capsys.readouterr().err
        assert main(['run', colors, picture, '--tiles', '2x2']) == 1
        assert '--tiles has no effect on' in capsys.readouterr().err
        for options in (['--tiles-only'], ['--tile-overlap', '0.2']):
            assert main(['run', path, picture, *options]) == 1
            assert f'{options[0]} has no effect without --tiles' in capsys.readouterr().err
        with pytest.raises(SystemExit, match='2'):
            main(['run', path, picture, '--tiles', '2'])

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
        assert re.search(
            r"'nam_1', but the model has no class .*; did you mean 'n", capsys.readouterr().err
        )

    @pytest.mark.parametrize(
        ('write', 'options', 'kind', 'takers'),
        [
            pytest.param(
                color_segmentation,
                ['--classes', 'red'],
                'a semantic segmentation model',
                'a detector, an image classifier',
                id='classes_of_pixels',
            ),
            pytest.param(
                color_segmentation,
                ['--score-threshold', '0.25'],
                'a semantic segmentation model',
                'a detector, an image classifier',
                id='score_of_pixels',
            ),
            pytest.param(
                color_classifier,
                ['--iou-threshold', '0.7'],
                'an image classifier',
                'a detector',
                id='overlap_of_a_classifier',
            ),
        ],
    )
    def test_an_option_of_another_task(self, tmp_path, write, options, kind, takers, capsys):
        path = str(write(tmp_path / 'my.onnx'))
        picture = write_picture(tmp_path / 'a.png')
        assert main(['run', path, picture, *options]) == 1
        told = capsys.readouterr().err
        expected = f'{options[0]} has no effect on {path}, which is {kind}; it is for {takers}'
        assert expected in ' '.join(told.split())

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

    def test_annotated_frames_of_a_bag_keep_their_times(self, colors, tmp_path):
        bag = write_bag(tmp_path / 'drive', [60, 90, 120], gap_ns=250_000_000)
        assert main(['run', colors, str(bag), '--output', str(tmp_path / 'out')]) == 0
        capture = cv2.VideoCapture(str(tmp_path / 'out' / 'drive.mp4'))
        times_ms = []
        while capture.read()[0]:
            times_ms.append(capture.get(cv2.CAP_PROP_POS_MSEC))
        assert times_ms == pytest.approx([0, 250, 500], abs=1)

    def test_video_that_changes_size_begins_a_new_one(self, colors, tmp_path):
        model = open_model(colors)
        folder = ResultFolder(tmp_path / 'out')
        for index, size_wh in enumerate([(64, 48), (64, 48), (32, 24)]):
            frame = NamedFrame('rtsp://camera', 'rtsp', index, stripes(*size_wh), 30.0)
            folder.write(frame, model, model(frame.bgr), frame.bgr)
        folder.close()
        folder.close()
        lines = (tmp_path / 'out' / 'results.jsonl').read_text().splitlines()
        names = [json.loads(line)['annotated'] for line in lines]
        assert [Path(name).stem for name in names] == ['rtsp', 'rtsp', 'rtsp_2']
        assert all((tmp_path / 'out' / name).stat().st_size for name in names)

    @pytest.mark.parametrize('size_wh', [(64, 1), (1, 48), (1, 1), (65_501, 2)])
    def test_frames_of_which_no_video_can_be_have_their_line(
        self, colors, tmp_path, caplog, size_wh
    ):
        """As a camera's driver sends now and then, between others."""
        model = open_model(colors)
        folder = ResultFolder(tmp_path / 'out')
        for index, each in enumerate([size_wh, (64, 48), size_wh, (64, 48)]):
            frame = NamedFrame('bag://drive', 'drive', index, stripes(*each), 30.0)
            folder.write(frame, model, model(frame.bgr), frame.bgr)
        folder.close()
        lines = (tmp_path / 'out' / 'results.jsonl').read_text().splitlines()
        names = [json.loads(line)['annotated'] for line in lines]
        assert names == [None, 'drive.mp4', None, 'drive.mp4']
        told = [each.getMessage() for each in caplog.records]
        assert [f'{size_wh[0]}×{size_wh[1]}' in each for each in told if 'video' in each] == [True]

    def test_a_picture_that_is_larger_than_a_jpeg(self, colors, tmp_path, capsys):
        write_picture(tmp_path / 'in' / 'a.png', stripes(65_501, 2))
        write_picture(tmp_path / 'in' / 'b.png', stripes(2, 65_500))
        out = tmp_path / 'out'
        assert main(['run', colors, str(tmp_path / 'in'), '--output', str(out)]) == 0
        lines = [json.loads(each) for each in (out / 'results.jsonl').read_text().splitlines()]
        assert [each['annotated'] for each in lines] == ['a.png', 'b.jpg']
        assert cv2.imread(str(out / 'a.png')).shape == (2, 65_501, 3)
        assert cv2.imread(str(out / lines[0]['mask']), 0).shape == (2, 65_501)

    def test_a_picture_that_is_larger_than_any(self, colors, tmp_path, capsys):
        header = b'P6 1000001 1 255\n'
        (tmp_path / 'a.ppm').write_bytes(header + bytes(3 * 1_000_001))
        picture = write_picture(tmp_path / 'b.png')
        out = tmp_path / 'out'
        code = main(['run', colors, str(tmp_path / 'a.ppm'), picture, '--output', str(out)])
        assert code == 0
        lines = [json.loads(each) for each in (out / 'results.jsonl').read_text().splitlines()]
        assert [each['annotated'] for each in lines] == [None, 'b.jpg']
        assert [each['mask'] for each in lines] == [None, 'b_mask.png']
        assert 'results.jsonl has what was found' in capsys.readouterr().err

    @pytest.mark.parametrize(
        'name',
        [
            pytest.param('a' * 251, id='ascii'),
            pytest.param('é' * 125, id='two_bytes_each'),
            pytest.param('a' + '€' * 83, id='three_bytes_each'),
            pytest.param('a' * 100 + '\udcff' * 150, id='not_utf8'),
        ],
    )
    def test_names_as_long_as_names_can_be(self, colors, tmp_path, name):
        """Both are alike where they are cut."""
        for letter in 'xy':
            picture = tmp_path / 'in' / f'{name[:-1]}{letter}.png'
            picture.parent.mkdir(exist_ok=True)
            picture.write_bytes(cv2.imencode('.png', stripes())[1])
        write_video(tmp_path / 'v.mp4', 3)
        video = tmp_path / f'{name}.mp4'
        (tmp_path / 'v.mp4').rename(video)
        out = tmp_path / 'out'
        sources = [str(tmp_path / 'in'), str(video)]
        for _ in range(2):
            assert main(['run', colors, *sources, '--output', str(out)]) == 0
        lines = [json.loads(each) for each in (out / 'results.jsonl').read_text().splitlines()]
        named = {each[key] for each in lines for key in ('annotated', 'mask') if key in each}
        assert len(named) == 5
        assert {*named, 'results.jsonl'} == {each.name for each in out.iterdir()}
        if '\udcff' not in name:
            assert all(each.encode().startswith(name[:50].encode()) for each in named)

    def test_the_number_of_frames_per_source_is_limited(self, colors, tmp_path, capsys):
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
        first_ns = 1_700_000_000_000_000_007
        assert [record['stamp_ns'] for record in records] == [first_ns, first_ns + 40_000_000]
        assert [record['time_s'] for record in records] == [0, 0.04]

    def test_times_of_a_video(self, colors, tmp_path, capsys):
        picture = write_picture(tmp_path / 'a.png')
        video = write_video(tmp_path / 'drive.mp4', 3)
        assert main(['run', colors, picture, video, '--json']) == 0
        still, *records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert 'time_s' not in still
        times = [record['time_s'] for record in records]
        assert times[0] == 0
        assert times == sorted(set(times))
        assert not any('stamp_ns' in record for record in records)

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

    def test_results_that_are_replaced_are_told(self, colors, tmp_path, capsys):
        picture, out = write_picture(tmp_path / 'a.png'), tmp_path / 'out'
        for told in (False, True):
            assert main(['run', colors, picture, '--output', str(out)]) == 0
            said = f'WARNING: {out} has results of an earlier run, which are replaced'
            assert (said in capsys.readouterr().err) is told

    def test_videos_of_one_size_stay_apart(self, colors, tmp_path):
        videos = [write_video(tmp_path / f'{name}.mp4', 2) for name in 'ab']
        out = tmp_path / 'out'
        assert main(['run', colors, *videos, videos[0], '--output', str(out)]) == 0
        written = sorted(path.name for path in out.iterdir())
        assert written == ['a.mp4', 'a_2.mp4', 'b.mp4', 'results.jsonl']

    @pytest.mark.parametrize(
        ('make', 'said'),
        [
            pytest.param(color_segmentation, 'red 50.00%, green 50.00%', id='segmentation'),
            pytest.param(
                color_classifier, r'[a-z]+ \d\.\d\d(, [a-z]+ \d\.\d\d)*', id='classifier'
            ),
            pytest.param(
                lambda path: detector(
                    path,
                    [
                        (100, 100, 50, 50, 1, 0.6),
                        *[(100 * n, 300, 50, 50, 0, 0.9 - n / 10) for n in range(1, 5)],
                    ],
                ),
                r'4 name_0 \(0\.80, 0\.70, 0\.60, …\), name_1 \(0\.60\)',
                id='detector',
            ),
            pytest.param(lambda path: detector(path, []), 'nothing', id='nothing'),
        ],
    )
    def test_what_is_found_is_said(self, make, said, tmp_path, capsys):
        picture = write_picture(tmp_path / 'a.png', stripes(640, 640))
        assert main(['run', str(make(tmp_path / 'my.onnx')), picture]) == 0
        assert re.fullmatch(f'{re.escape(picture)}: {said}\n', capsys.readouterr().out)

    def test_what_is_found_is_said_of_each_frame_of_a_video(self, colors, tmp_path, capsys):
        write_video(tmp_path / 'a.mp4', 2)
        assert main(['run', colors, str(tmp_path / 'a.mp4')]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(':')[0] for line in lines] == ['a, frame 0', 'a, frame 1']

    def test_files_hold_what_is_found_where_they_are_asked_for(self, colors, tmp_path, capsys):
        picture = write_picture(tmp_path / 'in' / 'a.png')
        assert main(['run', colors, picture, '--output', str(tmp_path / 'out')]) == 0
        assert capsys.readouterr().out == ''

    def test_equal_names_are_told_apart_in_the_results(self, colors, tmp_path):
        pictures = [write_picture(tmp_path / folder / 'x.png') for folder in 'ab']
        assert main(['run', colors, *pictures, '--output', str(tmp_path / 'out')]) == 0
        lines = (tmp_path / 'out' / 'results.jsonl').read_text().splitlines()
        assert [(record['source'], record['annotated']) for record in map(json.loads, lines)] == [
            (pictures[0], 'x.jpg'),
            (pictures[1], 'x_2.jpg'),
        ]

    def test_opencv_prints_nothing_of_a_file_that_is_no_video(self, colors, tmp_path):
        (tmp_path / 'notes.txt').write_text('no video')
        done = in_terminal(colors, tmp_path / 'notes.txt', stdout=subprocess.PIPE)
        assert 'notes.txt is a text, not a picture or video' in done.said
        assert 'VIDEOIO' not in done.said

    def test_lines_go_to_standard_output_while_a_bar_is_in_the_terminal(self, colors, tmp_path):
        """Also where that is a file: rich would take them for the terminal."""
        pictures = [write_picture(tmp_path / f'{name}.png') for name in 'ab']
        (tmp_path / 'broken.png').write_bytes(b'no picture')
        file = tmp_path / 'results.jsonl'
        with file.open('w') as stdout:
            done = in_terminal(colors, *pictures, tmp_path / 'broken.png', '--json', stdout=stdout)
        assert [json.loads(line)['source'] for line in file.read_text().splitlines()] == pictures
        warnings = [line for line in done.said.splitlines() if 'WARNING' in line]
        assert len(warnings) == 1
        # On a line of its own, which is cleared of the bar before.
        assert re.match(r'.*(\x1b\[2K)WARNING: ', warnings[0])

    def test_a_missing_picture_is_told_before_others_are_handled(self, colors, tmp_path, capsys):
        write_picture(tmp_path / 'there.png')
        assert main(['run', colors, f'{tmp_path}/there.png', f'{tmp_path}/nope.png']) == 1
        said = capsys.readouterr()
        assert said.out == ''
        assert f'there is no {tmp_path}/nope.png; expected a picture' in said.err

    def test_damaged_picture_is_skipped_and_ends_with_1(self, colors, tmp_path, capsys):
        write_picture(tmp_path / 'in' / 'b.png')
        (tmp_path / 'in' / 'a.png').write_bytes(b'not a picture')
        assert main(['run', colors, str(tmp_path / 'in'), '--json']) == 1
        captured = capsys.readouterr()
        assert len(captured.out.splitlines()) == 1
        assert 'a.png is damaged or not a picture: it begins' in captured.err

    @pytest.mark.parametrize(
        ('content', 'text'),
        [
            pytest.param(b'P6 65500 65500 255\n', '; at most 67108864 are read; sk', id='large'),
            pytest.param(
                b'\0\0\0\x14ftypheic' + bytes(4) + b'heic' + bytes(99),
                'a.jpg is HEIC, which cannot be read here; convert it to JPEG or PNG; skipped',
                id='of_a_phone',
            ),
        ],
    )
    def test_why_a_picture_is_skipped(self, colors, tmp_path, capsys, content, text):
        (tmp_path / 'a.jpg').write_bytes(content)
        picture = write_picture(tmp_path / 'b.png')
        assert main(['run', colors, str(tmp_path / 'a.jpg'), picture]) == 1
        said = ' '.join(capsys.readouterr().err.split())
        assert text in said
        assert 'max_image_pixels' not in said

    def test_nothing_that_could_be_read(self, colors, tmp_path, capsys):
        path = tmp_path / 'a.png'
        path.write_bytes(b'not a picture')
        assert main(['run', colors, str(path)]) == 1
        assert f'not one frame could be read of {path}' in capsys.readouterr().err

    @pytest.mark.parametrize(
        ('source', 'message'),
        [
            pytest.param('none.png', r'none\.png', id='missing_picture'),
            pytest.param('none.mp4', r'there is no none\.mp4(; videos in|$)', id='missing_video'),
            pytest.param('ftp://x/y', r'no source is called ftp://', id='scheme'),
        ],
    )
    def test_source_that_cannot_be_opened(self, colors, source, message, capsys):
        assert main(['run', colors, source]) == 1
        *assumed, error = capsys.readouterr().err.splitlines()
        assert all('assumed' in each for each in assumed)
        assert re.search(message, error)

    @pytest.mark.parametrize(
        'place',
        [
            pytest.param(lambda media, out: media, id='same_folder'),
            pytest.param(lambda media, out: media / '..' / media.name, id='other_spelling'),
            pytest.param(lambda media, out: _linked(out, media), id='link_to_the_folder'),
            pytest.param(lambda media, out: _full_of(out, media, Path.symlink_to), id='links'),
            pytest.param(lambda media, out: _full_of(out, media, Path.hardlink_to), id='twins'),
        ],
    )
    @pytest.mark.parametrize('source', ['a.jpg', 'drive.mp4', 'b', 'file', 'pattern', 'bag'])
    def test_sources_are_never_replaced(self, colors, tmp_path, capsys, place, source):
        media = tmp_path / 'media'
        write_picture(media / 'a.jpg')
        write_video(media / 'drive.mp4', 3)
        if source == 'bag':
            media = write_bag(media / 'bag', [10, 20])
        asked = {
            'b': f'images://{media}',
            'file': f'file://{media}/drive.mp4',
            'pattern': f'{media}/*.jpg',
            'bag': str(media),
        }.get(source, str(media / source))
        before = {path: path.read_bytes() for path in media.iterdir() if path.is_file()}
        out = place(media, tmp_path / 'out')
        names = sorted(os.listdir(out))
        assert main(['run', colors, asked, '--output', str(out)]) == 1
        error = capsys.readouterr().err
        assert re.search(r'the output folder .* holds \S+, which is one of the sources', error)
        assert 'give another folder' in error
        assert 'assumed' not in error  # nothing was opened yet
        assert {path: path.read_bytes() for path in before} == before
        assert sorted(os.listdir(out)) == names

    @pytest.mark.parametrize('suffix', ['.mp4', '.avi', '.webm'])
    def test_files_of_others_are_kept(self, colors, tmp_path, suffix):
        sources = [write_picture(tmp_path / 'a.png'), write_video(tmp_path / 'drive.mp4', 3)]
        out = tmp_path / 'out'
        out.mkdir()
        mine = [out / name for name in ('a.jpg', 'a_2_mask.png', f'drive{suffix}')]
        for path in mine:
            path.write_text('mine')
        assert main(['run', colors, *sources, '--output', str(out)]) == 0
        lines = (out / 'results.jsonl').read_text().splitlines()
        assert [path.read_text() for path in mine] == ['mine'] * 3
        assert json.loads(lines[0])['annotated'] == 'a_2.jpg'
        assert json.loads(lines[0])['mask'] == 'a_2_mask_2.png'
        assert Path(json.loads(lines[1])['annotated']).stem == 'drive_2'

    def test_results_of_an_earlier_run_are_replaced(self, colors, tmp_path):
        sources = [write_picture(tmp_path / 'a.png'), write_video(tmp_path / 'drive.mp4', 3)]
        out = tmp_path / 'out'
        for _ in range(2):
            assert main(['run', colors, *sources, '--output', str(out)]) == 0
        names = sorted(path.name for path in out.iterdir())
        assert names == ['a.jpg', 'a_mask.png', 'drive.mp4', 'results.jsonl']

    def test_output_that_is_a_file(self, colors, tmp_path, capsys):
        picture = write_picture(tmp_path / 'a.png')
        assert main(['run', colors, picture, '--output', picture]) == 1
        assert 'cannot be written: File exists; write elsewhere' in capsys.readouterr().err


@pytest.mark.usefixtures('ctrl_c')
class TestInterrupted:
    @pytest.mark.parametrize(
        ('place', 'when'),
        [
            pytest.param((FrameTimes, 'add'), 'after', id='as_times_are_kept'),
            pytest.param((ResultFolder, 'write'), 'before', id='before_the_frame_is_written'),
            pytest.param((VideoFile, 'write'), 'after', id='between_video_and_results'),
            pytest.param((ResultFolder, 'write'), 'after', id='as_the_frame_is_written'),
        ],
    )
    def test_summary_results_and_video_hold_the_same_frames(
        self, colors, tmp_path, capsys, monkeypatch, place, when
    ):
        owner, name = place
        method = getattr(owner, name)
        calls = iter(range(100))

        def interrupted(*arguments):
            last = next(calls) == 2
            if last and when == 'before':
                signal.raise_signal(signal.SIGINT)
            result = method(*arguments)
            if last and when == 'after':
                signal.raise_signal(signal.SIGINT)
            return result

        monkeypatch.setattr(owner, name, interrupted)
        video = write_video(tmp_path / 'v.avi', count=9)
        out = tmp_path / 'out'
        assert main(['run', colors, video, '--output', str(out)]) == 130
        summary = re.search(r'(\d+) frames?, milliseconds', capsys.readouterr().err)
        lines = (out / 'results.jsonl').read_text().splitlines()
        capture = cv2.VideoCapture(str(out / json.loads(lines[0])['annotated']))
        shown = sum(1 for _ in iter(lambda: capture.read()[0], False))
        capture.release()
        assert (int(summary[1]), len(lines), shown) == (3, 3, 3)


class TestTrace:
    def test_what_was_done_with_every_frame(self, colors, tmp_path, capsys):
        video = write_video(tmp_path / 'video.avi')
        file = tmp_path / 'trace.json'
        output = ['--output', str(tmp_path / 'out'), '--trace', str(file)]
        assert main(['run', colors, video, *output]) == 0
        assert f'for ui.perfetto.dev, are in {file}' in capsys.readouterr().err
        document = json.loads(file.read_text())
        check_document(document)
        frames = {}
        for event in document['traceEvents']:
            if event['ph'] == 'X' and event['cat'] == 'frame':
                frames.setdefault(event['args']['frame'], []).append(event['name'])
        stages = ['read', 'total', 'preprocess', 'inference', 'postprocess', 'draw', 'write']
        assert len(frames) > 2
        assert all(sorted(found) == sorted(stages) for found in frames.values())
        assert not RECORDER.on

    def test_a_file_that_cannot_be_written(self, colors, tmp_path, capsys):
        picture = write_picture(tmp_path / 'a.png')
        assert main(['run', colors, picture, '--trace', str(tmp_path / 'none' / 'a.json')]) == 1
        assert 'cannot be written' in capsys.readouterr().err
        assert not RECORDER.on
