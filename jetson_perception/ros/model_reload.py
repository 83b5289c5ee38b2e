"""Models that are opened anew while a node runs: the one before serves until the new one can."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from jetson_perception.cuda.binding import BINDING
from jetson_perception.errors import ModelError, PerceptionError
from jetson_perception.pipeline.unexpected import as_expected
from jetson_perception.printable import counted
from jetson_perception.ros.model_opening import ModelOpening

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.models import Model
    from jetson_perception.pipeline import Activity, Frame, Lane
    from jetson_perception.ros.late_service import Answer
    from jetson_perception.ros.managed_node import ManagedNode

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Renewal:
    """An engine with another model, made ready beside the one that serves.

    Attributes
    ----------
    before : Model
        What serves; closed once the other one does.
    lane : callable
        Makes a lane for the new model.
    commit : callable
        Has the node use the new model from now on: in the lane's thread, between two frames, or
        in the executor's while there are no lanes.
    retire, discard : callable
        Lets go of what the node keeps besides models: for the one before, and for the new one if
        it comes to nothing. In the executor's thread.
    """

    before: Model[Any, Any]
    lane: Callable[[], Lane]
    commit: Callable[[], None]
    retire: Callable[[], None] = lambda: None
    discard: Callable[[], None] = lambda: None


class Engines(Protocol):
    """What a node runs, as far as a reload goes; see `PerceptionNode`."""

    @property
    def lanes(self) -> Sequence[Lane]:
        """What runs the engines; none while the node is not active."""
        ...

    def openers(self) -> dict[str, Callable[..., Any]]:
        """What opens the model of each engine; with the keyword `model`, another file."""
        ...

    def models_in_use(self) -> dict[str, Any]:
        """The models that serve, by the same names."""
        ...

    def renewal(self, name: str, model: Any) -> Renewal:
        """An engine with another model; raises PerceptionError where it cannot have that."""
        ...

    def refinement(self, lane: Lane) -> Callable[[Frame, Any], Any] | None:
        """What a lane's results pass before they are published."""
        ...


@dataclass
class _Order:
    """What was asked for, and how far it is."""

    name: str
    answer: Answer
    then: Callable[[], str]
    opening: ModelOpening
    begun_s: float = field(default_factory=time.monotonic)
    #: How long engines had the GPU for themselves before.
    alone_s: float = field(default_factory=lambda: BINDING.alone_s)
    model: Model[Any, Any] | None = None
    renewal: Renewal | None = None
    #: The lane that is to have the model; None while there is none.
    lane: Lane | None = None
    #: Whether the lane has decided, and why it goes on as before; None if it does not.
    is_decided: bool = False
    error: PerceptionError | None = None

    @property
    def who(self) -> str:
        """The engine, for people."""
        return f'engine {self.name}' if self.name else 'the engine'


class ModelReload:
    """Opens an engine's model anew, one at a time; for the executor's thread.

    The new model is opened, run and compared with the one before in a thread, so the lane goes on
    meanwhile. It gets the new one between two frames. Whatever is wrong with the new one, the one
    before goes on.

    Parameters
    ----------
    node : ManagedNode
        Which says how it goes.
    engines : Engines
        What it runs.
    """

    def __init__(self, node: ManagedNode, engines: Engines) -> None:
        self._node = node
        self._engines = engines
        self._order: _Order | None = None
        self._last = 'none'
        self._news = node.create_guard_condition(self._go_on)

    @property
    def activities(self) -> list[Activity]:
        """What the thread that opens is at."""
        return self._order.opening.activities if self._order is not None else []

    def facts(self) -> dict[str, Any]:
        """What diagnostics report: the reload that is going on, or what became of the last one."""
        order = self._order
        if order is None:
            return {'reload': self._last}
        return {'reload': order.opening.progress or f'{order.who} is being reloaded'}

    def begin(
        self,
        name: str,
        answer: Answer,
        file: str = '',
        then: Callable[[], str] = lambda: '',
    ) -> None:
        """Open the model of an engine anew.

        Parameters
        ----------
        name : str
            The engine's, as `openers` has it.
        answer : callable
            Called as answer(success, message), now or when it is decided.
        file : str, optional
            Another file than the parameters name.
        then : callable, optional
            Called when the new model serves, before `answer`; returns what is wrong with what is
            told of it elsewhere, '' where nothing is.
        """
        refusal = self._refusal(name)
        if refusal:
            answer(False, refusal)
            return
        opener = self._engines.openers()[name]
        if file:
            opener = partial(opener, model=file)
        self._order = _Order(name, answer, then, ModelOpening({name: opener}, self._news.trigger))
        self._node.get_logger().info(f'{self._order.who}: opening its model anew, as asked')

    def interrupt(self) -> None:
        """Cancel what is being built; any thread may call it."""
        order = self._order
        if order is not None:
            order.opening.interrupt()

    def lanes_ended(self) -> None:
        """Do without lanes what one of them did not come to, as they have ended."""
        order = self._order
        if order is None or order.lane is None:
            return
        if order.is_decided:
            self._finish(order)
        elif order.lane.succession.withdraw():
            order.lane = None
            self._take_over(order)
        else:  # its thread was left behind in it
            self._end(order, self._node.left_behind.at_work() or 'its lane has ended')

    def cancel(self) -> None:
        """Give up: the node lets go of its models."""
        order = self._order
        if order is not None and order.is_decided:
            self._finish(order)
        elif order is not None:
            self._node.left_behind.add(order.opening.close())
            self._end(order, 'canceled, as the node was cleaned up')

    def _refusal(self, name: str) -> str:
        node = self._node
        if not node.configured:
            who = node.get_fully_qualified_name()
            return (
                f'no model is open; its file is read as {who} configures: '
                f'`ros2 lifecycle set {who} configure`'
            )
        if self._order is not None:
            return f'busy: {self._order.who} is being reloaded'
        if name not in self._engines.models_in_use():
            return f'busy: {node.busy()[0] or "its model is being opened"}'
        at_work = node.left_behind.at_work()
        return f'busy: {at_work}' if at_work else ''

    def _go_on(self) -> None:
        order = self._order
        if order is None:
            return
        if order.is_decided:
            self._finish(order)
        elif order.renewal is None and order.opening.done:
            self._opened(order)

    def _opened(self, order: _Order) -> None:
        try:
            order.model = order.opening.take()[order.name]
            order.renewal = self._engines.renewal(order.name, order.model)
        except Exception as error:  # noqa: BLE001 - the one before goes on, whatever it is
            self._end(order, str(as_expected(error, order.who, 'with another model')))
            return
        self._take_over(order)

    def _take_over(self, order: _Order) -> None:
        """Hand the new model to the engine's lane, or to the node while it has no lanes."""
        assert order.renewal is not None
        assert order.model is not None
        try:
            successor = order.renewal.lane()
            lanes = {each.name: each for each in self._engines.lanes}
            lane = lanes.get(successor.name)
            if lane is None:
                order.renewal.commit()
                self._finish(order)
                return
            if type(lane) is not type(successor):
                raise ModelError(
                    f'{order.model.info.path} would run on {order.model.engine.description}, and '
                    f'the engine runs on {lane.runtime}; to change that, deactivate and activate'
                )
            successor.refine = self._engines.refinement(successor)
        except Exception as error:  # noqa: BLE001 - as above
            self._end(order, str(as_expected(error, order.who, 'with another model')))
            return
        order.lane = lane
        lane.succession.request(lane, successor, partial(self._decide, order))

    def _decide(self, order: _Order, error: PerceptionError | None) -> None:
        """In the lane's thread."""
        if self._order is not order:
            return  # it was left behind, and has let go of the model
        assert order.renewal is not None
        if error is None:
            try:
                order.renewal.commit()
            except Exception:  # the lane has the new model already
                log.exception('what belongs to a new model is not complete')
        order.error, order.is_decided = error, True
        self._news.trigger()

    def _finish(self, order: _Order) -> None:
        if order.error is not None:
            self._end(order, str(order.error))
            return
        assert order.renewal is not None
        assert order.model is not None
        order.renewal.retire()
        self._close(order, order.renewal.before)
        problem = order.then()
        told = f'{_described(order.model)}, after {time.monotonic() - order.begun_s:.1f} s'
        paused_s = BINDING.alone_s - order.alone_s
        if paused_s:
            told += f', in which engines on the GPU paused for {1e3 * paused_s:.0f} ms'
        self._order, self._last = None, f'{order.who} runs {told}'
        if problem:
            self._last += f'; but {problem}'
            self._node.get_logger().warning(self._last)
        else:
            self._node.get_logger().info(self._last)
        order.answer(True, self._last)

    def _end(self, order: _Order, why: str) -> None:
        """Say why the one before goes on, and let go of the new one."""
        self._order = None
        if order.renewal is not None:
            order.renewal.discard()
        if order.model is not None:
            self._close(order, order.model)
        why = why.removeprefix(f'{order.who}: ').rstrip('.')
        told = f'{order.who} was not reloaded: {why}. The model before goes on'
        self._last = told
        self._node.get_logger().error(told)
        order.answer(False, told)

    def _close(self, order: _Order, model: Model[Any, Any]) -> None:
        self._node.left_behind.close_when_free(order.who, model.close)


def _described(model: Model[Any, Any]) -> str:
    """A model in a few words."""
    width, height = model.network_wh
    classes = f', {counted(len(model.class_names), "class")}' if model.class_names else ''
    return (
        f'{model.info.path}: {_noun(model)}{classes}, {width}×{height}, {model.engine.description}'
    )


def _noun(model: Model[Any, Any]) -> str:
    return model.task.nouns.get(model.info.task, model.task.noun)


def require_same_kind(before: Model[Any, Any], after: Model[Any, Any]) -> None:
    """Check that a model does what the one before did.

    Raises
    ------
    ModelError
        When it has another task, whose topics would differ.
    """
    tasks = {model.info.task for model in (before, after)}
    if after.task is not before.task or ('' not in tasks and len(tasks) > 1):
        raise ModelError(
            f'{after.info.path} is {_noun(after)}, and {_noun(before)} runs, whose topics differ; '
            'to change that, deactivate and clean the node up, then configure and activate it'
        )
