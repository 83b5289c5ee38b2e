"""Parameters from a dataclass: declared, described, ranged and validated in one place.

A field made by `param` is one ROS parameter of the field's name, type and default::

    @dataclass(frozen=True)
    class SegParams:
        model: str = param('oranges', 'ONNX file.', at_configure=True)
        blend: float = param(0.6, 'Share of the image that remains.', between=(0.0, 1.0))

A tuple field is an array parameter that is not set until the user sets it; its default is ().
"""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.parameter import Parameter

from jetson_perception.printable import printable, printable_line, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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


def param(
    default: Any,
    description: str,
    *,
    between: tuple[float, float] | None = None,
    choices: Sequence[str] = (),
    at_configure: bool = False,
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
    example : str, optional
        A value in YAML, for a parameter that is not set by default.
    """
    return dataclasses.field(
        default=default,
        metadata={
            'description': description,
            'between': between,
            'choices': tuple(choices),
            'at_configure': at_configure,
            'example': example,
        },
    )


def parameter_type(cls: type, field: str) -> Parameter.Type:
    """ROS type of a dataclass field's parameter."""
    hint = get_type_hints(cls)[field]
    if get_origin(hint) is tuple:
        return _ARRAYS[get_args(hint)[0]]
    return _SCALARS[hint]


class Parameters(Generic[P]):
    """The parameters of one dataclass on one node, under an optional prefix.

    A bad value given at start is reported by `problems` and the default used: a node comes up on
    what is right. A bad value at run time is refused with the reason.

    Parameters
    ----------
    node : rclpy Node
        Where to declare.
    cls : type
        Frozen dataclass whose fields are made by `param`. It may have a method `problem()` that
        returns what is wrong between its fields, or an empty text.
    prefix : str
        Put before each name, with a dot.
    configured : callable
        Tells whether the node is configured, that is whether `at_configure` values are in use.
    """

    def __init__(
        self,
        node: Node,
        cls: type[P],
        prefix: str = '',
        configured: Callable[[], bool] = lambda: False,
    ) -> None:
        self._problems: dict[str, str] = {}
        self._node = node
        self._cls = cls
        self._prefix = f'{prefix}.' if prefix else ''
        self._configured = configured
        self._fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        #: What is wrong with values that only their user can judge, such as names of a model's
        #: classes; empty when nothing is. Set while there is such a user.
        self.check: Callable[[P], str] | None = None
        values = {name: self._declare(name) for name in self._fields}
        self.value: P = self._mended(cls(**values))
        node.add_on_set_parameters_callback(self._on_set)

    @property
    def names(self) -> list[str]:
        """Full names of the parameters."""
        return [self._prefix + name for name in self._fields]

    @property
    def problems(self) -> list[str]:
        """What was given wrong at start and has not been set right since, one text each."""
        return [printable_line(problem) for problem in self._problems.values()]

    def _declare(self, field: str) -> Any:
        name = self._prefix + field
        default = self._fields[field].default
        kind = parameter_type(self._cls, field)
        given = self._node._parameter_overrides.get(name)  # rclpy has no public way to look
        # In YAML 1 is an integer, which rclpy refuses for a double; everybody means 1.0.
        types = (None if given is None else given.type_, kind)
        if types == (Parameter.Type.INTEGER, Parameter.Type.DOUBLE):
            self._node._parameter_overrides[name] = Parameter(name, kind, float(given.value))
        elif types == (Parameter.Type.INTEGER_ARRAY, Parameter.Type.DOUBLE_ARRAY):
            doubles = [float(value) for value in given.value]
            self._node._parameter_overrides[name] = Parameter(name, kind, doubles)
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

    def _reset(self, field: str) -> None:
        """Give a parameter its default, whatever the user gave."""
        name, default = self._prefix + field, self._fields[field].default
        self._node.undeclare_parameter(name)
        kind = parameter_type(self._cls, field)
        self._declare_as(name, kind, default, self._descriptor(field), True)

    def _mended(self, value: P) -> P:
        """The values, but defaults for those that contradict each other, as few as can be."""
        while problem := self._problem(value):
            suspects = [
                name
                for name, field in self._fields.items()
                if getattr(value, name) != field.default
            ]
            if not suspects:
                raise AssertionError(f'the defaults of {self._cls.__name__} do not fit: {problem}')
            # One whose default changes what is wrong; where it takes several, all in turn.
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
            return () if parameter.value is None else tuple(parameter.value)
        return self._node.declare_parameter(
            name, default, descriptor, ignore_override=ignore_override
        ).value

    def _descriptor(self, field: str) -> ParameterDescriptor:
        # A fresh one each time: rclpy writes the name and type into the object it is given.
        meta = self._fields[field].metadata
        descriptor = ParameterDescriptor(description=meta['description'])
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
        check = getattr(value, 'problem', None)
        problem: str = check() if check else ''
        return problem or (self.check(value) if self.check else '')

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = {}
        for parameter in parameters:
            field = parameter.name.removeprefix(self._prefix)
            if not parameter.name.startswith(self._prefix) or field not in self._fields:
                continue
            value = parameter.value
            if isinstance(self._fields[field].default, tuple):
                value = () if value is None else tuple(value)
            problem = self._choice_problem(field, value)
            if not problem and self._fields[field].metadata['at_configure'] and self._configured():
                problem = (
                    f'{parameter.name} is used when the node configures; first call '
                    f'`ros2 lifecycle set {self._node.get_fully_qualified_name()} deactivate`, '
                    f'then `cleanup`, set it, and `configure` and `activate` again'
                )
            if problem:
                return SetParametersResult(successful=False, reason=printable_line(problem))
            changes[field] = value
        if changes:
            value = dataclasses.replace(self.value, **changes)  # type: ignore[type-var]
            problem = self._problem(value)
            if problem:
                return SetParametersResult(successful=False, reason=printable_line(problem))
            # The reference is swapped, so that a frame sees the old set or the new one.
            self.value = value
            for field in changes:
                self._problems.pop(field, None)
        return SetParametersResult(successful=True)


def _using(default: Any) -> str:
    value = 'leaving it unset' if default == () else f'using {quoted(default)}'
    return f'{value}, until it is set right'


def unknown_parameters(node: Node, ignore: Iterable[str] = ()) -> list[str]:
    """What to say of each parameter that was given to the node and that it does not have.

    Parameters
    ----------
    node : rclpy Node
        With all its parameters declared.
    ignore : iterable of str
        Beginnings of names that something else will declare later.
    """
    known = list(node._parameters)
    texts = []
    for name in node._parameter_overrides:
        if name in known or name.startswith(('qos_overrides.', *ignore)):
            continue
        no_mappings = [one for one in known if name.startswith(f'{one}.')]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean {close[0]}?' if close else 'config/ lists those that exist.'
        if no_mappings:  # in YAML a mapping where a list is meant, as of class_score_thresholds
            hint = f'{printable(no_mappings[0])} is no mapping: config/ shows how it is written.'
        texts.append(f'{node.get_name()} has no parameter {printable(name)}; {hint} It is ignored')
    return texts
