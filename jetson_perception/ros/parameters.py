"""Parameters from a dataclass: declared, described, ranged and validated in one place.

A field made by `param` is one ROS parameter of the field's name, type and default::

    @dataclass(frozen=True)
    class SegParams:
        model: str = param('', 'ONNX file.', at_configure=True, opens=True)
        blend: float = param(0.6, 'Share of the image that remains.', between=(0.0, 1.0))

A tuple field is an array parameter; its default is (), the empty list.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.parameter import Parameter

from jetson_perception.errors import ParameterError
from jetson_perception.parameter_fields import ALLOWS_CHANGES as ALLOWS_CHANGES
from jetson_perception.parameter_fields import param as param
from jetson_perception.parameter_fields import problem_between_fields
from jetson_perception.printable import printable, printable_line, quoted
from jetson_perception.renamed import new_parameter
from jetson_perception.ros.parameter_values import in_declared_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rclpy.node import Node

P = TypeVar('P')

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


def parameter_type(cls: type, field: str) -> Parameter.Type:
    """ROS type of a dataclass field's parameter."""
    hint = get_type_hints(cls)[field]
    if get_origin(hint) is tuple:
        return _ARRAYS[get_args(hint)[0]]
    return _SCALARS[hint]


class Parameters(Generic[P]):
    """The parameters of one dataclass on one node, under an optional prefix.

    A bad value given at start is reported by `problems`, and the default is used, so that the
    node still comes up. A bad value set at run time is refused with the reason.

    Parameters
    ----------
    node : rclpy Node
        Where to declare.
    cls : type
        Frozen dataclass whose fields are made by `param`. It, and each class that it inherits
        from, may have a method `problem()` that returns what is wrong between its fields, or an
        empty text.
    prefix : str
        Put before each name, with a dot.
    configured : callable
        Returns whether the node is configured, that is whether `at_configure` values are in use.
    may_open : callable
        Returns whether the graph may set what `opens`.
    """

    def __init__(
        self,
        node: Node,
        cls: type[P],
        prefix: str = '',
        configured: Callable[[], bool] = lambda: False,
        may_open: Callable[[], bool] = lambda: False,
    ) -> None:
        self._problems: dict[str, str] = {}
        self._node = node
        self._cls = cls
        self._prefix = f'{prefix}.' if prefix else ''
        self._configured = configured
        self._may_open = may_open
        self._fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        #: What is wrong with values that only their user can judge, such as names of a model's
        #: classes; empty when nothing is. Set only while there is such a user.
        self.check: Callable[[P], str] | None = None
        values = {name: self._declare(name) for name in self._fields}
        self.value: P = self._mended(cls(**values))
        self._under_old_names = self._given_under_old_names()
        node.add_on_set_parameters_callback(self._on_set)
        # Another dataclass of the node may refuse the values that this one accepts, so they are
        # used only when all have accepted them. Humble lacks the callback that says so.
        self._has_post_set = hasattr(node, 'add_post_set_parameters_callback')
        if self._has_post_set:
            node.add_post_set_parameters_callback(self._take)

    @property
    def names(self) -> list[str]:
        """Full names of the parameters."""
        return [self._prefix + name for name in self._fields]

    @property
    def other_names(self) -> dict[str, str]:
        """What other packages call the parameters: the full name here by the one there."""
        return {
            other: self._prefix + name
            for name, field in self._fields.items()
            for other in field.metadata['other_names']
        }

    @property
    def problems(self) -> list[str]:
        """One text for each value that was wrong at start and has not been corrected since."""
        return [printable_line(problem) for problem in self._problems.values()]

    def require_new_names(self) -> None:
        """Check that no parameter was given at start under its old name.

        Raises
        ------
        ParameterError
            For the first such parameter that has not been set under its new name since.
        """
        for new, text in self._under_old_names.items():
            raise ParameterError(text, new)

    def as_meant(self, parameters: Iterable[Parameter]) -> list[Parameter]:
        """Parameters as a client sent them, with those of this dataclass in their types.

        Raises
        ------
        ParameterError
            For the first one whose value means nothing of its type.
        """
        found = []
        for parameter in parameters:
            field = self._field(parameter.name)
            if field and parameter.type_ != Parameter.Type.NOT_SET:
                parameter = self._meant(field, parameter)
                if parameter.type_ != parameter_type(self._cls, field):
                    raise ParameterError(
                        f'parameter {parameter.name} is {quoted(parameter.value)}; '
                        f'{self._expected(field)}',
                        parameter.name,
                    )
            found.append(parameter)
        return found

    def waits_for_start(self, name: str) -> bool:
        """Whether this is one of these parameters, is empty, and can be set only at start."""
        field = self._field(name)
        return (
            field != ''
            and self._fields[field].metadata['opens']
            and not self._may_open()
            and not getattr(self.value, field)
        )

    def _given_under_old_names(self) -> dict[str, str]:
        """For each parameter that was given under an old name alone, what to tell the user."""
        overrides = self._node._parameter_overrides
        texts = {}
        for old, given in overrides.items():
            new = new_parameter(old, self.names)
            if new and new not in overrides:
                texts[new] = (
                    f'parameter {printable(old)} is now called {new}; set {new} to '
                    f'{quoted(given.value)} instead, in the file or command that starts '
                    f'{self._node.get_fully_qualified_name()}'
                )
        return texts

    def _declare(self, field: str) -> Any:
        name = self._prefix + field
        default = self._fields[field].default
        kind = parameter_type(self._cls, field)
        overrides = self._node._parameter_overrides  # rclpy has no public way to look
        given = overrides.get(name)
        if given is not None and (given.value is None or given.value == []):
            # An empty list has no type, and none at all from YAML: rclpy would store that.
            del overrides[name]
            if default != ():
                self._problems[field] = (
                    f'parameter {name} is an empty list; {self._expected(field)}; '
                    f'{_using(default)}'
                )
        elif given is not None:
            overrides[name] = self._meant(field, given)
        try:
            value = self._declare_as(name, kind, default, self._descriptor(field), False)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            self._problems[field] = (
                f'parameter {name} is {quoted(given.value)}; {self._expected(field)}; '
                f'{_using(default)}'
            )
            self._node.get_logger().debug(printable(error))
            return self._declare_as(name, kind, default, self._descriptor(field), True)
        problem = self._choice_problem(field, value)
        if problem:
            self._problems[field] = f'{problem}; {_using(default)}'
            self._reset(field)
            return default
        return value

    def _meant(self, field: str, given: Parameter) -> Parameter:
        """The value given, in the field's type where it means one of that type."""
        kind = parameter_type(self._cls, field)
        return in_declared_type(given, kind, self._fields[field].metadata['takes_integer'])

    def _reset(self, field: str) -> None:
        """Give a parameter its default, whatever the user gave."""
        name, default = self._prefix + field, self._fields[field].default
        self._node.undeclare_parameter(name)
        kind = parameter_type(self._cls, field)
        self._declare_as(name, kind, default, self._descriptor(field), True)

    def _mended(self, value: P) -> P:
        """The values, with as few as possible replaced by defaults so that none contradict."""
        while problem := self._problem(value):
            suspects = [
                name
                for name, field in self._fields.items()
                if getattr(value, name) != field.default
            ]
            if not suspects:
                raise AssertionError(f'the defaults of {self._cls.__name__} do not fit: {problem}')
            # Take one whose default changes the problem; if several are needed, all in turn.
            field = next(
                (n for n in suspects if self._problem(self._with_default(value, n)) != problem),
                suspects[0],
            )
            self._problems[field] = f'{problem}; {self._prefix}{field}: ' + _using(
                self._fields[field].default
            )
            self._reset(field)
            value = self._with_default(value, field)
        return value

    def _with_default(self, value: P, field: str) -> P:
        return dataclasses.replace(value, **{field: self._fields[field].default})  # type: ignore[type-var]

    def _declare_as(
        self,
        name: str,
        kind: Parameter.Type,
        default: Any,
        descriptor: ParameterDescriptor,
        ignore_override: bool,
    ) -> Any:
        if default == ():
            parameter = self._node.declare_parameter(
                name, kind, descriptor, ignore_override=ignore_override
            )
            if parameter.value is not None:
                return tuple(parameter.value)
            # rclpy accepts no empty list as a default, because it has no type. The parameter must
            # not stay unset: a client that asks for all of them gets none when one has no value.
            self._node.set_parameters([Parameter(name, kind, [])])
            return ()
        return self._node.declare_parameter(
            name, default, descriptor, ignore_override=ignore_override
        ).value

    def _descriptor(self, field: str) -> ParameterDescriptor:
        # A fresh one each time: rclpy writes the name and type into the object it is given.
        meta = self._fields[field].metadata
        descriptor = ParameterDescriptor(
            description=meta['description'], read_only=meta['read_only']
        )
        if meta['choices']:
            descriptor.additional_constraints = 'one of: ' + ', '.join(meta['choices'])
        if meta['between']:
            low, high = meta['between']
            if parameter_type(self._cls, field) == Parameter.Type.INTEGER:
                descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
            else:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(low), to_value=float(high))
                ]
        return descriptor

    def _expected(self, field: str) -> str:
        meta = self._fields[field].metadata
        expected = f'a value of type {parameter_type(self._cls, field).name.lower()}'
        if meta['between']:
            expected += ' from {} to {}'.format(*meta['between'])
        return f'expected {expected}'

    def _choice_problem(self, field: str, value: Any) -> str:
        choices = self._fields[field].metadata['choices']
        if not choices or value in choices:
            return ''
        listed = ', '.join(choices)
        return f'parameter {self._prefix}{field} is {quoted(value)}; expected one of {listed}'

    def _problem(self, value: P) -> str:
        problem = problem_between_fields(value)
        return problem or (self.check(value) if self.check else '')

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = self._changes(parameters)
        for field, value in changes.items():
            problem = self._choice_problem(field, value)
            if not problem and value != getattr(self.value, field):
                problem = self._refusal(field)
            if problem:
                return SetParametersResult(successful=False, reason=printable_line(problem))
        if changes:
            problem = self._problem(dataclasses.replace(self.value, **changes))  # type: ignore[type-var]
            if problem:
                return SetParametersResult(successful=False, reason=printable_line(problem))
            if not self._has_post_set:
                self._take(parameters)
        return SetParametersResult(successful=True)

    def _take(self, parameters: list[Parameter]) -> None:
        """Use values that nobody refused."""
        changes = self._changes(parameters)
        if changes:
            # The reference is swapped, so that a frame sees the old set or the new one.
            self.value = dataclasses.replace(self.value, **changes)  # type: ignore[type-var]
            for field in changes:
                self._problems.pop(field, None)
                self._under_old_names.pop(self._prefix + field, None)

    def _changes(self, parameters: list[Parameter]) -> dict[str, Any]:
        """The parameters that belong to this dataclass, by field."""
        changes = {}
        for parameter in parameters:
            field = self._field(parameter.name)
            if field:
                is_list = isinstance(self._fields[field].default, tuple)
                changes[field] = tuple(parameter.value or ()) if is_list else parameter.value
        return changes

    def _field(self, name: str) -> str:
        """The field of a parameter by its full name; '' for the parameters of others."""
        field = name.removeprefix(self._prefix)
        return field if name.startswith(self._prefix) and field in self._fields else ''

    def _refusal(self, field: str) -> str:
        """Why the parameter cannot be changed now, to whatever value; empty when it can."""
        name, meta = self._prefix + field, self._fields[field].metadata
        node = self._node.get_fully_qualified_name()
        if meta['opens'] and not self._may_open():
            return (
                f'{name} names what {node} opens, so it is set as the node starts (launch '
                f'argument, params file, -p), not from the ROS graph; restart the node with '
                f'another {name}, or with {ALLOWS_CHANGES}:=true to set it while the node runs'
            )
        if meta['at_configure'] and self._configured():
            return (
                f'{name} is used when the node configures; first call '
                f'`ros2 lifecycle set {node} deactivate`, then `cleanup`, set it, and '
                f'`configure` and `activate` again'
            )
        return ''


def _using(default: Any) -> str:
    value = 'using an empty list' if default == () else f'using {quoted(default)}'
    return f'{value} until it is corrected'
