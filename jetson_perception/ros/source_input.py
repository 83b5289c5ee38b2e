"""A source that the node reads itself as an input: no topic lies between camera and engines."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.left_behind import LeftBehindThreads

if TYPE_CHECKING:
    from collections.abc import Callable

    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.node import Node
    from std_msgs.msg import Header

    from jetson_perception.pipeline import Frame
    from jetson_perception.ros.camera_publisher import FrameHandler
    from jetson_perception.ros.source_reader import SourceReader

#: How often a wait for the engines looks whether it is to end.
_LOOK_S = 0.2


class SourceInput:
    """The frames of a source, a `FrameInput`, and its topics; made as the node configures.

    Engines get a frame first; then it is published, to those who subscribe.

    Parameters
    ----------
    node : rclpy Node
        Which reads.
    make_reader : callable
        Called as make_reader(handler); returns the SourceReader of these frames, which this input
        handles, or raises what is wrong.
    every_frame : bool
        Whether the source waits until each frame is done with.
    label : str
        Put behind its name in diagnostics, in a node with several inputs: ' /front'.
    """

    #: Every frame that is read is handed over; what a camera drops, nobody can tell.
    rejected = lost = 0

    def __init__(
        self,
        node: Node,
        make_reader: Callable[[FrameHandler], SourceReader],
        *,
        every_frame: bool,
        label: str = '',
    ) -> None:
        self._offer: Callable[[Frame], None] | None = None
        self._every_frame = every_frame
        self._label = label
        self._changed = threading.Condition()
        self._done_ns = -1
        # Not the node's: a camera that hangs keeps no engine from being closed, or started again.
        self._left_behind = LeftBehindThreads(node.get_logger())
        self._reader = make_reader(self)
        self.name = self._reader.uri

    @property
    def newest_header(self) -> Header | None:
        """Header of the newest frame; None before the first."""
        return self._reader.newest_header

    def start(self, offer: Callable[[Frame], None]) -> None:
        """Read, and give every frame to `offer`."""
        self._offer = offer
        self._reader.start(self._left_behind.at_work)

    def take(self, frame: Frame) -> None:
        """Hand a frame over."""
        offer = self._offer
        if offer is not None:
            offer(frame)

    def wait_until_done(self, frame: Frame, stop: threading.Event) -> None:
        """Return when a frame is done with, where every one is handled, or `stop` is set."""
        if not self._every_frame:
            return
        stamp = stamp_ns(frame.header)
        with self._changed:
            while self._done_ns != stamp and not stop.is_set():
                self._changed.wait(_LOOK_S)

    def done(self, header: Header) -> None:
        """Have the next frame come."""
        if self._every_frame:
            with self._changed:
                self._done_ns = stamp_ns(header)
                self._changed.notify_all()

    def silence(self) -> str:
        """Why no frame comes; empty while frames come."""
        return self._reader.silence()

    def clock_problem(self) -> str:
        """Nothing: ages are counted by the clock that stamps the frames."""
        return ''

    def at_end(self) -> bool:
        """Whether the source has given its last frame."""
        return self._reader.at_end()

    def trying_again(self) -> str:
        """Why a source that was lost is opened again now and then; empty where it is not."""
        return self._reader.trying_again()

    def hang(self) -> str:
        """What of the reading or publishing has not returned; empty when nothing hangs."""
        self._left_behind.settle()
        return self._left_behind.stuck() or self._reader.hang()

    def diagnose(self, node_name: str) -> DiagnosticStatus | None:
        """Whether frames come, and how fast."""
        return self._reader.diagnose(f'{node_name}: source{self._label}')

    def stop(self) -> None:
        """Hand over no more frames."""
        self._offer = None
        self._reader.stop()

    def close(self) -> None:
        """Let the source go."""
        self.stop()
        for left in self._reader.close():
            self._left_behind.add(left)

    def destroy(self) -> None:
        """Take the topics down."""
        self._reader.destroy()
