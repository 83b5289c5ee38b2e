"""tools/measure_node_memory.py with a tiny model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from onnx_models import detector

TOOL = Path(__file__).resolve().parents[2] / 'tools/measure_node_memory.py'


@pytest.mark.slow
@pytest.mark.ros
def test_a_node_takes_more_than_its_libraries(tmp_path):
    model = str(detector(tmp_path / 'tiny.onnx', size_wh=(64, 64)))
    file = tmp_path / 'found.json'
    command = [sys.executable, str(TOOL), model, '--seconds', '1', '--json', str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    bare, runtime, node = (shares['Pss'] for shares in json.loads(file.read_text()).values())
    assert 10 < bare < runtime < node < 1000
    assert f'yolo_node takes {node - runtime:+.0f} MB' in done.stdout
