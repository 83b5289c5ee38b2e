"""Train the default model: render scenes, train, export to ONNX, evaluate the exported model.

    python scenes/training/oranges/train.py --out models

This needs PyTorch, ONNX and ONNX Runtime in addition to the package's requirements; on a GPU it
takes minutes. docs/oranges.md has the results.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from dataset import SIZE_WH, render_dataset, workers_pool
from network import OrangeNet, export, fold

from jetson_perception.evaluation import ConfusionMatrix
from jetson_perception_scenes.oranges import (
    CLASS_NAMES,
    EVALUATION_SEED,
    TRAINING_SEED,
    VALIDATION_SEED,
    still,
)

SIDECAR = f"""\
# What oranges.onnx is; docs/oranges.md says how it was made.
task: semantic
class_names: [{', '.join(CLASS_NAMES)}]
input_size_wh: [{SIZE_WH[0]}, {SIZE_WH[1]}]
output: logits
resize: stretch
color_order: rgb
scale: 0.00392156862745098
mean: [0.0, 0.0, 0.0]
std: [1.0, 1.0, 1.0]
"""
METADATA = {
    'description': 'Defects of navel oranges, trained on rendered scenes',
    'task': 'semantic',
    'names': str(dict(enumerate(CLASS_NAMES))),
    'imgsz': str([SIZE_WH[1], SIZE_WH[0]]),
    'license': 'Apache-2.0',
}


def main() -> None:
    """Render, train, export, evaluate."""
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.scenes >= VALIDATION_SEED - TRAINING_SEED:
        raise SystemExit(f'--scenes is {args.scenes}, which would use the seeds of validation')
    torch.manual_seed(args.seed)
    began = time.monotonic()
    images, truths = render_dataset(args.scenes, args.workers)
    held_out = render_dataset(args.validation_scenes, args.workers, VALIDATION_SEED)
    shares = np.bincount(truths[::7].ravel(), minlength=len(CLASS_NAMES)) / truths[::7].size
    print(f'rendered {len(images)} samples in {time.monotonic() - began:.0f} s; shares {shares}')
    network = train(images, truths, held_out, args)
    path = args.out / 'oranges.onnx'
    export(fold(network.eval().float().cpu()), str(path), SIZE_WH, METADATA)
    path.with_suffix('.yaml').write_text(SIDECAR, encoding='utf-8')
    print(f'{path}: {path.stat().st_size} bytes')
    began = time.monotonic()
    matrix = evaluate(path, args.evaluation_scenes, args.workers)
    report(matrix, args.evaluation_scenes)
    print(f'evaluated in {time.monotonic() - began:.0f} s')


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, required=True, help='folder for the model')
    parser.add_argument('--scenes', type=int, default=2000, help='scenes to train on')
    parser.add_argument('--validation-scenes', type=int, default=40)
    parser.add_argument('--evaluation-scenes', type=int, default=200)
    parser.add_argument('--steps', type=int, default=5500, help='batches to train on')
    parser.add_argument('--batch', type=int, default=96)
    parser.add_argument('--rate', type=float, default=3e-3, help='highest learning rate')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--seed', type=int, default=0)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    parser.add_argument('--device', default=device)
    return parser.parse_args()


def train(
    images: np.ndarray,
    truths: np.ndarray,
    held_out: tuple[np.ndarray, np.ndarray],
    args: argparse.Namespace,
) -> nn.Module:
    """Train; returns the exponential moving average of the weights."""
    device = torch.device(args.device)
    if device.type == 'cuda':
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
    network = OrangeNet(len(CLASS_NAMES)).to(device, memory_format=torch.channels_last)
    count = sum(p.numel() for p in network.parameters())
    print(f'{count} parameters on {device}')
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(0.9985), use_buffers=True
    ).eval()
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{'params': decayed, 'weight_decay': 0.02}, {'params': others, 'weight_decay': 0.0}],
        lr=args.rate,
    )
    pixels, classes = torch.from_numpy(images).to(device), torch.from_numpy(truths).to(device)
    picker = torch.Generator(device='cpu').manual_seed(args.seed)
    began = time.monotonic()
    losses = []
    for step in range(1, args.steps + 1):
        progress = (step - 1) / args.steps
        for group in optimizer.param_groups:
            warm = min(1.0, step / 300)
            group['lr'] = args.rate * warm * (0.5 + 0.5 * math.cos(math.pi * progress)) + 1e-6
        chosen = torch.randint(len(images), (args.batch,), generator=picker).to(device)
        x, y = augment(pixels[chosen], classes[chosen])
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(x.contiguous(memory_format=torch.channels_last))
        loss = loss_of(logits.float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(network)
        losses.append(loss.detach())
        if step % 1000 == 0 or step == args.steps:
            matrix = _validate(average, held_out, device)
            print(
                f'step {step} at {time.monotonic() - began:.0f} s: '
                f'loss {torch.stack(losses).mean().item():.4f}, validation IoU '
                f'{matrix.iou().round(4)} mean {matrix.mean_iou():.4f}',
                flush=True,
            )
            losses.clear()
    return average.module


@torch.no_grad()
def augment(pixels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Batches (n, h, w, 3) and (n, H, W), uint8, to (n, 3, h, w), 0 to 1, and (n, H, W), long."""
    n, device = len(pixels), pixels.device
    x = pixels.permute(0, 3, 1, 2).float() / 255
    y = classes[:, None].float()

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(n, *shape, device=device).uniform_(low, high)

    # Mirror, rotate a little and scale, the same for picture and truth.
    turn = uniform(-0.25, 0.25) * (uniform(0, 1) < 0.5)
    scale_x, scale_y = uniform(0.85, 1.2), uniform(0.85, 1.2)
    mirror_x, mirror_y = uniform(0, 1).round() * 2 - 1, uniform(0, 1).round() * 2 - 1
    still_one = uniform(0, 1) < 0.4
    turn, scale_x, scale_y = (
        torch.where(still_one, neutral, value)
        for neutral, value in ((0.0, turn), (1.0, scale_x), (1.0, scale_y))
    )
    theta = torch.zeros(n, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 0, 1] = turn.cos() * scale_x * mirror_x, -turn.sin() * scale_y
    theta[:, 1, 0], theta[:, 1, 1] = turn.sin() * scale_x * mirror_x, turn.cos() * scale_y
    theta[:, 1] *= mirror_y[:, None]
    x = functional.grid_sample(
        x,
        functional.affine_grid(theta, [n, 3, *x.shape[2:]], align_corners=False),
        padding_mode='reflection',
        align_corners=False,
    )
    y = functional.grid_sample(
        y,
        functional.affine_grid(theta, [n, 1, *y.shape[2:]], align_corners=False),
        mode='nearest',
        padding_mode='reflection',
        align_corners=False,
    )
    gray = x.mean(dim=1, keepdim=True)
    x = gray + (x - gray) * uniform(0.55, 1.4, 1, 1, 1)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = mean + (x - mean) * uniform(0.65, 1.4, 1, 1, 1)
    x = x * uniform(0.6, 1.4, 1, 1, 1) * uniform(0.82, 1.18, 3, 1, 1) + uniform(
        -0.06, 0.06, 1, 1, 1
    )
    x = x.clamp(1e-3, 1.0) ** uniform(0.7, 1.4, 1, 1, 1)
    soft = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    x = torch.where(uniform(0, 1, 1, 1, 1) < 0.2, soft, x)
    x = x + torch.randn_like(x) * uniform(0, 0.04, 1, 1, 1) * (uniform(0, 1, 1, 1, 1) < 0.5)
    # A camera gives integers.
    x = (x.clamp(0, 1) * 255).round() / 255
    return x, y[:, 0].long()


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy and soft Jaccard of (n, c, h, w) logits at the truth's size (n, H, W)."""
    logits = functional.interpolate(
        logits, size=truth.shape[1:], mode='bilinear', align_corners=False
    )
    entropy = functional.cross_entropy(logits, truth)
    found = logits.softmax(dim=1)
    wanted = functional.one_hot(truth, logits.shape[1]).permute(0, 3, 1, 2).float()
    # Over the batch, because the metric covers all scenes.
    both = (found * wanted).sum(dim=(0, 2, 3))
    either = (found + wanted).sum(dim=(0, 2, 3)) - both
    return entropy + (1 - (both + 1) / (either + 1)).mean()


@torch.no_grad()
def _validate(
    network: nn.Module, held_out: tuple[np.ndarray, np.ndarray], device: torch.device
) -> ConfusionMatrix:
    matrix = ConfusionMatrix(len(CLASS_NAMES))
    for start in range(0, len(held_out[0]), 32):
        images, truths = (array[start : start + 32] for array in held_out)
        x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
        found = network(x.contiguous(memory_format=torch.channels_last)).softmax(dim=1)
        fine = functional.interpolate(
            found, size=truths.shape[1:], mode='bilinear', align_corners=False
        )
        masks = fine.argmax(dim=1).byte().cpu().numpy()
        matrix.add(truths.reshape(-1, truths.shape[2]), masks.reshape(-1, masks.shape[2]))
    return matrix


def evaluate(path: Path, scenes: int, workers: int) -> ConfusionMatrix:
    """Evaluate the exported model as the node runs it, on scenes with the evaluation's seeds."""
    matrix = ConfusionMatrix(len(CLASS_NAMES))
    with workers_pool(workers) as pool:
        seeds = range(EVALUATION_SEED, EVALUATION_SEED + scenes)
        for counts in pool.map(partial(_count_one, str(path)), seeds):
            matrix.counts += counts
    return matrix


def _count_one(path: str, seed: int) -> np.ndarray:
    from jetson_perception.models import SegmentationModel

    bgr, truth = still(seed)
    matrix = ConfusionMatrix(len(CLASS_NAMES))
    model = SegmentationModel.open(path, threads=1)
    matrix.add(truth, model(bgr).mask)
    model.engine.close()
    return matrix.counts


def report(matrix: ConfusionMatrix, scenes: int) -> None:
    """Print the IoU of each class."""
    print(f'{scenes} unseen scenes:')
    for name, iou in zip(CLASS_NAMES, matrix.iou(), strict=True):
        print(f'  {name:12} {iou:.4f}')
    print(f'  {"mean":12} {matrix.mean_iou():.4f}')
    print(matrix.counts)


if __name__ == '__main__':
    main()
