"""What `run` does with each frame: the same whether its stages overlap or not."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_output import write_picture, write_video
from heard_signals import hear_signals
from onnx_models import color_segmentation, detector, endless_segmentation

from jetson_perception.camera import named_frames
from jetson_perception.camera.source import CapturedFrame
from jetson_perception.commands.frame_stages import FrameStages, shared_threads
from jetson_perception.commands.frame_times import FrameTimes
from jetson_perception.commands.main import main
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine, available_cores
from jetson_perception.errors import EndOfStream, ModelError, SourceError
from jetson_perception.models import open_model
from jetson_perception.pipeline.ahead import Overlap

SOON_S = 10
SCENE = 'scene://oranges?width=160&height=120&frames=8'


def run(model, sources, *, on=True, at_once=1, tracker=None, **options):
    params = model.task.params_with(tracker=tracker)
    with Overlap(on=on) as overlap:
        stages = FrameStages(model, params, FrameTimes(), **options)
        yield from stages.run(sources, overlap, at_once=at_once)


def of_each(items):
    """What can be compared of each frame."""
    return [
        str(item)
        if isinstance(item, SourceError)
        else (
            item.number,
            item.source_number,
            item.frame.label,
            item.frame.bgr.tobytes(),
            item.canvas.tobytes(),
        )
        for item in items
    ]


class TestOverlapped:
    @pytest.mark.parametrize(
        'name', ['oranges', pytest.param('people_detect', marks=pytest.mark.slow)]
    )
    def test_results_and_canvases_are_those_of_one_frame_after_another(self, name, tmp_path):
        write_picture(tmp_path / 'in' / 'b.png')
        (tmp_path / 'in' / 'a.png').write_bytes(b'no picture')
        scene = SCENE.replace('oranges', name.split('_')[0])
        sources = [scene, str(tmp_path / 'in'), write_video(tmp_path / 'a.mp4', 4)]
        found = []
        for on, threads in ((True, 1), (False, 2)):
            with closing(open_model(name, threads=threads)) as model:
                found.append(of_each(run(model, sources, on=on, at_once=2)))
        assert len(found[0]) == 14
        assert found[0] == found[1]

    def test_ids_are_given_in_order(self, tmp_path):
        path = detector(tmp_path / 'a.onnx')
        videos = [write_video(tmp_path / f'{name}.mp4', 6) for name in 'ab']
        ids = []
        for on in (True, False):
            with closing(open_model(str(path))) as model:
                items = run(model, videos, on=on, at_once=2, tracker='bytetrack')
                ids.append([item.result.track_id.tolist() for item in items])
        assert ids[0] == ids[1]
        assert ids[0][:6] == ids[0][6:]

    def test_two_frames_are_run_at_once(self, colors, monkeypatch):
        both = threading.Barrier(2)
        infer = OnnxRuntimeEngine.infer

        def together(engine, tensor):
            both.wait(SOON_S)
            return infer(engine, tensor)

        with closing(open_model(colors)) as model:
            monkeypatch.setattr(OnnxRuntimeEngine, 'infer', together)
            assert len(list(run(model, [SCENE], at_once=2))) == 8

    def test_an_engine_that_cannot_is_called_by_one_thread(self, colors, monkeypatch):
        callers = set()
        infer = OnnxRuntimeEngine.infer
        with closing(open_model(colors)) as model:
            monkeypatch.setattr(OnnxRuntimeEngine, 'shareable', False)
            monkeypatch.setattr(model, 'bind_thread', lambda: callers.add(threading.get_ident()))
            monkeypatch.setattr(
                OnnxRuntimeEngine,
                'infer',
                lambda engine, tensor: callers.add(threading.get_ident()) or infer(engine, tensor),
            )
            assert len(list(run(model, [SCENE], at_once=2))) == 8
        assert len(callers) == 1

    def test_a_camera_is_read_as_the_engine_becomes_free(self, colors, monkeypatch):
        """And not before, which would leave a frame waiting while newer ones come."""
        camera = StandInCamera(count=6)
        monkeypatch.setattr(named_frames, 'open_source', lambda *_, **__: camera)
        with closing(open_model(colors)) as model:
            infer, read_before = model.infer, []
            monkeypatch.setattr(
                model, 'infer', lambda tensor: read_before.append(camera.reads) or infer(tensor)
            )
            assert len(list(run(model, ['v4l2:///dev/video0'], at_once=2))) == 6
        assert read_before == [1, 2, 3, 4, 5, 6]

    def test_canvases_are_drawn_only_where_they_are_wanted(self, colors):
        with closing(open_model(colors)) as model:
            assert all(item.canvas is None for item in run(model, [SCENE], draws=False))


class StandInCamera:
    uri, live, rate_hz, frame_count, truth_class_names = 'v4l2:///dev/video0', True, 30.0, 0, ()

    def __init__(self, count):
        self.reads, self._count = 0, count

    def open(self):
        pass

    def read(self):
        if self.reads == self._count:
            raise EndOfStream('over')
        self.reads += 1
        return CapturedFrame(np.zeros((48, 64, 3), np.uint8), self.reads)

    def close(self):
        pass


class TestCounts:
    def canvases(self, path, source, **options):
        with closing(open_model(str(path))) as model:
            return [item.canvas for item in run(model, [source], **options)]

    def test_of_a_picture_are_objects_and_no_rate(self, tmp_path):
        path = detector(tmp_path / 'a.onnx', [(320, 320, 100, 80, 0, 0.9)])
        picture = write_picture(tmp_path / 'a.png', np.zeros((640, 640, 3), np.uint8))
        (plain,), (counted,) = (
            self.canvases(path, picture, counts=counts) for counts in (False, True)
        )
        left, top, width, height = cv2.boundingRect((plain != counted).any(2).astype(np.uint8))
        assert left < 30
        assert top > 580
        assert width < 150
        assert height > 10

    def test_of_a_video_have_the_rate_too(self, tmp_path):
        path = detector(tmp_path / 'a.onnx', [])
        video = write_video(tmp_path / 'a.mp4', 3)
        plain, counted = (self.canvases(path, video, counts=counts) for counts in (False, True))
        differ = [not np.array_equal(*each) for each in zip(plain, counted, strict=True)]
        assert differ == [False, True, True]  # of one frame nobody knows the rate

    def test_where_nothing_is_drawn(self, colors, capsys):
        assert main(['run', colors, SCENE, '--counts']) == 1
        assert 'made only for --output DIR and --show' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('sources', 'threads', 'expected'),
    [
        pytest.param([SCENE], 1, (1, 1), id='one_core'),
        pytest.param([SCENE], 2, (2, 1), id='two_cores'),
        pytest.param(['a.mp4'], 5, (2, 2), id='five_cores'),
        pytest.param(['v4l2:///dev/video0'], 8, (1, 8), id='a_camera'),
        pytest.param([SCENE, 'csi://0'], 8, (1, 8), id='a_camera_among_others'),
    ],
)
def test_how_threads_are_shared(sources, threads, expected):
    assert shared_threads(sources, threads) == expected


def test_all_cores_are_shared_by_default():
    at_once, threads = shared_threads([SCENE], 0)
    assert at_once * threads in (available_cores(), available_cores() - 1)


def test_opencv_divides_no_work_where_frames_are_run_side_by_side(colors, tmp_path, monkeypatch):
    before = cv2.getNumThreads()
    used, infer = [], OnnxRuntimeEngine.infer
    monkeypatch.setattr(
        OnnxRuntimeEngine,
        'infer',
        lambda engine, tensor: used.append(cv2.getNumThreads()) or infer(engine, tensor),
    )
    picture = write_picture(tmp_path / 'a.png')
    for options in (['--threads', '2'], ['--threads', '2', '--sequential']):
        assert main(['run', colors, picture, *options]) == 0
    assert used == [1, 1, before, before]  # one each in opening
    assert cv2.getNumThreads() == before


class TestErrors:
    def test_frames_before_one_that_fails_are_written(self, colors, tmp_path, monkeypatch, capsys):
        calls = iter(range(100))
        infer = OnnxRuntimeEngine.infer

        def fails(engine, tensor):
            if next(calls) == 5:  # the first is that of opening
                raise ModelError('no more memory')
            return infer(engine, tensor)

        monkeypatch.setattr(OnnxRuntimeEngine, 'infer', fails)
        video = write_video(tmp_path / 'a.mp4', 9)
        out = tmp_path / 'out'
        options = ['--threads', '1', '--output', str(out)]
        assert main(['run', colors, video, *options]) == 1
        assert capsys.readouterr().err.splitlines()[-1] == 'jetson-perception: no more memory'
        assert len((out / 'results.jsonl').read_text().splitlines()) == 4
        capture = cv2.VideoCapture(str(out / 'a.mp4'))
        assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == 4
        assert not [each for each in threading.enumerate() if each.name in ('reading', 'engine')]

    def test_what_cannot_be_written_ends_the_others(self, colors, tmp_path, capsys):
        video = write_video(tmp_path / 'a.mp4', 50)
        out = tmp_path / 'out'
        out.mkdir()
        (out / 'results.jsonl').symlink_to('/dev/full')
        assert main(['run', colors, video, '--output', str(out)]) == 1
        assert 'No space left on device' in capsys.readouterr().err
        assert not [each for each in threading.enumerate() if each.name in ('reading', 'engine')]

    def test_a_second_source_that_has_no_frames(self, colors, tmp_path, capsys):
        """Which shows only when it is read."""
        video = write_video(tmp_path / 'a.mp4', 3)
        other = Path(write_video(tmp_path / 'b.avi', 3))
        content = other.read_bytes()
        other.write_bytes(content[: content.index(b'movi') + 4])
        assert main(['run', colors, video, str(other), '--json']) == 1
        captured = capsys.readouterr()
        assert len(captured.out.splitlines()) == 3
        assert 'has no frames' in captured.err


class TestCtrlC:
    @pytest.mark.parametrize(
        ('number', 'code'),
        [
            pytest.param(signal.SIGINT, 130, id='ctrl_c'),
            pytest.param(signal.SIGTERM, 143, id='timeout_systemd_docker_stop'),
            pytest.param(signal.SIGHUP, 129, id='a_lost_ssh'),
        ],
    )
    def test_an_endless_source_leaves_whole_files(self, tmp_path, number, code):
        """As a process, of which the signal is sent to all threads."""
        model = str(color_segmentation(tmp_path / 'colors.onnx'))
        out = tmp_path / 'out'
        source = 'scene://oranges?width=96&height=64'
        command = ['run', model, source, '--json', '--output', str(out)]
        with subprocess.Popen(
            [sys.executable, '-m', 'jetson_perception', *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
            preexec_fn=hear_signals,
        ) as process:
            lines = [process.stdout.readline(), process.stdout.readline()]
            process.send_signal(number)
            lines += process.stdout.readlines()
            said = process.stderr.read()
        assert process.returncode == code, said
        written = (out / 'results.jsonl').read_text().splitlines()
        assert [json.loads(line)['frame'] for line in written] == list(range(len(lines)))
        capture = cv2.VideoCapture(str(out / json.loads(written[0])['annotated']))
        assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == len(written)
        assert f'{len(written)} frames in' in said
        assert 'by force' not in said

    @pytest.mark.usefixtures('ctrl_c')
    def test_an_inference_that_does_not_end_is_interrupted(self, tmp_path, monkeypatch, capsys):
        model = endless_segmentation(tmp_path / 'endless.onnx')
        for name, level in (('0', 0), ('1', 0), ('2', 255), ('3', 255)):
            write_picture(tmp_path / 'in' / f'{name}.png', np.full((48, 64, 3), level, np.uint8))
        printed, infer = threading.Semaphore(0), OnnxRuntimeEngine.infer
        add = FrameTimes.add

        def and_ctrl_c(engine, tensor):
            if tensor.max() > 0.5:
                for _ in range(2):
                    assert printed.acquire(timeout=SOON_S)
                printed.release(4)
                os.kill(os.getpid(), signal.SIGINT)
            return infer(engine, tensor)

        monkeypatch.setattr(OnnxRuntimeEngine, 'infer', and_ctrl_c)
        monkeypatch.setattr(FrameTimes, 'add', lambda *a: (add(*a), printed.release()))
        options = ['--threads', '1', '--json']
        assert main(['run', str(model), str(tmp_path / 'in'), *options]) == 130
        captured = capsys.readouterr()
        assert len(captured.out.splitlines()) == 2
        assert '2 frames in' in captured.err
        assert not [each for each in threading.enumerate() if each.name in ('reading', 'engine')]
