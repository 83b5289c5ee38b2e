"""The models of a node, opened as its parameters say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.models import open_model
from jetson_perception.models.batching import most_together
from jetson_perception.models.registry import tasks

if TYPE_CHECKING:
    from jetson_perception.models import Model
    from jetson_perception.models.task import Task


def tasks_of(node: str) -> tuple[Task, ...]:
    """The tasks whose models a node runs."""
    return tuple(task for task in tasks() if task.node == node)


def open_node_model(
    node: str, params: Any, *, task: str = '', cameras: int = 1, **building: Any
) -> Model[Any, Any]:
    """Open a model for a node, which refuses those of other nodes.

    Parameters
    ----------
    node : str
        The executable, such as 'yolo_node'.
    params : ModelParams
        With the fields of every task of the node.
    task : str
        What the user says that the model does; empty or 'auto' for what the model says.
    cameras : int
        How many images may come together; the model's `batch` says how many of them it takes.
    building
        `progress` and `cancel` of a build.

    Raises
    ------
    ModelError
        When the file cannot be used, or is for a task of another node.
    ParameterError
        When a setting is out of range or missing; the error names it.
    """
    said: dict[str, Any] = {}
    for each in tasks_of(node):
        said |= each.overrides(params)
    model = open_model(
        params.model,
        runtime=params.runtime,
        threads=params.threads,
        precision=params.precision,
        device=params.device,
        overrides=params.overrides(task=task, **said),
        node=node,
        **building,
    )
    model.batch = most_together(model, cameras)
    return model
