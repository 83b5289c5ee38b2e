"""What the server asks of a robot, and what it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

#: What the page is told, as JSON has it: see `ros.viewing.live_state`.
State = dict[str, Any]


class Picture(NamedTuple):
    """A picture as a file.

    Attributes
    ----------
    data : bytes
        The file's.
    content_type : str
        'image/jpeg' or 'image/png'.
    """

    data: bytes
    content_type: str


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

    def state(self) -> tuple[int, State]:
        """The state now, and a number that changes with it."""

    async def parameters(self) -> list[dict[str, Any]]:
        """Parameters that the page may set, with their values, limits and choices."""

    async def set_parameter(self, node: str, name: str, value: Any) -> None:
        """Set one of them.

        Raises
        ------
        ParameterError
            When there is no such parameter for the page, or the node refuses the value or does not
            answer.
        """
