"""What the server asks of a robot, and what it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

#: What the page is told, as JSON has it: see `ros.viewing.live_state`.
State = dict[str, Any]
#: Makes a record of a result, as JSON has it; None if it cannot be read.
MakeRecord = Callable[[], dict[str, Any] | None]


class Picture(NamedTuple):
    """A picture as a file.

    Attributes
    ----------
    data : bytes
        The file's.
    content_type : str
        'image/jpeg' or 'image/png'.
    stamp_ns : int
        The message's, which is that of the image that it was drawn in.
    """

    data: bytes
    content_type: str
    stamp_ns: int = 0


class Robot(Protocol):
    """A robot, as the page shows it.

    Methods are called in the loop of the server, and block it no longer than a moment.
    """

    async def picture_topics(self) -> list[str]:
        """Names of the streams of pictures that there are now."""

    def open_pictures(self, topic: str, give: Callable[[Picture], None]) -> Callable[[], None]:
        """Begin to receive pictures; what is returned ends it.

        `give` is called with each picture, in any thread.
        """

    def open_state(self) -> Callable[[], None]:
        """Begin to follow the state; what is returned ends it."""

    def state(self) -> tuple[int, State] | None:
        """The state now, and a number that changes with it; None until it is known."""

    def open_results(self, give: Callable[[MakeRecord], None]) -> Callable[[], None]:
        """Begin to receive all results of all engines; what is returned ends it.

        `give` is called with each, in any thread; what it is given may be called in another one.
        """

    async def parameters(self) -> list[dict[str, Any]]:
        """Parameters that the page may set, with their values, limits and choices."""

    async def set_parameter(self, node: str, name: str, value: Any) -> None:
        """Set one of them.

        A list of classes may be given as a dict of those that are switched on or off, by the names
        that `parameters` gave; the others stay as they are.

        Raises
        ------
        ParameterError
            When there is no such parameter for the page, or the node refuses the value or does not
            answer.
        """
