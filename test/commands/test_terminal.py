"""What commands print, in a real terminal and in a pipe."""

import os
import pty
import subprocess
import sys

import pytest

from jetson_perception.commands.terminal import print_pairs

PAIRS = [('model', 'a.onnx'), ('classes', 'one, two, three, four, five, six, seven, eight, nine')]


def in_a_terminal(columns, pairs=PAIRS, whole=(), **environment):
    """What a terminal of so many columns gets of pairs."""
    leader, follower = pty.openpty()
    script = (
        'from jetson_perception.commands.terminal import print_pairs; '
        f'print_pairs({pairs}, {whole})'
    )
    kept = {name: value for name, value in os.environ.items() if name != 'NO_COLOR'}
    with os.fdopen(leader, 'rb', buffering=0) as terminal:
        subprocess.run(
            [sys.executable, '-c', script],
            stdout=follower,
            env={**kept, 'TERM': 'xterm', 'COLUMNS': str(columns), **environment},
            check=True,
        )
        os.close(follower)
        return terminal.read(4096).decode().splitlines()


class TestPairs:
    def test_none(self, capsys):
        print_pairs([])
        assert capsys.readouterr().out == ''

    def test_a_pipe_gets_a_line_for_each(self, capsys):
        print_pairs([*PAIRS, ('odd', 'a\nb\x1b[31m'), ('empty', '')])
        assert capsys.readouterr().out.splitlines() == [
            'model    a.onnx',
            f'classes  {PAIRS[1][1]}',
            r'odd      a\nb\x1b[31m',
            'empty    ',
        ]

    def test_a_terminal_gets_bold_names_and_folded_texts(self):
        assert in_a_terminal(40) == [
            '\x1b[1mmodel\x1b[0m    a.onnx',
            '\x1b[1mclasses\x1b[0m  one, two, three, four, five,',
            '         six, seven, eight, nine',
        ]

    def test_what_has_no_space_is_not_cut_in_a_terminal(self):
        path = '/srv/robot-7/models-of-2026/yolo11n-pose-640.onnx'
        lines = in_a_terminal(40, [('file', f'made of {path}, in FP16')], NO_COLOR='1')
        assert lines == ['file  made of', f'      {path},', '      in FP16']

    def test_paths_with_spaces_are_not_cut_either(self):
        pairs = [('model', '/srv/models of the robot/my own detector.onnx')]
        (line,) = in_a_terminal(30, pairs, ('model',), NO_COLOR='1')
        assert line == f'model  {pairs[0][1]}'

    @pytest.mark.parametrize(
        'environment',
        [
            pytest.param({'NO_COLOR': '1'}, id='no_color'),
            pytest.param({'TERM': 'dumb'}, id='dumb_terminal'),
        ],
    )
    def test_a_terminal_without_bold(self, environment):
        assert in_a_terminal(200, **environment) == [
            'model    a.onnx',
            f'classes  {PAIRS[1][1]}',
        ]
