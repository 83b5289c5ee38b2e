"""Where calibrations are: paths and URLs as ROS users write them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from jetson_perception.camera.calibration import (
    UncalibratedError,
    calibration_path,
    load_calibration,
)
from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

    from jetson_perception.camera.calibration import Calibration

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


def first_calibration(given: str, output: Path | None) -> Calibration | str | None:
    """The calibration that a camera begins with: the one that was set once, or the one given.

    Parameters
    ----------
    given : str
        As for `calibration_file`; empty for none.
    output : Path, optional
        Where `set_camera_info` writes, if it may.

    Returns
    -------
    Calibration or str or None
        Why the camera runs uncalibrated, where the file says that it is; None without a file.

    Raises
    ------
    ParameterError
        When a file cannot be read, or is none.
    """
    if output is not None and os.path.lexists(output):
        file = output
    elif given:
        file = calibration_file(given)
    else:
        return None
    try:
        return load_calibration(file)
    except UncalibratedError as error:
        return str(error)
