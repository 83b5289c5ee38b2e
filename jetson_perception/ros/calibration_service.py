"""`set_camera_info`: takes a camera's calibration over, as camera_info_manager does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sensor_msgs.srv import SetCameraInfo

from jetson_perception.camera.calibration import (
    MOST_COEFFICIENTS,
    Calibration,
)
from jetson_perception.camera.calibration_text import calibration_text, checked_calibration
from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.files.output_files import write_output
from jetson_perception.printable import counted, printable
from jetson_perception.ros.guarded_services import guarded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rclpy.node import Node
    from sensor_msgs.msg import CameraInfo


class CalibrationService:
    """Offers the service, which camera_calibration calls when its user presses COMMIT.

    Anybody on the graph may call it, so it writes to one file, which the node's start names, and
    only calibrations that can be read again.

    Parameters
    ----------
    node : rclpy Node
        Which offers it.
    file : Path or None
        What it writes; None for a node that was started without one, and refuses.
    camera_name : str
        For the file.
    take : callable
        Given the new calibration once it is written.
    size_wh : callable
        Gives width and height of the newest image; None before the first one.
    prefix : str
        Put before the service's name.
    """

    def __init__(
        self,
        node: Node,
        file: Path | None,
        camera_name: str,
        take: Callable[[Calibration], None],
        size_wh: Callable[[], tuple[int, int] | None],
        prefix: str = '',
    ) -> None:
        self._node = node
        self._file = file
        self._camera_name = camera_name
        self._take = take
        self._size_wh = size_wh
        if file is not None and not os.access(file.parent, os.W_OK | os.X_OK):
            node.get_logger().warning(
                f'set_camera_info will fail: no files can be made in {printable(file.parent)}, '
                'the folder of calibration_output; make the folder, or start with another file'
            )
        name = f'{prefix}set_camera_info'
        self._service = node.create_service(
            SetCameraInfo, name, guarded(node, name, self._on_request)
        )

    def close(self) -> None:
        """Take the service down."""
        self._node.destroy_service(self._service)

    def _on_request(self, request: Any, response: Any) -> Any:
        try:
            file = self._keep(request.camera_info)
        except PerceptionError as error:
            self._node.get_logger().error(f'set_camera_info refused: {error}')
            response.success, response.status_message = False, str(error)
        else:
            self._node.get_logger().info(f'set_camera_info wrote {printable(file)}')
            response.success = True
        return response

    def _keep(self, info: CameraInfo) -> Path:
        if self._file is None:
            raise ParameterError(
                'this node may write a calibration nowhere; start it with '
                'calibration_output:=/path/of/camera.yaml (a launch argument; `ros2 run` takes '
                'it after --ros-args -p)',
                'calibration_output',
            )
        if len(info.d) > MOST_COEFFICIENTS:
            raise ParameterError(
                f'd has {counted(len(info.d), "value")}; expected at most {MOST_COEFFICIENTS}',
                'calibration',
            )
        given = Calibration(
            size_wh=(info.width, info.height),
            camera_name=self._camera_name,
            distortion_model=info.distortion_model,
            distortion=tuple(map(float, info.d)),
            camera_matrix=tuple(map(float, info.k)),
            rectification_matrix=tuple(map(float, info.r)),
            projection_matrix=tuple(map(float, info.p)),
        )
        # Read as it will be at the next start: what is wrong with it is told now.
        calibration = checked_calibration(given, self._file)
        images_wh = self._size_wh()
        if images_wh is not None:
            calibration.scaled_to(images_wh)  # refuses one that does not fit them
        text = calibration_text(calibration)
        write_output(
            self._file, text, parameter='calibration_output', durable=True, regular_only=True
        )
        self._take(calibration)
        return self._file
