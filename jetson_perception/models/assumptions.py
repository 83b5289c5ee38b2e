"""What is assumed of a model where neither its file nor the user says it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.preprocess import Preprocessor


def assumed_preprocessing(info: ModelInfo, preprocessor: Preprocessor) -> dict[str, str]:
    """What is assumed of how images are fitted to the network.

    Parameters
    ----------
    info : ModelInfo
        What metadata, YAML file and overrides say.
    preprocessor : Preprocessor
        What was made of it.

    Returns
    -------
    dict of str to str
        Settings that nothing says, by the name of their parameter, with what was taken.
    """
    normalization = preprocessor.normalization
    taken = {
        'resize': preprocessor.resize,
        'scale': '1/255',
        'mean': f'{normalization.mean[0]:g}',
        'std': f'{normalization.std[0]:g}',
        'color_order': normalization.color_order,
    }
    return {name: value for name, value in taken.items() if getattr(info, name) in ('', None)}


def assumption_text(info: ModelInfo, assumed: Mapping[str, str]) -> str:
    """What was assumed and how to set it right, as one line; empty where nothing was."""
    if not assumed:
        return ''
    path = Path(info.path)
    values = ', '.join(f'{name} {value}' for name, value in assumed.items())
    return (
        f'{path.name} does not say its {", ".join(assumed)}; assumed: {values}. A wrong '
        f'value gives wrong results: correct it by the parameter of that name, or in '
        f'{path.stem}.yaml beside the model'
    )
