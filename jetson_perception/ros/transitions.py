"""The lifecycle that rclpy gives a node, without what would end the process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import TransitionCallbackReturn

from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.lifecycle import LifecycleNode


class Transitions:
    """Takes transitions that the state has, and refuses others, for which rclpy raises.

    Parameters
    ----------
    node : rclpy LifecycleNode
        Whose service `change_state` is guarded from now on.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        service = node._service_change_state
        service.callback = partial(self._on_change_state, service.callback)

    @property
    def state(self) -> str:
        """The state of the node, as rclpy calls it."""
        label: str = self._node._state_machine.current_state[1]
        return label

    def take(self, transition: str) -> bool:
        """Take a transition if the state has it, and tell whether it succeeded."""
        if transition not in self._possible():
            return False
        trigger = getattr(self._node, f'trigger_{transition}')
        return bool(trigger() == TransitionCallbackReturn.SUCCESS)

    def forget_destroyed(self) -> None:
        """Drop what rclpy keeps of publishers, timers and the like that are gone.

        Its callback groups hold a weak reference to each that ever was.
        """
        group = self._node.default_callback_group
        if isinstance(group.entities, set):
            group.entities = {entity for entity in group.entities if entity() is not None}

    def destroy(self) -> None:
        """Let go of the node, after it was destroyed; nothing can be asked any more.

        rclpy never does. The state machine would keep what lies below the node, and with it the
        participant, whose threads would still run while the process takes its libraries down.
        """
        self._node._state_machine.destroy_when_not_in_use()

    def _possible(self) -> dict[str, int]:
        """Number of each transition that the state has, by its name."""
        possible = self._node._state_machine.available_transitions
        return {name: number for number, name, *_ in possible}

    def _on_change_state(self, change: Callable[..., Any], request: Any, response: Any) -> Any:
        """Refuse a transition that the state does not have."""
        wanted = request.transition
        possible = self._possible()
        if wanted.label in possible or (not wanted.label and wanted.id in possible.values()):
            return change(request, response)
        self._node.get_logger().warning(
            f'transition {printable(wanted.label or wanted.id)} refused: in state '
            f'{self.state} there are {", ".join(possible) or "none"}'
        )
        response.success = False
        return response
