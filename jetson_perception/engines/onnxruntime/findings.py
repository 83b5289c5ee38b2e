"""What an engine found out about a model on a GPU, which later engines need not try again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jetson_perception.engines.base import TensorSpec
from jetson_perception.engines.onnxruntime.choices import LAYOUTS
from jetson_perception.engines.onnxruntime.cpu import session_metadata, texts_of
from jetson_perception.engines.onnxruntime.variant import VARIANTS, Variant
from jetson_perception.errors import ModelError, PerceptionError
from jetson_perception.files.foreign_data import parse_json
from jetson_perception.tasks.yolo_head import HeadLayout

if TYPE_CHECKING:
    from pathlib import Path

# Of a layout's numbers, all of which are of a network that ran.
_MOST_LEVELS = 8


class Node(NamedTuple):
    """An input, as ONNX Runtime describes it.

    Attributes
    ----------
    name, type : str
    shape : list
        Sizes; names or None for open dimensions.
    """

    name: str
    type: str
    shape: list[Any]


@dataclass(frozen=True)
class Head:
    """The end of a YOLO network that our kernel computes.

    Attributes
    ----------
    layout : HeadLayout
    is_half : bool
        Whether the maps are float16.
    output : int
        Which output of the whole model the kernel writes.
    """

    layout: HeadLayout
    is_half: bool
    output: int


@dataclass(frozen=True)
class Findings:
    """What is known about a model.

    Attributes
    ----------
    is_half : bool
        Whether it runs converted to FP16.
    inputs : tuple of Node
    metadata : dict of str to str
    outputs : tuple of TensorSpec
        Of the whole model, with the sizes that they have on this GPU.
    variant : Variant
        The fastest one.
    head : Head, optional
        What our kernel computes in the fastest variant.
    """

    is_half: bool
    inputs: tuple[Node, ...]
    metadata: dict[str, str]
    outputs: tuple[TensorSpec, ...] = ()
    variant: Variant = VARIANTS[0]
    head: Head | None = None

    @classmethod
    def of_session(cls, path: Path, session: Any, *, is_half: bool) -> Findings:
        """What a session of the whole model tells.

        Raises
        ------
        ModelError
            When a text in it is not UTF-8.
        """
        with texts_of(path):
            nodes = [Node(each.name, each.type, list(each.shape)) for each in session.get_inputs()]
        return cls(is_half, tuple(nodes), session_metadata(path, session))

    def to_json(self) -> bytes:
        """As JSON."""
        outputs = [[each.name, list(each.shape), each.dtype.name] for each in self.outputs]
        record = asdict(replace(self, outputs=())) | {
            'inputs': [list(each) for each in self.inputs],
            'outputs': outputs,
            'variant': self.variant._asdict(),
        }
        return json.dumps(record).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Findings | None:
        """The findings of a JSON text; None if it is damaged."""
        try:
            record = parse_json(content, where='findings', error=ModelError)
            return cls(
                is_half=_bool(record['is_half']),
                inputs=tuple(_node(*each) for each in record['inputs']),
                metadata={_text(name): _text(each) for name, each in record['metadata'].items()},
                outputs=tuple(_output(*each) for each in record['outputs']),
                variant=_variant(**record['variant']),
                head=_head(**record['head']) if record['head'] is not None else None,
            )
        except (PerceptionError, TypeError, ValueError, KeyError, AttributeError):
            return None


def _node(name: Any, kind: Any, shape: Any) -> Node:
    sizes = [each if each is None or isinstance(each, str) else _size(each) for each in shape]
    return Node(_text(name), _text(kind), sizes)


def _output(name: Any, shape: Any, dtype: Any) -> TensorSpec:
    return TensorSpec(_text(name), tuple(map(_size, shape)), np.dtype(_text(dtype)))


def _variant(layout: Any, fuses_bias: Any, decodes_head: Any, searches: Any) -> Variant:
    if layout not in LAYOUTS:
        raise ValueError(layout)
    return Variant(layout, _bool(fuses_bias), _bool(decodes_head), _bool(searches))


def _head(layout: Any, is_half: Any, output: Any) -> Head:
    grids = tuple((_size(width), _size(height)) for width, height in layout.pop('grids_wh'))
    strides = tuple(map(_size, layout.pop('strides')))
    if not 0 < len(grids) == len(strides) <= _MOST_LEVELS:
        raise ValueError(grids)
    numbers = {name: _size(each) for name, each in layout.items()}
    return Head(HeadLayout(grids, strides, **numbers), _bool(is_half), _size(output))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return value
