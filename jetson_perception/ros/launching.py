"""The processes of `jetson_perception.bringup` as launch actions."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, List  # noqa: UP035 - launch knows no list[str]

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import Action, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    PopLaunchConfigurations,
    PushLaunchConfigurations,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage

from jetson_perception.bringup import PACKAGE, defaults, overlooked, parameter_names
from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.launch_arguments import unknown_argument_problem
from jetson_perception.parameter_sections import require_parameter_file
from jetson_perception.printable import listed, printable
from jetson_perception.process.orphans import ends_with_parent
from jetson_perception.renamed import launch_argument_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from launch import LaunchContext
    from launch.events.process import ProcessExited

    from jetson_perception.bringup import Argument, NodeProcess

_FILES = ('params_file', 'camera_params_file')
_WITHOUT = {'rviz2': 'rviz:=false'}
#: Where a launch file of ours leaves, as JSON, its name and what held for its arguments.
_LEFT = '_jetson_perception_left'
_MOST_NAMES = 10


def launch_description(
    arguments: Sequence[Argument],
    processes: Callable[[Mapping[str, str]], list[NodeProcess]],
) -> LaunchDescription:
    """A launch file: its arguments, and the nodes that their values give.

    Its defaults end with it, for another one that the same file includes. What it was given does
    not, as launch sets that outside of it: another one of ours that finds it warns.

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
        kept = _kept(context, arguments)
        if kept:
            get_logger('launch').warning(kept)
        _refuse_wrong_names(context, arguments, processes)
        for name in _FILES:
            if values.get(name):
                require_parameter_file(values[name], name)
        wanted = processes(values)
        for text in overlooked(wanted, filter(None, map(values.get, _FILES))):
            get_logger('launch').warning(text)
        # Before anything starts: launch lets what it has started run on when an action fails.
        for process in wanted:
            _require_installed(process)
        return [action for process in wanted for action in _actions(process, context)]

    declared = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in arguments
    ]
    return LaunchDescription(
        [
            PushLaunchConfigurations(),
            *declared,
            OpaqueFunction(function=start),
            PopLaunchConfigurations(),
            _Leave(arguments),
        ]
    )


class _Leave(Action):
    """Notes what the launch file was given, for the next one of ours in the same scope."""

    def __init__(self, arguments: Sequence[Argument]) -> None:
        super().__init__()
        self._names = [argument.name for argument in arguments]

    def execute(self, context: LaunchContext) -> None:
        """Note it; a scope that ends takes the note with it, and what the note tells."""
        given = context.launch_configurations
        values = {name: given[name] for name in self._names if name in given}
        given[_LEFT] = json.dumps([_file_name(context), values])


def _kept(context: LaunchContext, arguments: Sequence[Argument]) -> str:
    """A warning of arguments that launch kept from the file of ours before it; '' without any."""
    now = context.launch_configurations
    file, before = json.loads(now.get(_LEFT, '["", {}]'))
    names = [
        argument.name
        for argument in arguments
        if before.get(argument.name, argument.default) == now[argument.name] != argument.default
    ]
    if not names:
        return ''
    return (
        f'launch keeps the arguments of an include for those after it: {_file_name(context)} has '
        f'the values of {file} for {listed(names, _MOST_NAMES)}. Put each include into a '
        'GroupAction([...]) of its own, even if you want that'
    )


def _file_name(context: LaunchContext) -> str:
    """The name of the launch file that is executed."""
    return os.path.basename(getattr(context.locals, 'current_launch_file_path', ''))


def _refuse_wrong_names(
    context: LaunchContext,
    arguments: Sequence[Argument],
    processes: Callable[[Mapping[str, str]], list[NodeProcess]],
) -> None:
    """Raise ParameterError where an argument is given that there is not, or not any more."""
    known = {
        argument.name: context.launch_configurations.get(argument.name, '')
        for argument in arguments
    }
    new, problem = launch_argument_problem(context.launch_configurations, known)
    if problem:
        raise ParameterError(problem, new)
    file, given = _given_by_the_user(context)
    nodes = [process.executable for process in processes(defaults(arguments))] if given else []
    parameters = {node: parameter_names(node) for node in nodes}
    problem = unknown_argument_problem(file, given, arguments, parameters)
    if problem:
        raise ParameterError(problem)


def _given_by_the_user(context: LaunchContext) -> tuple[str, list[str]]:
    """The launch file's name, and the arguments that `ros2 launch` was given for it.

    A launch file that includes ours has arguments of its own, which are not ours to judge: then
    there are none here. What is launched first, the description in the event, includes this file
    itself where it is the user's.
    """
    path = getattr(context.locals, 'current_launch_file_path', '')
    first = getattr(context.locals, 'event', None)
    names = []
    for entity in getattr(getattr(first, 'launch_description', None), 'entities', ()):
        if isinstance(entity, IncludeLaunchDescription) and _is_of(entity, path):
            names += [
                perform_substitutions(context, normalize_to_list_of_substitutions(name))
                for name, _ in entity.launch_arguments
            ]
    return _file_name(context), names


def _is_of(included: IncludeLaunchDescription, path: str) -> bool:
    location = included.launch_description_source.location
    return bool(path) and os.path.abspath(location) == os.path.abspath(path)


def _require_installed(process: NodeProcess) -> None:
    """Raise PerceptionError where there is no such program to start."""
    name = f'{process.executable} of the package {process.package}'
    try:
        prefix = get_package_prefix(process.package)
    except PackageNotFoundError:
        how = ''
        if process.package != PACKAGE:
            debian = process.package.replace('_', '-')
            distribution = os.environ.get('ROS_DISTRO', 'DISTRO')
            how = f': `sudo apt install ros-{distribution}-{debian}`'
        raise PerceptionError(
            f'nothing is started: {name} is not installed. Install it{how}, or launch without it '
            f'({_WITHOUT.get(process.package, "build the workspace and source it again")})'
        ) from None
    path = os.path.join(prefix, 'lib', process.package, process.executable)
    if not os.access(path, os.X_OK):
        raise PerceptionError(
            f'nothing is started: {name} cannot be run: {printable(path)} is missing or not '
            'executable; build or install the package again'
        )


def _typed(value: Any) -> Any:
    """A parameter's value that launch leaves as it is: of a text it would make what YAML makes."""
    if isinstance(value, str):
        return ParameterValue(value, value_type=str)
    if isinstance(value, list):
        return ParameterValue(value, value_type=List[str])  # noqa: UP006
    return value


def _prefix(executable: str, context: LaunchContext) -> str:
    """What stands before the command of a process: what ends it with launch, and the user's."""
    words = ' '.join(ends_with_parent())
    given = context.launch_configurations.get('launch-prefix', '')
    only = context.launch_configurations.get('launch-prefix-filter', '')
    return f'{words} {given}' if given and re.match(only, executable) else words


def _actions(process: NodeProcess, context: LaunchContext) -> list[Action]:
    """What starts a node; first its note, and its preparation, which has to end well."""
    node = _node(process, context)
    note = [LogInfo(msg=f'{process.executable}: {process.note}')] if process.note else []
    if process.preparation is None:
        return [*note, node]
    program = process.preparation.executable
    prepare = ExecuteProcess(
        cmd=[ExecutableInPackage(program, PACKAGE), *process.preparation.arguments],
        name=program,
        prefix=_prefix(program, context),
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


def _node(process: NodeProcess, context: LaunchContext) -> Node:
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
        exec_name=process.executable,
        prefix=_prefix(process.executable, context),
        additional_env=process.environment,
        respawn=process.respawn_delay_s is not None,
        respawn_delay=process.respawn_delay_s,
        output='screen',
    )
