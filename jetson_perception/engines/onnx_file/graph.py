"""Examines an ONNX graph: which nodes have weights, and which only decode their results.

Takes `onnx.ModelProto`; nothing here runs a model. The package onnx is imported on demand.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.onnx_file.header import check_external_files
from jetson_perception.errors import ModelError, PerceptionError
from jetson_perception.files.foreign_files import check_foreign_file, open_foreign_file
from jetson_perception.installing import pip_install
from jetson_perception.printable import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import onnx

_WEIGHTED = {'Conv', 'ConvTranspose', 'Gemm', 'MatMul'}
_LAYOUT = {'Transpose', 'Reshape', 'Identity', 'Cast', 'Squeeze', 'Unsqueeze', 'Flatten'}
_QUANTIZATION = {'QuantizeLinear', 'DequantizeLinear'}


def require_onnx() -> Any:
    """The package onnx.

    Raises
    ------
    PerceptionError
        When it is not installed; the message says how to install it.
    """
    try:
        import onnx
        import onnx.version_converter
    except ImportError as err:
        raise PerceptionError(
            f'the package onnx is needed to change an ONNX file, and cannot be imported ({err}); '
            f'{pip_install("onnx")}'
        ) from err
    return onnx


def load_model(path: str | Path) -> onnx.ModelProto:
    """Load an ONNX file with its external data; every node gets a unique name.

    Raises
    ------
    ModelError
        When it cannot be read or is not an ONNX model.
    """
    onnx = require_onnx()
    check_foreign_file(path, what='model', error=ModelError)
    check_external_files(path)
    try:
        model = onnx.load(str(path))
    except OSError as err:
        raise ModelError(f'{path} cannot be read: {err}') from err
    except Exception as err:  # protobuf's and onnx's share no other base class
        why = ' '.join(str(err).split())
        if 'external' in why.lower() or 'should be stored in' in why:
            raise ModelError(
                f'{path}: its external data is missing or cut off; copy it beside the ONNX file, '
                f'or export into one file: {why}'
            ) from err
        raise ModelError(f'{path} is not an ONNX model, or is damaged: {why}') from err
    if not model.graph.node:
        raise ModelError(f'{path} has no nodes; export the model again')
    name_nodes(model)
    return model


def has_quantization(path: str | Path) -> bool:
    """Whether an ONNX file has QuantizeLinear nodes; searches its bytes, without onnx."""
    with open_foreign_file(path, what='model', error=ModelError) as descriptor:
        if not os.fstat(descriptor).st_size:
            return False
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
            return content.find(b'QuantizeLinear') >= 0


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a unique name, because nodes are listed by name."""
    seen: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f'{node.op_type}_{index}'
            while node.name in seen:
                node.name += '_'
        seen.add(node.name)


def weighted_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Convolutions and matrix products whose weights were learned, in the graph's order.

    A convolution over a softmax, like the one after YOLOv8's box branches, is left out: it takes
    the mean of a distribution with the weights 0, 1, 2 … and belongs to the decoding.
    """
    makers = _makers(model)
    constants = {each.name for each in model.graph.initializer}
    constants |= {
        out for node in model.graph.node if node.op_type == 'Constant' for out in node.output
    }

    def is_constant(name: str) -> bool:
        node = makers.get(name)
        while node is not None and node.op_type in _QUANTIZATION | _LAYOUT and node.input:
            name = node.input[0]
            node = makers.get(name)
        return name in constants

    def follows_softmax(name: str) -> bool:
        node = makers.get(name)
        while node is not None and node.op_type in _QUANTIZATION | _LAYOUT and node.input:
            node = makers.get(node.input[0])
        return node is not None and node.op_type == 'Softmax'

    return [
        node
        for node in model.graph.node
        if node.op_type in _WEIGHTED
        and len(node.input) > 1
        and is_constant(node.input[1])
        and not follows_softmax(node.input[0])
    ]


def first_convolutions(model: onnx.ModelProto, count: int) -> list[str]:
    """Names of the convolutions nearest to the image, in the graph's order."""
    return [node.name for node in model.graph.node if node.op_type == 'Conv'][:count]


def last_weighted(model: onnx.ModelProto) -> list[str]:
    """Names of the last nodes with weights: the ends of the heads."""
    weighted = {node.name for node in weighted_nodes(model)}
    leading = _leading_to(model, weighted)
    return [name for name in _names(model) if name in weighted and name not in leading]


def decoding_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes after the last weights, which decode boxes, scores and keypoints."""
    weighted = {node.name for node in weighted_nodes(model)}
    leading = _leading_to(model, weighted)
    return [name for name in _names(model) if name not in weighted | leading]


def sort_nodes(nodes: Iterable[onnx.NodeProto], known: Iterable[str]) -> list[onnx.NodeProto]:
    """Sort nodes so that each input is made before it is used, otherwise in the given order.

    A node that repeats the output of an earlier one is dropped.

    Parameters
    ----------
    nodes : iterable of NodeProto
        The nodes of one graph.
    known : iterable of str
        Names of the graph's inputs and initializers.

    Raises
    ------
    ModelError
        When nothing makes an input, or nodes depend on each other in a cycle.
    """
    waiting = _without_repeats(nodes)
    made = set(known) | {''}  # an optional input that is left out
    ordered: list[onnx.NodeProto] = []
    while waiting:
        later = []
        for node in waiting:
            if all(name in made for name in needs(node)):
                made.update(node.output)
                ordered.append(node)
            else:
                later.append(node)
        if len(later) == len(waiting):
            node = waiting[0]
            missing = [name for name in needs(node) if name not in made]
            raise ModelError(
                f'node {quoted(node.name)} ({printable(node.op_type)}) takes '
                f'{quoted(missing[0])}, which no node or input provides'
            )
        waiting = later
    return ordered


def _without_repeats(nodes: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    given: set[str] = set()
    kept = []
    for node in nodes:
        if not given.intersection(node.output):
            given.update(node.output)
            kept.append(node)
    return kept


def needs(node: onnx.NodeProto) -> Iterator[str]:
    """Names that a node takes, including those that its subgraphs take from outside."""
    yield from node.input
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            inner = {each.name for each in [*graph.input, *graph.initializer]}
            for each in graph.node:
                yield from (name for name in needs(each) if name not in inner)
                inner.update(each.output)


def _names(model: onnx.ModelProto) -> list[str]:
    return [node.name for node in model.graph.node]


def _makers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def _leading_to(model: onnx.ModelProto, targets: set[str]) -> set[str]:
    """Names of the nodes whose output these nodes take, directly or through others."""
    makers = _makers(model)
    found: set[str] = set()
    open_nodes = [node for node in model.graph.node if node.name in targets]
    while open_nodes:
        for name in needs(open_nodes.pop()):
            node = makers.get(name)
            if node is not None and node.name not in found:
                found.add(node.name)
                open_nodes.append(node)
    return found
