#!/usr/bin/env python3
"""Records results and images into MCAP: by `ros2 bag record`, or where that is not by rosbags.

`--help` lists what may be set; `record:=folder` of the launch files starts it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from jetson_perception.errors import PerceptionError
from jetson_perception.installing import pip_install
from jetson_perception.printable import printable
from jetson_perception.ros.recording.arguments import (
    has_rosbag2,
    new_folder,
    parsed,
    rosbag2_command,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Record until a signal comes."""
    given = sys.argv if args is None else args
    options = parsed(given)
    folder = new_folder(options.folder)
    by_rosbag2 = options.recorder == 'rosbag2' or (options.recorder == 'auto' and has_rosbag2())
    if by_rosbag2:
        command = rosbag2_command(folder, options.topics)
        try:
            os.makedirs(options.folder, exist_ok=True)
            os.execvp(command[0], command)
        except OSError as error:
            raise SystemExit(f'ros2 bag cannot record into {printable(folder)}: {error}') from None
    try:
        from jetson_perception.ros.recording.recording import record
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] != 'rosbags':
            raise
        raise SystemExit(
            'recording needs rosbag2 with MCAP (`sudo apt install '
            f'ros-{os.environ.get("ROS_DISTRO", "DISTRO")}-rosbag2-storage-mcap`), or the Python '
            f'package rosbags (`{pip_install("rosbags")}`); neither is installed'
        ) from None
    try:
        record(folder, options.topics, given)
    except PerceptionError as error:
        raise SystemExit(str(error)) from None


if __name__ == '__main__':
    main()
