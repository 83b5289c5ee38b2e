#!/usr/bin/env python3
"""Measure a seg_node with several cameras: none may be starved, and each is served alike.

    source tools/env.sh && python tools/measure_cameras.py

starts drivers of four cameras of 640×480 at 30 Hz in one process, a seg_node with image_topics and
one model that takes batches, and a program that hears the masks. First the model has one operator:
no camera may get fewer than 29 masks in any second. Then it is slow: each camera must get its
share of the masks, within a tenth. Prints a table; ends with 1 if a bar is missed. With --own, the
node reads the cameras itself, and pictures stand for their images.

    python tools/measure_cameras.py --runtime onnxruntime_cuda --cameras 4 8 --size 1280x720

needs no ROS. It serves cameras that always have an image in one process, with a detector whose
batch it opens (--model; by default people_detect): all cameras in one inference, and in turn. All
together, the cameras must get at least 0.9 of the rate of such inferences alone.
--runtime onnxruntime_cpu is a rehearsal without a GPU.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools'), str(ROOT / 'test')]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from onnx_models import color_segmentation, slow_segmentation  # noqa: E402
from transport.notes import Notes  # noqa: E402
from transport.rates import (  # noqa: E402
    Rate,
    latencies_ms,
    percentile,
    rate_answered,
)

from jetson_perception.bringup import NodeProcess  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ROOT / 'tools' / 'transport' / 'programs'
LEAST_HZ = 29
SHARE_TOLERANCE = 0.1
NETWORK_WH = (64, 48)
SLOW_WH = (160, 120)
_READY_S = 30.0


@dataclass(frozen=True)
class Served:
    """What a camera got."""

    camera: str
    rate: Rate
    latencies_ms: list[float]

    @property
    def total(self) -> int:
        """Masks in all seconds."""
        return sum(self.rate.by_second)


def main() -> int:
    """Run it; returns the exit code."""
    arguments = parse_arguments()
    if arguments.runtime:
        from one_process_cameras import measure as measure_in_one_process

        return 1 if measure_in_one_process(arguments) else 0
    arguments.seconds = arguments.seconds or 10
    arguments.cameras, *others = arguments.cameras
    if others:
        raise SystemExit('several numbers of cameras are for --runtime')
    # A domain that hardly anybody else uses, on this machine only.
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'
    missed = 0
    for kind in arguments.only or ('instant', 'slow'):
        with tempfile.TemporaryDirectory() as folder:
            served = measure(kind, Path(folder), arguments)
        problem = instant_problem(served) if kind == 'instant' else share_problem(served)
        show(kind, served, problem, arguments)
        missed += problem != ''
    return 1 if missed else 0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', nargs='+', choices=['instant', 'slow'])
    parser.add_argument('--cameras', type=int, nargs='+', default=[4])
    parser.add_argument('--size', default='640x480')
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--seconds', type=int, help='default: 10; 4 with --runtime')
    parser.add_argument('--slow-ms', type=float, default=25.0, help='of the slow model, an image')
    parser.add_argument('--max-batch', type=int, default=0, help='1: cameras take turns')
    parser.add_argument('--batch-wait-ms', type=float, default=0.0)
    parser.add_argument('--own', action='store_true', help='the node reads the cameras itself')
    parser.add_argument(
        '--runtime', choices=['onnxruntime_cuda', 'onnxruntime_cpu'], help='in one process'
    )
    parser.add_argument('--model', help='with --runtime: an ONNX file, whose batch is opened')
    parser.add_argument('--precision', default='fp16', help='with --runtime (%(default)s)')
    parser.add_argument('--encoding', choices=['bgr8', 'nv12'], default='bgr8')
    return parser.parse_args()


def measure(kind: str, folder: Path, arguments: argparse.Namespace) -> list[Served]:
    """What each camera got of a model of this kind."""
    from jetson_perception.ros.processes import running

    cameras = [f'/camera_{index}' for index in range(arguments.cameras)]
    topics = [f'{camera}/image_raw' for camera in cameras]
    model, size_wh = folder / 'model.onnx', NETWORK_WH
    if kind == 'instant':
        color_segmentation(model, size_wh=size_wh, dynamic=True)
    else:
        size_wh = SLOW_WH
        slow_segmentation(model, arguments.slow_ms, size_wh=size_wh, dynamic=True)
    node = NodeProcess(
        'seg_node',
        'measure_cameras',
        parameters={
            'model': str(model),
            'input_size': list(size_wh),
            'mask_size': 'network',
            **inputs(arguments, cameras, folder),
            'max_batch': arguments.max_batch,
            'batch_wait_ms': arguments.batch_wait_ms,
        },
    )
    heard, sent = Notes(folder / 'heard'), folder / 'sent'
    masks = [f'{camera}/mask' for camera in cameras]
    listener = [f'{mask}:sensor_msgs/Image:reliable:50' for mask in masks]
    driver = [str(sent), *topics, '--size', arguments.size, '--rate', str(arguments.rate)]
    with (
        program('listener.py', folder / 'heard', *listener),
        running(node, folder / 'node.log'),
        nullcontext() if arguments.own else program('cameras_driver.py', *driver),
    ):
        wait_until_heard(heard, masks, folder / 'node.log')
        begin_ns = time.time_ns()
        time.sleep(arguments.seconds + 1)
        end_ns = begin_ns + arguments.seconds * 10**9
        return [
            Served(
                camera,
                rate_answered(heard.of(mask), begin_ns, arguments.seconds),
                latencies_ms(heard.of(mask), begin_ns, end_ns),
            )
            for camera, mask in zip(cameras, masks, strict=True)
        ]


def inputs(arguments: argparse.Namespace, cameras: list[str], folder: Path) -> dict[str, Any]:
    """The parameters of the node that say where its images come from."""
    if not arguments.own:
        return {'image_topics': [f'{camera}/image_raw' for camera in cameras]}
    width, height = map(int, arguments.size.split('x'))
    picture = folder / 'picture.bmp'
    cv2.imwrite(str(picture), np.full((height, width, 3), 128, np.uint8))
    sources = [f'{camera}=images://{picture}' for camera in cameras]
    return {'sources': sources, 'frame_rate': float(arguments.rate), 'loop': True}


@contextmanager
def program(name: str, *words: str | Path) -> Iterator[None]:
    """A program of ours, ended with the block."""
    process = subprocess.Popen([sys.executable, str(PROGRAMS / name), *map(str, words)])
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def wait_until_heard(heard: Notes, topics: list[str], log: Path) -> None:
    """Return when every topic has been heard for a second."""
    deadline_s = time.monotonic() + _READY_S
    while not all(len(heard.of(topic)) > 1 for topic in topics):
        if time.monotonic() > deadline_s:
            raise SystemExit(f'no masks in {_READY_S:.0f} s; the log:\n{log.read_text()[-3000:]}')
        time.sleep(0.1)
    time.sleep(2.0)  # subscriptions that move to another participant have moved


def instant_problem(served: list[Served]) -> str:
    """Why the bar of a model that costs nothing is missed; empty when it is kept."""
    least = min(each.rate.least for each in served)
    return '' if least >= LEAST_HZ else f'{least} in a second, at least {LEAST_HZ} are to be'


def share_problem(served: list[Served]) -> str:
    """Why the bar of equal shares is missed; empty when it is kept."""
    share = statistics.mean(each.total for each in served)
    worst = max(abs(each.total - share) / share for each in served) if share else 1.0
    return '' if worst <= SHARE_TOLERANCE else f'a share is off by {100 * worst:.0f} %'


def show(kind: str, served: list[Served], problem: str, arguments: argparse.Namespace) -> None:
    """Print the table of a model."""
    title = 'one operator' if kind == 'instant' else f'{arguments.slow_ms:g} ms an image'
    together = {0: 'as many together as there are', 1: 'in turn'}
    how = together.get(arguments.max_batch, f'up to {arguments.max_batch} together')
    bar = f'≥ {LEAST_HZ} Hz' if kind == 'instant' else f'shares within {SHARE_TOLERANCE:.0%}'
    total_hz = sum(each.total for each in served) / arguments.seconds
    print(f'\n{len(served)} cameras of {arguments.size} at {arguments.rate:g} Hz, {title}, {how}')
    print('\n| camera | results a second | latency, ms | 99 % | share |')
    print('| --- | --- | --- | --- | --- |')
    for each in served:
        times = sorted(each.latencies_ms)
        share = each.total / (total_hz * arguments.seconds or 1)
        print(
            f'| {each.camera} | {each.rate} | {percentile(times, 50):.1f} | '
            f'{percentile(times, 99):.1f} | {share:.1%} |'
        )
    print(f'\n{total_hz:.1f} results a second; {bar}: {problem or "kept"}')


if __name__ == '__main__':
    sys.exit(main())
