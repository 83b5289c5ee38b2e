"""Models as slow as on a Jetson, made from fast ones: convolutions before the first layer.

The image goes through a stack of convolutions at a quarter of its size, and their output is added
to it, scaled to almost nothing. So inputs and outputs stay the same, and the network takes longer,
in kernels that are typical of networks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

_CHANNELS = 64
_STRIDE = 4


def slowed(path: Path, out: Path, layers: int) -> Path:
    """Write a model with additional convolutions in front.

    Parameters
    ----------
    path, out : Path
        ONNX files.
    layers : int
        Number of 3 × 3 convolutions with 64 channels; 1 or more.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    constants = {each.name for each in graph.initializer}
    image = next(each.name for each in graph.input if each.name not in constants)
    dtype = np.dtype(np.float16 if graph.input[0].type.tensor_type.elem_type == 10 else np.float32)
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == image:
                node.input[index] = 'slowed_image'
    rng = np.random.default_rng(0)
    nodes = []

    def constant(name: str, values: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(values.astype(dtype), name))
        return name

    def weights(name: str, *shape: int) -> str:
        spread = 1 / np.sqrt(np.prod(shape[1:]))
        return constant(name, rng.normal(0, spread, shape))

    first = weights('slowed_first', _CHANNELS, 3, _STRIDE, _STRIDE)
    nodes.append(
        helper.make_node('Conv', [image, first], ['slowed_0'], strides=[_STRIDE, _STRIDE])
    )
    for layer in range(layers):
        kernel = weights(f'slowed_weights_{layer}', _CHANNELS, _CHANNELS, 3, 3)
        nodes += [
            helper.make_node(
                'Conv', [f'slowed_{layer}', kernel], [f'slowed_conv_{layer}'], pads=[1, 1, 1, 1]
            ),
            helper.make_node('Relu', [f'slowed_conv_{layer}'], [f'slowed_{layer + 1}']),
        ]
    last = weights('slowed_last', _CHANNELS, 3, _STRIDE, _STRIDE)
    nodes += [
        helper.make_node(
            'ConvTranspose',
            [f'slowed_{layers}', last],
            ['slowed_difference'],
            strides=[_STRIDE, _STRIDE],
        ),
        helper.make_node(
            'Mul',
            ['slowed_difference', constant('slowed_scale', np.array(1e-6))],
            ['slowed_small'],
        ),
        helper.make_node('Add', [image, 'slowed_small'], ['slowed_image']),
    ]
    everything = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(everything)
    onnx.save(model, out)
    beside = path.with_suffix('.yaml')
    if beside.is_file():
        out.with_suffix('.yaml').write_text(beside.read_text(encoding='utf-8'), encoding='utf-8')
    return out
