"""That mypy holds our calls of TensorRT against NVIDIA's API, and not against nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MISUSES = """
from jetson_perception.cuda import DeviceBuffer
from jetson_perception.engines.tensorrt.context import InferenceContext


def misuse(loaded: InferenceContext, buffer: DeviceBuffer) -> None:
    loaded.engine.get_binding_name(0)  # gone in 10
    loaded.context.set_tensor_address('image', buffer)
    loaded.context.execute_async_v3()
    loaded.context.set_input_shape('image', (1, 3, 640, 640))  # right
"""


@pytest.mark.skipif(
    not (ROOT / '.venv' / 'stubs').is_dir(), reason="TensorRT's types are not here: make setup"
)
def test_wrong_calls_of_tensorrt_are_seen(tmp_path):
    (tmp_path / 'misuses.py').write_text(MISUSES)
    checked = subprocess.run(
        [sys.executable, '-m', 'mypy', tmp_path / 'misuses.py'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    found = [line for line in checked.stdout.splitlines() if 'misuses.py' in line]
    assert len(found) == 3, checked.stdout + checked.stderr
    assert '"ICudaEngine" has no attribute "get_binding_name"' in found[0]
    assert 'incompatible type "DeviceBuffer"; expected "int"' in found[1]
    assert 'Missing positional argument "stream_handle"' in found[2]
