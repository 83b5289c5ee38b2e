"""A process that is started with `ends_with_parent` ends when its parent is killed."""

import os
import select
import signal
import subprocess
import sys

import pytest

from jetson_perception.process.orphans import ends_with_parent

if not ends_with_parent():
    pytest.skip('setpriv of util-linux is not installed', allow_module_level=True)

PARENT = """
import subprocess, sys, time
from jetson_perception.process.orphans import ends_with_parent
child = subprocess.Popen([*ends_with_parent(), *sys.argv[1:]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""
CHILD = 'import signal; print(flush=True); signal.pause()'


def test_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [sys.executable, '-c', PARENT, sys.executable, '-c', CHILD], stdout=subprocess.PIPE
    )
    with parent:
        child = int(parent.stdout.readline())
        ended = os.pidfd_open(child)
        try:
            assert not select.select([ended], [], [], 0)[0]
            parent.send_signal(signal.SIGKILL)
            assert select.select([ended], [], [], 60)[0], 'it lives on'
        finally:
            os.close(ended)


def test_it_keeps_its_pid_its_arguments_and_its_exit_code():
    code = 'import os, sys; print(os.getpid(), sys.argv[1:]); sys.exit(7)'
    arguments = ['--pdeathsig', 'a b', 'ü']
    process = subprocess.Popen(
        [*ends_with_parent(), sys.executable, '-c', code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {'PYTHONUTF8': '1'},
    )
    said, _ = process.communicate(timeout=60)
    assert said == f'{process.pid} {arguments}\n'
    assert process.returncode == 7


def test_without_the_program_the_command_is_unchanged(tmp_path, monkeypatch):
    """Neither where it is missing nor where it is one that has no such option, as in busybox."""
    ends_with_parent.cache_clear()
    monkeypatch.setenv('PATH', str(tmp_path))
    assert ends_with_parent() == ()
    other = tmp_path / 'setpriv'
    other.write_text('#!/bin/sh\nexit 1\n')
    other.chmod(0o755)
    ends_with_parent.cache_clear()
    assert ends_with_parent() == ()
    ends_with_parent.cache_clear()
