"""The command that times NVDEC, rehearsed on its stand-in: the figures are no GPU's."""

import re
import sys
from pathlib import Path

import pytest
import standin_pynvvideocodec
from onnx_models import detector
from standin_fixtures import gpu_with_engines

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))

import benchmark_nvdec


@pytest.fixture
def standin(monkeypatch):
    kernels = 'preprocess', 'recoloring', 'yolo'
    with gpu_with_engines(monkeypatch, *kernels) as standin:
        yield standin


@pytest.fixture
def arguments(tmp_path):
    objects = ((32, 32, 20, 10, 1, 0.75),)
    model = detector(tmp_path / 'model.onnx', objects, size_wh=(64, 64))
    more = ['--frames', '6', '--size', '64', '48', '--rounds', '1']
    return ['--model', str(model), '--runtime', 'onnxruntime_cuda', *more]


@pytest.mark.slow
def test_each_way_is_timed_and_finds_the_same(standin, monkeypatch, capsys, arguments):
    standin_pynvvideocodec.install(monkeypatch, standin)
    benchmark_nvdec.main(arguments)
    said = capsys.readouterr().out
    assert len(re.findall(r'^cpu +\d+\.\d \(', said, re.MULTILINE)) == 2
    assert len(re.findall(r'^copied .* 6 of 6, 0\.0 px$', said, re.MULTILINE)) == 2
    assert len(re.findall(r'^in place .* 6 of 6, 0\.0 px$', said, re.MULTILINE)) == 2
    assert 'recolor_nv12' in standin.launches


@pytest.mark.slow
def test_without_a_decoder_it_says_so(standin, capsys, arguments):
    benchmark_nvdec.main(arguments)
    said = capsys.readouterr().out
    assert 'the CPU alone decodes' in said
    assert 'in place' not in said
