"""Train the demo models: render scenes, train one trunk with two heads, export both to ONNX.

    python scenes/training/people/train.py --out models

This needs a GPU, and in addition to the package's requirements PyTorch, ONNX, and scikit-image for
backgrounds. Scenes are rendered while the network learns. `evaluate.py` measures the result;
docs/people.md reports it.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from dataset import MAX_OBJECTS, SIZE_WH, VALIDATION_SEED, Renderers
from losses import Loss, Targets
from network import PeopleNet, export, fold

from jetson_perception_scenes.people import CLASS_NAMES, TRAINING_SEED

# Left and right are exchanged when a picture is mirrored.
MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)


def main() -> None:
    """Render, train, export."""
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    validation = Renderers(args.validation_scenes, args.workers, VALIDATION_SEED)
    scenes = Renderers(
        args.scenes,
        args.workers,
        TRAINING_SEED + args.first_seed,
        args.mixed,
        crowded=args.only == 'pose',  # a picture without people teaches it little
        renewed=True,
    )
    try:
        network = train(scenes, validation, args)
    finally:
        scenes.stop()
        validation.stop()
    fold(network)
    for task, pose in (('detect', False), ('pose', True)):
        if args.only not in (task, ''):
            continue
        name = f'people_{task}'
        path = args.out / f'{name}.onnx'
        export(network, str(path), SIZE_WH, CLASS_NAMES, pose=pose)
        path.with_suffix('.yaml').write_text(_sidecar(name, pose=pose), encoding='utf-8')
        print(f'{path}: {path.stat().st_size} bytes')


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, required=True, help='folder for the models')
    parser.add_argument('--scenes', type=int, default=40_000, help='how many pictures to keep')
    parser.add_argument(
        '--mixed', type=int, default=3, help='pictures composed from others, per rendered one'
    )
    parser.add_argument(
        '--first-seed', type=int, default=0, help='first seed of the training scenes'
    )
    parser.add_argument(
        '--first', type=int, default=3000, help='scenes to wait for before the first step'
    )
    parser.add_argument('--validation-scenes', type=int, default=192)
    parser.add_argument(
        '--steps', type=int, default=0, help='batches to train on; 0: --seconds decides'
    )
    parser.add_argument(
        '--seconds', type=float, default=480.0, help='time from the start of rendering'
    )
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--rate', type=float, default=2.5e-3, help='highest learning rate')
    parser.add_argument('--workers', type=int, default=max(1, (os.cpu_count() or 1) - 2))
    parser.add_argument('--warm', type=int, default=300, help='steps of warm-up')
    parser.add_argument('--report', type=int, default=500, help='steps between reports')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--no-graph', dest='graph', action='store_false', help='launch kernels one by one'
    )
    parser.add_argument(
        '--only',
        choices=('detect', 'pose'),
        default='',
        help='train a trunk for one of the two models, not shared with the other',
    )
    parser.add_argument('--resume', type=Path, help='weights to start from')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    return parser.parse_args()


def _sidecar(name: str, *, pose: bool) -> str:
    names = CLASS_NAMES[:1] if pose else CLASS_NAMES
    keypoints = 'keypoint_shape: [17, 3]\n' if pose else ''
    return (
        f'# What {name}.onnx is; docs/people.md says how it was made.\n'
        f'task: {"pose" if pose else "detect"}\n'
        f'class_names: [{", ".join(names)}]\n'
        f'input_size_wh: [{SIZE_WH[0]}, {SIZE_WH[1]}]\n'
        f'stride: 32\n{keypoints}'
        'layout: anchor_free\nresize: letterbox\ncolor_order: rgb\nscale: 0.00392156862745098\n'
    )


class Store:
    """The scenes that are ready, on the training device."""

    def __init__(self, scenes: Renderers, device: torch.device) -> None:
        self._scenes = scenes
        self._device = device
        self._taken = np.zeros(scenes.count, np.int32)
        self._rows = np.empty(scenes.count, np.int64)  # rows of the scenes that were taken over
        self.size = 0
        height, width = SIZE_WH[1], SIZE_WH[0]
        self._images = torch.empty(
            (scenes.count, height, width, 3), dtype=torch.uint8, device=device
        )
        self._boxes = torch.zeros((scenes.count, MAX_OBJECTS, 4), device=device)
        self._classes = torch.zeros((scenes.count, MAX_OBJECTS), dtype=torch.long, device=device)
        self._points = torch.zeros((scenes.count, MAX_OBJECTS, 17, 3), device=device)
        self._areas = torch.zeros((scenes.count, MAX_OBJECTS), device=device)
        self._numbers = torch.zeros((scenes.count,), dtype=torch.long, device=device)

    def refresh(self, at_most: int = 400) -> None:
        """Take over scenes that were rendered since the last call."""
        ready = self._scenes.ready.copy()
        places = np.flatnonzero(ready != self._taken)[:at_most]
        if not len(places):
            return
        first = places[self._taken[places] == 0]
        self._rows[first] = np.arange(self.size, self.size + len(first))
        rows = torch.from_numpy(self._rows[places]).to(self._device)
        for mine, theirs in (
            (self._images, self._scenes.images),
            (self._boxes, self._scenes.boxes),
            (self._classes, self._scenes.classes),
            (self._points, self._scenes.points),
            (self._areas, self._scenes.areas),
            (self._numbers, self._scenes.numbers),
        ):
            mine[rows] = torch.from_numpy(theirs[places]).to(self._device)
        self._taken[places] = ready[places]
        self.size += len(first)

    @property
    def made(self) -> int:
        """Number of scenes taken over so far, including those that newer ones have replaced."""
        return int(self._taken.sum())

    def batch(self, chosen: Tensor) -> tuple[Tensor, Targets]:
        """Images (n, h, w, 3), uint8, and targets of the given rows."""
        places = torch.arange(MAX_OBJECTS, device=self._device)[None]
        return self._images[chosen], Targets(
            self._boxes[chosen],
            self._classes[chosen],
            self._points[chosen],
            self._areas[chosen],
            places < self._numbers[chosen][:, None],
        )


def _wait_for(store: Store, scenes: Renderers, count: int) -> None:
    while store.size < count:
        store.refresh(10_000)
        if not scenes.alive() and store.size < count and not (scenes.ready.sum() > store.made):
            raise SystemExit(
                f'rendering ended with {store.size} of {count} scenes; see its errors above'
            )
        time.sleep(0.2)


def train(scenes: Renderers, validation: Renderers, args: argparse.Namespace) -> PeopleNet:
    """Train; returns the moving average of the weights, on the CPU."""
    began = time.monotonic()
    device = torch.device(args.device)
    cuda = device.type == 'cuda'
    if cuda:
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    network = PeopleNet(len(CLASS_NAMES))
    if args.resume:
        _resume(network, args.resume)
    network = network.to(device, memory_format=memory_format(device))
    criterion = Loss(SIZE_WH, device, args.only)
    held_out, store = Store(validation, device), Store(scenes, device)
    _wait_for(held_out, validation, args.validation_scenes)
    _wait_for(store, scenes, min(args.first, args.scenes))
    print(f'{store.size} scenes at {time.monotonic() - began:.0f} s', flush=True)
    average = Average(network)
    images, _ = store.batch(torch.zeros(args.batch, dtype=torch.long, device=device))
    step_of = Step(network, criterion, images, graph=args.graph)
    print(f'ready at {time.monotonic() - began:.0f} s', flush=True)
    picker = torch.Generator(device='cpu').manual_seed(args.seed)
    started, step, parts, progress = time.monotonic(), 0, [], 0.0
    while progress < 1.0:
        step += 1
        warm = min(1.0, step / args.warm)
        rate = args.rate * warm * (0.5 + 0.5 * math.cos(math.pi * progress)) + 2e-6
        if step % 10 == 0:
            store.refresh()
            if cuda:  # the schedule follows the clock, so steps must not pile up
                torch.cuda.synchronize()
        chosen = torch.randint(store.size, (args.batch,), generator=picker).to(device)
        part = step_of(store.batch(chosen), 0.0 if progress > 0.9 else 1.0, rate)
        if step % Average.every == 0:
            average.update()
        parts.append(part)
        if args.steps:
            progress = step / args.steps
        else:
            progress = (time.monotonic() - started) / max(1.0, args.seconds - (started - began))
        if step % args.report == 0 or progress >= 1.0:
            named = ', '.join(
                f'{n} {v:.3f}'
                for n, v in zip(Loss.names, torch.stack(parts).mean(dim=0).tolist(), strict=True)
            )
            print(
                f'step {step} at {time.monotonic() - began:.0f} s, {store.made} scenes: {named}',
                flush=True,
            )
            parts.clear()
            _save(average.module, args)  # in case training is cut short
    print(f'validation: {_validate(average.module, held_out, criterion)}', flush=True)
    _save(average.module, args)
    return average.module.float().cpu().eval().to(memory_format=torch.contiguous_format)


def _save(network: nn.Module, args: argparse.Namespace) -> None:
    """Write the weights, as float16, for `--resume`."""
    path = args.out / f'people{"_" if args.only else ""}{args.only}.pt'
    weights = {
        k: (v.half() if v.is_floating_point() else v).cpu().contiguous()
        for k, v in network.state_dict().items()
    }
    unfinished = path.with_suffix('.part')
    torch.save(weights, unfinished)
    unfinished.replace(path)


class Average:
    """A moving average of weights and buffers, first over few steps, later over thousands."""

    every = 2

    def __init__(self, network: nn.Module) -> None:
        self.module = copy.deepcopy(network).eval().requires_grad_(False)
        self._steps = 0
        self._mine = [t for t in self.module.state_dict().values() if t.is_floating_point()]
        self._theirs = [t for t in network.state_dict().values() if t.is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the network's present weights."""
        self._steps += self.every
        decay = min(0.9995, (1 + self._steps) / (20 + self._steps)) ** self.every
        torch._foreach_lerp_(self._mine, self._theirs, 1 - decay)


class Step:
    """One step of training: augment a batch, run the network, and update the weights.

    Nothing in it waits for the device. With `graph`, the network's launches are replayed as CUDA
    graphs, because launching kernels one by one takes longer than running them.
    """

    def __init__(
        self, network: PeopleNet, criterion: Loss, images: Tensor, *, graph: bool
    ) -> None:
        self._network, self._run, self._criterion = network, network, criterion
        self._cuda = images.is_cuda
        decayed = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [{'params': decayed, 'weight_decay': 0.03}, {'params': others, 'weight_decay': 0.0}],
            lr=0.0,
            fused=self._cuda,
        )
        if graph and self._cuda:
            before = {key: value.clone() for key, value in network.state_dict().items()}
            sample = laid_out(unpacked(images))
            with self._autocast():
                self._run = torch.cuda.make_graphed_callables(network, (sample,))
            network.load_state_dict(before)

    def __call__(self, batch: tuple[Tensor, Targets], spread: float, rate: float) -> Tensor:
        """The parts of the loss."""
        for group in self._optimizer.param_groups:
            group['lr'] = rate
        images, targets = augment(*batch, spread)
        with self._autocast():
            raw = self._run(laid_out(images))
        loss, part = self._criterion(raw, targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), 10.0, foreach=True)
        self._optimizer.step()
        return part

    def _autocast(self) -> torch.autocast:
        kind = 'cuda' if self._cuda else 'cpu'
        return torch.autocast(kind, torch.bfloat16, enabled=self._cuda, cache_enabled=False)


def unpacked(images: Tensor) -> Tensor:
    """Images (n, h, w, 3), uint8, as (n, 3, h, w), 0 to 1."""
    return images.permute(0, 3, 1, 2).float() / 255


def laid_out(images: Tensor) -> Tensor:
    """Channels last on a GPU, which suits tensor cores."""
    return images.contiguous(memory_format=memory_format(images.device))


def memory_format(device: torch.device) -> torch.memory_format:
    """Memory format of images and weights."""
    return torch.channels_last if device.type == 'cuda' else torch.contiguous_format


def _resume(network: PeopleNet, path: Path) -> None:
    """Load the weights; layers that are new or have other shapes start from scratch."""
    mine, theirs = network.state_dict(), torch.load(path, map_location='cpu')
    fitting = 0
    for key, values in theirs.items():
        if key in mine and mine[key].shape[1:] == values.shape[1:]:
            rows = slice(min(len(mine[key]), len(values))) if values.ndim else ()
            mine[key][rows] = values[rows].to(mine[key].dtype)
            fitting += 1
    network.load_state_dict(mine)
    print(f'{fitting} of {len(mine)} tensors from {path}')


@torch.no_grad()
def augment(images: Tensor, targets: Targets, spread: float) -> tuple[Tensor, Targets]:
    """Mirror, scale and shift at random, and vary light, color, sharpness and noise.

    Images (n, h, w, 3), uint8, become (n, 3, h, w), 0 to 1. A `spread` of 0 keeps size and place.
    """
    n, device = len(images), images.device
    height, width = images.shape[1:3]
    images = unpacked(images)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(n, *shape, device=device).uniform_(low, high)

    still_one = uniform(0, 1) < 0.35
    scale = torch.where(still_one, 1.0, torch.exp(uniform(-0.4, 0.25) * spread))
    shift_x = torch.where(still_one, 0.0, uniform(-0.15, 0.15) * spread * width)
    shift_y = torch.where(still_one, 0.0, uniform(-0.15, 0.15) * spread * height)
    sign = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    # From the output to the input: scale and mirror about the middle, then shift.
    theta = torch.zeros(n, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 1, 1] = sign / scale, 1 / scale
    theta[:, 0, 2] = -shift_x / (width / 2) * sign / scale
    theta[:, 1, 2] = -shift_y / (height / 2) / scale
    grid = functional.affine_grid(theta, [n, 3, height, width], align_corners=False)
    x = functional.grid_sample(images - 114 / 255, grid, align_corners=False) + 114 / 255

    def moved(p: Tensor, axis: int) -> Tensor:
        half, factor, shift = (
            (width / 2, sign * scale, shift_x) if axis == 0 else (height / 2, scale, shift_y)
        )
        extra = (1,) * (p.ndim - 1)
        return (p - half) * factor.view(n, *extra) + half + shift.view(n, *extra)

    b = targets.boxes
    xs = torch.stack([moved(b[..., 0], 0), moved(b[..., 2], 0)], dim=-1)
    ys = torch.stack([moved(b[..., 1], 1), moved(b[..., 3], 1)], dim=-1)
    full = (xs.amax(-1) - xs.amin(-1)) * (ys.amax(-1) - ys.amin(-1))
    xs, ys = xs.clamp(0, width), ys.clamp(0, height)
    boxes = torch.stack([xs.amin(-1), ys.amin(-1), xs.amax(-1), ys.amax(-1)], dim=-1)
    sides = boxes[..., 2:] - boxes[..., :2]
    there = targets.there & (sides.prod(-1) > 0.15 * full) & (sides.amin(-1) > 2.0)
    points = targets.points
    mirrored = torch.stack([points[:, :, index] for index in MIRRORED], dim=2)
    points = torch.where((sign < 0)[:, None, None, None], mirrored, points)
    px, py = moved(points[..., 0], 0), moved(points[..., 1], 1)
    outside = (px < 0) | (px >= width) | (py < 0) | (py >= height)
    seen = torch.where(outside, 0.0, points[..., 2])
    points = torch.stack([px, py, seen], dim=-1)

    # One matrix for saturation, contrast, brightness, gains of channels and exchange of channels.
    mean = x.mean(dim=(1, 2, 3))[:, None, None]
    saturation, contrast = uniform(0.4, 1.5, 1, 1), uniform(0.6, 1.5, 1, 1)
    gain = uniform(0.55, 1.45, 1, 1) * uniform(0.8, 1.2, 3, 1)
    one = torch.eye(3, device=device)
    colors = gain * contrast * (saturation * one + (1 - saturation) / 3)
    offset = gain * (1 - contrast) * mean + uniform(-0.08, 0.08, 1, 1)
    swap = uniform(0, 1, 1, 1) < 0.15
    colors = torch.where(swap, colors.roll(1, dims=1), colors)
    offset = torch.where(swap, offset.roll(1, dims=1), offset)
    x = torch.baddbmm(offset, colors, x.flatten(2)).view_as(x)
    swapped = x.clamp(1e-3, 1.0) ** uniform(0.65, 1.5, 1, 1, 1)
    soft = functional.avg_pool2d(swapped, 3, 1, 1, count_include_pad=False)
    x = torch.where(uniform(0, 1, 1, 1, 1) < 0.15, soft, swapped)
    x = x + torch.randn_like(x) * (uniform(0, 0.05, 1, 1, 1) * (uniform(0, 1, 1, 1, 1) < 0.4))
    # A camera gives integers.
    x = (x.clamp(0, 1) * 255).round() / 255
    areas = torch.minimum(targets.areas * scale[:, None] ** 2, 0.6 * sides.prod(-1))
    return x, Targets(boxes, targets.classes, points, areas, there)


@torch.no_grad()
def _validate(network: nn.Module, held_out: Store, criterion: Loss) -> str:
    parts = []
    for start in range(0, held_out.size, 32):
        rows = torch.arange(start, min(start + 32, held_out.size), device=criterion.centers.device)
        images, targets = held_out.batch(rows)
        parts.append(criterion(network(laid_out(unpacked(images))), targets)[1])
    return ', '.join(
        f'{n} {v:.3f}'
        for n, v in zip(Loss.names, torch.stack(parts).mean(dim=0).tolist(), strict=True)
    )


if __name__ == '__main__':
    main()
