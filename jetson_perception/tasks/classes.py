"""Classes as users choose them, by name: their ids and their score thresholds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import near_names
from jetson_perception.printable import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_CLASSES = 1 << 16
"""Far more than any model has; ids from outside must be less."""

# float() would also accept 'nan', '0_1' and digits of other scripts.
_NUMBER = re.compile(r'\s*\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*')
_UNNAMED = re.compile(r'class_(\d{1,5})')


def class_ids(names: Iterable[str], class_names: Sequence[str]) -> tuple[int, ...] | None:
    """The ids of the named classes.

    Parameters
    ----------
    names : iterable of str
        Blank names are ignored.
    class_names : sequence of str
        Name of class i at index i. Empty for a model that has no names and no known number of
        classes: its classes are called 'class_<id>'.

    Returns
    -------
    tuple of int or None
        Ascending; None when no name is given. A name shared by several classes gives all of them.

    Raises
    ------
    ParameterError
        When no class has one of the names; the error's parameter is 'classes'.
    """
    given = [name.strip() for name in names if name.strip()]
    ids = {class_id for name in given for class_id in _ids(name, class_names, 'classes')}
    return tuple(sorted(ids)) if given else None


def class_score_thresholds(
    entries: Iterable[str] | Mapping[str, float], class_names: Sequence[str]
) -> tuple[tuple[int, float], ...]:
    """Class ids that have a score threshold of their own, with that threshold.

    Parameters
    ----------
    entries : iterable of str, or mapping of str to float
        Strings 'name: threshold', split at the last colon, with a threshold of 0 to 1; blank ones
        are ignored. Or a mapping from names to thresholds.
    class_names : sequence of str
        As for `class_ids`.

    Raises
    ------
    ParameterError
        When no class has one of the names, when a name occurs twice, or when a threshold is not a
        number from 0 to 1; the error's parameter is 'class_score_thresholds'.
    """
    parameter = 'class_score_thresholds'
    thresholds: dict[int, float] = {}
    if isinstance(entries, Mapping):
        entries = [f'{name}: {value}' for name, value in entries.items()]
    for entry in entries:
        if isinstance(entry, str) and not entry.strip():
            continue
        name, _, number = entry.rpartition(':') if isinstance(entry, str) else ('', '', '')
        # Python strips control characters that float() refuses.
        threshold = float(number.strip()) if _NUMBER.fullmatch(number) else -1.0
        if not (name.strip() and 0 <= threshold <= 1):
            raise ParameterError(
                f"{parameter} has {quoted(entry)}; expected 'name: threshold' with a number from "
                "0 to 1, such as 'person: 0.5'",
                parameter,
            )
        for class_id in _ids(name.strip(), class_names, parameter):
            if class_id in thresholds:
                raise ParameterError(f'{parameter} has {quoted(name.strip())} twice', parameter)
            thresholds[class_id] = threshold
    return tuple(sorted(thresholds.items()))


def _ids(name: str, class_names: Sequence[str], parameter: str) -> list[int]:
    ids = [class_id for class_id, known in enumerate(class_names) if known == name]
    unnamed = _UNNAMED.fullmatch(name)
    if not class_names and unnamed and int(unnamed[1]) < MAX_CLASSES:
        ids = [int(unnamed[1])]
    if not ids:
        near = [quoted(each) for each in near_names(name, class_names)]
        hint = f'; did you mean {" or ".join(near)}?' if near else f'; {_known(class_names)}'
        raise ParameterError(
            f'{parameter} has {quoted(name)}, but the model has no class of that name{hint}',
            parameter,
        )
    return ids


def _known(class_names: Sequence[str]) -> str:
    if not class_names:
        return "it names none: set class_names, or write 'class_0' for the first class, and so on"
    return f'it has {listed(class_names, 10)}'
