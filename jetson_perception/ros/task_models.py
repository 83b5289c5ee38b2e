"""The models of a node, opened as its parameters say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.engines.metadata import read_onnx_metadata
from jetson_perception.engines.onnx_file.header import read_head
from jetson_perception.errors import ParameterError
from jetson_perception.models import open_model
from jetson_perception.models.batching import most_together
from jetson_perception.models.crop_model import crops_together, most_crops
from jetson_perception.models.cuda_batching import open_batches
from jetson_perception.models.registry import tasks
from jetson_perception.models.yolo import YoloModel
from jetson_perception.resources import model_names, model_path

if TYPE_CHECKING:
    from jetson_perception.models import Model
    from jetson_perception.models.task import Task


def tasks_of(node: str) -> tuple[Task, ...]:
    """The tasks whose models a node runs."""
    return tuple(task for task in tasks() if task.node == node)


def models_of(node: str) -> list[str]:
    """Names of the models that come with the package and that a node runs; sorted."""
    known = {word for task in tasks_of(node) for word in task.words}
    return [
        name
        for name in model_names()
        if read_onnx_metadata(read_head(model_path(name)).metadata).task in known
    ]


def open_node_model(
    node: str,
    params: Any,
    *,
    task: str = '',
    cameras: int = 1,
    on_crops: bool = False,
    model: str = '',
    **building: Any,
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
    on_crops : bool
        Whether it looks at crops of an image, which come together instead.
    model : str
        Another file than `params` name.
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
    opened = open_model(
        model or params.model,
        runtime=params.runtime,
        threads=params.threads,
        precision=params.precision,
        device=params.device,
        dla_core=params.dla_core,
        isolation=params.isolation,
        inference_limit_s=params.inference_limit_s,
        overrides=params.overrides(task=task, **said),
        node=node,
        **building,
    )
    try:
        _require_use_of_tiles(opened, params)
        opened.batch = crops_together(opened) if on_crops else most_together(opened, cameras)
        opened.set_up(params)
        # Only where asked for: each width takes memory of the GPU, and makes the start longer.
        asked = getattr(params, 'max_batch', 0)
        if on_crops:
            open_batches(opened, min(asked, most_crops(opened), params.max_crops), 'crops')
        else:
            open_batches(opened, min(cameras, asked))
    except BaseException:
        opened.close()
        raise
    return opened


def _require_use_of_tiles(model: Model[Any, Any], params: Any) -> None:
    """Raise ParameterError where tiles are set for a model that has no use for them."""
    tiles = getattr(params, 'tiles', ())
    if tiles and not isinstance(model, YoloModel):
        raise ParameterError(
            f'tiles is {list(tiles)}, but {model.info.path} is {model.task.noun}; it is for '
            'models that find objects: leave it empty',
            'tiles',
        )
