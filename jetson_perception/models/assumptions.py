"""What is assumed about a model where neither its file nor the user says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.preprocess import Preprocessor


def assumed_preprocessing(info: ModelInfo, preprocessor: Preprocessor) -> dict[str, str]:
    """What is assumed about how images are fitted to the network.

    Parameters
    ----------
    info : ModelInfo
        What metadata, YAML file and overrides say.
    preprocessor : Preprocessor
        The preprocessor made from them.

    Returns
    -------
    dict of str to str
        The assumed value of each setting that nothing specifies, by the name of its parameter.
    """
    normalization = preprocessor.normalization
    taken = {
        'resize': preprocessor.resize,
        'scale': '1/255' if normalization.scale == 1 / 255 else f'{normalization.scale:g}',
        'mean': _triple(normalization.mean),
        'std': _triple(normalization.std),
        'color_order': normalization.color_order,
    }
    return {name: value for name, value in taken.items() if getattr(info, name) in ('', None)}


def _triple(values: Sequence[float]) -> str:
    """Values of the channels; one where they are equal."""
    return ' '.join(f'{value:g}' for value in dict.fromkeys(values))


def assumption_text(info: ModelInfo, assumed: Mapping[str, str]) -> str:
    """What was assumed and how to correct it, as one line; empty if nothing was assumed."""
    if not assumed:
        return ''
    path = Path(info.path)
    values = ', '.join(f'{name} {value}' for name, value in assumed.items())
    return (
        f'{path.name} does not specify {", ".join(assumed)}; assumed: {values}. A wrong '
        f'value gives wrong results: correct it with the parameter of that name, or in '
        f'{path.stem}.yaml beside the model'
    )
