"""The command line of `record`, the folder of a recording, and which program records."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from rclpy.utilities import remove_ros_args

from jetson_perception.files.dated_folders import dated_folders
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROSBAG2 = ('ros2bag', 'rosbag2_storage_mcap')
_FAST_COMPRESSION = ('--storage-preset-profile', 'zstd_fast')


class Options(NamedTuple):
    """What was given."""

    folder: Path
    topics: str
    recorder: str


def parsed(arguments: Sequence[str]) -> Options:
    """The options of a command line, whose first word is the program and which may have ROS's.

    Ends the process with a line where they are wrong.
    """
    parser = argparse.ArgumentParser(
        'record', description='Records topics into a new folder of MCAP, until Ctrl-C.'
    )
    parser.add_argument(
        'folder',
        type=_folder,
        help='gets a folder for each recording, named by the time; nothing is overwritten',
    )
    parser.add_argument(
        '--topics',
        required=True,
        type=_expression,
        metavar='REGEX',
        help='regular expression that is looked for in full names of topics',
    )
    parser.add_argument(
        '--recorder',
        choices=('auto', 'rosbag2', 'rosbags'),
        default='auto',
        help='what records: ros2 bag with its MCAP plugin where both are installed, or else the '
        'Python library rosbags (default: auto)',
    )
    given = parser.parse_args(remove_ros_args(list(arguments))[1:])
    return Options(given.folder, given.topics, given.recorder)


def new_folder(folder: Path, now_s: float | None = None) -> Path:
    """A folder in this one that does not exist yet, named by the time."""
    return next(each for each in dated_folders(folder, now_s) if not os.path.lexists(each))


def has_rosbag2() -> bool:
    """Whether `ros2 bag record -s mcap` can be run."""
    try:
        return shutil.which('ros2') is not None and all(map(get_package_prefix, _ROSBAG2))
    except PackageNotFoundError:
        return False


def rosbag2_command(folder: Path, topics: str) -> list[str]:
    """The command line that records into a folder that does not exist yet."""
    # Humble's rosbag2 checks the profile against those of another format.
    compression = () if os.environ.get('ROS_DISTRO') == 'humble' else _FAST_COMPRESSION
    command = ['ros2', 'bag', 'record', '-s', 'mcap', *compression]
    return [*command, '-o', str(folder), '-e', topics]


def _folder(text: str) -> Path:
    if not text.strip():  # a variable of the shell that is not set
        raise argparse.ArgumentTypeError('it is empty; expected the path of a folder')
    return Path(text).expanduser()


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no regular expression: {error}'
        ) from None
    return text
