"""Hidden channels of an ONNX model, padded to the multiples that tensor cores work in.

A convolution in half precision whose channels are no multiple of eight makes cuDNN pad its input
and its weights anew for every frame, and take slower kernels besides. YOLOv8-pose has 51 channels
in its keypoint branches, three for each of 17 keypoints. Channels that are added once, with zeros
for weights before and behind them, cost less.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.engines.onnx_file.graph import needs, require_onnx

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

# Values of 16 bits in the 16 bytes that a tensor core's operands are aligned to.
_MULTIPLE = 8

# Activations and what they are made of: functions of single values, finite at zero.
_ELEMENTWISE = {
    'Celu',
    'Clip',
    'Elu',
    'Gelu',
    'HardSigmoid',
    'HardSwish',
    'Identity',
    'LeakyRelu',
    'Mish',
    'Relu',
    'Selu',
    'Sigmoid',
    'Softplus',
    'Tanh',
}


def pad_channels(model: onnx.ModelProto) -> int:
    """Add channels to convolutions whose output, activated, only other convolutions take.

    What the model gives stays the same: the added channels are zero, what becomes of them behind
    an activation is multiplied by zero, and sums have such terms more.

    Parameters
    ----------
    model : ModelProto
        It is changed. Fewer channels than eight are left as they are.

    Returns
    -------
    int
        How many convolutions got more output channels.
    """
    require_onnx()
    weights = _own_weights(model)
    nodes = list(model.graph.node)
    outputs = {each.name for each in model.graph.output}
    changed: set[str] = set()
    count = 0
    for index, node in enumerate(nodes):
        if not _is_plain(node, weights):
            continue
        channels = weights[node.input[1]].dims[0]
        missing = -channels % _MULTIPLE
        if not missing or channels < _MULTIPLE:
            continue
        values, takers = _way(node.output[0], nodes[index + 1 :], weights)
        if not takers or values & outputs:
            continue
        own = [name for name in node.input[1:3] if name]
        taken = [taker.input[1] for taker in takers]
        for axis, names in enumerate((own, taken)):
            for name in names:
                _pad(weights[name], axis, missing)
        changed.update(values, own, taken)
        count += 1
    # Some exporters write down the shapes of weights there too.
    stale = [each for each in model.graph.value_info if each.name in changed]
    for each in stale:
        model.graph.value_info.remove(each)
    return count


def _own_weights(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Initializers that one node takes, and that no caller of the model can replace."""
    uses = Counter(name for node in model.graph.node for name in needs(node))
    given = {each.name for each in [*model.graph.input, *model.graph.output]}
    return {
        each.name: each
        for each in model.graph.initializer
        if uses[each.name] == 1 and each.name not in given
    }


def _is_plain(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    """Whether it is a convolution of all channels with weights of its own."""
    return (
        node.op_type == 'Conv'
        and all(name in weights for name in node.input[1:3] if name)
        and all(each.i == 1 for each in node.attribute if each.name == 'group')
    )


def _way(
    name: str, nodes: Sequence[onnx.NodeProto], weights: dict[str, onnx.TensorProto]
) -> tuple[set[str], list[onnx.NodeProto]]:
    """The values that added channels would be in, and the convolutions that take them.

    No convolutions where something else would see those channels.
    """
    values, takers = {name}, []
    for node in nodes:
        taken = [each for each in needs(node) if each in values]
        if not taken:
            continue
        if _is_plain(node, weights):
            takers.append(node)
        elif node.op_type in _ELEMENTWISE or (node.op_type == 'Mul' and len(taken) == 2):
            values.add(node.output[0])
        else:
            return set(), []
    return values, takers


def _pad(stored: onnx.TensorProto, axis: int, count: int) -> None:
    """Append zeros along an axis."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(stored)
    widths = [(0, count if each == axis else 0) for each in range(values.ndim)]
    stored.CopyFrom(numpy_helper.from_array(np.pad(values, widths), stored.name))
