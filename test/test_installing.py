import importlib.metadata
import re
from pathlib import Path

import pytest

import jetson_perception
from jetson_perception.installing import pip_install

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ('numpy', 'command'),
    [
        pytest.param('1.21.5', "pip install onnx rosbags 'numpy<1.25'", id='humble'),
        pytest.param('1.24.4', "pip install onnx rosbags 'numpy<1.25'", id='humble_again'),
        pytest.param('1.25.2', "pip install onnx rosbags 'numpy<2'", id='newer'),
        pytest.param('1.26.4', "pip install onnx rosbags 'numpy<2'", id='jazzy'),
        pytest.param('2.2.6', 'pip install onnx rosbags', id='numpy_2'),
        pytest.param(None, "pip install onnx rosbags 'numpy<2'", id='unknown'),
    ],
)
def test_numpy_is_kept_fit_for_what_is_built_for_it(monkeypatch, numpy, command):
    def version(name):
        assert name == 'numpy'
        if numpy is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return numpy

    monkeypatch.setattr(importlib.metadata, 'version', version)
    assert pip_install('onnx', 'rosbags') == command


def test_nothing_asks_for_extras_of_a_package_that_pypi_does_not_have():
    folders = [Path(jetson_perception.__file__).parent, ROOT / 'docs']
    texts = [*(path for each in folders for path in each.rglob('*.*')), ROOT / 'README.md']
    found = [
        path.name
        for path in texts
        if path.suffix in ('.py', '.md')
        and re.search(r'install\W+jetson-perception\[', path.read_text())
    ]
    assert found == []


def test_pages_keep_numpy_1_where_a_package_brings_numpy():
    brings = re.compile(r'pip install [^`#\n]*\b(onnx|onnxruntime|matplotlib|rosbags)\b[^`#\n]*')
    found = [
        f'{path.name}: {match[0].strip()}'
        for path in (ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md')))
        for match in brings.finditer(path.read_text())
        # The last two have an environment alone.
        if not re.search('numpy<2|--no-deps|torch|ultralytics', match[0])
    ]
    assert found == []
