"""The processes of `jetson_perception.bringup` as launch actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List  # noqa: UP035 - launch knows no list[str]

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage

from jetson_perception.bringup import PACKAGE
from jetson_perception.errors import ParameterError
from jetson_perception.renamed import launch_argument_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from launch import LaunchContext
    from launch.action import Action
    from launch.events.process import ProcessExited

    from jetson_perception.bringup import Argument, NodeProcess


def launch_description(
    arguments: Sequence[Argument],
    processes: Callable[[Mapping[str, str]], list[NodeProcess]],
) -> LaunchDescription:
    """A launch file: its arguments, and the nodes that their values give.

    Parameters
    ----------
    arguments : sequence of Argument
        What the user may set.
    processes : callable
        Gives the processes for a mapping of argument names to texts.
    """

    def start(context: LaunchContext) -> list[Action]:
        values = {
            argument.name: LaunchConfiguration(argument.name).perform(context)
            for argument in arguments
        }
        new, problem = launch_argument_problem(context.launch_configurations, values)
        if problem:
            raise ParameterError(problem, new)
        return [action for process in processes(values) for action in _actions(process)]

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


def _actions(process: NodeProcess) -> list[Action]:
    """What starts a node; first its note, and its preparation, which has to end well."""
    node = _node(process)
    note = [LogInfo(msg=f'{process.executable}: {process.note}')] if process.note else []
    if process.preparation is None:
        return [*note, node]
    program = process.preparation.executable
    prepare = ExecuteProcess(
        cmd=[ExecutableInPackage(program, PACKAGE), *process.preparation.arguments],
        name=program,
        output='screen',
    )

    def go_on(event: ProcessExited, context: LaunchContext) -> Action | None:
        if event.returncode == 0:
            return node
        if context.is_shutdown:
            return None
        return Shutdown(reason=f'{program} failed, without which {process.executable} cannot run')

    handler = RegisterEventHandler(OnProcessExit(target_action=prepare, on_exit=go_on))
    return [*note, handler, prepare]


def _node(process: NodeProcess) -> Node:
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
