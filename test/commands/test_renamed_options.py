"""Old names of options give errors with the new ones."""

from __future__ import annotations

import argparse

import pytest

from jetson_perception.commands.renamed_options import add_old_options


@pytest.fixture
def parser():
    made = argparse.ArgumentParser(prog='verb')
    made.add_argument('images', nargs='?')
    for option in ('--runtime', '--runtime-a', '--threads'):
        made.add_argument(option, default='auto')
    add_old_options(made, ('--runtime', '--runtime-a', '--threads'))
    return made


@pytest.mark.parametrize(
    ('line', 'told'),
    [
        pytest.param(['--engine'], '--engine is now called --runtime', id='no_value'),
        pytest.param(['--engine', 'tensorrt'], '--engine is now called --runtime', id='value'),
        pytest.param(['--engine=x'], '--engine is now called --runtime', id='equals_sign'),
        pytest.param(['--engine-a', 'x'], '--engine-a is now called --runtime-a', id='hyphen'),
    ],
)
def test_an_old_option_ends_the_command_and_says_the_new_one(parser, line, told, capsys):
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(line)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f'verb: error: {told}'


def test_nothing_else_changes(parser):
    assert vars(parser.parse_args(['--runtime', 'tensorrt', 'photos'])) == {
        'images': 'photos',
        'runtime': 'tensorrt',
        'runtime_a': 'auto',
        'threads': 'auto',
    }
    assert 'engine' not in parser.format_help()


def test_a_parser_without_renamed_options_gets_none():
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_old_options(parser, ('--images',))
    with pytest.raises(SystemExit):
        parser.parse_args(['--engine', 'x'])
