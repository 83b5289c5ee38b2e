"""The command that times nvJPEG, rehearsed on its stand-in: the figures are no GPU's."""

import re
import sys
from pathlib import Path

import pytest
import standin_nvjpeg
from standin_fixtures import standin, standin_options

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))

import benchmark_nvjpeg

__all__ = ['standin', 'standin_options']


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(benchmark_nvjpeg, 'SIZES_WH', ((320, 192),))
    monkeypatch.setattr(benchmark_nvjpeg, 'DAMAGED_WH', (320, 192))


def test_without_the_library_it_says_so(standin):
    with pytest.raises(SystemExit, match='libnvjpeg'):
        benchmark_nvjpeg.main([])


def test_each_way_is_timed_and_seen_to_recognize_damage(standin, monkeypatch, capsys):
    standin_nvjpeg.install(monkeypatch, standin)
    benchmark_nvjpeg.main(['--repeats', '2', '--damaged', '3'])
    said = capsys.readouterr().out
    assert "nvJPEG 13.0.1, the GPU's JPEG engine: " in said
    assert re.search(r'320×192 4:2:0, 80( +\d+\.\d\d \(\d+\.\d\d\)){3}\n', said)
    assert re.search(r'levels apart, mean( +0\.00 \(most 0\)){3}\n', said)
    assert re.search(r'cut off( +3){3}\n', said)
