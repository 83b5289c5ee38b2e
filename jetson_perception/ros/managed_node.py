"""A lifecycle node that brings itself up, and says in diagnostics why when it cannot."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from std_srvs.srv import Trigger

from jetson_perception.errors import PerceptionError
from jetson_perception.ros import diagnostics
from jetson_perception.ros.parameters import Parameters, param, unknown_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.lifecycle import LifecycleState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ManagedParams:
    """Parameters of every node of this package."""

    autostart: bool = param(
        True, 'Configure and activate at start; false leaves both to a lifecycle manager.'
    )


class ManagedNode(LifecycleNode):
    """What the nodes share: bringing up, refusing to die, diagnostics.

    A subclass implements `configure`, `activate`, `deactivate`, `cleanup` and `diagnose`. The
    first two raise PerceptionError for what the user is to mend; the node then stays up in the
    state that it was in, and diagnostics tell the reason. The service `~/retry` tries again.

    Parameters
    ----------
    name : str
        The node's name.
    params : type
        Dataclass of the node's own parameters.
    options
        Of rclpy's Node.
    """

    def __init__(self, name: str, params: type, **options: Any) -> None:
        super().__init__(name, **options)
        self.configured = False
        self.active = False
        #: Why the node is not running, for people; empty when nothing is wrong.
        self.problem = ''
        #: Whether to activate when the user has the node try again.
        self._wanted_active = False
        self._declared: list[Parameters[Any]] = []
        self._unknown_parameters: list[str] = []
        service = self._service_change_state
        service.callback = partial(self._on_change_state, service.callback)
        self._managed = self.declare(ManagedParams)
        self.own = self.declare(params)
        self.diagnostics = diagnostics.DiagnosticsPublisher(self, self._diagnose)
        self._retry_service = self.create_service(Trigger, '~/retry', self._on_retry)

    def declare(self, params: type, prefix: str = '') -> Parameters[Any]:
        """Declare the parameters of a dataclass; what was given wrong is logged, once."""
        declared: Parameters[Any] = Parameters(self, params, prefix, lambda: self.configured)
        for problem in declared.problems:
            self.get_logger().error(problem)
        self._declared.append(declared)
        return declared

    @property
    def parameter_problems(self) -> list[str]:
        """What was given wrong at start and is not set right yet."""
        given = [problem for declared in self._declared for problem in declared.problems]
        return given + self._unknown_parameters

    def bring_up(self) -> None:
        """Configure and activate, unless the user wants to do that; call it once, before spinning.

        A node that fails stays up: its parameters can be mended and `configure` tried again.
        """
        self._unknown_parameters = unknown_parameters(self)
        for problem in self._unknown_parameters:
            self.get_logger().warning(problem)
        if self._managed.value.autostart:
            self._wanted_active = True
            self._start()

    def _start(self) -> None:
        configured = self.trigger_configure() == TransitionCallbackReturn.SUCCESS
        if configured and self._wanted_active:
            self.trigger_activate()

    def configure(self) -> None:
        """Open what takes time: models, cameras. May raise PerceptionError."""

    def activate(self) -> None:
        """Begin. May raise PerceptionError."""

    def deactivate(self) -> None:
        """Stop what `activate` began."""

    def cleanup(self) -> None:
        """Release what `configure` opened, also when it got only half way."""

    def diagnose(self) -> list[DiagnosticStatus]:
        """Diagnostics of a node that is active."""
        return []

    def facts(self) -> dict[str, Any]:
        """Values that diagnostics tell of the node in every state."""
        return {}

    def busy(self) -> tuple[str, dict[str, Any]]:
        """What the node waits for before it can work, and values to tell; '' for nothing."""
        return '', {}

    def go_inactive(self, error: Exception) -> None:
        """Go inactive for an error that came after `configure`; call it in the executor's thread.

        Diagnostics tell the reason until the node is configured or activated again.
        """
        if self.active:
            self.trigger_deactivate()
        self._explain('active any more', error)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        if not self._succeeds('configured', self.configure):
            self.cleanup()
            return TransitionCallbackReturn.FAILURE
        self.configured = True
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self._wanted_active = True
        if not self._succeeds('activated', self.activate):
            self.deactivate()
            return TransitionCallbackReturn.FAILURE
        self.active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self.active = False
        if not self._succeeds('deactivated', self.deactivate):
            return TransitionCallbackReturn.ERROR
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self.configured = False
        if not self._succeeds('cleaned up', self.cleanup):
            return TransitionCallbackReturn.ERROR
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle after an exception: back to unconfigured."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop and release everything, then the node."""
        self._release()
        super().destroy_node()

    def _release(self) -> None:
        if self.active:
            self.active = False
            self.deactivate()
        if self.configured:
            self.configured = False
            self.cleanup()

    def _on_change_state(self, change: Callable[..., Any], request: Any, response: Any) -> Any:
        """Refuse a transition that the state does not have; rclpy lets it end the process."""
        wanted = request.transition
        possible = {name: number for number, name, *_ in self._state_machine.available_transitions}
        if wanted.label in possible or (not wanted.label and wanted.id in possible.values()):
            return change(request, response)
        self.get_logger().warning(
            f'transition {wanted.label or wanted.id} refused: in state '
            f'{self._state_label()} there are {", ".join(possible)}'
        )
        response.success = False
        return response

    def _succeeds(self, what: str, step: Callable[[], None]) -> bool:
        """Whether a step of the lifecycle came through; if not, say why."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - rclpy swallows exceptions of transitions
            self._explain(what, error)
            return False
        self.problem = ''
        return True

    def _explain(self, what: str, error: Exception) -> None:
        """Say why a step failed, in the log and from now on in diagnostics."""
        if isinstance(error, PerceptionError):
            self.problem = str(error)
        else:
            log.error('unexpected error', exc_info=error)
            self.problem = f'unexpected {type(error).__name__}: {error}'
        self.get_logger().error(f'not {what}: {self.problem}. {self._way_out(what)}')

    def _on_retry(self, _request: Any, response: Any) -> Any:
        """Configure anew, and activate if the node was to be active, after a failure."""
        if not self.problem or self.active:
            response.message = f'nothing to try again: the node is {self._state_label()}'
            return response
        self.get_logger().info('trying again, as asked')
        if self.configured:
            self.trigger_cleanup()
        self._start()
        response.success = not self.problem
        response.message = self.problem or self.busy()[0] or self._state_label()
        return response

    def _state_label(self) -> str:
        label: str = self._state_machine.current_state[1]
        return label

    def _way_out(self, what: str) -> str:
        name = self.get_fully_qualified_name()
        retry = f'`ros2 service call {name}/retry std_srvs/srv/Trigger`'
        if what in ('configured', 'activated'):
            step = what.removesuffix('d')
            return f'Once mended: `ros2 lifecycle set {name} {step}`, or {retry}'
        if what == 'active any more':
            return f'Once mended: {retry}'
        return 'The node goes back to unconfigured'

    def _diagnose(self) -> list[DiagnosticStatus]:
        name = self.get_fully_qualified_name()
        busy, values = self.busy()
        facts = self.facts()
        if self.problem:
            state = diagnostics.status(diagnostics.ERROR, name, self.problem, facts)
        elif busy:
            state = diagnostics.status(diagnostics.WARN, name, busy, facts | values)
        elif self.active:
            state = diagnostics.status(diagnostics.OK, name, 'active', facts)
        else:
            waiting = 'inactive' if self.configured else 'unconfigured'
            state = diagnostics.status(diagnostics.STALE, name, waiting, facts)
        problems = self.parameter_problems
        if problems and state.level == diagnostics.OK:
            state.level = diagnostics.WARN
            state.message = '; '.join(problems)
        return [state, *(self.diagnose() if self.active else [])]
