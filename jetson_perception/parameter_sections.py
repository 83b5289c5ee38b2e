"""Which nodes a file of ROS parameters is for, without ROS.

rcl takes from a file what is under a node's name, and does not report a file that has only other
names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ParameterError
from jetson_perception.files.foreign_data import read_yaml
from jetson_perception.printable import printable

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
    """

    node: str
    parameters: tuple[str, ...]

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
        more = ', …' if len(names) > _NAMES_SHOWN else ''
        found = f'has parameters of {", ".join(names[:_NAMES_SHOWN])}{more}' if names else ''
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
            yield Section('/' + '/'.join(names).strip('/'), parameters)
