"""Parameters that give a node's process more of the processor than other programs have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.process.scheduling import raise_share
from jetson_perception.ros.parameters import param

if TYPE_CHECKING:
    from jetson_perception.ros.managed_node import ManagedNode


@dataclass(frozen=True)
class ProcessParams:
    """Parameters of the process of a node, under `process`; threads of pictures stay as they are.

    Pictures are what viewers need: annotated images, masks in colors, JPEG.
    """

    nice: int = param(
        0,
        'Nice value of all threads but those that draw and encode pictures, from -20, which gets '
        'most of the processor, to 19; 0 leaves it as it was started. Below 0 takes CAP_SYS_NICE.',
        between=(-20, 19),
        read_only=True,
    )
    real_time_priority: int = param(
        0,
        'Priority of the same threads under SCHED_FIFO, 1 to 99: they go before every program '
        'that is not real-time. 0: they are not real-time. It takes CAP_SYS_NICE.',
        between=(0, 99),
        read_only=True,
    )
    cores: tuple[int, ...] = param(
        (),
        'The only cores that the same threads may run on; empty: as it was started.',
        read_only=True,
        example='[0, 1]',
    )


def schedule_process(node: ManagedNode) -> None:
    """Give this process what the node's parameters say; what may not be is told, and no fault."""
    params: ProcessParams = node.declare(ProcessParams, 'process', is_listed=False).value
    if params == ProcessParams():
        return
    why_not = raise_share(params.nice or None, params.real_time_priority, params.cores)
    if why_not:
        told = f'process.nice, real_time_priority or cores cannot be set: {why_not}'
        node.state_report.process_problem = told
        node.get_logger().warning(told)
