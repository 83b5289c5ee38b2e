"""What measures a GPU, run through with the stand-in: `bench`, the soak, and check_gpu's parts.

Figures mean nothing here; that every call is made rightly does.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import standin_onnxruntime
from emulated_gpu import register_kernels
from onnx_models import color_segmentation, detector, pose_detector

from jetson_perception.benchmark import memory
from jetson_perception.benchmark.baseline import run_baseline
from jetson_perception.benchmark.session import Settings, measure, opened_models
from jetson_perception.tasks.yolo import DetectionOptions

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))

from gpu_checks import concurrency, parity
from gpu_checks.checks import Checks


@pytest.fixture(autouse=True)
def _gpu(standin, monkeypatch):
    for name in ('preprocess', 'segmentation', 'yolo'):
        register_kernels(standin, name)
    standin_onnxruntime.install(monkeypatch, standin)


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
        engine='onnxruntime_cuda',
        sizes=((320, 240),),
        frames=3,
        draw=True,
        baselines=('seed',),
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


def test_the_usual_loop_runs_the_engine_as_a_lane_does(models):
    frames = [np.zeros((48, 64, 3), np.uint8)]
    with opened_models(Settings(models[:2], engine='onnxruntime_cuda')) as opened:
        run_baseline(list(opened.values()), frames, 2)
        assert {model.engine.mode for model in opened.values()} == {'own_graph'}


def test_memory_of_the_device(device):
    assert memory.device_used_mb() >= 0


def test_concurrency(models, tmp_path):
    checks = Checks(tmp_path / 'found.json', judge=False)
    options = SimpleNamespace(models=models[:2], engine='onnxruntime_cuda', frames=3, seconds=1)
    concurrency.run(options, checks)
    assert 'together of one after another' in [check.name for check in checks.checks]


def test_parity(models, tmp_path):
    """The emulated kernels find what the CPU finds, in every encoding."""
    frames = list(parity.varied_frames('scene://people', 24))[:: 24 // 8]
    expected = parity.results(Settings(models, engine='onnxruntime_cpu'), frames)
    found = parity.results(Settings(models, engine='onnxruntime_cuda'), frames)
    checks = Checks(tmp_path / 'found.json')
    for name in ('det', 'pose'):
        pairs = list(zip(expected[name], found[name], strict=True))
        assert None not in expected[name] + found[name]
        parity._compare_boxes(checks, name, pairs, DetectionOptions())
    parity._compare_masks(checks, 'seg', list(zip(expected['seg'], found['seg'], strict=True)))
    assert [check.name for check in checks.checks if check.kept is False] == []
