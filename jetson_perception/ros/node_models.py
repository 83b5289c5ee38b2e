"""The models of a node: opened in threads, waited for a while, taken over in the executor's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import PerceptionError
from jetson_perception.ros.model_opening import ModelOpening

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jetson_perception.pipeline import Activity, LeftBehind
    from jetson_perception.ros.managed_node import ManagedNode

#: How long `open` waits for models. What takes longer continues in the background.
_PATIENCE_S = 10.0


class NodeModels:
    """What a node runs, from the first file that is read until all is the node's own.

    An engine may have to be built, which takes minutes: `open` then comes back before, and
    `on_late` is called when it is there.

    Parameters
    ----------
    node : ManagedNode
        Whose models they are.
    adopt : callable
        Called as adopt(models) in the executor's thread; takes them over by their names.
    on_late : callable
        Called in the executor's thread when models are open, or failed, that `open` did not
        wait for; to call `adopt_opened`.
    """

    def __init__(
        self,
        node: ManagedNode,
        adopt: Callable[[dict[str, Any]], None],
        on_late: Callable[[], None],
    ) -> None:
        self._node = node
        self._adopt = adopt
        self._on_late = on_late
        self._opening: ModelOpening | None = None
        self._taken = False
        #: Whether the node has its models.
        self.ready = False
        # Models are opened in threads; what follows is for the executor's.
        self._opened = node.create_guard_condition(self._come_late)

    @property
    def opening(self) -> bool:
        """Whether some are still being opened."""
        return self._opening is not None and not self._opening.done

    @property
    def progress(self) -> str:
        """What is being built and how far, or what else takes long, for people; else empty."""
        return self._opening.progress if self._opening is not None else ''

    @property
    def activities(self) -> list[Activity]:
        """What the threads that open are at."""
        return self._opening.activities if self._opening is not None else []

    def open(self, openers: Mapping[str, Callable[..., Any]]) -> None:
        """Open models and take them over, unless an engine is being built, or it takes long.

        Raises
        ------
        Exception
            What an opener raised in the meantime.
        PerceptionError
            When the process is ending.
        """
        self._taken = False
        self._opening = ModelOpening(openers, self._opened.trigger)
        self._wait(self._opening)
        self.adopt_opened()

    def adopt_opened(self) -> None:
        """Take over the models that are open by now, or raise why one cannot be opened."""
        opening = self._opening
        if opening is None or not opening.done or self._taken:
            return
        self._taken = True
        self._adopt(opening.take())
        self.ready = True

    def interrupt(self) -> None:
        """Cancel what is being built; any thread may call it."""
        opening = self._opening
        if opening is not None:
            opening.interrupt()

    def close(self) -> LeftBehind | None:
        """Cancel what is being built, and close what was not taken over yet."""
        opening, self._opening, self.ready = self._opening, None, False
        return opening.close() if opening is not None else None

    def _wait(self, opening: ModelOpening) -> None:
        begun_s = time.monotonic()
        while not opening.wait_for_news(timeout_s=1.0):
            if self._node.ending.is_set():
                raise PerceptionError('the process is ending')
            if time.monotonic() - begun_s > _PATIENCE_S:
                return
            self._node.diagnostics.publish()  # its timer waits for this transition

    def _come_late(self) -> None:
        opening = self._opening
        if opening is not None and opening.done and not self._taken and self._node.configured:
            self._on_late()
