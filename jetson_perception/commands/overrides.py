"""`--set KEY=VALUE`: model information given on the command line."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from jetson_perception.engines.metadata import read_mapping
from jetson_perception.errors import ParameterError
from jetson_perception.files.foreign_data import parse_yaml
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.model_info import ModelInfo

#: What `thresholds` has options for.
_THRESHOLDS = ('score_threshold', 'iou_threshold', 'max_detections')


def read_overrides(settings: Sequence[str]) -> ModelInfo:
    """Settings as a ModelInfo; their values are YAML.

    Raises
    ------
    ParameterError
        When one is not KEY=VALUE, or its value is not YAML.
    ModelError
        When a key is unknown, or does not allow the value.
    """
    content: dict[str, object] = {}
    for setting in settings:
        key, separator, value = setting.partition('=')
        if not separator:
            raise ParameterError(
                f'--set {printable(setting)}: expected KEY=VALUE, as --set task=detect'
            )
        _refuse_threshold(key.strip())
        where = f'--set {printable(setting)}: the value'
        content[key.strip()] = parse_yaml(value, where=where, error=ParameterError)
    return read_mapping(content, '--set')


def _refuse_threshold(key: str) -> None:
    """Name the option to whoever sets a threshold, which is nothing that a model file says."""
    near = difflib.get_close_matches(key, _THRESHOLDS, n=1, cutoff=0.8)
    if near:
        option = f'--{near[0].replace("_", "-")}'
        raise ParameterError(f'--set {printable(key)}: this is an option of its own: {option}')
