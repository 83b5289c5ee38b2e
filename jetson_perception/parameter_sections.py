"""Which nodes a file of ROS parameters is for, without ROS.

rcl takes from a file what is under a node's name, and does not report a file that has only other
names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from jetson_perception.errors import ParameterError
from jetson_perception.files.foreign_data import SMALL, parse_yaml, read_yaml
from jetson_perception.files.foreign_files import read_foreign_file
from jetson_perception.printable import listed, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PARAMETERS = 'ros__parameters'
_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Section:
    """What a file sets for the nodes of one name.

    Attributes
    ----------
    node : str
        Full name of the nodes: `*` stands for one part of it, `**` for any number of them.
    parameters : tuple of str
        The parameters' names, up to their first dot.
    values : dict
        What stands under the names, as the file has it.
    """

    node: str
    parameters: tuple[str, ...]
    values: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def is_for(self, node_name: str) -> bool:
        """Whether rcl takes it for the node of this full name."""
        parts = {'*': r'/\w+', '**': r'(?:/\w+)*'}
        names = [part for part in self.node.split('/') if part]
        pattern = ''.join(parts.get(part, '/' + re.escape(part)) for part in names)
        return re.fullmatch(pattern, node_name) is not None

    @property
    def names_a_node(self) -> bool:
        """Whether it is for nodes of one name, not for all in a namespace, or all there are."""
        return not self.node.endswith('*')


def given_files(arguments: Sequence[str]) -> list[Path]:
    """The files of parameters on the command line of a node.

    Parameters
    ----------
    arguments : sequence of str
        The line; what is for ROS stands behind `--ros-args`, up to `--`.
    """
    files = []
    for_ros = False
    words = iter(arguments)
    for word in words:
        if word in ('--ros-args', '--'):
            for_ros = word == '--ros-args'
        elif for_ros and word == '--params-file':
            files.append(Path(next(words, '')))
    return files


def read_sections(path: Path) -> list[Section] | None:
    """What a file sets, in its order; None if the file is not YAML, or too large."""
    try:
        content = read_yaml(path, what='file of parameters', error=ParameterError)
    except ParameterError:
        return None
    return list(_sections(content, ()))


def require_parameter_file(path: str, argument: str) -> None:
    """Check that a file can be one of ROS parameters, before a node is given it.

    Whether it is for the node, and what ROS alone refuses, is told by the node.

    Parameters
    ----------
    path : str
        The file.
    argument : str
        What the user gave it as, for the error.

    Raises
    ------
    ParameterError
        It is missing, cannot be read, is not YAML, or has parameters of no node.
    """
    error = partial(ParameterError, parameter=argument)
    content = read_foreign_file(path, what=argument, error=error, limit_bytes=SMALL.size_bytes)
    where = f'{argument} {printable(path)}'
    try:
        value = parse_yaml(content, where=where, error=error)
    except ParameterError:
        if _is_yaml(content):
            return  # it has what others need and we do not read, such as .inf
        raise
    if value is not None and not list(_sections(value, ())):
        raise ParameterError(
            f'{where} has parameters of no node; put them under a node and {_PARAMETERS}: '
            f'`/**: {{{_PARAMETERS}: {{name: value}}}}` is for every node',
            argument,
        )


def _is_yaml(content: bytes) -> bool:
    """Whether it is YAML at all."""
    try:
        for _ in yaml.parse(content, Loader=yaml.SafeLoader):
            pass
    except (yaml.YAMLError, ValueError):
        return False
    return True


def files_for_others(files: Sequence[Path], node_name: str) -> list[str]:
    """What to log for each file that sets nothing for a node.

    Parameters
    ----------
    files : sequence of Path
        Files of parameters that the node was given.
    node_name : str
        Its full name.
    """
    texts = []
    for file in files:
        sections = read_sections(file)
        if sections is None or any(section.is_for(node_name) for section in sections):
            continue
        names = list(dict.fromkeys(printable(section.node, 80) for section in sections))
        found = f'has parameters of {listed(names, _NAMES_SHOWN)}' if names else ''
        texts.append(
            f'{printable(file)} sets nothing for {node_name}: it '
            f'{found or "has parameters of no node"}; put them under {node_name}, or under /** '
            'for every node'
        )
    return texts


def _sections(content: Any, names: tuple[str, ...]) -> Iterator[Section]:
    """The sections in a part of a file, which stands under keys of these names."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key != _PARAMETERS:
            yield from _sections(value, (*names, str(key)))
        elif isinstance(value, dict):
            parameters = tuple(str(name).partition('.')[0] for name in value)
            yield Section('/' + '/'.join(names).strip('/'), parameters, value)
