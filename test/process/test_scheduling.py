"""What share of the processor threads have, seen from outside; in processes of their own."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, os, sys, threading
from jetson_perception.process.scheduling import give_way, raise_share

def share():
    return [
        os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0),
        os.sched_getparam(0).sched_priority, sorted(os.sched_getaffinity(0)),
    ]

def of_thread(before=lambda: None):
    def run():
        before()
        found.append(share())
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

waiting, go, found = threading.Event(), threading.Event(), []
def wait():
    waiting.set()
    go.wait()
    found.append(share())
there = threading.Thread(target=wait)
there.start()
waiting.wait()
before = share()
why_not = raise_share(**json.loads(sys.argv[1]))
after = share()
of_thread()
of_thread(give_way)
go.set()
there.join()
started, gave_way, was_there = found
print(json.dumps([why_not, before, after, started, gave_way, was_there]))
"""


def shares(uid=None, **given):
    """Why not; shares before, after, of a new thread, of one that gives way, of an old one."""
    words = ['setpriv', '--reuid', str(uid), '--clear-groups'] if uid else []
    done = subprocess.run(
        [*words, sys.executable, '-c', CODE, json.dumps(given)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_nothing_is_changed_by_nothing():
    why_not, before, *others = shares()
    assert why_not == ''
    assert others == [before] * 4


def test_more_nice_is_always_allowed_and_for_threads_that_were_there():
    why_not, before, after, started, gave_way, was_there = shares(nice=19)
    assert why_not == ''
    assert after == started == was_there == [19, *before[1:]]
    if os.geteuid() == 0:  # back again takes a privilege
        assert gave_way == before


def test_cores():
    core = min(os.sched_getaffinity(0))
    why_not, before, after, started, gave_way, was_there = shares(cores=[core])
    assert why_not == ''
    assert after == started == was_there == [*before[:3], [core]]
    assert gave_way == before


def test_a_core_that_there_is_not():
    why_not, before, after, *_ = shares(cores=[4096])
    assert why_not == f'this machine has no core 4096: it has 0 to {os.cpu_count() - 1}'
    assert after == before


def may_be_real_time():
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


@pytest.mark.skipif(not may_be_real_time(), reason='it takes CAP_SYS_NICE')
def test_real_time_but_for_who_gives_way():
    why_not, before, after, started, gave_way, was_there = shares(nice=-5, real_time_priority=7)
    assert why_not == ''
    assert after == started == was_there == [-5, os.SCHED_FIFO, 7, before[3]]
    assert gave_way == before


@pytest.mark.skipif(os.geteuid() != 0, reason='another user takes root')
@pytest.mark.parametrize('given', [{'nice': -5}, {'real_time_priority': 7}])
def test_what_may_not_be_changes_nothing(given):
    why_not, before, after, *_ = shares(uid=1234, **given)
    assert why_not.startswith(('Operation not permitted: ', 'Permission denied: '))
    assert 'CAP_SYS_NICE' in why_not
    assert after == before
