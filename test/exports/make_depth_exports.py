"""Writes more of data/: depth from one image, as exports have it, and what frameworks make of it.

    pip install torch ultralytics
    python test/exports/make_depth_exports.py CHECKOUT

CHECKOUT is one of github.com/DepthAnything/Depth-Anything-V2. Each file gives a fixed map, with
names, types and shapes of an export; beside it, an array of NumPy is the framework's own answer
for an image of 64×48.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import make_exports
import numpy as np
import torch
from make_decoder_exports import taken_out

FOLDER = Path(__file__).parent / 'data'
IMAGE = np.zeros((48, 64, 3), np.uint8)


def main(checkout: str) -> None:
    """Write all."""
    random = np.random.default_rng(2)
    for name, size_wh in (
        ('yolo26_depth_ultralytics', (32, 32)),
        ('yolo26_depth_ultralytics_rectangular', (96, 64)),
    ):
        ultralytics(random, name, size_wh)
    path = Path(checkout) / 'depth_anything_v2/dpt.py'
    for name, size_wh, output in (
        ('depth_anything_v2', (42, 42), 'depth'),
        ('depth_anything_v2_hugging_face', (70, 42), 'predicted_depth'),
        ('depth_anything_v2_unnamed', (28, 28), 'output'),
    ):
        depth_anything(random, path, name, size_wh, output)


def ultralytics(random, name, size_wh):
    """By `DepthPredictor.postprocess`; the export has enlarged the map to the input."""
    from ultralytics.models.yolo.depth import DepthPredictor

    depth = random.uniform(0.5, 20, (1, 1, *size_wh[::-1])).astype(np.float32)
    this = SimpleNamespace(batch=[['']], model=SimpleNamespace(names={0: 'depth'}))
    image = torch.zeros(1, 3, *size_wh[::-1])
    found = DepthPredictor.postprocess(this, torch.from_numpy(depth), image, [IMAGE])[0]
    metadata = {
        'author': 'Ultralytics',
        'task': 'depth',
        'stride': '32',
        'imgsz': str(list(size_wh[::-1])),
        'names': "{0: 'depth'}",
        'head': 'Depth',
    }
    write(name, size_wh, {'output0': depth}, 'images', found.depth.data.numpy(), metadata)


def depth_anything(random, path, name, size_wh, output):
    """By `infer_image`."""
    depth = random.uniform(0, 9, (1, *size_wh[::-1])).astype(np.float32)
    decorated = taken_out(path, ['DepthAnythingV2'])
    this = SimpleNamespace(
        image2tensor=lambda image, size: (image, image.shape[:2]),
        forward=lambda image: torch.from_numpy(depth),
    )
    answer = decorated.DepthAnythingV2.infer_image(this, IMAGE)
    write(name, size_wh, {output: depth}, 'pixel_values', answer, {})


def write(name, size_wh, outputs, input_name, answer, metadata):
    """The ONNX file, and the answer beside it."""
    make_exports.write(name, size_wh, outputs, input_name, None, metadata)
    np.save(FOLDER / f'{name}.npy', answer.astype(np.float32))


if __name__ == '__main__':
    main(*sys.argv[1:])
