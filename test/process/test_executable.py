import os
import subprocess
import sys

import pytest

PRINT = """
import os

def main(*_):
    print(os.environ['OPENBLAS_THREAD_TIMEOUT'])
    return 0
"""


@pytest.mark.parametrize('run', ['run_command_module', 'run_node_module'])
@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        pytest.param({}, '4', id='not_set'),
        pytest.param({'OPENBLAS_THREAD_TIMEOUT': '20'}, '20', id='set_by_the_user'),
    ],
)
def test_idle_threads_of_openblas_sleep(tmp_path, run, given, expected):
    (tmp_path / 'printing.py').write_text(PRINT)
    environment = {key: value for key, value in os.environ.items() if 'OPENBLAS' not in key}
    script = f"from jetson_perception.process import executable; executable.{run}('printing')"
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=tmp_path,
        env=environment | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (f'{expected}\n', '', 0)
