import os
import subprocess
import sys

import pytest

PRINT = """
import os

def main(*_):
    print(os.environ[os.environ['ASKED']])
    return 0
"""


@pytest.mark.parametrize('run', ['run_command_module', 'run_node_module'])
@pytest.mark.parametrize(
    ('given', 'expected'),
    [pytest.param(None, None, id='not_set'), pytest.param('20', '20', id='set_by_the_user')],
)
@pytest.mark.parametrize(
    ('variable', 'usual'),
    [('OPENBLAS_THREAD_TIMEOUT', '4'), ('OPENCV_THREAD_POOL_ACTIVE_WAIT_WORKER', '0')],
)
def test_idle_threads_of_libraries_sleep(tmp_path, run, variable, usual, given, expected):
    (tmp_path / 'printing.py').write_text(PRINT)
    environment = {key: value for key, value in os.environ.items() if key != variable}
    environment['ASKED'] = variable
    if given:
        environment[variable] = given
    script = f"from jetson_perception.process import executable; executable.{run}('printing')"
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (f'{expected or usual}\n', '', 0)
