"""Quantize a demo model to INT8 (Q/DQ), calibrated on training scenes.

    python scenes/training/people/quantize.py people_pose.onnx --out people_pose_int8.onnx

`jetson-perception quantize` does the same for any model and any pictures; this uses the scenes of
the training, with the same sizes and backgrounds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from typing import TYPE_CHECKING

import numpy as np
from dataset import TRAINING_PHOTOGRAPHS, photographs, render_sample

from jetson_perception.engines.onnx_file.quantization import quantize_model
from jetson_perception_scenes.people import TRAINING_SEED

if TYPE_CHECKING:
    from collections.abc import Iterator


def inputs(count: int) -> Iterator[np.ndarray]:
    """Inputs of the network, (1, 3, 480, 640) float32, from training scenes."""
    pictures = photographs(TRAINING_PHOTOGRAPHS)
    for seed in range(TRAINING_SEED, TRAINING_SEED + count):
        image = render_sample(seed, pictures).image
        yield image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)


def main() -> None:
    """Quantize the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--scenes', type=int, default=200)
    args = parser.parse_args()
    made = quantize_model(args.model, args.out, inputs(args.scenes))
    size = args.out.stat().st_size
    print(f'{args.out}: {size} bytes, {made.nodes} layers in INT8, {made.kept} in float')


if __name__ == '__main__':
    main()
