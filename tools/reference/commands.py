"""docs/commands.md: the verbs of jetson-perception and their options, from their parsers.

And the options of the node view, and the arguments of the launch files. argparse's own help is not
used, because versions of Python write it differently.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from jetson_perception.commands.main import VERBS
from jetson_perception.launch_arguments import (
    CAMERA_ARGUMENTS,
    CONCURRENT_ARGUMENTS,
    SEG_ARGUMENTS,
    YOLO_ARGUMENTS,
)
from jetson_perception.ros.viewing.arguments import make_parser
from reference.messages import plain
from reference.writing import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jetson_perception.launch_arguments import Argument

LAUNCH_FILES = {
    'seg.launch.py': SEG_ARGUMENTS,
    'yolo.launch.py': YOLO_ARGUMENTS,
    'concurrent.launch.py': CONCURRENT_ARGUMENTS,
    'camera.launch.py': CAMERA_ARGUMENTS,
}
_HEAD = """\
# Commands

The verbs of `jetson-perception` with their options, generated from their parsers by
`tools/generate_reference.py`. `jetson-perception VERB --help` prints the same. Results go to
standard output, messages to standard error. Exit codes: 0, 1 for an error, 2 for wrong options,
130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.
"""
_VIEW = """\
## ros2 run jetson_perception view

[The live view](view.md).
"""
_LAUNCH_HEAD = """\
# Launch arguments

Generated from `jetson_perception/launch_arguments.py` by `tools/generate_reference.py`;
`ros2 launch jetson_perception seg.launch.py --show-args` prints the same. An argument that is left
out overrides nothing that a file sets, and an empty default leaves the value to that file or the
node. Everything else is a [parameter](parameters.md).
"""


def page() -> str:
    """The page of commands."""
    lines = [_HEAD]
    for name, verb in VERBS.items():
        parser = argparse.ArgumentParser()
        import_module(f'jetson_perception.commands.{verb.module}').configure(parser)
        lines += [f'## {name}', '', *_verb(parser)]
    lines += [_VIEW, *_options(make_parser()), '']
    return '\n'.join(lines).rstrip('\n') + '\n'


def launch_page() -> str:
    """The page of launch arguments: those of each file alone, then those that files share."""
    everywhere = _in_all(LAUNCH_FILES.values())
    of_nodes = _in_all(each for file, each in LAUNCH_FILES.items() if file != 'camera.launch.py')
    lines = [_LAUNCH_HEAD]
    for file, arguments in LAUNCH_FILES.items():
        shared = everywhere if file == 'camera.launch.py' else of_nodes
        own = [each for each in arguments if each not in shared]
        lines += [f'## {file}', '', *_arguments(own), '']
    node_only = [each for each in of_nodes if each not in everywhere]
    lines += ['## Shared by seg, yolo and concurrent', '', *_arguments(node_only), '']
    lines += ['## Shared by all', '', *_arguments(everywhere)]
    return '\n'.join(lines) + '\n'


def _in_all(several: Iterable[Sequence[Argument]]) -> list[Argument]:
    """The arguments that are alike in each list, in the order of the first."""
    first, *others = several
    return [each for each in first if all(each in arguments for arguments in others)]


def _arguments(arguments: Iterable[Argument]) -> list[str]:
    rows = []
    for each in arguments:
        choices = [choice for choice in each.choices if choice]
        text = _text(each.description)
        if choices and set(choices) != {'true', 'false'}:
            text += f' One of: {", ".join(choices)}.'
        rows.append([f'`{each.name}`', f'`{each.default}`' if each.default else '', text])
    return table(['argument', 'default', ''], rows)


def _verb(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from (_text(plain(parser.description or '')), '')
    if options := _options(parser):
        yield from (*options, '')
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {each.dest: each.help for each in action._choices_actions}
            for name, each in action.choices.items():
                yield from (f'`{name}`: {summaries.get(name) or ""}', '', *_options(each), '')


def _options(parser: argparse.ArgumentParser) -> list[str]:
    rows = []
    for action in parser._actions:
        is_help = isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        if is_help or action.help == argparse.SUPPRESS:
            continue
        rows.append([_name(action), _help(parser, action)])
    return table(['option', ''], rows) if rows else []


def _name(action: argparse.Action) -> str:
    """How an option or argument is written: `-o`, `--output DIR`; `SOURCE …`."""
    value = '' if action.nargs == 0 else _value(action)
    if not action.option_strings:
        return f'`{value}`'
    *others, last = action.option_strings
    return ', '.join([*(f'`{each}`' for each in others), f'`{f"{last} {value}".strip()}`'])


def _value(action: argparse.Action) -> str:
    name = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if action.choices is not None and action.metavar is None:
        name = '{' + ','.join(map(str, action.choices)) + '}'
    name = ' '.join(name) if isinstance(name, tuple) else name
    return f'{name} …' if action.nargs in ('+', '*') else name


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = plain(action.help or '')
    if '%' in text:
        text %= {**vars(action), 'prog': parser.prog}
    if text.partition(' ')[0].strip(',;:').isalpha():
        text = text[0].upper() + text[1:]
    return _text(text + ('' if text.endswith('.') or not text else '.'))


def _text(text: str) -> str:
    """A text with what Markdown takes for something else escaped."""
    return text.replace('<', '&lt;').replace('*', r'\*')
