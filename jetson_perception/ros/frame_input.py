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

    It is made as the node configures, which raises what is wrong with what it is to open, and has
    all publishers and services of its own until `destroy`. `done` is called from any thread, the
    others in the executor's.
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

    def diagnose(self, node_name: str) -> DiagnosticStatus | None:
        """How the input is: whether images come, and all that are sent; None before `start`.

        The line's name begins with the node's full one.
        """
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

    def trying_again(self) -> str:
        """What it tries again by itself, and why, for people; empty for nothing."""
        ...

    def hang(self) -> str:
        """What of it has not returned for longer than it may, for people; empty for nothing."""
        ...

    def stop(self) -> None:
        """Give no more frames; those under way can still be done with."""
        ...

    def close(self) -> None:
        """Let everything go that `start` opened; harmless where nothing is."""
        ...

    def destroy(self) -> None:
        """Take down what it has had since it was made; it is of no use any more."""
        ...
