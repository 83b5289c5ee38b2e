"""tools/measure_small_board.py: figures of a group, and a node that gets too little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from onnx_models import detector

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
sys.path.append(str(TOOLS))

from small_board.control_group import ControlGroup, control_group  # noqa: E402

FILES = {
    1: {
        'memory.max_usage_in_bytes': '900\n',
        'memory.stat': 'cache 50\nrss 300\nshmem 40\ntotal_rss 999\n',
        'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
    },
    2: {
        'memory.peak': '900\n',
        'memory.stat': 'anon 300\nfile 50\nshmem 40\n',
        'memory.events': 'low 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n',
    },
}


@pytest.fixture(params=FILES)
def group(request, tmp_path):
    """A group whose files are as the kernel writes them."""
    for name, content in FILES[request.param].items():
        (tmp_path / name).write_text(content)
    return ControlGroup(tmp_path, tmp_path, request.param)


def test_figures(group):
    assert (group.peak_bytes(), group.held_bytes(), group.killed()) == (900, 340, 2)


def test_a_limit_leaves_no_swap(group):
    group.limit(5)
    files = {path.name: path.read_text() for path in group.folder.iterdir()}
    assert '5' in (files.get('memory.max'), files.get('memory.limit_in_bytes'))
    assert '0' in (files.get('memory.swap.max'), files.get('memory.swappiness'))


def can_limit():
    try:
        with control_group(10**9):
            return True
    except SystemExit:
        return False


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.alone
@pytest.mark.skipif(os.getuid() != 0, reason='control groups take root')
@pytest.mark.parametrize(('limit_mb', 'code'), [(2000, 0), (60, 1)])
def test_a_node_in_a_group(tmp_path, limit_mb, code):
    if not can_limit():
        pytest.skip('no control group can be made here')
    model = str(detector(tmp_path / 'tiny.onnx', size_wh=(64, 64)))
    file = tmp_path / 'found.jsonl'
    command = [sys.executable, str(TOOLS / 'measure_small_board.py'), model, '--in-process']
    command += ['--memory-mb', str(limit_mb), '--size', '320x240', '--seconds', '2']
    done = subprocess.run(
        [*command, '--json', str(file)], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == code, done.stdout + done.stderr
    found = json.loads(file.read_text())
    if code:
        assert 'the kernel ended a process of the group' in found['ended']
    else:
        assert 50 < found['peak_mb'] < 1000
        assert found['rates_hz']['engine_1'] > 0
