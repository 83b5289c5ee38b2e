"""The folder that ROS writes its log into, looked at before ROS is asked to use it."""

from __future__ import annotations

import os
from pathlib import Path

from jetson_perception.printable import printable

_WAY_OUT = (
    'set ROS_LOG_DIR to a folder that may be written to, such as `export ROS_LOG_DIR=/tmp/ros_log`'
)


def log_folder_problem() -> str:
    """Why ROS cannot write its log, and what to do; '' when it can.

    rcl refuses to start without its log, and says so in a traceback about spdlog. It takes
    ROS_LOG_DIR, else log in ROS_HOME, else ~/.ros/log by HOME alone, and makes what is missing.
    """
    given = next(filter(os.environ.get, ('ROS_LOG_DIR', 'ROS_HOME', 'HOME')), '')
    if not given:
        return f'HOME is not set, so ROS has no folder for its log; {_WAY_OUT}'
    below = {'ROS_LOG_DIR': '', 'ROS_HOME': 'log', 'HOME': '.ros/log'}[given]
    try:
        folder = Path(os.environ[given]).expanduser() / below
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # the last of a ~ that is nobody's home
        reason = error.strerror if isinstance(error, OSError) else error
        return _problem(given, Path(os.environ[given], below), f'cannot be made: {reason}')
    if not os.access(folder, os.W_OK | os.X_OK):
        return _problem(given, folder, 'may not be written to')
    return ''


def _problem(given: str, folder: Path, what: str) -> str:
    other = _WAY_OUT.replace('set ROS_LOG_DIR', 'set it') if given == 'ROS_LOG_DIR' else _WAY_OUT
    return f'the folder of the ROS log, {printable(folder)} by {given}, {what}; {other}'


def require_log_folder() -> None:
    """End the process, with a line that says why, where ROS could not write its log."""
    problem = log_folder_problem()
    if problem:
        raise SystemExit(problem)
