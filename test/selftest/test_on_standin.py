"""The checks of TensorRT on stand-ins: that they hold of the engines as they are written.

TensorRT's runtime and pycuda are stand-ins, kernels run in the emulator, and a build gives what
the stand-in for TensorRT loads. Opening, cache, engine, lanes and checks are the package's own.
"""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import standin_pycuda
import standin_tensorrt
from emulated_gpu import register_kernels
from onnx_models import color_segmentation, detector

from jetson_perception.engines.tensorrt import context as context_module
from jetson_perception.engines.tensorrt import opening as tensorrt_opening
from jetson_perception.engines.tensorrt.loading import LoadedEngines
from jetson_perception.errors import BuildCanceled
from jetson_perception.selftest.checks import Task, run

VERSION = '10.3'


def build_for_standin(path, options, *, progress=None, cancel=None, **_):
    """Stands for `build_engine`: tells progress, may be cancelled, and gives a stand-in's plan."""
    for fraction in (0.1, 0.5, 1.0):
        if progress is not None:
            progress(fraction, 'timing tactics')
        if cancel is not None and cancel.is_set():
            raise BuildCanceled('canceled')
    return SimpleNamespace(plan=standin_tensorrt.make_plan(path, VERSION), notes=())


@pytest.fixture(autouse=True)
def _jetson(monkeypatch, tmp_path):
    cuda = standin_pycuda.install(monkeypatch)
    for name in ('preprocess', 'segmentation', 'yolo'):
        register_kernels(cuda, name)
    standin_tensorrt.install(monkeypatch, cuda, VERSION)
    monkeypatch.setattr(context_module, 'loaded_engines', LoadedEngines())
    monkeypatch.setattr(tensorrt_opening, 'build_engine', build_for_standin)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def models(tmp_path):
    boxes = [(32, 24, 20, 16, 0, 0.9), (10, 10, 8, 8, 1, 0.6)]
    return (
        str(color_segmentation(tmp_path / 'colors.onnx')),
        str(detector(tmp_path / 'boxes.onnx', boxes, size_wh=(64, 64))),
    )


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    bgr = np.zeros((48, 64, 3), np.uint8)
    bgr[:, :32, 2] = bgr[:, 32:, 1] = 255
    for scene in ('oranges', 'people'):
        cv2.imwrite(str(folder / f'{scene}_000.png'), bgr)
    return str(folder)


@pytest.mark.parametrize('number', [0, 1])
def test_agrees(models, pictures, number):
    verdict = run(Task('agrees', (models[number],), 'tensorrt', 'fp16', pictures))
    assert verdict.outcome == 'pass', verdict.reason
    assert 'TensorRT' in verdict.figures['runtime']


def test_together_on_the_device(models, pictures):
    verdict = run(Task('together', models, 'tensorrt', 'fp16', pictures))
    assert verdict.outcome == 'pass', verdict.reason
    stages = verdict.figures['stages (ms)']
    assert all('upload' in stages[name] for name in models), 'the kernels did it'


@pytest.mark.parametrize('claim', ['cache', 'refusals', 'cancel'])
def test_of_built_engines(models, tmp_path, claim):
    folder = tmp_path / 'own'
    folder.mkdir(mode=0o700)
    verdict = run(Task(claim, models[:1], 'tensorrt', 'fp16', '', str(folder)))
    assert verdict.outcome == 'pass', verdict.reason
    if claim == 'refusals':
        assert set(verdict.figures) == {'empty', 'no engine', 'cut off', 'another version'}
        assert len(set(verdict.figures.values())) == 4
