"""Commands and options that the package tells users to type exist."""

import argparse
import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from command_output import VERBS

from jetson_perception.commands.main import main

ROOT = Path(__file__).resolve().parents[2]
OPTION = re.compile(r'(?<![\w-])--[a-z][a-z-]+')


def options_of(verb):
    """Every option that a verb takes."""
    parser = argparse.ArgumentParser()
    import_module(f'jetson_perception.commands.{verb.replace("-", "_")}').configure(parser)
    parsers = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parsers += action.choices.values()
    return {
        option for each in parsers for action in each._actions for option in action.option_strings
    }


def texts(path):
    """Texts of a module, f-strings whole."""
    tree = ast.parse(path.read_text('utf-8'))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield ''.join(each.value for each in node.values if isinstance(each, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize('verb', VERBS)
def test_a_verb_names_its_own_options_only(verb):
    module = ROOT / 'jetson_perception' / 'commands' / f'{verb.replace("-", "_")}.py'
    named = {option for text in texts(module) for option in OPTION.findall(text)}
    assert named - options_of(verb) == set()


def test_examples_of_the_help_are_understood(capsys, monkeypatch):
    with pytest.raises(SystemExit, match='0'):
        main(['--help'])
    examples = re.findall(r'^  jetson-perception (.*)$', capsys.readouterr().out, re.MULTILINE)
    assert len(examples) > 5
    for example in examples:
        verb, *words = example.partition(' >')[0].replace("'", '').split()
        named = {word for word in words if word.startswith('--')}
        assert named <= options_of(verb), example
