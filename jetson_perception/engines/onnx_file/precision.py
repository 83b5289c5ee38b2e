"""Converts ONNX models for a TensorRT version: to FP16, or to another opset.

TensorRT 11 and later and TensorRT-RTX compute in the types of the ONNX file, so FP16 is made here.
NVIDIA's tool for this, nvidia-modelopt, requires PyTorch. ONNX Runtime's converter does not; this
module corrects its faults.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.engines.onnx_file.graph import (
    decoding_nodes,
    name_nodes,
    require_onnx,
    sort_nodes,
)
from jetson_perception.errors import ModelError, PerceptionError
from jetson_perception.installing import pip_install

if TYPE_CHECKING:
    import onnx

WANTED_OPSET = 17
"""The opset that every TensorRT from 8.5 on reads, and that this package's models use."""

WANTED_IR = 8

_DENSE = {'Resize', 'Upsample', 'ArgMax', 'DepthToSpace'}

# Operators that move values unchanged, or do not read them.
_MOVING = {
    'Concat',
    'Flatten',
    'Identity',
    'Reshape',
    'Shape',
    'Slice',
    'Split',
    'Squeeze',
    'Transpose',
    'Unsqueeze',
}

_SCALES_IN_FP16 = 19  # the first opset whose QuantizeLinear has scales in half precision


def opset_of(model: onnx.ModelProto) -> int:
    """Version of the standard ONNX operators; 0 for a model that uses none."""
    return max(
        (each.version for each in model.opset_import if each.domain in ('', 'ai.onnx')), default=0
    )


def is_fp16(model: onnx.ModelProto) -> bool:
    """Whether a model is already in half precision, at least in part."""
    onnx = require_onnx()
    half = onnx.TensorProto.FLOAT16
    return any(each.data_type == half for each in model.graph.initializer) or bool(
        _casts(model, half)
    )


def widen_weights(model: onnx.ModelProto) -> int:
    """Convert to FP32 the weights that are stored in FP16 only to save space and cast before use.

    Such a model computes in FP32.

    Parameters
    ----------
    model : ModelProto
        Changed in place.

    Returns
    -------
    int
        How many weights were converted.
    """
    onnx = require_onnx()
    stored = {
        each.name: each
        for each in model.graph.initializer
        if each.data_type == onnx.TensorProto.FLOAT16
    }
    casts = [node for node in _casts(model, onnx.TensorProto.FLOAT) if node.input[0] in stored]
    for node in casts:
        values = onnx.numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, node.output[0]))
        model.graph.node.remove(node)
    used = {name for node in model.graph.node for name in node.input}
    for name, each in stored.items():
        if name not in used:
            model.graph.initializer.remove(each)
    return len(casts)


def coordinates_in_float(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes to keep in FP32: those that compute boxes and keypoints.

    Between 512 and 1024, half-precision numbers are half a pixel apart. Nodes that only move the
    results of convolutions are not kept, since those are in half precision already. If the outputs
    are maps, no node is kept: logits have no such range, and maps are large.
    """
    names = decoding_nodes(model)
    inside = set(names)
    nodes = [node for node in model.graph.node if node.name in inside]
    if any(node.op_type in _DENSE for node in nodes):
        return []
    makers = {name: node.name for node in model.graph.node for name in node.output}
    moving: set[str] = set()
    for node in nodes:
        values = node.input if node.op_type == 'Concat' else node.input[:1]
        # An initializer has no maker, ''; the maker of any other constant is one of `inside`.
        given = {makers.get(name, '') for name in values} - moving
        if node.op_type in _MOVING and '' not in given and not given & inside:
            moving.add(node.name)
    return [name for name in names if name not in moving]


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in half precision; inputs, outputs and the decoding stay in FP32.

    Parameters
    ----------
    model : ModelProto
        In FP32, with Q/DQ nodes or without; changed in place.

    Raises
    ------
    PerceptionError
        When onnx or ONNX Runtime is missing.
    ModelError
        When the model cannot be converted.

    Notes
    -----
    ONNX Runtime 1.31's converter gives an initializer that two Resize nodes share two Cast nodes
    of the same name, which TensorRT and ONNX Runtime refuse, and appends nodes out of order. So
    repeated nodes are dropped, and the rest is sorted. Between two nodes that stay in FP32 it
    casts to FP16 and back, which would lose the precision that they are kept for, and break the
    arithmetic of shapes; so these casts are removed.
    """
    require_onnx()
    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as err:
        raise PerceptionError(
            f'ONNX Runtime is needed to convert a model to FP16, and its converter cannot be '
            f'imported ({err}); {pip_install("onnxruntime")}'
        ) from err
    quantized = any(node.op_type == 'QuantizeLinear' for node in model.graph.node)
    if quantized and 0 < opset_of(model) < _SCALES_IN_FP16:
        model = convert_opset(model, _SCALES_IN_FP16, model.ir_version)
    name_nodes(model)
    kept = coordinates_in_float(model)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # one for each weight below FP16's smallest
            model = convert_float_to_float16(model, keep_io_types=True, node_block_list=kept)
    except Exception as err:  # whatever its checks and onnx's shape inference raise
        why = ' '.join(str(err).split()) or type(err).__name__
        raise ModelError(
            f'the model cannot be converted to FP16: {why}. Export it in half precision '
            '(Ultralytics: half=True), or build with precision fp32'
        ) from err
    _drop_round_trips(model)
    known = [each.name for each in [*model.graph.input, *model.graph.initializer]]
    nodes = sort_nodes(model.graph.node, known)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _refuse_infinite_weights(model)
    return model


def _drop_round_trips(model: onnx.ModelProto) -> None:
    """Remove casts of FP32 values to FP16 and back."""
    from onnx import TensorProto

    halved = {node.output[0]: node.input[0] for node in _casts(model, TensorProto.FLOAT16)}
    instead = {
        node.output[0]: halved[node.input[0]]
        for node in _casts(model, TensorProto.FLOAT)
        if node.input[0] in halved
    }
    # Outputs of the model keep their names, so there the value is renamed, not its users.
    outputs = {each.name for each in model.graph.output}
    renamed = {source: name for name, source in instead.items() if name in outputs}
    nodes = [node for node in model.graph.node if node.output[0] not in instead]
    for node in nodes:
        for index, name in enumerate(node.input):
            source = instead.get(name, name)
            node.input[index] = renamed.get(source, source)
        for index, name in enumerate(node.output):
            node.output[index] = renamed.get(name, name)
    used = outputs.union(*(node.input for node in nodes))
    del model.graph.node[:]
    model.graph.node.extend(
        node for node in nodes if node.op_type != 'Cast' or node.output[0] in used
    )


def _casts(model: onnx.ModelProto, to: int) -> list[onnx.NodeProto]:
    return [
        node
        for node in model.graph.node
        if node.op_type == 'Cast' and any(a.name == 'to' and a.i == to for a in node.attribute)
    ]


def _refuse_infinite_weights(model: onnx.ModelProto) -> None:
    from onnx import TensorProto, numpy_helper

    for each in model.graph.initializer:
        half = each.data_type == TensorProto.FLOAT16
        if half and not np.isfinite(numpy_helper.to_array(each)).all():
            raise ModelError(
                f"weights '{each.name}' are not finite in FP16; build with precision fp32"
            )


def float_weights(model: onnx.ModelProto) -> int:
    """Turn int8 weights into floats followed by a QuantizeLinear that restores them.

    TensorRT 8.x takes quantized weights only in this form. Their values stay the same.

    Parameters
    ----------
    model : ModelProto
        Changed in place.

    Returns
    -------
    int
        How many weights were converted.
    """
    onnx = require_onnx()
    values = {each.name: each for each in model.graph.initializer}
    nodes = []
    changed: set[str] = set()
    for node in model.graph.node:
        stored = values.get(node.input[0]) if node.op_type == 'DequantizeLinear' else None
        if stored is not None and stored.data_type == onnx.TensorProto.INT8:
            if stored.name not in changed:
                changed.add(stored.name)
                nodes.append(_quantize_again(stored, node, values))
            node.input[0] = f'{stored.name}_quantized'
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return len(changed)


def _quantize_again(
    stored: onnx.TensorProto, dequantize: onnx.NodeProto, values: dict[str, onnx.TensorProto]
) -> onnx.NodeProto:
    """Make a weight a float; return the QuantizeLinear that restores it."""
    onnx = require_onnx()
    integers = onnx.numpy_helper.to_array(stored)
    scale = onnx.numpy_helper.to_array(values[dequantize.input[1]])
    axis = next((each.i for each in dequantize.attribute if each.name == 'axis'), 1)
    if scale.ndim:
        shape = [1] * integers.ndim
        shape[axis] = -1
        scale = scale.reshape(shape)
    name = stored.name
    stored.CopyFrom(onnx.numpy_helper.from_array(integers * scale, name))
    return onnx.helper.make_node(
        'QuantizeLinear',
        [name, *dequantize.input[1:]],
        [f'{name}_quantized'],
        name=f'{name}_quantize',
        axis=axis,
    )


def convert_opset(
    model: onnx.ModelProto, opset: int = WANTED_OPSET, ir_version: int = WANTED_IR
) -> onnx.ModelProto:
    """The model converted to another opset, and checked.

    Raises
    ------
    ModelError
        When onnx cannot convert it; the message names both opsets.
    """
    onnx = require_onnx()
    metadata = {each.key: each.value for each in model.metadata_props}
    try:
        converted = onnx.version_converter.convert_version(model, opset)
        converted.ir_version = ir_version
        onnx.checker.check_model(converted)
    except Exception as err:  # its converter raises RuntimeError, its checker a type of its own
        why = ' '.join(str(err).split())[:300]
        raise ModelError(
            f'the model has opset {opset_of(model)} and IR version {model.ir_version}; onnx '
            f'cannot convert it to opset {opset}: {why}. Export it with opset {opset}'
        ) from err
    onnx.helper.set_model_props(converted, metadata)
    return converted
