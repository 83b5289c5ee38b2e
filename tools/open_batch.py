"""Leaves the batch of an ONNX file open that was exported for one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

if TYPE_CHECKING:
    from pathlib import Path


def open_batch(source: Path, target: Path) -> Path:
    """Write a model that takes any number of images, where one took exactly one; returns `target`.

    The first dimension of inputs and outputs gets a name, and where a Reshape says 1 for it, it
    now says 'as it was'. Whether the network then keeps images apart has to be tried.
    """
    model = onnx.load(source)
    for value in (*model.graph.input, *model.graph.output):
        sizes = value.type.tensor_type.shape.dim
        if sizes and sizes[0].dim_value == 1:
            sizes[0].dim_param = 'batch'  # in place of the number
    del model.graph.value_info[:]  # it has sizes for one image
    for node in model.graph.node:
        kept = [each for each in node.attribute if each.name != 'allowzero']  # 0: as it was
        if node.op_type == 'Reshape':
            del node.attribute[:]
            node.attribute.extend(kept)
    shapes = {node.input[1] for node in model.graph.node if node.op_type == 'Reshape'}
    constants = [(each.name, each) for each in model.graph.initializer]
    constants += [
        (node.output[0], attribute.t)
        for node in model.graph.node
        if node.op_type == 'Constant'
        for attribute in node.attribute
        if attribute.name == 'value'
    ]
    for name, constant in constants:
        if name not in shapes:
            continue
        sizes = numpy_helper.to_array(constant).copy()
        if sizes.size > 1 and sizes[0] == 1:
            sizes[0] = 0
            constant.CopyFrom(numpy_helper.from_array(sizes.astype(np.int64), constant.name))
    onnx.save(model, target)
    return target
