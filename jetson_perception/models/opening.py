"""From a path to a model that is ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.models.base import first_outputs
from jetson_perception.models.model_file import open_file
from jetson_perception.models.registry import tasks, wrong_task

if TYPE_CHECKING:
    from pathlib import Path

    from jetson_perception.engines import Engine
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.models.base import Model
    from jetson_perception.models.task import Task


def open_model(
    path: str | Path,
    *,
    runtime: str = 'auto',
    threads: int = 0,
    overrides: ModelInfo | None = None,
    node: str = '',
    **building: Any,
) -> Model[Any, Any]:
    """Open a model file as the kind of model that it is.

    Its task decides. If the model names none, its outputs do: floats of (1, n, m) belong to a
    detector unless the YAML file sets `output`, as do boxes with scores in other outputs; floats
    of (1, n) to a classifier, and anything else to a semantic segmentation model. What is known
    to be none of these is refused.

    Parameters
    ----------
    path : str or Path
        An ONNX file, or the bare name of a model that comes with the package.
    runtime, threads, overrides
        As in `open_engine`.
    node : str
        Refuse models that this node does not run.
    building
        `precision`, `progress`, `cancel`, `device`, `dla_core`, `isolation` and
        `inference_limit_s`, as in `open_engine`.

    Raises
    ------
    ModelError
        When the file cannot be used, or the model is for another task.
    ParameterError
        When a setting is out of range or missing; the error names it.
    """
    likely = (task.kernels for task in tasks() if task.node == node)
    kernels = tuple(sorted(set().union(*likely)))
    engine = open_file(path, runtime, threads, overrides, kernels=kernels, **building)
    try:
        model: Model[Any, Any] = _task_of(engine, node).make(engine)
    except BaseException:
        engine.close()
        raise
    return model


def _task_of(engine: Engine, node: str) -> Task:
    """The task that the metadata names; if it names none, the one that takes the output."""
    info = engine.info
    if info.task:
        named = next((task for task in tasks() if info.task in task.words), None)
        if named is None or node not in ('', named.node):
            raise wrong_task(info, node or 'jetson_perception')
        return named
    among = [task for task in tasks() if node in ('', task.node)]
    if len(among) == 1:
        return among[0]
    outputs = first_outputs(engine)
    takers = (task for task in among if task.takes(outputs, info))
    return next(takers, among[0])
