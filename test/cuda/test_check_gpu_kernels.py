"""The kernels of tools/check_gpu.py on the stand-in: what it times gives the CPU's results."""

import sys
from pathlib import Path
from types import SimpleNamespace

import box_cases
import oriented_box_cases
import people_cases
import pytest
import segmentation_cases
from emulated_gpu import register_kernels
from onnx_models import color_segmentation, detector

from jetson_perception.models import open_model
from jetson_perception.tasks.results import Detections

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))

from gpu_checks import decoders, kernels
from gpu_checks.checks import Checks

OPTIONS = SimpleNamespace(sizes=((320, 240),))


@pytest.mark.parametrize(
    ('make', 'kernel_file', 'expected'),
    [
        pytest.param(color_segmentation, 'segmentation', '0.0000% of pixels', id='masks'),
        pytest.param(detector, 'yolo', '1 boxes', id='boxes'),
    ],
)
def test_what_is_timed_is_right(standin, device, make, kernel_file, expected, tmp_path):
    for name in ('preprocess', kernel_file):
        register_kernels(standin, name)
    checks = Checks(tmp_path / 'found.json')
    options = {'size_wh': (64, 64)} if make is detector else {}
    if options:
        options['boxes'] = [(32, 32, 20, 20, 1, 0.9)]
    model = open_model(make(tmp_path / 'a.onnx', **options), runtime='onnxruntime_cpu')
    kernels.time_kernels(device, model, OPTIONS, checks, repeats=2, runs=2)
    model.close()
    names = [check.name for check in checks.checks]
    assert any(expected in name for name in names), names
    assert [
        check.name for check in checks.checks if check.kept is False and 'ms' not in check.name
    ] == []
    assert sum('find what the CPU finds' in name for name in names) == 1


def test_decoders_are_compared_and_timed(standin, device, monkeypatch, tmp_path):
    for name in ('boxes', 'oriented_boxes', 'movenet'):
        register_kernels(standin, name)
    cases = [each for each in box_cases.NETWORKS if each.id in ('rt_detr', 'detr')]
    monkeypatch.setattr(box_cases, 'NETWORKS', cases)
    monkeypatch.setattr(oriented_box_cases, 'NETWORKS', oriented_box_cases.NETWORKS[-1:])
    monkeypatch.setattr(people_cases, 'NETWORKS', people_cases.NETWORKS[:1])
    checks = Checks(tmp_path / 'found.json')
    modules = ('box_cases', 'oriented_box_cases', 'people_cases')
    decoders.check_decoders(device, checks, repeats=2, runs=2, modules=modules)
    found = {check.name: check for check in checks.checks}
    assert len(found) == 8
    assert found['movenet: the kernels find what the CPU finds'].kept
    assert found['obb-end_to_end: the kernels find what the CPU finds'].kept
    assert found['detr: the kernels find what the CPU finds'].kept
    assert found['detr: decoding, ms'].bar == '≤ 0.05'


def test_a_decoder_that_finds_something_else_is_told(standin, device, monkeypatch, tmp_path):
    register_kernels(standin, 'boxes')
    monkeypatch.setattr(box_cases, 'NETWORKS', box_cases.NETWORKS[:1])
    monkeypatch.setattr(box_cases, 'expected', lambda case: Detections.empty())
    checks = Checks(tmp_path / 'found.json')
    decoders.check_decoders(device, checks, repeats=2, runs=2, modules=('box_cases',))
    assert checks.checks[0].kept is False


def test_confidence_is_compared_and_timed(standin, device, monkeypatch, tmp_path):
    register_kernels(standin, 'segmentation')
    small = segmentation_cases.Case(layout=segmentation_cases.FOREGROUND)
    networks = [pytest.param(small, id='small')]
    monkeypatch.setattr(segmentation_cases, 'CONFIDENCE_NETWORKS', networks)
    checks = Checks(tmp_path / 'found.json')
    decoders.check_confidence(device, checks, repeats=2, runs=2)
    compared, timed = checks.checks
    assert compared.kept
    assert timed.bar == '≤ 0.05'
