"""What stands on the command line of a node outside of `--ros-args`, where ROS takes nothing."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.utilities import remove_ros_args

from jetson_perception.errors import PerceptionError
from jetson_perception.parameter_sections import read_sections
from jetson_perception.printable import printable, printable_line
from jetson_perception.resources import config_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

HELP = frozenset({'-h', '--help'})
_ROS_OPTIONS = ('-p', '--param', '-r', '--remap', '--params-file', '--log-level')

_USAGE = """\
usage: ros2 run jetson_perception {executable} --ros-args [-p NAME:=VALUE ...] [-r FROM:=TO ...]

{does}

after --ros-args:
  -p NAME:=VALUE      set a parameter, such as {example}
  -r FROM:=TO         give a topic another name, such as image:=/camera/image_raw, or the node
                      another namespace, __ns:=/front
  --params-file FILE  set all parameters that a file has
  --log-level LEVEL   debug, info, warn, error

{file} lists every parameter with its default.
`ros2 launch jetson_perception LAUNCH_FILE --show-args` lists the arguments of a launch file."""
_EXAMPLES = {
    'yolo_node': 'det.model:=my.onnx',
    'seg_node': 'model:=my.onnx',
    'camera_node': 'source:=v4l2:///dev/video0',
}


def require_ros_arguments(arguments: Sequence[str] | None, does: str) -> None:
    """End the process where something stands outside of `--ros-args`, or help is asked for.

    Remappings may stand there, as rcl takes them and warns.

    Parameters
    ----------
    arguments : sequence of str or None
        The command line with the program; None for the process's own.
    does : str
        What the node does, for its help.

    Raises
    ------
    SystemExit
        With the line as it was meant, or after the help.
    """
    given = list(sys.argv if arguments is None else arguments)
    bare = list(_outside_of_ros(given[1:]))
    if not bare:
        return
    executable = Path(given[0]).stem
    if set(bare) & HELP:
        sys.stdout.write(f'{_usage(executable, does)}\n')
        raise SystemExit(0)
    parameters = _parameters(executable)
    names = {
        word: _parameter(word.partition(':=')[0], parameters) for word in bare if ':=' in word
    }
    try:
        refused = [word for word in remove_ros_args(given)[1:] if word in bare]
    except Exception:  # noqa: BLE001 - by the release of ROS, which says it again as it starts
        refused = []
    refused += [word for word, name in names.items() if name and word not in refused]
    if refused:
        shown = ' '.join(shlex.quote(printable(word)) for word in refused)
        meant = _meant(given[1:], names, refused) or f'--ros-args -p {_example(executable)}'
        raise SystemExit(
            printable_line(
                f'{printable(executable)} knows no argument {shown} outside of --ros-args; start '
                f'it as in: {printable(executable)} {meant} (--help says more)'
            )
        )


def _outside_of_ros(words: Iterable[str]) -> Iterator[str]:
    for_ros = False
    for word in words:
        if word in ('--ros-args', '--'):
            for_ros = word == '--ros-args'
        elif word and not for_ros:  # launch files pass '' for an argument that is not given
            yield word


def _usage(executable: str, does: str) -> str:
    try:
        file = str(config_path(f'{executable}.yaml'))
    except PerceptionError:
        file = 'docs/parameters.md of the package'
    return _USAGE.format(executable=executable, does=does, example=_example(executable), file=file)


def _example(executable: str) -> str:
    return _EXAMPLES.get(executable, 'use_sim_time:=true')


def _parameters(executable: str) -> list[str]:
    """Full names of a node's parameters, as its file in config/ lists them."""
    try:
        sections = read_sections(config_path(f'{executable}.yaml'))
    except PerceptionError:
        return []
    return [name for section in sections or () for name in _flat(section.values)]


def _flat(values: dict[Any, Any], before: str = '') -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f'{before}{name}.')
        else:
            yield f'{before}{name}'


def _parameter(name: str, parameters: Sequence[str]) -> str:
    """The parameter of a name, which may lack its block; '' if there is none."""
    if name in parameters:
        return name
    return next((one for one in parameters if one.endswith(f'.{name}')), '')


def _meant(words: Sequence[str], names: dict[str, str], refused: Collection[str]) -> str:
    """The words as ROS takes them; '' where that cannot be told."""
    line = ['--ros-args']
    for word in words:
        name, assigns, value = word.partition(':=')
        has_option = line[-1] in _ROS_OPTIONS
        if word in ('--ros-args', '--'):
            continue
        if word in names:
            known = names[word]
            if not has_option:
                sets = known or (word in refused and not name.startswith('__'))
                line.append('-p' if sets else '-r')
            line.append(f'{known or name}:={value}')
        elif assigns or has_option or word in _ROS_OPTIONS:
            line.append(word)
        else:
            return ''
    return ' '.join(shlex.quote(printable(word)) for word in line)
