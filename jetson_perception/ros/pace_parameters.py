"""Parameters that say how often an engine takes an image."""

from __future__ import annotations

from dataclasses import dataclass

from jetson_perception.ros.parameters import param


@dataclass(frozen=True)
class PaceParams:
    """How many of its images an engine takes, to spare a battery or a GPU that others need."""

    enable: bool = param(
        True,
        'Whether the engine takes images; false: none, so it computes and publishes nothing until '
        'it is set again. The service `enable` sets it.',
    )
    max_rate: float = param(
        0.0,
        'The most images a second that the engine takes, Hz, spread evenly; 0: as many as come '
        'and it can. With every_frame, seconds are those of the stamps.',
        between=(0.0, 1000.0),
    )
    every: int = param(
        1,
        'The engine takes every so manyth image: 1 all, 2 every second one. Images left out are '
        'counted as such, not as skipped. If max_rate is set too, it holds for what remains.',
        between=(1, 100_000),
    )
