"""Camera calibrations to CameraInfo messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor_msgs.msg import CameraInfo

if TYPE_CHECKING:
    from jetson_perception.camera.calibration import Calibration


def camera_info_message(calibration: Calibration) -> CameraInfo:
    """A CameraInfo without a header; K[0] is 0 for a camera that is not calibrated."""
    return CameraInfo(
        width=calibration.size_wh[0],
        height=calibration.size_wh[1],
        distortion_model=calibration.distortion_model,
        d=list(calibration.distortion),
        k=list(calibration.camera_matrix),
        r=list(calibration.rectification_matrix),
        p=list(calibration.projection_matrix),
    )
