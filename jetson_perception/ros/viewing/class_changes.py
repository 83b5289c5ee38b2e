"""Lists of classes, of which the page switches some on or off, and shows no more than it can.

None chosen publishes all classes, as the parameter has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_CLASSES = 30_000
"""Of a model, which may have those of ImageNet-21k; of more, none is known."""

_MOST_SHOWN = 1000
_MOST_NAME = 100


def shown_name(name: str) -> str:
    """A class as the page shows it, and calls it."""
    return printable(name, _MOST_NAME)


def shown_classes(chosen: Sequence[str], names: Sequence[str] | None) -> dict[str, Any]:
    """The classes to choose from as JSON has them, which are chosen, and how many more there are.

    Parameters
    ----------
    chosen : sequence of str
        The parameter's value.
    names : sequence of str or None
        All classes of the model; None where they are not known.
    """
    there = list(dict.fromkeys(shown_name(each) for each in (chosen if names is None else names)))
    choices = there[:_MOST_SHOWN]
    told = {shown_name(each) for each in chosen}
    value = [each for each in choices if each in told]
    if told and not value:
        value = [min(told)]  # of those that are not shown: none would be all
    return {'choices': choices, 'value': value, 'more': len(there) - len(choices)}


def is_change(value: Any) -> bool:
    """Whether what the page gave says which classes are on or off now, by their shown names."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(each, bool) for each in value.values())
    )


def changed(
    chosen: Sequence[str], names: Sequence[str] | None, change: Mapping[str, bool]
) -> list[str]:
    """The parameter's new value, in which all classes that the change does not name are as before.

    Parameters
    ----------
    chosen, names
        As for `shown_classes`.
    change : mapping of str to bool
        Whether classes are on from now on, by the names that the page shows.

    Raises
    ------
    ParameterError
        When there is no such class, none would be left, or the classes have to be known and are
        not.
    """
    if names is None and not chosen:
        raise ParameterError('the classes of the model are not known yet')
    every = list(dict.fromkeys([*(names or ()), *chosen]))
    known = {shown_name(each) for each in every}
    for name in change:
        if name not in known:
            raise ParameterError(f'there is no class {quoted(name)}')
    before = set(chosen or every)
    found = [each for each in every if change.get(shown_name(each), each in before)]
    if not found:
        raise ParameterError('at least one class has to stay')
    return [] if names is not None and set(names) <= set(found) else found
