"""Traces of a running graph: what its nodes record while somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.benchmark.graph.required_ros import require_ros

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.ros.measuring.tracing import TakenTraces


def take_traces(
    names: Sequence[str],
    seconds: float | None,
    *,
    past: bool,
    say: Callable[[str], None] = lambda text: None,
) -> TakenTraces:
    """Have nodes record, or fetch what they keep; see `ros.measuring.tracing.take_traces`."""
    require_ros('running nodes are traced')
    from jetson_perception.ros.measuring import tracing

    return tracing.take_traces(names, seconds, past=past, say=say)
