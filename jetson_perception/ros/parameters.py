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
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.parameter import Parameter

from jetson_perception.errors import ParameterError
from jetson_perception.parameter_fields import ALLOWS_CHANGES as ALLOWS_CHANGES
from jetson_perception.parameter_fields import param as param
from jetson_perception.parameter_fields import problem_between_fields
from jetson_perception.printable import printable, printable_line, quoted
from jetson_perception.renamed import new_parameter
from jetson_perception.ros.parameter_spec import parameter_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rclpy.node import Node

P = TypeVar('P')


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
        self._specs = parameter_specs(cls, self._prefix)
        #: The field that `put` is setting; '' at all other times.
        self._putting = ''
        #: What is wrong with values that only their user can judge, such as names of a model's
        #: classes; empty when nothing is. Set only while there is such a user.
        self.check: Callable[[P], str] | None = None
        values = {name: self._declare(name) for name in self._specs}
        self.value: P = self._mended(cls(**values))
        self._under_old_names = _given_under_old_names(node, self.names)
        node.add_on_set_parameters_callback(self._on_set)
        # Another dataclass of the node may refuse the values that this one accepts, so they are
        # used only when all have accepted them. Humble lacks the callback that says so.
        self._has_post_set = hasattr(node, 'add_post_set_parameters_callback')
        if self._has_post_set:
            node.add_post_set_parameters_callback(self._take)

    @property
    def names(self) -> list[str]:
        """Full names of the parameters."""
        return [spec.name for spec in self._specs.values()]

    @property
    def other_names(self) -> dict[str, str]:
        """What other packages call the parameters: the full name here by the one there."""
        return {
            other: spec.name for spec in self._specs.values() for other in spec.meta['other_names']
        }

    @property
    def problems(self) -> list[str]:
        """One text for each value that was wrong at start and has not been corrected since."""
        return [printable_line(problem) for problem in self._problems.values()]

    def full_name(self, field: str) -> str:
        """The name of a field's parameter."""
        return self._specs[field].name

    def put(self, field: str, value: Any) -> str:
        """Have a parameter say what the node uses by now; returns what is wrong if it cannot."""
        spec = self._specs[field]
        self._putting = field
        try:
            parameter = Parameter(spec.name, spec.kind, value)
            result = self._node.set_parameters_atomically([parameter])
        finally:
            self._putting = ''
        # Others may judge parameters of the node, too.
        before, why = quoted(getattr(self.value, field)), result.reason or 'it was refused'
        problem = f'parameter {spec.name} still says {before}: {printable_line(why)}'
        return '' if result.successful else problem

    def refusal_to_open(self, field: str) -> str:
        """Why the graph may not set what the node opens; empty where it may."""
        return '' if self._may_open() else _set_at_start(self._node, self._specs[field].name)

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
                spec = self._specs[field]
                parameter = spec.meant(parameter)
                if parameter.type_ != spec.kind:
                    raise ParameterError(spec.refusal(parameter.value), spec.name)
            found.append(parameter)
        return found

    def is_empty(self, name: str) -> bool:
        """Whether this is one of these parameters, names what the node opens, and is empty."""
        field = self._field(name)
        return field != '' and self._specs[field].meta['opens'] and not getattr(self.value, field)

    def set_at_start(self) -> list[str]:
        """Those that name what the node opens and that only its start sets; empty ones not."""
        names = [spec.name for spec in self._specs.values() if spec.meta['opens']]
        return [name for name in names if not (self._may_open() or self.is_empty(name))]

    def waits_for_start(self, name: str) -> bool:
        """Whether this is one of these parameters, is empty, and can be set only at start."""
        return self.is_empty(name) and not self._may_open()

    def was_refused(self, name: str) -> bool:
        """Whether this is one of these parameters, was wrong at start, and still is."""
        return self._field(name) in self._problems

    def _declare(self, field: str) -> Any:
        spec = self._specs[field]
        overrides = self._node._parameter_overrides  # rclpy has no public way to look
        given = overrides.get(spec.name)
        if given is not None and (given.value is None or given.value == []):
            # An empty list has no type, and none at all from YAML: rclpy would store that.
            del overrides[spec.name]
            if not spec.is_list:
                self._problems[field] = (
                    f'parameter {spec.name} is an empty list; expected {spec.expected}; '
                    f'{_using(spec.default)}'
                )
        elif given is not None:
            overrides[spec.name] = spec.meant(given)
        try:
            value = spec.declare(self._node)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            self._problems[field] = f'{spec.refusal(given.value)}; {_using(spec.default)}'
            self._node.get_logger().debug(printable(error))
            return spec.declare(self._node, ignore_override=True)
        problem = spec.choice_problem(value)
        if problem:
            self._problems[field] = f'{problem}; {_using(spec.default)}'
            self._reset(field)
            return spec.default
        return value

    def _reset(self, field: str) -> None:
        """Give a parameter its default, whatever the user gave."""
        spec = self._specs[field]
        self._node.undeclare_parameter(spec.name)
        spec.declare(self._node, ignore_override=True)

    def _mended(self, value: P) -> P:
        """The values, with as few as possible replaced by defaults so that none contradict."""
        while problem := self._problem(value):
            suspects = [
                field
                for field, spec in self._specs.items()
                if getattr(value, field) != spec.default
            ]
            if not suspects:
                raise AssertionError(f'the defaults of {self._cls.__name__} do not fit: {problem}')
            # Take one whose default changes the problem; if several are needed, all in turn.
            field = next(
                (n for n in suspects if self._problem(self._with_default(value, n)) != problem),
                suspects[0],
            )
            spec = self._specs[field]
            self._problems[field] = f'{problem}; {spec.name}: {_using(spec.default)}'
            self._reset(field)
            value = self._with_default(value, field)
        return value

    def _with_default(self, value: P, field: str) -> P:
        return dataclasses.replace(value, **{field: self._specs[field].default})  # type: ignore[type-var]

    def _problem(self, value: P) -> str:
        problem = problem_between_fields(value)
        return problem or (self.check(value) if self.check else '')

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = self._changes(parameters)
        for field, value in changes.items():
            problem = self._specs[field].choice_problem(value)
            if not problem and field != self._putting and value != getattr(self.value, field):
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
                self._under_old_names.pop(self._specs[field].name, None)

    def _changes(self, parameters: list[Parameter]) -> dict[str, Any]:
        """The parameters that belong to this dataclass, by field."""
        changes = {}
        for parameter in parameters:
            field = self._field(parameter.name)
            if field:
                is_list = self._specs[field].is_list
                changes[field] = tuple(parameter.value or ()) if is_list else parameter.value
        return changes

    def _field(self, name: str) -> str:
        """The field of a parameter by its full name; '' for the parameters of others."""
        field = name.removeprefix(self._prefix)
        return field if name.startswith(self._prefix) and field in self._specs else ''

    def _refusal(self, field: str) -> str:
        """Why the parameter cannot be changed now, to whatever value; empty when it can."""
        spec = self._specs[field]
        refusal = self.refusal_to_open(field) if spec.meta['opens'] else ''
        if not refusal and spec.meta['at_configure'] and self._configured():
            refusal = _set_before_configure(self._node, spec.name)
        return refusal


def _given_under_old_names(node: Node, names: list[str]) -> dict[str, str]:
    """For each parameter that was given under an old name alone, what to tell the user."""
    overrides = node._parameter_overrides
    texts = {}
    for old, given in overrides.items():
        new = new_parameter(old, names)
        if new and new not in overrides:
            texts[new] = (
                f'parameter {printable(old)} is now called {new}; set {new} to '
                f'{quoted(given.value)} instead, in the file or command that starts '
                f'{node.get_fully_qualified_name()}'
            )
    return texts


def _set_at_start(node: Node, name: str) -> str:
    return (
        f'{name} names what {node.get_fully_qualified_name()} opens, so it is set as the node '
        f'starts (launch argument, params file, -p), not from the ROS graph; restart the node '
        f'with another {name}, or with the parameter {ALLOWS_CHANGES}:=true to set it while the '
        'node runs'
    )


def _set_before_configure(node: Node, name: str) -> str:
    return (
        f'{name} is used when the node configures; first call `ros2 lifecycle set '
        f'{node.get_fully_qualified_name()} deactivate`, then `cleanup`, set it, and `configure` '
        'and `activate` again'
    )


def _using(default: Any) -> str:
    value = 'using an empty list' if default == () else f'using {quoted(default)}'
    return f'{value} until it is corrected'
