"""What measures a GPU, run through with the stand-in: `bench`, the soak, and check_gpu's parts.

The figures mean nothing here; only whether every call is correct counts.
"""

import json
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import standin_onnxruntime
from emulated_gpu import register_kernels
from onnx_models import color_segmentation, detector, pose_detector

from jetson_perception.benchmark import memory
from jetson_perception.benchmark.baseline import OnStreams, plain_session, run_baseline
from jetson_perception.benchmark.end_to_end import FullRate
from jetson_perception.benchmark.session import Settings, measure, opened_models
from jetson_perception.drawing import draw_segmentation
from jetson_perception.models import segmentation
from jetson_perception.tasks.detection_options import DetectionOptions

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))

from gpu_checks import concurrency, parity
from gpu_checks.checks import Checks

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def provider(standin, monkeypatch):
    for name in ('preprocess', 'segmentation', 'tint', 'yolo'):
        register_kernels(standin, name)
    return standin_onnxruntime.install(monkeypatch, standin)


@pytest.fixture
def models(tmp_path):
    paths = (
        detector(tmp_path / 'det.onnx', size_wh=(64, 64), boxes=[(32, 32, 20, 20, 1, 0.9)]),
        pose_detector(tmp_path / 'pose.onnx', size_wh=(64, 64)),
        color_segmentation(tmp_path / 'seg.onnx'),
    )
    return tuple(map(str, paths))


def test_bench(models):
    settings = Settings(
        models,
        runtime='onnxruntime_cuda',
        sizes=((320, 240),),
        frames=3,
        draw=True,
        baselines=('seed', 'streams'),
    )
    record = json.loads(json.dumps(measure(settings)))
    assert record['device'] == 'cuda'
    assert record['machine']['gpu']
    assert set(record['memory']['open']) == {'host_mb', 'device_mb'}
    (size,) = record['sizes']
    for engine, stages in size['end_to_end']['stages'].items():
        assert {'upload', 'preprocess', 'inference', 'postprocess'} <= set(stages), engine
    for counts in size['drawn']['counts'].values():
        assert counts['failed'] == counts['skipped'] == 0
    assert not size['drawn']['errors']
    assert record['inference']['in_turn']['frames'] == 3


def test_the_loop_on_streams_runs_engines_as_lanes_do(models):
    frames = [np.zeros((48, 64, 3), np.uint8)]
    with opened_models(Settings(models[:2], runtime='onnxruntime_cuda')) as opened:
        engines = [model.engine for model in opened.values()]
        tensors = [
            np.random.default_rng(seed).random((1, 3, 64, 64), np.float32)
            for seed in range(len(engines))
        ]
        expected = [
            [output.copy() for output in engine.infer(tensor)]
            for engine, tensor in zip(engines, tensors, strict=True)
        ]
        with closing(OnStreams(engines)) as run_all:
            for found, wanted in zip(run_all(tensors), expected, strict=True):
                for one, other in zip(found, wanted, strict=True):
                    np.testing.assert_array_equal(one, other)
            run_baseline(list(opened.values()), frames, 2, run_all=run_all)
        assert {engine.mode for engine in engines} == {'own_graph'}


@pytest.mark.parametrize(('precision', 'tf32'), [('fp32', '0'), ('fp16', '1')])
def test_the_usual_loop_rounds_as_the_engines_do(models, provider, precision, tf32):
    settings = Settings(models, runtime='onnxruntime_cuda', precision=precision)
    with opened_models(settings) as opened:
        runs = [plain_session(model) for model in opened.values()]
        assert {session.settings['use_tf32'] for session in provider.sessions} == {tf32}
        assert provider.plain_settings == [{'use_tf32': tf32}] * len(models)
        for run, model in zip(runs, opened.values(), strict=True):
            tensor = np.ones(model.engine.inputs[0].shape, model.engine.inputs[0].dtype)
            for one, other in zip(run(tensor), model.engine.infer(tensor), strict=True):
                np.testing.assert_array_equal(one, other)


def test_what_the_gpu_tinted_is_not_tinted_again(standin, models, monkeypatch, caplog):
    drawn, frames = [], [np.full((48, 64, 3), (20, 20, 220), np.uint8)]
    draw_legend = segmentation.draw_legend

    def kept(canvas, result, colors, *rest):
        expected = frames[0].copy()
        draw_segmentation(expected, result, colors, 0.6)
        drawn.append(np.array_equal(canvas, expected))
        draw_legend(canvas, result, colors, *rest)

    def on_cpu(*_):
        raise AssertionError('the CPU was asked')

    monkeypatch.setattr(segmentation, 'draw_legend', kept)
    monkeypatch.setattr(segmentation, 'draw_segmentation', on_cpu)
    # The first of them is drawn on the image itself.
    settings = Settings((models[2], models[0]), runtime='onnxruntime_cuda')
    with opened_models(settings) as opened, FullRate(opened) as pipeline:
        pipeline.run(frames, count=3)
        assert 'tint_interleaved3' not in standin.launches
        pipeline.run(frames, count=6, draw=True)
    assert 'tint_interleaved3' in standin.launches
    assert drawn
    assert all(drawn)
    assert 'the CPU was asked' not in caplog.text


def test_memory_of_the_device(device):
    assert memory.device_used_mb() >= 0


def test_concurrency(models, tmp_path):
    checks = Checks(tmp_path / 'found.json', judge=False)
    options = SimpleNamespace(models=models[:2], runtime='onnxruntime_cuda', frames=3, seconds=1)
    concurrency.run(options, checks)
    assert 'together, ratio to one after another' in [check.name for check in checks.checks]


def test_parity(models, tmp_path):
    """The emulated kernels find what the CPU finds, in every encoding."""
    frames = list(parity.varied_frames('scene://people', 24))[:: 24 // 8]
    expected = parity.results(Settings(models, runtime='onnxruntime_cpu'), frames)
    found = parity.results(Settings(models, runtime='onnxruntime_cuda'), frames)
    checks = Checks(tmp_path / 'found.json')
    for name in ('det', 'pose'):
        pairs = list(zip(expected[name], found[name], strict=True))
        assert None not in expected[name] + found[name]
        parity.compare_boxes(checks, name, pairs, DetectionOptions())
    parity.compare_masks(checks, 'seg', list(zip(expected['seg'], found['seg'], strict=True)))
    parity.check_pictures(checks, Settings(models[2:], runtime='onnxruntime_cuda'), frames)
    assert len(checks.checks) >= 10
    assert [check.name for check in checks.checks if check.kept is False] == []
