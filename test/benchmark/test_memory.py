"""What a process learns about its own memory; each test uses a separate process."""

import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path('/proc/self/status')
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason='only Linux tells')


def printed(code):
    """What a new Python prints that runs this code, as a list of words."""
    code = f'from jetson_perception.benchmark import memory\n{code}'
    return subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    ).stdout.split()


def test_resident_memory_grows_by_the_touched_pages():
    before, after = printed(
        'print(memory.resident_mb()); held = b"x" * 50_000_000; print(memory.resident_mb())'
    )
    assert 49 < float(after) - float(before) < 55


@pytest.mark.skipif('THP_enabled' not in STATUS.read_text(), reason='this kernel does not tell')
def test_small_pages():
    """Measured in its own process: the memory of this one grows by itself."""
    show = 'print([line.split()[1] for line in open("/proc/self/status") if "THP_" in line][0])'
    before, kept, after = printed(f'{show}; print(memory.keep_to_small_pages()); {show}')
    assert (before, kept, after) == ('1', 'True', '0')


def test_without_prctl():
    code = 'memory._PR_SET_THP_DISABLE = 9999; print(memory.keep_to_small_pages())'
    assert printed(code) == ['False']
