"""How a lane goes on with another model: between two frames, in its own thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jetson_perception.pipeline.unexpected import as_expected

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.errors import PerceptionError
    from jetson_perception.pipeline.activity import Activity

    #: Takes why the lane goes on with its own model; None where it has the new one.
    OnDone = Callable[[PerceptionError | None], None]


class Heir(Protocol):
    """A lane, as far as a succession goes."""

    name: str
    slot: Any
    activity: Activity

    def begin_first_run(self) -> None:
        """Record that the first run of an engine begins."""
        ...

    def become(self, other: Any) -> None:
        """Go on with the model of another lane, or raise and change nothing."""
        ...


class _Order(NamedTuple):
    """Another lane, whose model and all that belongs to it a lane is to have."""

    successor: Heir
    on_done: OnDone


class Succession:
    """Hands a lane what another one, which never runs, was made with.

    Frames that wait are for the new model; results of the old one, which may still wait for the
    publisher, are published as they would have been.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._order: _Order | None = None

    def is_due(self) -> bool:
        """Whether the lane is to have another model."""
        return self._order is not None

    def request(self, lane: Heir, successor: Heir, on_done: OnDone) -> None:
        """Have a lane go on as another one soon; any thread may ask, one at a time.

        Parameters
        ----------
        lane : Lane
            Whose succession this is.
        successor : Lane
            Made for the new model, with its options, refinement and batching.
        on_done : callable
            Called as on_done(error) in the lane's thread, before the lane's next frame; see
            `OnDone`.
        """
        with self._lock:
            self._order = _Order(successor, on_done)
        lane.slot.nudge()

    def withdraw(self) -> bool:
        """Take a request back; False if the lane has begun to carry it out, or there is none."""
        with self._lock:
            order, self._order = self._order, None
        return order is not None

    def carry_out(self, lane: Heir) -> None:
        """Do what was requested, if anything was; no frame of the lane may be under way.

        A model that cannot run in the lane's thread leaves the lane as it is.

        Raises
        ------
        CudaError
            When the GPU failed for good.
        """
        with self._lock:
            order, self._order = self._order, None
        if order is None:
            return
        lane.begin_first_run()
        error: PerceptionError | None = None
        try:
            lane.become(order.successor)
        except Exception as err:  # noqa: BLE001 - the old model still runs
            error = as_expected(err, lane.name, 'with another model')
        lane.activity.end()
        order.on_done(error)
        if error is not None and error.fatal:
            raise error
