"""`jetson-perception doctor`, on the machine that runs the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from jetson_perception.commands.doctor import print_findings, summary
from jetson_perception.commands.main import main
from jetson_perception.doctor.finding import MISSING, WARNING, Finding


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setenv('NO_COLOR', '1')


def test_a_table(capsys):
    assert main(['doctor']) == 0
    output = capsys.readouterr().out
    assert 'what to do' in output
    assert 'board' in output
    assert 'oranges' in output
    assert 'Models run on images here.' in output


def test_json(capsys):
    assert main(['doctor', '--json']) == 0
    record = json.loads(capsys.readouterr().out)
    assert record['main_job'] is True
    lines = {line['name']: line for line in record['findings']}
    assert lines['ONNX Runtime']['verdict'] in ('ok', 'warning')
    assert set(lines['board']) == {'group', 'name', 'found', 'verdict', 'advice', 'needed'}


@pytest.mark.parametrize(
    'command',
    [
        pytest.param(['jetson_perception', 'doctor'], id='verb'),
        pytest.param(['jetson_perception.doctor'], id='module'),
    ],
)
def test_where_the_libraries_are_broken_it_still_runs_and_exits_with_1(command, tmp_path):
    for name in ('cv2', 'onnxruntime', 'numpy'):
        (tmp_path / f'{name}.py').write_text('raise ImportError("built for another NumPy")')
    done = subprocess.run(
        [sys.executable, '-m', *command, '--json'],
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}:{os.environ.get("PYTHONPATH", "")}'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    lines = {line['name']: line for line in json.loads(done.stdout)['findings']}
    assert 'built for another NumPy' in lines['OpenCV']['found']
    assert lines['OpenCV']['verdict'] == 'missing'
    assert 'built for another NumPy' in lines['models']['found']


def test_what_to_fix_first_is_named():
    needed = Finding('software', 'OpenCV', 'not installed', MISSING, 'install it', needed=True)
    other = Finding('ROS', 'distribution', 'none', MISSING, 'install it')
    warned = Finding('machine', 'swap', 'none', WARNING)
    assert summary([other, warned]) == 'Models run on images here. 1 warning.'
    assert summary([needed, other]).endswith('Fix first: OpenCV.')


def test_brackets_of_paths_are_shown(capsys):
    print_findings(Console(), [Finding('a', 'b', '/dev/[red]video0', WARNING, '[x]')])
    output = capsys.readouterr().out
    assert '/dev/[red]video0' in output
    assert '[x]' in output


class TestNarrowTerminal:
    PROFILE = '/opt/ros/jazzy/share/jetson_perception/config/fastdds-for-large-images.xml'
    SETTING = f'FASTRTPS_DEFAULT_PROFILES_FILE={PROFILE}'

    @pytest.fixture
    def printed(self, capsys):
        """Lines of findings in a terminal of so many columns."""

        def lines(columns, *findings):
            print_findings(Console(width=columns), findings)
            return capsys.readouterr().out.splitlines()

        return lines

    def test_nothing_found(self, printed):
        assert printed(40) == []

    @pytest.mark.parametrize('columns', [10, 40, 60, 80])
    def test_paths_and_names_of_variables_stay_whole(self, printed, columns):
        finding = Finding(
            'ROS', 'profile', self.PROFILE, WARNING, f'set it: export {self.SETTING}'
        )
        lines = [line.split() for line in printed(columns, finding)]
        assert self.PROFILE in [word for line in lines for word in line]
        assert self.SETTING in [word for line in lines for word in line]

    def test_texts_are_folded_below_each_other(self, printed):
        advice = 'install one thing, and then the other'
        assert printed(46, Finding('a', 'name', 'not there at all', MISSING, advice)) == [
            'name  missing  not there at all',
            '               what to do: install one thing,',
            '               and then the other',
        ]

    def test_groups_stand_apart(self, printed):
        lines = printed(
            80, Finding('a', 'one', ''), Finding('a', 'two', ''), Finding('b', 'x', '')
        )
        assert [line.rstrip() for line in lines] == ['one  ok', 'two  ok', '', 'x    ok']
