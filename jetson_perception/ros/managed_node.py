"""A lifecycle node that brings itself up, and says in diagnostics why when it cannot."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from std_srvs.srv import Trigger

from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.printable import printable, printable_line
from jetson_perception.ros import diagnostics
from jetson_perception.ros.given_parameters import GivenParameters
from jetson_perception.ros.guarded_services import guard_services
from jetson_perception.ros.left_behind import LeftBehindThreads
from jetson_perception.ros.parameters import ALLOWS_CHANGES, Parameters, param
from jetson_perception.ros.state_report import Condition, StateReport
from jetson_perception.ros.trace_service import TraceService
from jetson_perception.ros.transitions import Transitions
from jetson_perception.shortages import shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.lifecycle import LifecycleState
    from rclpy.parameter import Parameter

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ManagedParams:
    """Parameters of every node of this package."""

    autostart: bool = param(
        True, 'Configure and activate at start; false leaves both to a lifecycle manager.'
    )
    allow_source_changes: bool = param(
        False,
        'Let anybody on the ROS graph change what the node opens, such as its source or model, '
        'while it runs; can be set only at start.',
        read_only=True,
    )
    keep_trace: bool = param(
        False,
        'Record all the time what happens to frames, and keep the newest 65536 events in memory '
        'for `jetson-perception trace --past`; false records only while a trace is taken.',
    )


class ManagedNode(LifecycleNode):
    """What all nodes share: bringing themselves up, staying alive, diagnostics.

    A subclass implements `configure`, `activate`, `deactivate`, `cleanup` and `diagnose`. The
    first two raise PerceptionError for what the user has to fix; the node then stays in the state
    that it was in, and diagnostics give the reason. The service `~/retry` tries again.

    Parameters
    ----------
    name : str
        The node's name.
    params : type
        Dataclass of the node's own parameters.
    options
        Of rclpy's Node.
    """

    #: The parameter that lists the blocks of parameters that the node has; empty without blocks.
    blocks_listed_in = ''

    def __init__(self, name: str, params: type, **options: Any) -> None:
        super().__init__(name, **options)
        self.configured = self.active = False
        #: Why the node is not running, for people; empty when nothing is wrong.
        self.problem = ''
        #: Whether to activate when the user has the node try again.
        self._wanted_active = False
        self._given = GivenParameters(self)
        #: Set when the process is to end, so that nobody begins what takes long.
        self.ending = threading.Event()
        self._failure: Exception | None = None
        self._failed = self.create_guard_condition(self._on_failure)
        #: Threads that did not end in time.
        self.left_behind = LeftBehindThreads(self.get_logger())
        self._lifecycle = Transitions(self)
        self._managed = self.declare(ManagedParams)
        self.own = self.declare(params)
        self.state_report = StateReport(self)
        self.diagnostics = diagnostics.DiagnosticsPublisher(self, self._diagnose)
        self._retry_service = self.create_service(Trigger, '~/retry', self._on_retry)
        self._traces = TraceService(self, lambda: self._managed.value.keep_trace)
        guard_services(self)

    def declare(
        self, params: type, prefix: str = '', *, is_listed: bool = True
    ) -> Parameters[Any]:
        """Declare a dataclass's parameters; `is_listed`: as a block of `blocks_listed_in`."""
        declared: Parameters[Any] = Parameters(
            self, params, prefix, lambda: self.configured, self._may_open
        )
        for problem in declared.problems:
            self.get_logger().error(problem)
        self._given.add(declared, is_listed=is_listed)
        return declared

    @property
    def parameter_problems(self) -> list[str]:
        """What was wrong at start and has not been corrected yet."""
        return self._given.problems

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set all or none, as both services do; 1 is taken for 1.0, and [] for any list."""
        try:
            parameter_list = self._given.as_meant(parameter_list)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=printable_line(str(error)))
        return super().set_parameters_atomically(parameter_list)

    def bring_up(self, arguments: Sequence[str] = ()) -> None:
        """Configure and activate, unless the user wants to do that; call it once, before spinning.

        A node that fails stays up: its parameters can be corrected and `configure` tried again.

        Parameters
        ----------
        arguments : sequence of str
            Command line that the node was started with.
        """
        problems = self._given.look_over(arguments, self.blocks_listed_in)
        self._wanted_active = self._managed.value.autostart
        self._start() if self._wanted_active else _say_that_it_waits(self)
        for problem in (each for each in problems if each not in self.problem):
            self.get_logger().warning(problem)  # no error has told it, as its cause

    def _may_open(self) -> bool:
        return bool(getattr(self._managed.value, ALLOWS_CHANGES))

    def declare_dependent(self) -> None:
        """Declare the parameters whose names depend on the values of others, as far as new."""

    def _start(self) -> None:
        if self._lifecycle.take('configure') and self._wanted_active:
            self._lifecycle.take('activate')

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
        """Values that diagnostics report about the node in every state."""
        return {}

    def busy(self) -> tuple[str, dict[str, Any]]:
        """What the node waits for before it can work, and values to report; '' for nothing."""
        return '', {}

    def trying_again(self) -> str:
        """What an active node tries again by itself, and why, for people; empty for nothing."""
        return ''

    def hang(self) -> str:
        """What has not returned for longer than it may, for people; empty when nothing hangs."""
        return ''

    def end_soon(self) -> None:
        """Cut short what takes long; called in another thread, when the process is to end."""
        self.ending.set()

    def go_inactive(self, error: Exception) -> None:
        """Go inactive for an error that came after `configure`; call it in the executor's thread.

        Diagnostics tell the reason until the node is configured or activated again.
        """
        if self.active:
            self._lifecycle.take('deactivate')
        self._explain('active any more', error)

    def fail_soon(self, error: Exception) -> None:
        """Have the executor make an active node go inactive; any thread may call it."""
        self._failure = error
        self._failed.trigger()

    def _on_failure(self) -> None:
        error, self._failure = self._failure, None
        if error is not None and self.active:
            self.go_inactive(error)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self._lifecycle.forget_destroyed()
        steps = (
            self.left_behind.refuse_after_hang,
            self.declare_dependent,
            self._given.look_again,
            self._given.require_new_names,
            self.configure,
        )
        if not self._succeeds('configured', *steps):
            return self._undone(self.cleanup)
        self.configured = True
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self._lifecycle.forget_destroyed()
        self._wanted_active = True
        self._failure = None  # of the activation before
        if not self._succeeds('activated', self.left_behind.refuse_after_hang, self.activate):
            return self._undone(self.deactivate)
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
        self.problem, self._wanted_active = '', False
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle after an exception: back to unconfigured."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop and release everything, then the node."""
        self._release()
        self._traces.close()
        super().destroy_node()
        self._lifecycle.destroy()

    def _undone(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        """What a transition returns that failed, once the step has taken back what it began."""
        try:
            step()
        except Exception:
            log.exception('what had begun could not be taken back')
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.FAILURE

    def _release(self) -> None:
        """Stop and release what there is, in any state; what cannot be is logged."""
        if self.active:
            self.active = False
            self._undone(self.deactivate)
        if self.configured:
            self.configured = False
            self._undone(self.cleanup)

    def _succeeds(self, what: str, *steps: Callable[[], None]) -> bool:
        """Whether steps of the lifecycle came through; if not, say why."""
        try:
            for step in steps:
                step()
        except Exception as error:  # noqa: BLE001 - rclpy swallows exceptions of transitions
            self._explain(what, error)
            return False
        self.problem = ''
        return True

    def _explain(self, what: str, error: Exception) -> None:
        """Say why a step failed, in the log and from now on in diagnostics."""
        if self.ending.is_set():
            self.problem = 'the process is ending'
            self.get_logger().info(f'not {what}: {self.problem}')
            return
        self.problem = _in_words(error)
        if what == 'configured':
            self.problem = self._given.beside_problems(self.problem, error)
        self.get_logger().error(
            f'not {what}: {self.problem.rstrip(".")}. {self._way_out(what, error)}'
        )

    def _on_retry(self, _request: Any, response: Any) -> Any:
        """Configure anew, and activate if the node was to be active, after a failure."""
        if not self.active and self.left_behind.stuck():
            response.message = f'{self.left_behind.stuck()}; restart this node'
            return response
        if not self.problem or self.active:
            reason = self.trying_again() or f'the node is {self._lifecycle.state}'
            response.message = f'nothing to try again: {reason}'
            return response
        self.get_logger().info('trying again, as asked')
        if self.configured:
            self._lifecycle.take('cleanup')
        self._start()
        response.success = not self.problem
        response.message = self.problem or self.busy()[0] or self._lifecycle.state
        return response

    def _way_out(self, what: str, error: Exception) -> str:
        if self.left_behind.stuck():
            return 'Nothing else helps'
        unset = error.parameter if isinstance(error, ParameterError) else ''
        if self._given.waits_for_start(unset):
            return (
                f'Start this node again with it, or with the parameter {ALLOWS_CHANGES}:=true to '
                'set it from the graph'
            )
        return _way_back(self.get_fully_qualified_name(), what, self._given, error)

    def _diagnose(self) -> list[DiagnosticStatus]:
        self.left_behind.settle()
        busy, values = self.busy()
        self._given.tell_of_unused_qos(all_are_there=self.active and not busy)
        condition = Condition(
            state=self._lifecycle.state,
            active=self.active,
            hang=self.left_behind.stuck() or self.hang(),
            problem=self.problem,
            busy=busy,
            busy_values=values,
            facts=self.facts(),
            parameter_problems=self.parameter_problems,
        )
        return [self.state_report.status(condition), *(self.diagnose() if self.active else [])]


def _say_that_it_waits(node: ManagedNode) -> None:
    name = node.get_fully_qualified_name()
    node.get_logger().info(
        'autostart is false: waiting for a lifecycle manager, or for '
        f'`ros2 lifecycle set {name} configure` and `… activate`'
    )


def _way_back(name: str, what: str, given: GivenParameters, error: Exception) -> str:
    """How to bring a node of this name back to work that is not configured, say."""
    wrong = error.parameter if isinstance(error, ParameterError) else ''
    mended = f'{wrong} is mended' if given.can_be_set(wrong) else 'mended'
    retry = f'`ros2 service call {name}/retry std_srvs/srv/Trigger`'
    if what in ('configured', 'activated'):
        step = what.removesuffix('d')
        retry = f'`ros2 lifecycle set {name} {step}`, or {retry}'
    elif what != 'active any more':
        return f'The node goes back to unconfigured{given.new_start(error)}'
    return f'Once {mended}: {retry}{given.new_start(error)}'


def _in_words(error: Exception) -> str:
    """What an error means; one that nobody expects is logged with its traceback.

    One of a machine that has run out of something is not.
    """
    if isinstance(error, PerceptionError):
        return str(error)
    lacks = shortage(error)
    if lacks:
        return lacks
    log.error('unexpected error', exc_info=error)
    return f'unexpected {type(error).__name__}: {printable(error)}'
