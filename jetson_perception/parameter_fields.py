"""Fields of dataclasses that are parameters: what ROS is told of them, said without ROS.

`ros.parameters` declares them on a node; a task says with them what can be set of it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

ALLOWS_CHANGES = 'allow_source_changes'
"""The parameter of a node that lets the graph set what `opens`; set as the node starts."""


def param(
    default: Any,
    description: str,
    *,
    between: tuple[float, float] | None = None,
    choices: Sequence[str] = (),
    at_configure: bool = False,
    opens: bool = False,
    read_only: bool = False,
    takes_integer: bool = False,
    secret: bool = False,
    other_names: Sequence[str] = (),
    example: str = '',
) -> Any:
    """Describe a dataclass field that is one parameter.

    Parameters
    ----------
    default : bool, int, float, str or ()
        Value when the user sets none.
    description : str
        One sentence with unit and special values.
    between : tuple of float, optional
        Smallest and largest value allowed.
    choices : sequence of str, optional
        The values allowed, for a text.
    at_configure : bool
        True when the value is used once, as the node configures; a change is refused after that.
    opens : bool
        True when the value names what is opened, read or run: a file, a device, a pipeline. It
        comes from the start; the graph may change it only where `ALLOWS_CHANGES` is set.
    read_only : bool
        True when only the start can set it.
    takes_integer : bool
        True when a text may be given as an integer, as YAML reads `source: 0`.
    secret : bool
        True when the value may hold a password, so that no error shows it.
    other_names : sequence of str
        What other packages call it, for those who come from there.
    example : str, optional
        A value in YAML, for a list, which is empty by default.
    """
    return dataclasses.field(
        default=default,
        metadata={
            'description': description,
            'between': between,
            'choices': tuple(choices),
            'at_configure': at_configure,
            'opens': opens,
            'read_only': read_only,
            'takes_integer': takes_integer,
            'secret': secret,
            'other_names': tuple(other_names),
            'example': example,
        },
    )


@runtime_checkable
class Checked(Protocol):
    """A dataclass of parameters that checks what its fields say together."""

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        ...


def problem_between_fields(params: Any) -> str:
    """What is wrong between the fields of a dataclass of parameters; empty when nothing is.

    Each class that it inherits from is asked: Python alone would ask the first one.
    """
    parts = (part for part in type(params).__mro__ if issubclass(part, Checked))
    return next(filter(None, (part.problem(params) for part in parts)), '')
