"""Class names from a file: a name a line, as COCO's and Darknet's lists, or YAML of a data set."""

from __future__ import annotations

from pathlib import Path

import yaml

from jetson_perception.errors import ParameterError

PARAMETER = 'class_names_file'


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Name of class i at index i.

    Parameters
    ----------
    path : str or Path
        A file with the suffix `.yaml` or `.yml` has a list of names, or a mapping from class id to
        name, at its top or under `names`, as the data files of Ultralytics. Any other is text
        with a name a line, in UTF-8; blank lines at the end do not count.

    Raises
    ------
    ParameterError
        When it cannot be read, holds no names, or misses the name of a class.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as err:
        reason = getattr(err, 'strerror', None) or 'it is not UTF-8 text'
        raise ParameterError(f'{PARAMETER} {path} cannot be read: {reason}', PARAMETER) from err
    names = _of_yaml(text, path) if path.suffix in ('.yaml', '.yml') else _of_lines(text)
    if not names:
        raise ParameterError(f'{PARAMETER} {path} holds no names', PARAMETER)
    for class_id, name in enumerate(names):
        if not name:
            raise ParameterError(f'{PARAMETER} {path} has no name for class {class_id}', PARAMETER)
    return names


def _of_lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.rstrip().splitlines())


def _of_yaml(text: str, path: Path) -> tuple[str, ...]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as err:
        why = ' '.join(str(err).split())
        raise ParameterError(f'{PARAMETER} {path} is not YAML: {why}', PARAMETER) from err
    if isinstance(content, dict) and 'names' in content:
        content = content['names']
    if isinstance(content, dict) and set(content) == set(range(len(content))):
        content = [content[class_id] for class_id in range(len(content))]
    if not isinstance(content, list) or any(isinstance(name, (list, dict)) for name in content):
        raise ParameterError(
            f'{PARAMETER} {path} has no list of names, nor a mapping from class ids 0, 1, 2 … to '
            'names, at its top or under `names`',
            PARAMETER,
        )
    return tuple('' if name is None else str(name).strip() for name in content)
