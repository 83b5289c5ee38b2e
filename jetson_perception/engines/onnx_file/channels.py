"""Pads hidden channels of an ONNX model to the multiples that tensor cores work in.

If the channels of a half-precision convolution are not a multiple of eight, cuDNN pads its input
and weights again for every frame, and uses slower kernels. YOLOv8-pose has 51 channels in its
keypoint branches, three for each of 17 keypoints. Channels that are added once, with zero weights
before and after them, cost less.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.engines.onnx_file.graph import needs, require_onnx

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

# Tensor cores' operands are aligned to 16 bytes, which are 8 values of 16 bits.
_MULTIPLE = 8

# Activations and their parts: element-wise functions, finite at zero.
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
    """Add channels to convolutions whose activated output goes only into other convolutions.

    The model's outputs stay the same: the added channels are zero, and whatever an activation
    turns them into is multiplied by zero weights, so sums only gain terms of zero.

    Parameters
    ----------
    model : ModelProto
        Changed in place. Convolutions with fewer than eight channels are left as they are.

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
    # Some exporters also list the shapes of weights there.
    stale = [each for each in model.graph.value_info if each.name in changed]
    for each in stale:
        model.graph.value_info.remove(each)
    return count


def _own_weights(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Initializers that exactly one node takes, and that callers of the model cannot replace."""
    uses = Counter(name for node in model.graph.node for name in needs(node))
    given = {each.name for each in [*model.graph.input, *model.graph.output]}
    return {
        each.name: each
        for each in model.graph.initializer
        if uses[each.name] == 1 and each.name not in given
    }


def _is_plain(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    """Whether a node is an ungrouped convolution with its own weights."""
    return (
        node.op_type == 'Conv'
        and all(name in weights for name in node.input[1:3] if name)
        and all(each.i == 1 for each in node.attribute if each.name == 'group')
    )


def _way(
    name: str, nodes: Sequence[onnx.NodeProto], weights: dict[str, onnx.TensorProto]
) -> tuple[set[str], list[onnx.NodeProto]]:
    """The values that would get the added channels, and the convolutions that take them.

    There are no convolutions if any other node would see those channels.
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
