"""ONNX Runtime reports nothing to its maker, unless the user says that it may."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from onnx_models import color_segmentation

ROOT = Path(__file__).resolve().parents[3]
#: Any of them keeps ONNX Runtime from it already.
_SILENCING = ('CI', 'GITHUB_ACTIONS', 'ORT_RUNNING_UNIT_TESTS', 'ORT_DISABLE_TELEMETRY')


def opened(tmp_path, **environment):
    """What ONNX Runtime is told, and the files that are kept, where a model is opened."""
    model = color_segmentation(tmp_path / 'colors.onnx')
    cache = tmp_path / 'cache'
    cache.mkdir()
    rest = {name: value for name, value in os.environ.items() if name not in _SILENCING}
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            'import os, sys\n'
            'from jetson_perception import open_model\n'
            "open_model(sys.argv[1], runtime='onnxruntime_cpu').close()\n"
            "print(os.environ.get('ORT_DISABLE_TELEMETRY'))",
            str(model),
        ],
        cwd=ROOT,
        env={**rest, 'XDG_CACHE_HOME': str(cache), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), [each.name for each in cache.rglob('onnxruntime*')]


def test_nothing_is_collected(tmp_path):
    """Nor sent: what it sends, it keeps in a file first."""
    assert opened(tmp_path) == ('1', [])


@pytest.mark.parametrize('value', ['0', ''])
def test_what_the_user_has_set_stays(tmp_path, value):
    told, _ = opened(tmp_path, ORT_DISABLE_TELEMETRY=value)
    assert told == value
