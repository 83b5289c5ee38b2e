"""What engines/tensorrt calls of TensorRT, and the signatures that TensorRT's docstrings give."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

FOLDER = Path(__file__).resolve().parent.parent / 'jetson_perception' / 'engines' / 'tensorrt'

_SIGNATURE = re.compile(r'^(?:\d+\. )?(\w+)\((self: .*)\) -> ', re.MULTILINE)
_OPENING, _CLOSING = '([{<', ')]}>'


class Call(NamedTuple):
    """A call in our code.

    Attributes
    ----------
    name : str
        Of the method, or of the class.
    place : str
        File and line.
    by_position : int
        Arguments by position, without `self`.
    names : frozenset of str
        Arguments by name.
    """

    name: str
    place: str
    by_position: int
    names: frozenset[str]

    def __str__(self) -> str:
        by_name = ''.join(f', {each}=' for each in sorted(self.names))
        return f'{self.name} with {self.by_position} arguments{by_name} ({self.place})'


class Signature(NamedTuple):
    """What a method takes.

    Attributes
    ----------
    text : str
        As it is documented.
    names : tuple of str
        Of the arguments after `self`.
    required : frozenset of str
        Those without a default.
    """

    text: str
    names: tuple[str, ...]
    required: frozenset[str]

    def fits(self, call: Call) -> bool:
        """Whether it takes a call."""
        given = {*self.names[: call.by_position], *call.names}
        many = call.by_position > len(self.names) or call.names & {*self.names[: call.by_position]}
        return not many and self.required <= given <= {*self.names}

    def __str__(self) -> str:
        return self.text


def calls_of(used: Mapping[str, Collection[str]], folder: Path = FOLDER) -> list[Call]:
    """Each call of a method, or of a class, by the names of a table of classes."""
    wanted = {*used, *(name for names in used.values() for name in names)}
    return [
        call
        for path in sorted(folder.rglob('*.py'))
        for call in _calls(ast.parse(path.read_text('utf-8')), path.name)
        if call.name in wanted
    ]


def signatures(docstring: str) -> list[Signature]:
    """Every signature in a docstring that pybind11 has written: one, or those of overloads."""
    return [
        _signature(f'{name}({arguments})', arguments)
        for name, arguments in _SIGNATURE.findall(docstring)
    ]


def _calls(tree: ast.AST, file: str) -> Iterator[Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names = frozenset(each.arg for each in node.keywords if each.arg)
            yield Call(node.func.attr, f'{file}:{node.lineno}', len(node.args), names)


def _signature(text: str, arguments: str) -> Signature:
    taken = [each.strip() for each in _split(arguments)][1:]
    names = tuple(re.split(r'[:=\s]', each, maxsplit=1)[0] for each in taken)
    required = frozenset(
        name for name, each in zip(names, taken, strict=True) if not _has_default(each)
    )
    return Signature(text, names, required)


def _split(arguments: str) -> list[str]:
    """At commas that are in no brackets."""
    parts, depth = [''], 0
    for character in arguments:
        depth += (character in _OPENING) - (character in _CLOSING)
        if character == ',' and not depth:
            parts.append('')
        else:
            parts[-1] += character
    return parts


def _has_default(argument: str) -> bool:
    return ' = ' in argument
