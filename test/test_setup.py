"""tools/setup.sh: what a step of it says, and that one which fails ends it, wherever it fails."""

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 30


def step_of(folder, command, **options):
    """The script's own function `step`, called with a command of bash, as a process."""
    text = (ROOT / 'tools' / 'setup.sh').read_text()
    begin = text.index('step() {')
    step = text[begin : text.index('\n}\n', begin) + 3]
    script = f"""
        set -euo pipefail
        root={folder}; log={folder}/setup.log; quiet=yes
        stop() {{ echo "setup: $*" >&2; exit 1; }}
        {step}
        work() {{ {command}; }}
        step 'some work' work
        echo ready
    """
    return subprocess.Popen(['bash', '-c', script], **options)


def output_of(folder, command):
    """Exit code, stdout and stderr."""
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    with step_of(folder, command, **pipes) as process:
        told = process.communicate(timeout=DEADLINE_S)
    return process.returncode, *told


@pytest.mark.parametrize('command', ['false', 'false; echo went on', 'false | cat; echo went on'])
def test_a_step_that_fails_on_its_way_has_failed(tmp_path, command):
    code, out, err = output_of(tmp_path, f'echo what it says; {command}')
    assert (code, out) == (1, '  some work … failed\n\n')
    assert err == (
        'what it says\nsetup: the step above failed; all of its output is in setup.log\n'
    )


def test_a_step_that_succeeds_says_how_long_it_took(tmp_path):
    assert output_of(tmp_path, 'echo what it says') == (0, '  some work … 0 s\nready\n', '')
    assert (tmp_path / 'setup.log').read_text() == 'what it says\n'


def test_on_a_terminal_a_step_says_how_long_it_has_taken_so_far(tmp_path):
    os.mkfifo(tmp_path / 'may_end')
    ours, theirs = pty.openpty()
    with step_of(tmp_path, f'read _ <{tmp_path}/may_end', stdout=theirs) as process:
        os.close(theirs)
        shown = ''
        while ' 1 s' not in shown:
            shown += os.read(ours, 4096).decode()
        (tmp_path / 'may_end').write_text('\n')
        shown = ''
        while 'ready' not in shown:
            shown += os.read(ours, 4096).decode()
        assert process.wait(DEADLINE_S) == 0
    os.close(ours)
    assert re.search('\r  some work … [1-9][0-9]* s\r\n', shown)
