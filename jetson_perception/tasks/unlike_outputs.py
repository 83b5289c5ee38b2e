"""Networks with several outputs that could each be what a task reads, and that are not alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.errors import ParameterError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.network_outputs import NetworkOutputs

_MOST_NAMED = 10


def refuse_unlike_outputs(
    outputs: NetworkOutputs,
    info: ModelInfo,
    scores: str,
    class_count: Callable[[tuple[int, ...]], int],
) -> None:
    """Ask which output holds the scores, where several can, for different numbers of classes.

    Outputs for as many classes are alike, such as those of the levels of a network that was
    supervised deeply: the first one is its result.

    Parameters
    ----------
    outputs : NetworkOutputs
        What a run gave.
    info : ModelInfo
        Whoever says what the network is, by `task` or `output`, is believed.
    scores : str
        What the task reads, for the error.
    class_count : callable
        How many classes an output of a shape has scores for; 0 if it can hold none.

    Raises
    ------
    ParameterError
        When there are such outputs; it names `output_name`.
    """
    if info.task or info.output:
        return
    named = zip(outputs.names, outputs.arrays, strict=True)
    found = [
        (name, array.shape, count)
        for name, array in named
        if array.dtype.kind == 'f' and (count := class_count(array.shape))
    ]
    if len({count for _, _, count in found}) < 2:
        return
    listed = ', '.join(f'{quoted(name, 40)} {shape}' for name, shape, _ in found[:_MOST_NAMED])
    raise ParameterError(
        f'{info.path} has several outputs that may be {scores}: {listed}; if one of them is, set '
        "'output_name' to its name",
        'output_name',
    )
