"""Reads class names from a file: one name per line, or the YAML file of a dataset."""

from __future__ import annotations

import re
from pathlib import Path

from jetson_perception.errors import ParameterError
from jetson_perception.files.foreign_data import Limits, parse_yaml
from jetson_perception.files.foreign_files import read_foreign_file
from jetson_perception.model_info import MOST_NAMES, names_problem
from jetson_perception.printable import printable

PARAMETER = 'class_names_file'

_LIMITS = Limits(size_bytes=4 << 20)

_SIGNS_OF_OTHER_FILES = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (r'(?::[^:\s]*){3}', 'has fields between colons, like a file of user accounts'),
        (r'\b\d\d:\d\d:\d\d\b', 'has a time of day, like a log'),
        (r'-----(?:BEGIN|END)', 'looks like the first or last line of a key'),
        (r'\$[0-9A-Za-z-]{1,12}\$', 'has a password hash'),
        (r'\b(?:login|user)\s+\S+\s+password\s', 'has a password'),
        (r'://', 'has a URL'),
        (r'^(?:export\s+)?[\w.-]+\s*=', 'sets a variable'),
        (r'^(?:#(?:$|[\s!]|include|define)|//|/\*|\*/|---)', 'is a comment or a separator'),
        (r'^<[A-Za-z!?/]', 'is markup'),
        (r'[{}\\`]|\$\(|[;:]$', 'looks like code or data'),
    )
)
_LONG_WORD = re.compile(r'[A-Za-z0-9+/=]{20,}')
_DIGIT_NEXT_TO_LETTER = re.compile(r'(?<=\d)(?=[A-Za-z])|(?<=[A-Za-z])(?=\d)')


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Name of class i at index i.

    Parameters
    ----------
    path : str or Path
        A file with the suffix `.yaml` or `.yml` has a list of names, or a mapping from class id to
        name, at its top level or under `names`, like Ultralytics' data files. Any other file is
        UTF-8 text with one name per line; blank lines at the end do not count.

    Raises
    ------
    ParameterError
        When it cannot be read, has no names, lacks the name of a class, or looks like another kind
        of file: names are published, and a file of passwords must not be. For the same reason
        the message does not quote the content.
    """
    content = read_foreign_file(path, what=PARAMETER, error=_error, limit_bytes=_LIMITS.size_bytes)
    is_yaml = Path(path).suffix.lower() in ('.yaml', '.yml')
    return parse_class_names(content, is_yaml=is_yaml, where=f'{PARAMETER} {printable(path)}')


def parse_class_names(content: bytes, *, is_yaml: bool, where: str) -> tuple[str, ...]:
    """Class names from the content of a file.

    Parameters
    ----------
    content : bytes
        The file's content.
    is_yaml : bool
        Whether it is YAML, not one name per line.
    where : str
        The file, for errors.

    Raises
    ------
    ParameterError
        See `read_class_names`.
    """
    names = _of_yaml(content, where) if is_yaml else _of_lines(content, where)
    if not names:
        raise _error(f'{where} contains no names')
    problem = names_problem(names)
    if problem:
        raise _error(f'{where} {problem}')
    for class_id, name in enumerate(names):
        if not name:
            raise _error(f'{where} has no name for class {class_id}')
        sign = _sign_of_another_file(name)
        if sign:
            raise _error(
                f'{where} is not a list of class names: the name of class {class_id} {sign}; '
                'expected one name per line, or YAML in a .yaml file'
            )
    return names


def _error(text: str) -> ParameterError:
    return ParameterError(text, PARAMETER)


def _sign_of_another_file(name: str) -> str:
    for pattern, sign in _SIGNS_OF_OTHER_FILES:
        if pattern.search(name):
            return sign
    words = _LONG_WORD.findall(name)
    if any(len(_DIGIT_NEXT_TO_LETTER.findall(word)) >= 4 for word in words):
        return 'looks like a key'
    return ''


def _of_lines(content: bytes, where: str) -> tuple[str, ...]:
    try:
        text = content.decode('utf-8-sig')
    except UnicodeDecodeError:
        text = None
    if text is None:  # outside the handler, because the exception contains the content
        raise _error(f'{where} cannot be read: it is not UTF-8 text')
    text = text.rstrip()
    if not text:
        return ()
    # Split off at most one line more than allowed; the rest stays in one piece.
    return tuple(line.strip(' \r') for line in text.split('\n', MOST_NAMES + 1))


def _of_yaml(content: bytes, where: str) -> tuple[str, ...]:
    value = parse_yaml(content, where=where, error=_error, limits=_LIMITS)
    if isinstance(value, dict) and 'names' in value:
        value = value['names']
    if isinstance(value, dict) and set(value) == set(range(len(value))):
        value = [value[class_id] for class_id in range(len(value))]
    if not isinstance(value, list) or any(isinstance(name, list | dict) for name in value):
        raise _error(
            f'{where} has no list of names, nor a mapping from class ids 0, 1, 2 … to names, at '
            'its top level or under `names`'
        )
    return tuple('' if name is None else str(name).strip() for name in value)
