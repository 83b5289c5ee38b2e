"""Quantize a demo model to INT8 (Q/DQ), calibrated on training scenes.

    python tools/demo_models/quantize.py models/people_pose.onnx --out people_pose_int8.onnx

Weights are symmetric, one scale a channel; activations symmetric too, as TensorRT wants them.
Two parts stay in float: the first two convolutions, where 128 steps of brightness cost most of
what INT8 costs (docs/people.md), and the heads' last convolutions with what decodes boxes, scores
and keypoints, whose values span the picture.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from typing import TYPE_CHECKING

from dataset import TRAINING_PHOTOGRAPHS, photographs, render_sample
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from jetson_perception.camera.scenes.people import TRAINING_SEED

if TYPE_CHECKING:
    from collections.abc import Iterator


class Scenes(CalibrationDataReader):
    """Inputs of the network, of training scenes."""

    def __init__(self, count: int) -> None:
        self._tensors = self._render(count)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input; None after the last."""
        tensor = next(self._tensors, None)
        return None if tensor is None else {'images': tensor}

    @staticmethod
    def _render(count: int) -> Iterator[np.ndarray]:
        pictures = photographs(TRAINING_PHOTOGRAPHS)
        for seed in range(TRAINING_SEED, TRAINING_SEED + count):
            image = render_sample(seed, pictures).image
            yield image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)


def first_convolutions(model: onnx.ModelProto, count: int = 2) -> list[str]:
    """Names of the convolutions that the image meets first."""
    return [node.name for node in model.graph.node if node.op_type == 'Conv'][:count]


def decoding_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the heads' last convolutions and of everything behind them."""
    heads = [
        node
        for node in model.graph.node
        if node.op_type == 'Conv' and any(f'/{name}/' in node.name for name in _BRANCHES)
    ]
    inner = {name for node in heads for name in node.output}
    fed = {name for node in model.graph.node if node.op_type == 'Relu' for name in node.input}
    last = [node for node in heads if not fed & set(node.output) and inner & set(node.output)]
    names = [node.name for node in last]
    reached = {name for node in last for name in node.output}
    for node in model.graph.node:
        if reached & set(node.input):
            reached |= set(node.output)
            names.append(node.name)
    return names


_BRANCHES = ('box', 'score', 'points')


def main() -> None:
    """Quantize the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--scenes', type=int, default=200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / 'prepared.onnx'
        quant_pre_process(str(args.model), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared)
        kept = first_convolutions(graph) + decoding_nodes(graph)
        quantize_static(
            str(prepared),
            str(args.out),
            Scenes(args.scenes),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=kept,
            extra_options={'ActivationSymmetric': True},
        )
    model, original = onnx.load(args.out), onnx.load(args.model)
    onnx.helper.set_model_props(model, {p.key: p.value for p in original.metadata_props})
    onnx.save(model, args.out)
    print(f'{args.out}: {args.out.stat().st_size} bytes, {len(kept)} nodes in float')


if __name__ == '__main__':
    main()
