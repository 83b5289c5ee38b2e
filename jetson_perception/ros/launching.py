"""The processes of `jetson_perception.bringup` as launch actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List  # noqa: UP035 - launch knows no list[str]

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from jetson_perception.errors import ParameterError
from jetson_perception.renamed import launch_argument_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from launch import LaunchContext

    from jetson_perception.bringup import Argument, NodeProcess


def launch_description(
    arguments: Sequence[Argument],
    processes: Callable[[Mapping[str, str]], list[NodeProcess]],
) -> LaunchDescription:
    """A launch file: its arguments, and the nodes that come of their values.

    Parameters
    ----------
    arguments : sequence of Argument
        What the user may set.
    processes : callable
        Gives the processes for a mapping of argument names to texts.
    """

    def start(context: LaunchContext) -> list[Node]:
        values = {
            argument.name: LaunchConfiguration(argument.name).perform(context)
            for argument in arguments
        }
        new, problem = launch_argument_problem(context.launch_configurations, values)
        if problem:
            raise ParameterError(problem, new)
        return [_action(process) for process in processes(values)]

    declared = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in arguments
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def _typed(value: Any) -> Any:
    """A parameter's value that launch leaves as it is: of a text it would make what YAML makes."""
    if isinstance(value, str):
        return ParameterValue(value, value_type=str)
    if isinstance(value, list):
        return ParameterValue(value, value_type=List[str])  # noqa: UP006
    return value


def _action(process: NodeProcess) -> Node:
    parameters: list[str | dict] = []
    if process.parameter_file is not None:
        parameters.append(str(process.parameter_file))
    if process.parameters:
        parameters.append({name: _typed(value) for name, value in process.parameters.items()})
    return Node(
        package=process.package,
        executable=process.executable,
        namespace=process.namespace,
        name=process.name or None,
        parameters=parameters,
        remappings=list(process.remappings.items()),
        arguments=list(process.arguments),
        additional_env=process.environment,
        output='screen',
    )
