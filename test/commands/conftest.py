import pytest
from onnx_models import color_segmentation


@pytest.fixture
def wide_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setenv('NO_COLOR', '1')


@pytest.fixture
def colors(tmp_path):
    return str(color_segmentation(tmp_path / 'colors.onnx'))
