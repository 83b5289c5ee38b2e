"""Where a node's frames come from: the protocol of an input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from diagnostic_msgs.msg import DiagnosticStatus
    from std_msgs.msg import Header

    from jetson_perception.pipeline import Frame


class FrameInput(Protocol):
    """Gives frames from `start` to `stop`; it may be started again after `close`.

    `done` is called from any thread, the others in the executor's.
    """

    @property
    def name(self) -> str:
        """Which input it is, in stats and in `Frame.input_name`: a topic, or a source's URI."""
        ...

    @property
    def rejected(self) -> int:
        """How many images since `start` could not be used, and never became a frame."""
        ...

    @property
    def newest_header(self) -> Header | None:
        """Header of the newest image, a rejected one too; None before the first."""
        ...

    def start(self, offer: Callable[[Frame], None]) -> None:
        """Give frames to `offer`, which never waits, from now on."""
        ...

    def done(self, header: Header) -> None:
        """Hear that the frame with this header is finished."""
        ...

    @property
    def lost(self) -> int:
        """How many images since `start` were sent and never taken, as far as can be told."""
        ...

    def diagnose(self, name: str) -> DiagnosticStatus:
        """How the input is, under this name: whether images come, and all that are sent."""
        ...

    def silence(self) -> str:
        """Why no image comes, for people; empty while images come, or are not yet missed."""
        ...

    def clock_problem(self) -> str:
        """Why latencies are not known, for people; empty while they are."""
        ...

    def at_end(self) -> bool:
        """Whether no image comes because the recording is over, which is no fault."""
        ...

    def stop(self) -> None:
        """Give no more frames; those under way can still be done with."""
        ...

    def close(self) -> None:
        """Let everything go that `start` opened; harmless where nothing is."""
        ...
