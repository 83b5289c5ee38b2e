"""A lifecycle node that brings itself up, and says in diagnostics why when it cannot."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from std_srvs.srv import Trigger

from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.parameter_sections import files_for_others, given_files
from jetson_perception.pipeline import LeftBehind, call_within
from jetson_perception.printable import printable, printable_line
from jetson_perception.ros import diagnostics
from jetson_perception.ros.guarded_services import guard_services
from jetson_perception.ros.namesakes import Namesakes
from jetson_perception.ros.parameters import (
    ALLOWS_CHANGES,
    Parameters,
    old_name_problem,
    param,
    unknown_parameters,
)
from jetson_perception.ros.stamps import clock_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.lifecycle import LifecycleState
    from rclpy.parameter import Parameter

log = logging.getLogger(__name__)

_RELEASE_S = 0.8  # what releasing an engine may take in the executor's thread
_CLOCK_PATIENCE_S = 3  # a simulation that starts together with the node takes a while


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
        self.configured = False
        self.active = False
        #: Why the node is not running, for people; empty when nothing is wrong.
        self.problem = ''
        #: Whether to activate when the user has the node try again.
        self._wanted_active = False
        self._declared: list[Parameters[Any]] = []
        self._unknown_parameters: list[str] = []
        self._files_for_others: list[str] = []
        #: Set when the process is to end, so that nobody begins what takes long.
        self.ending = threading.Event()
        self._failure: Exception | None = None
        self._failed = self.create_guard_condition(self._on_failure)
        self._left_behind: list[LeftBehind] = []
        self._to_close: list[tuple[str, Callable[[], None]]] = []
        self._hang_told = ''
        self._seconds_without_time = 0
        service = self._service_change_state
        service.callback = partial(self._on_change_state, service.callback)
        self._managed = self.declare(ManagedParams)
        self.own = self.declare(params)
        self._namesakes = Namesakes(self)
        self.diagnostics = diagnostics.DiagnosticsPublisher(self, self._diagnose)
        self._retry_service = self.create_service(Trigger, '~/retry', self._on_retry)
        guard_services(self)

    def declare(self, params: type, prefix: str = '') -> Parameters[Any]:
        """Declare the parameters of a dataclass; what was given wrong is logged, once."""
        declared: Parameters[Any] = Parameters(
            self, params, prefix, lambda: self.configured, self._may_open
        )
        for problem in declared.problems:
            self.get_logger().error(problem)
        self._declared.append(declared)
        return declared

    @property
    def parameter_problems(self) -> list[str]:
        """What was wrong at start and has not been corrected yet."""
        given = [problem for declared in self._declared for problem in declared.problems]
        return given + self._unknown_parameters + self._files_for_others

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set all or none, as both services do; 1 is taken for 1.0, and [] for any list."""
        problem = old_name_problem(self, parameter_list)
        if problem:
            return SetParametersResult(successful=False, reason=problem)
        try:
            for declared in self._declared:
                parameter_list = declared.as_meant(parameter_list)
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
        self._unknown_parameters = unknown_parameters(
            self, other_names=self._other_names(), blocks_listed_in=self.blocks_listed_in
        )
        self._files_for_others = files_for_others(
            given_files(arguments), self.get_fully_qualified_name()
        )
        for problem in self._unknown_parameters + self._files_for_others:
            self.get_logger().warning(problem)
        if self._managed.value.autostart:
            self._wanted_active = True
            self._start()

    def _may_open(self) -> bool:
        allowed: bool = getattr(self._managed.value, ALLOWS_CHANGES)
        return allowed

    def _other_names(self) -> dict[str, str]:
        return {
            other: name
            for declared in self._declared
            for other, name in declared.other_names.items()
        }

    def declare_dependent(self) -> None:
        """Declare the parameters whose names depend on the values of others, as far as new."""

    def _declare_dependent(self) -> None:
        self.declare_dependent()
        if self._unknown_parameters:  # some may be known by now
            self._unknown_parameters = unknown_parameters(self, other_names=self._other_names())

    def _require_new_names(self) -> None:
        for declared in self._declared:
            declared.require_new_names()

    def _start(self) -> None:
        if self._go('configure') and self._wanted_active:
            self._go('activate')

    def _go(self, transition: str) -> bool:
        """Take a transition if the state has it, and tell whether it succeeded.

        rclpy raises if the state does not have it, and that would end the process.
        """
        if transition not in self._transitions():
            return False
        trigger = getattr(self, f'trigger_{transition}')
        return bool(trigger() == TransitionCallbackReturn.SUCCESS)

    def _transitions(self) -> dict[str, int]:
        """Number of each transition that the state has, by its name."""
        return {name: number for number, name, *_ in self._state_machine.available_transitions}

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

    def leave_behind(self, left: LeftBehind | None) -> None:
        """Remember threads that did not end in time; None means that all did."""
        if left is not None:
            self._left_behind.append(left)
            at_work = left.at_work()
            if at_work:  # it may have ended this moment
                self.get_logger().error(f'{at_work}; it is left behind')

    def close_when_free(self, who: str, close: Callable[[], None]) -> None:
        """Close what threads that were left behind may use: now, or when they have ended.

        Never once one of them was stuck: its memory stays until the process ends.
        """
        if self.left_at_work() or self.stuck():
            self._to_close.append((who, close))
        else:
            self.leave_behind(call_within(close, who, 'its release', _RELEASE_S))

    def left_at_work(self) -> str:
        """What threads that were left behind still do, for people; empty without any."""
        return next(filter(None, (left.at_work() for left in self._left_behind)), '')

    def stuck(self) -> str:
        """Which thread was left behind because it hung, from then on; empty without one."""
        return next(filter(None, (left.stuck() for left in self._left_behind)), '')

    def refuse_after_hang(self) -> None:
        """Raise PerceptionError where a thread hung, which only a new process mends."""
        stuck = self.stuck()
        if stuck:
            raise PerceptionError(f'{stuck}. What it hung in may be broken: restart this node')

    def go_inactive(self, error: Exception) -> None:
        """Go inactive for an error that came after `configure`; call it in the executor's thread.

        Diagnostics tell the reason until the node is configured or activated again.
        """
        if self.active:
            self._go('deactivate')
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
        self._forget_destroyed()
        steps = (
            self.refuse_after_hang,
            self._declare_dependent,
            self._require_new_names,
            self.configure,
        )
        if not self._succeeds('configured', *steps):
            return self._undone(self.cleanup)
        self.configured = True
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition of the lifecycle."""
        self._forget_destroyed()
        self._wanted_active = True
        self._failure = None  # of the activation before
        if not self._succeeds('activated', self.refuse_after_hang, self.activate):
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
        super().destroy_node()

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

    def _forget_destroyed(self) -> None:
        """Drop what rclpy keeps of publishers, timers and the like that are gone.

        Its callback groups hold a weak reference to each that ever was.
        """
        group = self.default_callback_group
        if isinstance(group.entities, set):
            group.entities = {entity for entity in group.entities if entity() is not None}

    def _on_change_state(self, change: Callable[..., Any], request: Any, response: Any) -> Any:
        """Refuse a transition that the state does not have; rclpy lets it end the process."""
        wanted = request.transition
        possible = self._transitions()
        if wanted.label in possible or (not wanted.label and wanted.id in possible.values()):
            return change(request, response)
        self.get_logger().warning(
            f'transition {printable(wanted.label or wanted.id)} refused: in state '
            f'{self._state_label()} there are {", ".join(possible) or "none"}'
        )
        response.success = False
        return response

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
        if isinstance(error, PerceptionError):
            self.problem = str(error)
        else:
            log.error('unexpected error', exc_info=error)
            self.problem = f'unexpected {type(error).__name__}: {printable(error)}'
        if what == 'configured' and self.parameter_problems:
            # It often fails for what it was not given, as the user gave it under another name.
            self.problem += f'. At its start: {"; ".join(self.parameter_problems)}'
        self.get_logger().error(f'not {what}: {self.problem}. {self._way_out(what, error)}')

    def _on_retry(self, _request: Any, response: Any) -> Any:
        """Configure anew, and activate if the node was to be active, after a failure."""
        if not self.active and self.stuck():
            response.message = f'{self.stuck()}; restart this node'
            return response
        if not self.problem or self.active:
            reason = self.trying_again() or f'the node is {self._state_label()}'
            response.message = f'nothing to try again: {reason}'
            return response
        self.get_logger().info('trying again, as asked')
        if self.configured:
            self._go('cleanup')
        self._start()
        response.success = not self.problem
        response.message = self.problem or self.busy()[0] or self._state_label()
        return response

    def _state_label(self) -> str:
        label: str = self._state_machine.current_state[1]
        return label

    def _way_out(self, what: str, error: Exception) -> str:
        if self.stuck():
            return 'Nothing else helps'
        unset = error.parameter if isinstance(error, ParameterError) else ''
        if any(declared.waits_for_start(unset) for declared in self._declared):
            return (
                f'Start this node again with it, or with {ALLOWS_CHANGES}:=true to set it from '
                'the graph'
            )
        name = self.get_fully_qualified_name()
        retry = f'`ros2 service call {name}/retry std_srvs/srv/Trigger`'
        if what in ('configured', 'activated'):
            step = what.removesuffix('d')
            return f'Once mended: `ros2 lifecycle set {name} {step}`, or {retry}'
        if what == 'active any more':
            return f'Once mended: {retry}'
        return 'The node goes back to unconfigured'

    def _settle(self) -> None:
        """Close what threads that were left behind have let go of by now."""
        self._left_behind = [left for left in self._left_behind if not left.settle()]
        while self._to_close and not self._left_behind:
            who, close = self._to_close.pop(0)
            self.leave_behind(call_within(close, who, 'its release', _RELEASE_S))

    def _tell_hang(self) -> str:
        """What hangs, or was left behind because it did; logged when it is new."""
        hang = self.stuck() or self.hang()
        begin = hang.partition('(')[0]
        if begin != self._hang_told:
            self._hang_told = begin
            if hang:
                self.get_logger().error(f'{hang}; restart this node if it stays so')
        return hang

    def _tell_clock(self) -> str:
        """What keeps the node from knowing the time; logged when it lasts."""
        problem = clock_problem(self)
        self._seconds_without_time = self._seconds_without_time + 1 if problem else 0
        if self._seconds_without_time == _CLOCK_PATIENCE_S:
            self.get_logger().warning(problem)
        return problem

    def _diagnose(self) -> list[DiagnosticStatus]:
        name = self.get_fully_qualified_name()
        busy, values = self.busy()
        facts = self.facts() | self._namesakes.facts
        self._settle()
        hang = self._tell_hang()
        if hang:
            state = diagnostics.status(diagnostics.ERROR, name, hang, facts | values)
        elif self.problem:
            state = diagnostics.status(diagnostics.ERROR, name, self.problem, facts)
        elif busy:
            state = diagnostics.status(diagnostics.WARN, name, busy, facts | values)
        elif self.active:
            state = diagnostics.status(diagnostics.OK, name, 'active', facts)
        else:
            state = diagnostics.status(diagnostics.STALE, name, self._state_label(), facts)
        problems = list(filter(None, [self._tell_clock(), *self.parameter_problems]))
        if problems and state.level == diagnostics.OK:
            state.level = diagnostics.WARN
            state.message = '; '.join(problems)
        namesake = self._namesakes.problem()
        if namesake:
            said = f'{namesake}. {state.message}' if state.level != diagnostics.OK else namesake
            state.level, state.message = diagnostics.ERROR, said
        return [state, *(self.diagnose() if self.active else [])]
