"""Names that changed before the first release, so that an old one gets an error with the new one.

ROS parameters, launch arguments and command-line options are looked up here alike; docs/names.md
lists them for people. An old name must not be dropped silently: the node would run on with
another runtime than the user asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

RENAMED = {
    'engine': 'runtime',
    'engine_a': 'runtime_a',
    'engine_b': 'runtime_b',
}
"""Old name to new name, of a parameter without its prefix, a launch argument, or an option with
underscores for its hyphens."""


def new_parameter(name: str, known: Collection[str]) -> str:
    """What a parameter is called now.

    Parameters
    ----------
    name : str
        Full name, as `det.engine`.
    known : collection of str
        The node's parameters. A name that the node still has, or whose new name it does not have,
        is none of the renamed ones: a file for all nodes may set it for another.

    Returns
    -------
    str
        Full name, as `det.runtime`; empty when it was not renamed.
    """
    prefix, dot, last = name.rpartition('.')
    if name in known or last not in RENAMED:
        return ''
    new = f'{prefix}{dot}{RENAMED[last]}'
    return new if new in known else ''


def launch_argument_problem(given: Mapping[str, str], known: Collection[str]) -> tuple[str, str]:
    """An old launch argument that was given where the new one was not.

    Parameters
    ----------
    given : mapping of str to str
        All launch configurations. Those of a launch file that includes ours are among them, which
        may use an old name for something of its own: it is fine where it sets the new one too.
    known : collection of str
        The launch file's own arguments.

    Returns
    -------
    tuple of str
        The new name, and what to tell the user; both empty when there is no problem.
    """
    for old, new in RENAMED.items():
        if old in given and old not in known and new in known and not given.get(new):
            return new, (
                f'the launch argument {old} is now called {new}; give {new}:= instead of '
                f'{old}:={quoted(given[old])}. A launch file with an {old} of its own gives '
                f'{new}:=auto, or another value, where it includes this one'
            )
    return '', ''


def old_options(option: str) -> list[str]:
    """Former names of a command-line option: `--engine` for `--runtime`."""
    name = option.removeprefix('--').replace('-', '_')
    return ['--' + old.replace('_', '-') for old, new in RENAMED.items() if new == name]
