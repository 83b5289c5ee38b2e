"""Mistyped options: the one that was meant is named, with the usage of the verb."""

import pytest

from jetson_perception.commands.main import main
from jetson_perception.commands.parser import CommandParser


@pytest.fixture
def parser():
    made = CommandParser(prog='verb')
    made.add_argument('pictures', nargs='*')
    made.add_argument('-o', '--output')
    made.add_argument('--model', required=True)
    made.add_argument('--classes')
    made.add_argument('--json', action='store_true')
    return made


def refused(parse, words, capsys):
    """The last line of what is said of wrong words."""
    with pytest.raises(SystemExit, match='2'):
        parse(words)
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        pytest.param(['--model', 'm', '--clases', 'red'], '--clases', id='value'),
        pytest.param(['--model', 'm', '--clases=red'], '--clases=red', id='equals_sign'),
    ],
)
def test_the_option_that_was_meant(parser, words, told, capsys):
    said = refused(parser.parse_args, words, capsys)
    assert said.startswith(f'verb: error: unrecognized arguments: {told}')
    assert said.endswith('; did you mean --classes instead of --clases?')


def test_several(parser, capsys):
    said = refused(parser.parse_args, ['--model', 'm', '--clases', 'a', '--jsn'], capsys)
    assert '; did you mean --classes instead of --clases, and --json instead of --jsn?' in said


def test_one_that_is_required(parser, capsys):
    said = refused(parser.parse_args, ['--modle', 'm'], capsys)
    assert said == (
        'verb: error: the following arguments are required: --model; did you mean --model instead '
        'of --modle?'
    )


@pytest.mark.parametrize(
    'words',
    [
        pytest.param(['--model', 'm', '--zzzz'], id='none_is_near'),
        pytest.param(['--model', 'm', '-x'], id='one_letter'),
        pytest.param(['--clas', 'red'], id='abbreviated'),
    ],
)
def test_nothing_is_guessed(parser, words, capsys):
    assert 'did you mean' not in refused(parser.parse_args, words, capsys)


def test_what_is_right_stays(parser):
    assert vars(parser.parse_args(['a', 'b', '--model', 'm', '--clas=red', '-o', 'x'])) == {
        'pictures': ['a', 'b'],
        'model': 'm',
        'classes': 'red',
        'output': 'x',
        'json': False,
    }


@pytest.mark.parametrize(
    ('words', 'prog', 'told'),
    [
        pytest.param(['run', 'm.onnx', 'a.png', '--clases', 'red'], 'run', '--classes', id='verb'),
        pytest.param(['cache', 'ls', '--jsn'], 'cache ls', '--json', id='action'),
        pytest.param(['--verison'], '', '--version', id='no_verb'),
    ],
)
def test_every_verb_has_it(words, prog, told, capsys):
    said = refused(main, words, capsys)
    assert said.startswith(f'jetson-perception {prog}'.strip() + ': error: ')
    assert f'; did you mean {told} instead of ' in said
