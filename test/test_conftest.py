"""Test processes that run side by side don't hear each other; which tests are chosen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentTypeError
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def conftest(pytestconfig, request, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    return pytestconfig.pluginmanager.getplugin(str(request.path.with_name('conftest.py')))


def test_no_domain_id_is_claimed_twice(conftest):
    claims = [conftest.claim_domain_id() for _ in conftest.DOMAIN_IDS]
    assert sorted(domain_id for domain_id, _ in claims) == list(conftest.DOMAIN_IDS)
    with pytest.raises(pytest.UsageError, match='every ROS domain id from 1 to 101 is taken'):
        conftest.claim_domain_id()
    for _, lock in claims:
        lock.close()


def test_a_domain_id_is_free_again_when_its_process_is_gone(conftest):
    first, lock = conftest.claim_domain_id()
    lock.close()
    again, lock = conftest.claim_domain_id()
    lock.close()
    assert again == first


def test_this_process_has_one(conftest):
    if not conftest.HAS_ROS:
        pytest.skip('no ROS here')
    assert int(os.environ['ROS_DOMAIN_ID']) in conftest.DOMAIN_IDS


def test_what_is_compiled_is_kept_whatever_the_environment_says():
    program = 'import sys; print(sys.dont_write_bytecode)'
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, check=True)
    assert (sys.dont_write_bytecode, done.stdout) == (False, b'False\n')


def collected(*options):
    """Tests that pytest would run, by their ids."""
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '--collect-only', '-q', *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    ids = [line for line in done.stdout.splitlines() if '::' in line]
    return done.returncode, ids, done.stderr


class TestSlice:
    def test_each_test_that_is_chosen_otherwise_is_in_one_slice(self):
        options = ('test/test_palette.py', '-k', 'not shared')
        _, whole, _ = collected(*options)
        parts = [collected(*options, '--slice', f'{index}/2')[1] for index in (1, 2)]
        assert sorted(chain(*parts)) == sorted(whole)
        assert min(map(len, parts)) == len(whole) // 2 > 0

    @pytest.mark.parametrize('text', ['0/3', '4/3', '1', '1/', 'a/b', '-1/3', '1/0', ''])
    def test_what_is_none(self, conftest, text):
        with pytest.raises(ArgumentTypeError, match='is no slice; expected I/N, 1/N to N/N'):
            conftest.slice_of(text)


class TestMarkers:
    def test_what_needs_ros_is_marked(self, conftest):
        if not conftest.HAS_ROS:
            pytest.skip('no ROS here')
        _, marked, _ = collected('-m', 'ros', 'test/ros/test_arguments.py', 'test/test_palette.py')
        assert marked
        assert all(each.startswith('test/ros/') for each in marked)

    def test_one_that_is_not_declared_is_an_error(self, tmp_path):
        (tmp_path / 'test_a.py').write_text(
            'import pytest\n@pytest.mark.slwo\ndef test_a(): pass\n'
        )
        config = ROOT / 'pyproject.toml'
        code, _, _ = collected(str(tmp_path), '-c', str(config), '--rootdir', str(tmp_path))
        assert code == pytest.ExitCode.INTERRUPTED


class TestAlone:
    """Tests write when they begin and end; in two files, which two processes run."""

    TESTS = """
import time
from pathlib import Path

import pytest

@pytest.mark.parametrize('number', range(8))
def test_beside_others(number):
    during('beside')

@pytest.mark.alone
@pytest.mark.parametrize('number', range(4))
def test_alone(number):
    during('alone')

def during(kind):
    begun = time.monotonic()
    time.sleep(0.05)
    with open(Path(__file__).with_suffix('.log'), 'a') as log:
        print(kind, begun, time.monotonic(), file=log)
"""

    #: What its fixture started runs on between its tests.
    TESTS_IN_A_ROW = """
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

@pytest.fixture(scope='module', autouse=True)
def running():
    begun = time.monotonic()
    yield
    with open(Path(__file__).with_suffix('.log'), 'a') as log:
        print('alone', begun, time.monotonic(), file=log)

@pytest.mark.parametrize('number', range(4))
def test_alone(number):
    time.sleep(0.05)
"""

    def test_nothing_runs_beside_one_that_is_alone(self, tmp_path):
        shutil.copy(ROOT / 'test/conftest.py', tmp_path)
        (tmp_path / 'test_a.py').write_text(self.TESTS)
        longer = self.TESTS.replace('range(8)', 'range(24)')
        (tmp_path / 'test_b.py').write_text(longer)
        (tmp_path / 'test_0.py').write_text(self.TESTS_IN_A_ROW)
        options = (
            '-p',
            'xdist',
            '-n',
            '2',
            '--dist',
            'loadfile',
            '--no-loadscope-reorder',
            '-c',
            str(ROOT / 'pyproject.toml'),
        )
        done = subprocess.run(
            [
                sys.executable,
                '-m',
                'pytest',
                '-q',
                *options,
                '--rootdir',
                str(tmp_path),
                str(tmp_path),
            ],
            env={**os.environ, 'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1'},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        first, second, row = (
            times(tmp_path / f'{name}.log') for name in ('test_a', 'test_b', 'test_0')
        )
        assert at_once(first, second)  # two processes did run side by side
        assert {kind for pair in at_once(first, second) for kind, *_ in pair} == {'beside'}
        assert not at_once(row, first + second)
        # It waited until one of the processes had nothing else to do.
        (_, begun, _), *_ = row
        assert begun > min(max(end for *_, end in each) for each in (first, second))


def at_once(some, others):
    """Pairs of what ran at the same time."""
    return [(a, b) for a in some for b in others if a[1] < b[2] and b[1] < a[2]]


def times(log):
    """What ran when, of a log of such tests."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(kind, float(begun), float(ended)) for kind, begun, ended in lines]
