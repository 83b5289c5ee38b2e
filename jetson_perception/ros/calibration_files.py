"""Where calibrations are: paths and URLs as ROS users write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from jetson_perception.camera.calibration import calibration_path
from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGE_URL = re.compile(r'package://([A-Za-z][A-Za-z0-9_-]*)/(.+)', re.DOTALL)


def calibration_file(given: str) -> Path:
    """The file that a path, file:// or package:// URL names, whether it is there or not.

    Raises
    ------
    ParameterError
        When it names none, or a package that is not installed.
    """
    if not given.startswith('package://'):
        return calibration_path(given)
    match = _PACKAGE_URL.fullmatch(given)
    if match is None:
        raise ParameterError(
            f'{printable(given)}: expected package://, the name of a package, and the path of a '
            'calibration YAML in its share folder',
            'calibration',
        )
    try:
        share = get_package_share_directory(match[1])
    except (PackageNotFoundError, ValueError) as err:
        raise ParameterError(
            f'{printable(given)}: there is no package {match[1]} here; source the workspace that '
            'has it, or give a path',
            'calibration',
        ) from err
    return calibration_path(f'{share}/{match[2]}')
