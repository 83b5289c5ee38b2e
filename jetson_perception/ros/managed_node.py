"""A lifecycle node that brings itself up, and says in diagnostics why when it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from jetson_perception.errors import PerceptionError
from jetson_perception.ros import diagnostics
from jetson_perception.ros.parameters import Parameters, param, unknown_parameters

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.lifecycle import LifecycleState


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
    state that it was in, and diagnostics tell the reason.

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
        self._declared: list[Parameters[Any]] = []
        self._unknown_parameters: list[str] = []
        self._managed = self.declare(ManagedParams)
        self.own = self.declare(params)
        self.diagnostics = diagnostics.DiagnosticsPublisher(self, self._diagnose)

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
        if (
            self._managed.value.autostart
            and self.trigger_configure() == TransitionCallbackReturn.SUCCESS
        ):
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

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        try:
            self.configure()
        except PerceptionError as error:
            self._failed('configured', error)
            self.cleanup()
            return TransitionCallbackReturn.FAILURE
        self.configured, self.problem = True, ''
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        try:
            self.activate()
        except PerceptionError as error:
            self._failed('activated', error)
            self.deactivate()
            return TransitionCallbackReturn.FAILURE
        self.active, self.problem = True, ''
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self.active = False
        self.deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self.configured = False
        self.cleanup()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle after an exception: back to unconfigured."""
        self.problem = self.problem or 'a transition raised an exception; the log has it'
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

    def _failed(self, what: str, error: PerceptionError) -> None:
        self.problem = str(error)
        self.get_logger().error(
            f'not {what}: {error}. Once mended: `ros2 lifecycle set '
            f'{self.get_fully_qualified_name()} {what.removesuffix("d")}`'
        )

    def _diagnose(self) -> list[DiagnosticStatus]:
        name = self.get_fully_qualified_name()
        if self.problem:
            state = diagnostics.status(diagnostics.ERROR, name, self.problem, {})
        elif self.active:
            state = diagnostics.status(diagnostics.OK, name, 'active', {})
        else:
            waiting = 'inactive' if self.configured else 'unconfigured'
            state = diagnostics.status(diagnostics.STALE, name, waiting, {})
        problems = self.parameter_problems
        if problems and state.level == diagnostics.OK:
            state.level = diagnostics.WARN
            state.message = '; '.join(problems)
        return [state, *(self.diagnose() if self.active else [])]
