"""All tasks, in the order in which they are tried on a model that names none.

To add a task, write a file in `models/` with a `Task` as its `TASK`, and list the file here.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from jetson_perception.errors import ModelError
from jetson_perception.printable import quoted
from jetson_perception.tasks.other_networks import other_network

if TYPE_CHECKING:
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.models.task import Task
    from jetson_perception.tasks.network_outputs import NetworkOutputs

_FILES = ('depth', 'yolo', 'classification', 'segmentation')


@cache
def tasks() -> tuple[Task, ...]:
    """Every task; the last takes what no other does."""
    # Imported late: each file needs `models.base`, which needs this function.
    files = (import_module(f'jetson_perception.models.{name}') for name in _FILES)
    return tuple(file.TASK for file in files)


def wrong_task(info: ModelInfo, where: str) -> ModelError:
    """The error for a model whose metadata names a task that `where` does not run."""
    task = next((task for task in tasks() if info.task in task.words), None)
    if task is not None:
        what, way_out = task.nouns[info.task], f'use {task.runner}'
    else:
        what = f'a model for the task {quoted(info.task)}'
        way_out = 'nothing here runs these yet'
    return ModelError(
        f'{info.path} is {what} (task {quoted(info.task)}), which {where} does not run; {way_out}'
    )


def looks_like(info: ModelInfo, shape: tuple[int, ...], task: Task) -> ModelError:
    """The error for a model that names no task and has the output of another task."""
    return ModelError(
        f'{info.path} looks like {task.noun}, with output {shape}; use {task.runner}'
    )


def refuse_other_network(outputs: NetworkOutputs, info: ModelInfo) -> None:
    """Refuse a network that nothing here reads, before its outputs are taken for another's.

    Whoever says what they are, by `task`, `layout` or `output`, is believed.

    Raises
    ------
    ModelError
        When names and shapes of the outputs are those of such a network.
    """
    if info.task or info.layout or info.output:
        return
    what = other_network(outputs)
    if what:
        listed = ', '.join(
            f'{quoted(name, 40)} {shape}'
            for name, shape in zip(outputs.names, outputs.shapes, strict=True)
        )
        choose = ", or choose outputs with 'output_name'" if len(outputs.names) > 1 else ''
        advice = 'export it with its decoding; ' if 'raw' in what else ''
        raise ModelError(
            f'{info.path} gives {what} ({listed}), which nothing here reads yet; {advice}if it is '
            f"something else, say so with 'task', 'layout' or 'output'{choose}"
        )
