"""Each check passes what is right and fails what is wrong, by stand-ins for engines that err.

No engine but the CPU's runs here, so `open_model` is wrapped: what it gives is a real model, with
the fault that a test is about.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx_models import color_segmentation, detector

from jetson_perception.errors import BuildCanceled, ModelError
from jetson_perception.models import open_model
from jetson_perception.selftest import checks
from jetson_perception.selftest.checks import Task, likeness, run
from jetson_perception.tasks.results import Detections

CPU = 'onnxruntime_cpu'


@pytest.fixture
def pictures(tmp_path):
    """Two pictures of each scene: red, and red beside green."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    bgr = np.zeros((48, 64, 3), np.uint8)
    bgr[..., 2] = 255
    for scene in ('oranges', 'people'):
        cv2.imwrite(str(folder / f'{scene}_000.png'), bgr)
    bgr[:, 32:] = (0, 255, 0)
    for scene in ('oranges', 'people'):
        cv2.imwrite(str(folder / f'{scene}_001.png'), bgr)
    return str(folder)


@pytest.fixture
def colors(tmp_path):
    return str(color_segmentation(tmp_path / 'colors.onnx'))


@pytest.fixture
def boxes(tmp_path):
    found = [(32, 24, 20, 16, 0, 0.9), (10, 10, 8, 8, 1, 0.6)]
    return str(detector(tmp_path / 'boxes.onnx', found, size_wh=(64, 64)))


class StandInEngines:
    """Stands for `open_model` where `runtime` is 'tensorrt': the CPU's model, made to err.

    Strict: it must be asked in the precision of the task. `spoil` may change an engine's outputs.
    """

    def __init__(self, spoil=lambda outputs: outputs, precision='fp16'):
        self.spoil, self.precision = spoil, precision

    def __call__(self, path, *, runtime, precision='fp16', **building):
        if runtime != 'tensorrt':
            return open_model(path, runtime=runtime)
        assert precision == self.precision
        model = open_model(path, runtime=CPU)
        infer = model.engine.infer
        model.engine.infer = lambda tensor: self.spoil(infer(tensor))
        return model


def use(monkeypatch, stand_in):
    monkeypatch.setattr(checks, 'open_model', stand_in)


def drifted(by):
    """Outputs of which every number is a little larger."""
    return lambda outputs: [output + np.float32(by) for output in outputs]


class TestAgreement:
    def task(self, model, pictures, precision='fp16'):
        return Task('agrees', (model,), 'tensorrt', precision, pictures)

    def test_of_an_engine_that_is_right(self, monkeypatch, colors, pictures):
        use(monkeypatch, StandInEngines())
        verdict = run(self.task(colors, pictures))
        assert (verdict.outcome, verdict.figures['pictures']) == ('pass', 2)
        assert verdict.figures['inference (ms)'] > 0
        assert 'ONNX Runtime' in verdict.figures['runtime']

    @pytest.mark.parametrize(
        ('precision', 'by', 'outcome'),
        [
            pytest.param('fp32', 0.01, 'pass', id='within_fp32'),
            pytest.param('fp32', 0.04, 'FAIL', id='past_fp32'),
            pytest.param('fp16', 0.04, 'pass', id='within_fp16'),
            pytest.param('fp16', 0.08, 'FAIL', id='past_fp16'),
            pytest.param('int8', 0.08, 'pass', id='within_int8'),
        ],
    )
    def test_scores_may_drift_as_the_precision_allows(
        self, monkeypatch, boxes, pictures, precision, by, outcome
    ):
        use(monkeypatch, StandInEngines(drifted(by), precision))
        verdict = run(self.task(boxes, pictures, precision))
        assert verdict.outcome == outcome, verdict.reason
        assert ('score drift is 0.0' in verdict.reason) == (outcome == 'FAIL')

    def test_of_masks_that_differ(self, monkeypatch, colors, pictures):
        use(monkeypatch, StandInEngines(lambda outputs: [outputs[0][:, ::-1].copy()]))
        verdict = run(self.task(colors, pictures))
        assert verdict.outcome == 'FAIL'
        assert 'mask agreement (pixels) is 0.0' in verdict.reason

    def test_an_engine_that_cannot_be_opened(self, monkeypatch, colors, pictures):
        def refuse(path, *, runtime, **_):
            if runtime == CPU:
                return open_model(path, runtime=CPU)
            raise ModelError('TensorRT: no tactic for node /head/Conv')

        use(monkeypatch, refuse)
        verdict = run(self.task(colors, pictures))
        assert (verdict.outcome, verdict.reason) == (
            'FAIL',
            'TensorRT: no tactic for node /head/Conv',
        )

    def test_without_pictures(self, monkeypatch, colors, tmp_path):
        use(monkeypatch, StandInEngines())
        verdict = run(self.task(colors, str(tmp_path / 'none')))
        assert verdict.outcome == 'FAIL'
        assert 'cannot be read' in verdict.reason


class TestPipeline:
    def task(self, *models, pictures):
        return Task('pipeline', models, 'tensorrt', 'fp16', pictures)

    def test_of_engines_that_are_right(self, monkeypatch, colors, boxes, pictures):
        use(monkeypatch, StandInEngines())
        verdict = run(self.task(colors, boxes, pictures=pictures))
        assert verdict.outcome == 'pass', verdict.reason
        assert verdict.figures[f'{colors}: alike'] == 1.0
        assert verdict.figures['end to end (ms)'] > 0
        assert {'preprocess', 'inference'} <= verdict.figures['stages (ms)'][boxes].keys()

    def test_of_one_that_finds_other_things(self, monkeypatch, colors, boxes, pictures):
        use(monkeypatch, StandInEngines(lambda outputs: [outputs[0] * 0]))
        verdict = run(self.task(boxes, pictures=pictures))
        assert verdict.outcome == 'FAIL'
        assert '0.000 is alike' in verdict.reason

    def test_of_one_that_fails_on_frames(self, monkeypatch, colors, boxes, pictures):
        calls = []

        def fail_later(outputs):
            calls.append(1)
            if len(calls) > 2:  # the first run is that of opening
                raise ModelError('illegal memory access')
            return outputs

        use(monkeypatch, StandInEngines(fail_later))
        verdict = run(self.task(colors, pictures=pictures))
        assert verdict.outcome == 'FAIL'
        assert 'frames failed, the first:' in verdict.reason
        assert 'illegal memory access' in verdict.reason


class TestLikeness:
    def detections(self, *corners):
        xyxy = np.array([(x, x, x + 10, x + 10) for x in corners], np.float32).reshape(-1, 4)
        return Detections(xyxy, np.ones(len(xyxy), np.float32), np.zeros(len(xyxy), np.int32))

    @pytest.mark.parametrize(
        ('one', 'other', 'share'),
        [
            pytest.param([], [], 1.0, id='nothing'),
            pytest.param([0], [], 0.0, id='only_one'),
            pytest.param([0, 50], [50, 0], 1.0, id='in_another_order'),
            pytest.param([0, 50], [50], 0.5, id='half'),
        ],
    )
    def test_of_boxes(self, one, other, share):
        assert likeness(self.detections(*one), self.detections(*other)) == share

    def test_of_nothing_at_all(self):
        assert likeness(None, self.detections()) == 0.0


class StandInCache:
    """Stands for `open_model` with engines that are kept under XDG_CACHE_HOME, right or wrong."""

    def __init__(self, fault=''):
        self.fault = fault

    def __call__(self, path, *, runtime, precision='fp16', progress=None, cancel=None, **_):
        path = Path(path)
        if path.suffix == '.engine':
            return self.open_file(path)
        folder = Path(checks.os.environ['XDG_CACHE_HOME'], 'engines')
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o022 and self.fault != 'shares':
            raise ModelError(f'{folder} may be written by others; chmod 700 {folder}')
        plan, digest = folder / 'a.plan', folder / 'a.sha256'
        known = digest.read_text() if digest.exists() else ''
        right = plan.exists() and (
            self.fault == 'trusts' or hashlib.sha256(plan.read_bytes()).hexdigest() == known
        )
        if not right or self.fault == 'forgets':
            if self.fault != 'mute':
                progress and progress(0.1, 'building')
            if cancel is not None and cancel.is_set() and self.fault != 'goes_on':
                raise BuildCanceled('canceled')
            plan.write_bytes(b'ftrt' + bytes(range(200)))
            digest.write_text(hashlib.sha256(plan.read_bytes()).hexdigest())
        return open_model(path, runtime=CPU)

    def open_file(self, path):
        if self.fault == 'opens_anything' and path.stem == 'cut_off':
            return open_model('oranges', runtime=CPU)
        raise ModelError(f'{path.name} is no engine of this TensorRT')


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A task's folder; the variable that a check sets is put back."""
    folder = tmp_path / 'own'
    folder.mkdir()
    monkeypatch.setenv('XDG_CACHE_HOME', str(folder))
    return str(folder)


class TestBuiltEngines:
    @pytest.mark.parametrize(
        ('claim', 'fault', 'reason'),
        [
            pytest.param('cache', '', 'built in ', id='cache'),
            pytest.param('cache', 'mute', 'the first opening built nothing', id='not_told'),
            pytest.param('cache', 'forgets', 'built the engine again', id='not_kept'),
            pytest.param('cache', 'trusts', 'flipped byte was taken', id='not_checked'),
            pytest.param('cache', 'shares', 'others can write to was used', id='not_private'),
            pytest.param('refusals', '', '', id='refusals'),
            pytest.param('refusals', 'opens_anything', 'cut off was opened', id='not_refused'),
            pytest.param('cancel', '', 'ended after 0.0 s', id='cancel'),
            pytest.param('cancel', 'goes_on', 'went on to its end', id='not_cancelled'),
            pytest.param('cancel', 'mute', 'no progress was reported', id='no_progress'),
        ],
    )
    def test_what_is_wrong_is_found(self, monkeypatch, kept, colors, claim, fault, reason):
        use(monkeypatch, StandInCache(fault))
        verdict = run(Task(claim, (colors,), 'tensorrt', 'fp16', '', kept))
        assert verdict.outcome == ('FAIL' if fault else 'pass'), verdict.reason
        assert reason in verdict.reason

    def test_the_texts_of_refusals_are_reported(self, monkeypatch, kept, colors):
        use(monkeypatch, StandInCache())
        figures = run(Task('refusals', (colors,), 'tensorrt', 'fp16', '', kept)).figures
        assert set(figures) == {'empty', 'no engine', 'cut off', 'another version'}
        assert figures['cut off'] == 'cut_off.engine is no engine of this TensorRT'


class TestTruth:
    def test_of_a_model_that_finds_nothing(self, colors):
        verdict = run(Task('truth', (colors,)))
        assert verdict.outcome == 'FAIL'
        assert 'mIoU is 0.' in verdict.reason

    def test_of_the_model_of_the_package(self):
        verdict = run(Task('truth', ('oranges',)))
        assert verdict.outcome == 'pass'
        assert verdict.figures['mIoU'] > 0.85


def test_a_process_of_its_own_prints_its_verdict_last(colors, pictures):
    task = Task('pipeline', (colors,), CPU, 'fp32', pictures)
    code = 'from jetson_perception.selftest.checks import main; main()'
    done = subprocess.run(
        [sys.executable, '-c', code, json.dumps(asdict(task))],
        capture_output=True,
        text=True,
        check=True,
    )
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert verdict['outcome'] == 'pass'
    assert 'INFO jetson_perception: colors.onnx' in done.stderr
