"""Calibrations as text, as ROS's camera_calibration writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from jetson_perception.camera.calibration import Calibration, parse_calibration

if TYPE_CHECKING:
    from pathlib import Path


def calibration_text(calibration: Calibration) -> str:
    """A YAML file's text; `parse_calibration` and camera_info_manager read it."""
    width, height = calibration.size_wh
    content = {
        'image_width': width,
        'image_height': height,
        'camera_name': calibration.camera_name,
        'camera_matrix': _matrix(3, calibration.camera_matrix),
        'distortion_model': calibration.distortion_model,
        'distortion_coefficients': _matrix(1, calibration.distortion),
        'rectification_matrix': _matrix(3, calibration.rectification_matrix),
        'projection_matrix': _matrix(3, calibration.projection_matrix),
    }
    text: str = yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
    return text


def checked_calibration(given: Calibration, file: Path) -> Calibration:
    """A calibration as it would be read again from a file of this path.

    Raises
    ------
    UncalibratedError, ParameterError
        As `parse_calibration`.
    """
    return parse_calibration(calibration_text(given).encode(), file)


def _matrix(rows: int, values: tuple[float, ...]) -> dict[str, Any]:
    return {'rows': rows, 'cols': len(values) // rows, 'data': list(values)}
