"""The ways to run a model on CUDA, and which of them an argument or the environment allows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

MODES = ('own_graph', 'runtime_graph', 'plain')
"""Ways to run a model, in the order in which they are tried."""

MODES_VARIABLE = 'JETSON_PERCEPTION_ONNXRUNTIME_MODES'

LAYOUTS = ('nchw', 'nhwc')
"""Layouts of tensors inside a model."""

LAYOUTS_VARIABLE = 'JETSON_PERCEPTION_ONNXRUNTIME_LAYOUTS'

HEADS = ('runtime', 'kernel')
"""What computes the end of a YOLO network: ONNX Runtime or our kernel."""

HEADS_VARIABLE = 'JETSON_PERCEPTION_ONNXRUNTIME_HEADS'

SEARCHES = ('heuristic', 'exhaustive')
"""How cuDNN comes to the algorithms of convolutions."""

SEARCHES_VARIABLE = 'JETSON_PERCEPTION_ONNXRUNTIME_SEARCHES'


@dataclass(frozen=True)
class Choices:
    """What an engine may choose from.

    Attributes
    ----------
    modes, layouts, heads, searches : tuple of str
        Some of `MODES`, `LAYOUTS`, `HEADS` and `SEARCHES`; modes are tried in this order.
    """

    modes: tuple[str, ...]
    layouts: tuple[str, ...]
    heads: tuple[str, ...]
    searches: tuple[str, ...]

    @classmethod
    def allowed(
        cls,
        modes: Sequence[str] | None = None,
        layouts: Sequence[str] | None = None,
        heads: Sequence[str] | None = None,
        searches: Sequence[str] | None = None,
    ) -> Choices:
        """The given choices; otherwise those that the environment lists; otherwise all.

        Raises
        ------
        ParameterError
            When a list is empty, or names something unknown.
        """
        return cls(
            _listed(modes, MODES, MODES_VARIABLE, 'ways to run a model on CUDA'),
            _listed(
                layouts, LAYOUTS, LAYOUTS_VARIABLE, 'layouts of tensors inside a model on CUDA'
            ),
            _listed(
                heads, HEADS, HEADS_VARIABLE, 'ways to compute the end of a YOLO network on CUDA'
            ),
            _listed(
                searches, SEARCHES, SEARCHES_VARIABLE, 'ways to choose algorithms of convolutions'
            ),
        )


def _listed(
    given: Sequence[str] | None, known: Sequence[str], variable: str, what: str
) -> tuple[str, ...]:
    if given is None:
        listed = os.environ.get(variable, '')
        given = [each.strip() for each in listed.split(',')] if listed else known
    if not given or any(each not in known for each in given):
        raise ParameterError(
            f'the {what} are {", ".join(given) or "none"} (argument, or {variable} in the '
            f'environment); expected some of {", ".join(known)}'
        )
    return tuple(given)
