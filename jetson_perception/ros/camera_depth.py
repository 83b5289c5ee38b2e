"""The results of one camera in space: matched with its depth images, located and published."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.depth import locate
from jetson_perception.depth.matching import Match, StampedDepth, StampMatcher
from jetson_perception.errors import ImageError, PerceptionError
from jetson_perception.pipeline.activity import (
    Activity,
    LeftBehind,
    WatchedThread,
    join_until,
)
from jetson_perception.printable import printable
from jetson_perception.ros.camera_info_input import CameraInfoInput
from jetson_perception.ros.depth_input import DepthInput
from jetson_perception.ros.depth_topics import DepthTopics, depth_topic
from jetson_perception.ros.image_messages import stamp_ns

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.node import Node
    from std_msgs.msg import Header

    from jetson_perception.depth import DepthImage
    from jetson_perception.pipeline import Frame
    from jetson_perception.ros.depth_parameters import DepthParams
    from jetson_perception.ros.depth_report import DepthReport
    from jetson_perception.ros.parameters import Parameters
    from jetson_perception.ros.result_publishers import ResultPublishers
    from jetson_perception.ros.target_frame import TargetFrame
    from jetson_perception.ros.udp_participant import UdpParticipant

log = logging.getLogger(__name__)

#: How long a result waits for its depth image; drivers send it up to some frames after the color.
_PATIENCE_S = 0.5


class _Order(NamedTuple):
    """A result that is to be located."""

    publishers: ResultPublishers
    result: Any
    header: Header
    image_wh: tuple[int, int]


class CameraDepth:
    """Locates the results of a camera in a thread of its own, while somebody subscribes to them.

    The publisher's thread only hands results over. What comes to nothing is told by the report.

    Parameters
    ----------
    node : rclpy Node
        Which subscribes.
    topics : DepthTopics
        The camera's.
    params : Parameters of DepthParams
        As they are when it makes subscriptions; `tolerance_ms` as it is for each result.
    report : DepthReport
        Told what becomes of results.
    max_image_pixels : int
        The most pixels of a depth image.
    """

    def __init__(
        self,
        node: Node,
        topics: DepthTopics,
        params: Parameters[DepthParams],
        report: DepthReport,
        max_image_pixels: int,
    ) -> None:
        self._node = node
        self._topics = topics
        self._params = params
        self._report = report
        self._max_image_pixels = max_image_pixels
        self._publishers: list[ResultPublishers] = []
        self._input: DepthInput | None = None
        self._info: CameraInfoInput | None = None
        self._target: TargetFrame | None = None
        #: Why the newest depth image cannot be used; empty if it can.
        self._unusable = ''
        self._changed = threading.Condition()
        self._matcher: StampMatcher[_Order] = StampMatcher(_PATIENCE_S)
        self._is_open = False
        self._thread: WatchedThread | None = None
        #: What the thread is doing.
        self.activity = Activity(f'depth {topics.image}')

    def add(self, publishers: ResultPublishers) -> None:
        """Look after publishers of results in space, which an engine has for this camera."""
        self._publishers.append(publishers)

    def start(self, udp: UdpParticipant, target: TargetFrame | None) -> None:
        """Begin; `follow` then subscribes while somebody wants results."""
        self._udp, self._target = udp, target
        self._is_open = True
        self._thread = WatchedThread(self._run, self.activity.who, self.activity)
        self._thread.start()

    def follow(self) -> None:
        """Subscribe if somebody wants results in space, and unsubscribe if nobody does."""
        is_wanted = self._is_open and any(each.wanted() for each in self._publishers)
        if is_wanted and self._input is None:
            self._info = CameraInfoInput(
                self._node, self._topics.camera_info, is_rectified=self._params.value.rectified
            )
            self._input = DepthInput(
                self._node,
                self._udp,
                depth_topic(self._topics.image),
                self._on_depth,
                self._refuse,
                self._max_image_pixels,
            )
        elif not is_wanted and self._input is not None:
            self._unsubscribe()

    def offer(self, publishers: ResultPublishers, frame: Frame, result: Any) -> None:
        """Have a result located, unless nobody wants that; never waits. From any thread."""
        if not publishers.wanted():
            return
        order = _Order(publishers, result, frame.header, frame.size_wh())
        stamp = stamp_ns(frame.header)
        if not stamp:
            self._report.missed('stamp', 'images have no stamp, so their depth is not known')
            return
        with self._changed:
            dropped = self._matcher.put_result(stamp, order, time.monotonic())
            self._changed.notify()
        if dropped is not None:
            self._report.dropped()

    def diagnose(self) -> DiagnosticStatus:
        """How many results are published in space, and why others are not."""
        depth = self._input
        values = {
            'depth topic': self._topics.image,
            'camera_info topic': self._topics.camera_info,
            'depth images received': depth.received if depth is not None else 0,
            'depth images lost': depth.lost if depth is not None else 0,
        }
        silence = depth.silence() if depth is not None else ''
        return self._report.status(values, silence, is_wanted=depth is not None)

    def close(self, patience_s: float) -> LeftBehind | None:
        """Unsubscribe and end the thread; returns it if that takes longer."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        self._unsubscribe()
        thread, self._thread = self._thread, None
        if thread is not None and join_until([thread], time.monotonic() + patience_s):
            return LeftBehind([thread])
        return None

    def remove(self, publishers: ResultPublishers) -> None:
        """Look after these publishers no more."""
        self._publishers.remove(publishers)

    def _unsubscribe(self) -> None:
        depth, self._input = self._input, None
        info, self._info = self._info, None
        if depth is not None:
            depth.close()
        if info is not None:
            info.close()
        with self._changed:
            self._matcher.clear()
        self._unusable = ''
        self._report.ended()

    def _on_depth(self, header: Header, image: DepthImage) -> None:
        stamp = stamp_ns(header)
        if not stamp:
            name = printable(self._topics.image)
            self._refuse(ImageError(f'depth on {name} has no stamp, so its image is not known'))
            return
        self._unusable = ''
        with self._changed:
            if self._is_open:
                self._matcher.put_depth(StampedDepth(stamp, image, header.frame_id))
                self._changed.notify()

    def _refuse(self, error: ImageError) -> None:
        self._unusable = str(error)
        self._report.refused(self._unusable)

    def _run(self) -> None:
        while (match := self._next()) is not None:
            self.activity.begin('locating objects')
            try:
                self._locate(match)
            except PerceptionError as error:
                self._report.missed(type(error).__name__, str(error))
            except Exception as error:
                if self._is_open:
                    log.exception('a result could not be published in space')
                    self._report.missed('unexpected', f'unexpected {type(error).__name__}')
            self.activity.end()

    def _next(self) -> Match[_Order] | None:
        """The next result that can be decided about; None at the end."""
        with self._changed:
            while self._is_open:
                now_s = time.monotonic()
                tolerance_ns = int(self._params.value.tolerance_ms * 1e6)
                match = self._matcher.take(tolerance_ns, now_s)
                if match is not None:
                    return match
                deadline_s = self._matcher.next_deadline_s()
                self._changed.wait(None if deadline_s is None else max(deadline_s - now_s, 0))
        return None

    def _locate(self, match: Match[_Order]) -> None:
        order, depth = match.result, match.depth
        if depth is None:
            self._report.missed(*self._why_none(match))
            return
        self._require_registered(depth.frame_id, order.header.frame_id)
        info = self._info
        if info is None:
            return  # nobody wants it any more
        objects = locate(order.result, depth.image, info.rays(), order.image_wh)
        header = order.header
        if self._target is not None:
            objects, header = self._target.moved(objects, header)
        order.publishers.publish(objects, header)
        self._report.located(is_exact=not match.off_ns, without_depth=objects.without_depth)

    def _why_none(self, match: Match[_Order]) -> tuple[str, str]:
        """Why a result has no depth image: the kind of the problem, and its text."""
        name = printable(self._topics.image)
        if self._unusable:
            return 'unusable', self._unusable
        if match.off_ns is None:
            return 'no depth', f'no depth image has come on {name}'
        off = f'{match.off_ns / 1e6:.1f} ms'
        if match.is_late:
            return 'late', (
                f'no depth image as new as the image came on {name} within {_PATIENCE_S:g} s; the '
                f'newest is {off} older. Depth has stopped, or comes too late'
            )
        return 'no depth of that time', (
            f'no depth image on {name} is within {self._params.value.tolerance_ms:g} ms of the '
            f'image; the nearest is {off} away. Have the driver synchronize both, or raise '
            'depth.tolerance_ms'
        )

    def _require_registered(self, depth_frame: str, image_frame: str) -> None:
        if depth_frame and image_frame and depth_frame != image_frame:
            raise ImageError(
                f'depth on {printable(self._topics.image)} is in the frame '
                f'{printable(depth_frame, 60)}, the image in {printable(image_frame, 60)}: it is '
                "not registered to the image; take the topic that the camera's driver aligns to "
                'the color image'
            )
