#!/usr/bin/env python3
"""Time `jetson-perception run` on videos: stages overlapped, in turn, and a usual loop.

A rendered conveyor of oranges is written as H.264 videos of 512×512 and 1280×720. Of each the
defects are found, drawn with their shares and the frame rate, and written as H.264 again:

- by `jetson-perception run … --counts --output`, whose stages overlap;
- by the same with `--sequential`: one frame after another, each on all cores;
- by the loop of a usual script, frame by frame: a plain session, OpenCV and NumPy, and the same
  video writer.

All three run in turn, so that other load on the machine affects all. Stages that overlap can gain
what a second core adds, which is little where two cores of a virtual machine are two threads of
one of its host: the first line says how many times as often two processes, on one thread each, run
the network as one does.

    python3 tools/benchmark_run.py
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.benchmark.baseline import plain_session, postprocess_segmentation
from jetson_perception.camera.named_frames import named_frames
from jetson_perception.commands.recording import write_video
from jetson_perception.models import open_model
from jetson_perception.palette import palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES_WH = (512, 512), (1280, 720)
RATE_HZ = 30.0

_ALONE = """
import sys, time
import numpy as np
from jetson_perception.models import open_model
with open_model(sys.argv[1], runtime='onnxruntime_cpu', threads=1) as model:
    tensor = np.zeros(model.engine.inputs[0].shape, model.engine.inputs[0].dtype)
    model.infer(tensor)
    print('ready', flush=True)
    sys.stdin.readline()
    runs, end = 0, time.monotonic() + 3
    while time.monotonic() < end:
        model.infer(tensor)
        runs += 1
print(runs)
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default='oranges', help='a semantic segmentation model')
    parser.add_argument('--runtime', default='auto', help='as of `run` (auto)')
    parser.add_argument('--frames', type=int, default=300, help='of each video (300)')
    parser.add_argument('--rounds', type=int, default=3, help='runs of each way (3)')
    arguments = parser.parse_args()
    model = open_model(arguments.model, runtime=arguments.runtime)
    one, two = runs_at_once(arguments.model, 1), runs_at_once(arguments.model, 2)
    print(
        f'two processes on one thread each run the network {two / one:.2f} times as often as one'
    )
    print(
        f'{model.engine.description}; input {model.network_wh[0]}×{model.network_wh[1]}; '
        f'{arguments.frames} frames, frames a second, median (lowest to highest) of '
        f'{arguments.rounds}'
    )
    print(f'{"":12}{"overlapped":>22}{"--sequential":>22}{"usual loop":>22}{"ratios":>16}')
    with tempfile.TemporaryDirectory() as folder:
        for size_wh in SIZES_WH:
            report(model, Path(folder), size_wh, arguments)


def runs_at_once(model: str, count: int) -> int:
    """How often so many processes at once run a network on the CPU in 3 s, all together."""
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}
    command = [sys.executable, '-c', _ALONE, model]
    processes: list[Any] = [subprocess.Popen(command, **pipes) for _ in range(count)]
    for each in processes:
        if each.stdout.readline() != 'ready\n':
            sys.exit(f'{model} does not run on the CPU')
    for each in processes:
        each.stdin.write('\n')
        each.stdin.flush()
    return sum(int(each.communicate()[0]) for each in processes)


def report(
    model: Any, folder: Path, size_wh: tuple[int, int], arguments: argparse.Namespace
) -> None:
    """Print a row; the ratios are to --sequential and to the usual loop."""
    name = f'{size_wh[0]}×{size_wh[1]}'
    video = folder / f'{size_wh[0]}x{size_wh[1]}.mp4'
    record(video, size_wh, arguments.frames)
    rates: dict[str, list[float]] = {'overlapped': [], 'sequential': [], 'usual': []}
    for _ in range(arguments.rounds):
        for way, options in (('overlapped', []), ('sequential', ['--sequential'])):
            rates[way].append(rate_of_run(video, folder / way, options, arguments))
        rates['usual'].append(usual_rate(model, video, folder / 'usual.mp4', size_wh))
    results = [
        (folder / way / 'results.jsonl').read_bytes() for way in ('overlapped', 'sequential')
    ]
    if results[0] != results[1]:
        sys.exit(f'{name}: results of the two ways differ')
    medians = {way: statistics.median(each) for way, each in rates.items()}
    cells = [
        f'{medians[way]:.1f} ({min(each):.1f} to {max(each):.1f})' for way, each in rates.items()
    ]
    ratios = [medians['overlapped'] / medians[way] for way in ('sequential', 'usual')]
    print(
        f'{name:12}'
        + ''.join(f'{cell:>22}' for cell in cells)
        + f'{ratios[0]:>9.2f}{ratios[1]:>7.2f}'
    )


def record(path: Path, size_wh: tuple[int, int], frames: int) -> None:
    """Render the video."""
    width, height = size_wh
    scene = f'scene://oranges?width={width}&height={height}&fps={RATE_HZ:g}&frames={frames}'
    with write_video(path, size_wh, RATE_HZ) as video:
        for frame in named_frames(scene):
            video.write(frame.bgr)


def rate_of_run(
    video: Path, output: Path, options: list[str], arguments: argparse.Namespace
) -> float:
    """Frames a second of the command, from its first frame to its last."""
    command = [sys.executable, '-m', 'jetson_perception', 'run', arguments.model, str(video)]
    command += ['--counts', '--output', str(output), '--runtime', arguments.runtime, *options]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(r'(\d+) frames in ([\d.]+) s, ([\d.]+) frames a second', said)
    if not found:
        sys.exit(f'{" ".join(command)} printed no rate: {said}')
    return float(found[3])


def usual_rate(model: Any, video: Path, output: Path, size_wh: tuple[int, int]) -> float:
    """Frames a second of a usual loop."""
    run = plain_session(model)
    colors = palette(len(model.class_names))
    capture = cv2.VideoCapture(str(video))
    with write_video(output, size_wh, RATE_HZ) as writer:
        begun = time.perf_counter()
        frames = 0
        while (read := capture.read())[0]:
            writer.write(usual_frame(run, read[1], colors, model))
            frames += 1
        took = time.perf_counter() - begun
    capture.release()
    return frames / took


def usual_frame(run: Any, bgr: NDArray[np.uint8], colors: Any, model: Any) -> NDArray[np.uint8]:
    """One frame, as scripts do it: colors of each pixel's class, shares and frame rate."""
    begun = time.perf_counter()
    height, width = bgr.shape[:2]
    resized = cv2.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), model.network_wh)
    tensor = np.transpose(np.array(resized, np.float32) / 255.0, (2, 0, 1))[None]
    (output,) = run(np.ascontiguousarray(tensor, model.engine.inputs[0].dtype))
    mask, pixels = postprocess_segmentation(output, (height, width))
    tinted = np.reshape(colors[np.reshape(mask, [-1])], [height, width, -1])
    picture: Any = cv2.addWeighted(bgr, 0.6, tinted, 0.4, 0)
    for row, (name, count) in enumerate(zip(model.class_names, pixels, strict=True)):
        text = f'{name} {count / (width * height):.1%}'
        put(picture, text, height - 20 - 25 * row)
    put(picture, f'FPS {1 / (time.perf_counter() - begun):.0f}', 30)
    return picture


def put(picture: Any, text: str, y: int) -> None:
    """Write a line."""
    cv2.putText(picture, text, (20, y), cv2.FONT_HERSHEY_PLAIN, 1.5, (255, 0, 0), 2, cv2.LINE_AA)


if __name__ == '__main__':
    main()
