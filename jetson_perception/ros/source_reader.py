"""A source that a node reads itself: its frames, topics, service and line of diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.camera import open_source
from jetson_perception.camera.capture import Capture
from jetson_perception.camera.pace import Pace
from jetson_perception.ros.calibration_files import calibration_file, first_calibration
from jetson_perception.ros.calibration_service import CalibrationService
from jetson_perception.ros.camera_parameters import NATIVE
from jetson_perception.ros.camera_publisher import CameraPublisher
from jetson_perception.ros.camera_report import source_status
from jetson_perception.ros.frame_ids import below
from jetson_perception.ros.steady_timer import steady_timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.node import Node
    from std_msgs.msg import Header

    from jetson_perception.errors import PerceptionError
    from jetson_perception.pipeline import LeftBehind
    from jetson_perception.ros.camera_parameters import SourceParams
    from jetson_perception.ros.camera_publisher import FrameHandler
    from jetson_perception.ros.picture_parameters import JpegParams

#: How long `close` waits for the capturing thread, and then for the encoding one.
_CAPTURE_END_S = 1.2
_ENCODING_END_S = 0.2


class SourceReader:
    """Reads a source in a thread of its own and publishes every frame; reopens a lost source.

    It is made as the node configures, and may be started and closed repeatedly until `destroy`.

    Parameters
    ----------
    node : rclpy Node
        Which reads and publishes.
    namespace : str
        Of the source's topics and service, absolute or below the node's; empty for camera_node.
    params : callable
        Gives the SourceParams, as they are now; what they open is opened once.
    jpeg_params : callable
        Gives the JpegParams of `image_raw/compressed`.
    every_frame : bool
        Whether no frame may be lost between the source and those who handle every frame.
    max_image_pixels : int
        As for `open_source`.
    on_failure : callable
        Told, in the capturing thread, why no frame will come any more.
    handler : FrameHandler, optional
        Who handles the frames in this process.

    Raises
    ------
    ParameterError
        When a parameter cannot be used.
    SourceError
        When the source's URI cannot.
    """

    def __init__(
        self,
        node: Node,
        namespace: str,
        params: Callable[[], SourceParams],
        jpeg_params: Callable[[], JpegParams],
        *,
        every_frame: bool,
        max_image_pixels: int,
        on_failure: Callable[[PerceptionError], None],
        handler: FrameHandler | None = None,
    ) -> None:
        given = params()
        output = calibration_file(given.calibration_output) if given.calibration_output else None
        calibration = first_calibration(given.calibration, output)
        self._source = open_source(
            given.source,
            size_wh=(given.width, given.height) if given.width else None,
            frame_rate=given.frame_rate or None,
            loop=given.loop,
            pixel_format=given.pixel_format,
            max_image_pixels=max_image_pixels,
            pace=Pace.EVERY_FRAME if every_frame else Pace.LIVE,
            # Engines take any encoding, so who wants bgr8 converts it, once there is somebody.
            native=handler is not None or given.encoding == NATIVE,
            video_decoder=given.video_decoder,
        )
        prefix = f'{namespace}/' if namespace else ''
        self._node = node
        self._topic = node.resolve_topic_name(f'{prefix}image_raw')
        self._publisher = CameraPublisher(
            node,
            namespace,
            self._source,
            params,
            jpeg_params,
            calibration,
            every_frame=every_frame,
            on_failure=on_failure,
            handler=handler,
        )
        self._calibrations = CalibrationService(
            node,
            output,
            getattr(calibration, 'camera_name', '') or _camera_name(node, namespace),
            self._publisher.infos.calibrate,
            self._publisher.infos.image_size_wh,
            prefix,
        )
        self._capture: Capture | None = None
        self._timer = steady_timer(node, 1.0, self._publish_stats)

    @property
    def uri(self) -> str:
        """The source, without its password."""
        return self._source.uri

    @property
    def newest_header(self) -> Header | None:
        """Header of the newest frame since `start`; None before the first."""
        return self._publisher.header

    def start(self, held_up: Callable[[], str]) -> None:
        """Start reading, once `held_up` names nothing any more that must be over first."""
        self._publisher.begin()
        self._capture = Capture(self._source, self._publisher, held_up)
        self._capture.start()

    def stop(self) -> None:
        """Take no further frame; does not wait for the one that is being read."""
        if self._capture is not None:
            self._capture.stop()

    def close(self) -> list[LeftBehind]:
        """Stop reading and let the source go; the threads that did not end in time."""
        if self._capture is None:
            return []
        left = self._capture.close(_CAPTURE_END_S)
        encoding = self._publisher.end(_ENCODING_END_S)
        self._publish_stats()  # the count of all frames, for those who compare
        self._capture = None
        return left if encoding is None else [*left, encoding]

    def destroy(self) -> None:
        """Take the topics down."""
        self._node.destroy_timer(self._timer)
        self._calibrations.close()
        self._publisher.destroy()

    def hang(self) -> str:
        """Whether the encoding of compressed images has not returned; empty if nothing hangs."""
        activity = self._publisher.jpegs.activity
        return activity.describe() if activity is not None and activity.is_stuck() else ''

    def silence(self) -> str:
        """Why no frame comes, for people; empty while frames come."""
        capture = self._capture
        if capture is None:
            return ''
        return capture.problem or self._publisher.listeners.waiting

    def at_end(self) -> bool:
        """Whether the source has given its last frame."""
        return self._capture is not None and self._capture.at_end

    def trying_again(self) -> str:
        """Why a source that was lost, or is not there yet, is opened again now and then."""
        capture = self._capture
        if capture is None or capture.at_end or capture.gave_up or not capture.problem:
            return ''
        return f'the source is opened again by itself; at present: {capture.problem}'

    def diagnose(self, name: str) -> DiagnosticStatus | None:
        """Whether frames come, and how fast; None while nothing is read."""
        if self._capture is None:
            return None
        return source_status(name, self._source.uri, self._topic, self._publisher, self._capture)

    def _publish_stats(self) -> None:
        if self._capture is not None and self._node.context.ok():
            self._publisher.publish_stats()


def _camera_name(node: Node, namespace: str) -> str:
    """A name for who has given none: where the topics are."""
    return below(node, namespace).strip('/')
