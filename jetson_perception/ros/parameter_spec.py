"""One field of a dataclass as ROS has it: type, description, and what it may be."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.parameter import Parameter

from jetson_perception.printable import printable, quoted
from jetson_perception.ros.parameter_values import in_declared_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rclpy.node import Node

_SCALARS = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
}
_ARRAYS = {
    int: Parameter.Type.INTEGER_ARRAY,
    float: Parameter.Type.DOUBLE_ARRAY,
    str: Parameter.Type.STRING_ARRAY,
}


_MOST_TYPED = 4
_NO_TEXTS = {'true', 'false', 'yes', 'no', 'on', 'off', 'null', 'y', 'n'}  # as YAML reads them


def _in_yaml(value: Any) -> str:
    """A text in a list of YAML, with quotes where it needs them."""
    text = printable(value)
    if re.fullmatch(r'[^\W\d]\w*', text) and text.lower() not in _NO_TEXTS:
        return text
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def _type_name(value: Any) -> str:
    return Parameter.Type.from_parameter_value(value).name.lower()


# Names of types are evaluated in every class that it inherits from, and a node asks for each field
# of each engine.
_types_of_fields = cache(get_type_hints)


def parameter_type(cls: type, field: str) -> Parameter.Type:
    """ROS type of a dataclass field's parameter."""
    hint = _types_of_fields(cls)[field]
    if get_origin(hint) is tuple:
        return _ARRAYS[get_args(hint)[0]]
    return _SCALARS[hint]


def parameter_specs(cls: type, prefix: str) -> dict[str, ParameterSpec]:
    """What the fields of a dataclass are as parameters, by field.

    Parameters
    ----------
    cls : type
        Dataclass whose fields are made by `param`.
    prefix : str
        Put before each name as it is.
    """
    return {
        field.name: ParameterSpec(
            prefix + field.name, parameter_type(cls, field.name), field.default, field.metadata
        )
        for field in dataclasses.fields(cls)
    }


@dataclasses.dataclass(frozen=True)
class ParameterSpec:
    """A parameter: how to declare it, and what is wrong with a value for it.

    Attributes
    ----------
    name : str
        Its full name.
    kind : Parameter.Type
        Its type.
    default : bool, int, float, str or ()
        Its value where none is given.
    meta : mapping
        What `param` was told.
    """

    name: str
    kind: Parameter.Type
    default: Any
    meta: Mapping[str, Any]

    @property
    def is_list(self) -> bool:
        """Whether it is an array, which is a tuple in the dataclass."""
        return isinstance(self.default, tuple)

    @property
    def expected(self) -> str:
        """What it takes, for people: 'a value of type double from 0.0 to 1.0'."""
        expected = f'a value of type {self.kind.name.lower()}'
        if self.meta['between']:
            expected += ' from {} to {}'.format(*self.meta['between'])
        return expected

    def refusal(self, value: Any) -> str:
        """What to say of a value of another type, or out of range."""
        found = f'of type {_type_name(value)}' if self.meta['secret'] else quoted(value)
        text = f'parameter {self.name} is {found}; expected {self.expected}'
        return f'{text}, written {self._list_of(value)}' if self.is_list else text

    def _list_of(self, value: Any) -> str:
        """A list as it is typed in a shell and in a params file, of the value where it fits."""
        if self.kind != Parameter.Type.STRING_ARRAY or self.meta['secret']:
            number = '1' if self.kind == Parameter.Type.INTEGER_ARRAY else '1.0'
            return f'"{self.meta["example"] or f"[{number}, {number}]"}"'
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        return f'"[{", ".join(map(_in_yaml, values[:_MOST_TYPED]))}]"'

    def choice_problem(self, value: Any) -> str:
        """What to say of a value that is none of the choices; '' for one that is."""
        choices = self.meta['choices']
        if not choices or value in choices:
            return ''
        return f'parameter {self.name} is {quoted(value)}; expected one of {", ".join(choices)}'

    def meant(self, given: Parameter) -> Parameter:
        """The value given, in this type where it means one of this type."""
        return in_declared_type(given, self.kind, self.meta['takes_integer'])

    def declare(self, node: Node, ignore_override: bool = False) -> Any:
        """Declare it on a node.

        Returns
        -------
        Any
            Its value: the one given at start, or the default.

        Raises
        ------
        InvalidParameterTypeException, InvalidParameterValueException
            The value given is of another type, or out of range.
        """
        if self.is_list:
            return self._declare_list(node, ignore_override)
        descriptor = self._descriptor(self.meta['read_only'])
        return node.declare_parameter(
            self.name, self.default, descriptor, ignore_override=ignore_override
        ).value

    def _declare_list(self, node: Node, ignore_override: bool) -> tuple[Any, ...]:
        parameter = node.declare_parameter(
            self.name, self.kind, self._descriptor(False), ignore_override=ignore_override
        )
        if parameter.value is None:
            # rclpy accepts no empty list as a default, because it has no type. The parameter must
            # not stay unset: a client that asks for all of them gets none when one has no value.
            node.set_parameters([Parameter(self.name, self.kind, [])])
        if self.meta['read_only']:
            descriptor = copy(node.describe_parameter(self.name))  # else the node's own
            descriptor.read_only = True
            node.set_descriptor(self.name, descriptor)
        return tuple(parameter.value or ())

    def _descriptor(self, read_only: bool) -> ParameterDescriptor:
        # A fresh one each time: rclpy writes the name and type into the object it is given.
        descriptor = ParameterDescriptor(description=self.meta['description'], read_only=read_only)
        if self.meta['choices']:
            descriptor.additional_constraints = 'one of: ' + ', '.join(self.meta['choices'])
        if self.meta['between']:
            low, high = self.meta['between']
            if self.kind == Parameter.Type.INTEGER:
                descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
            else:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(low), to_value=float(high))
                ]
        return descriptor
