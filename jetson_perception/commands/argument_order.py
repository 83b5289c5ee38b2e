"""Models and sources that a command line has in each other's place."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.camera.shown import shown
from jetson_perception.camera.uri import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_bag
from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable
from jetson_perception.resources import model_names

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODEL_SUFFIXES = ('.onnx', '.engine', '.plan')


def require_model_first(command: str, model: str, sources: Sequence[str]) -> None:
    """Check that a model comes first, and then only sources.

    Raises
    ------
    ParameterError
        Which has the line as it was meant.
    """
    models = [source for source in sources if _is_model(source)]
    if not models:
        return
    if _is_source(model):
        others = [model, *(source for source in sources if source != models[0])]
        words = (models[0], *others)
        raise ParameterError(
            f'{_word(model)} is a source, and the model comes first: {command} '
            f'{" ".join(map(_word, words))}'
        )
    raise ParameterError(
        f'{_word(models[0])} is a model, where a source is expected; {command} takes one model '
        f'and then its sources: {command} {_word(models[0])} SOURCE'
    )


def _is_model(word: str) -> bool:
    if Path(word).suffix.lower() in _MODEL_SUFFIXES:
        return True
    return not os.path.exists(word) and word in model_names()


def _is_source(word: str) -> bool:
    suffix = Path(word).suffix.lower()
    return (
        '://' in word
        or suffix in PICTURE_SUFFIXES | VIDEO_SUFFIXES
        or os.path.isdir(word)
        or is_bag(word)
        or word.isdecimal()
    )


def _word(text: str) -> str:
    """A word of a command line as a shell takes it, without passwords."""
    return shlex.quote(shown(text) if '://' in text else printable(text))
