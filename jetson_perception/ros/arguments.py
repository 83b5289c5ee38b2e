"""The command line of a node, looked at before ROS sees it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jetson_perception.files.native_paths import is_utf8
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


def require_utf8(arguments: Sequence[str] | None) -> None:
    """End the process, with a line that says why, where an argument is no UTF-8.

    rcl takes nothing else, and rclpy's own error is a traceback about an encoding.

    Parameters
    ----------
    arguments : sequence of str or None
        The command line; None for the process's own.
    """
    for argument in sys.argv if arguments is None else arguments:
        if not is_utf8(argument):
            raise SystemExit(
                f'the argument {printable(argument)} is not UTF-8, which ROS needs; rename the '
                'file or folder (convmv does so for many)'
            )
