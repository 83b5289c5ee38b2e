#!/usr/bin/env python3
"""Time a video file on a GPU: decoded by the CPU, by NVDEC over the host, and by NVDEC in place.

A video of photographs that slide by is written in H.264 and H.265, or one of yours is taken. Of
each way it prints the frames a second of reading alone, and of reading with a model that takes
every frame, the processor time of a frame, and how much of the results is as the CPU's way has it.

    python3 tools/benchmark_nvdec.py --model yolov8n.onnx

Ways: cpu is OpenCV's FFmpeg on all cores, and uploads BGR; copied is NVDEC, its frames copied to
the host and uploaded again as NV12; in place is NVDEC, its frames read where they lie.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import cv2
import numpy as np
from benchmark_nvjpeg import picture

from jetson_perception.camera import open_source
from jetson_perception.cuda.nvdec import nvdec_problem
from jetson_perception.errors import EndOfStream
from jetson_perception.images.encodings import to_bgr
from jetson_perception.models import open_model
from jetson_perception.pipeline import Frame, Pipeline, RawImage, make_lane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jetson_perception.camera.source import CapturedFrame
    from jetson_perception.models import Model

ENCODERS = {'h264': 'libx264', 'hevc': 'libx265'}
WAYS = {'cpu': 'cpu', 'copied': 'gpu', 'in place': 'gpu'}
RATE_HZ = 30
_STALLED_S = 60.0


class Run(NamedTuple):
    """What came of reading a file once.

    Attributes
    ----------
    rate_hz : float
        Frames a second.
    cpu_ms : float
        Processor time of a frame, of all threads.
    frames : int
    results : list
        By frame, where a model ran.
    """

    rate_hz: float
    cpu_ms: float
    frames: int
    results: list[Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables; exits with a message where a way loses frames or finds something else."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default='people_detect', help='a detector (people_detect)')
    parser.add_argument('--runtime', default='auto', help='as of `run` (auto)')
    parser.add_argument('--frames', type=int, default=300, help='of each video (300)')
    parser.add_argument('--size', type=int, nargs=2, default=(1920, 1080), metavar=('W', 'H'))
    parser.add_argument('--rounds', type=int, default=3, help='runs of each way (3)')
    parser.add_argument('--video', type=Path, help='a file of yours in place of those')
    options = parser.parse_args(arguments)
    problem = nvdec_problem()
    ways = {'cpu': 'cpu'} if problem else WAYS
    with closing(open_model(options.model, runtime=options.runtime)) as model:
        print(f'{model.engine.description}; median (lowest to highest) of {options.rounds}')
        if problem:
            print(f'the CPU alone decodes: {problem}')
        with tempfile.TemporaryDirectory() as folder:
            for name, path in videos(options, Path(folder)):
                report(name, path, model, ways, options.rounds)


def videos(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Path]]:
    """What is measured, with its name."""
    if options.video is not None:
        yield options.video.name, options.video
        return
    width, height = options.size
    for codec, encoder in ENCODERS.items():
        path = folder / f'{codec}.mp4'
        write(path, encoder, (width, height), options.frames)
        megabits = path.stat().st_size * 8e-6 / (options.frames / RATE_HZ)
        yield f'{width}×{height} {codec}, {megabits:.1f} Mbit/s at {RATE_HZ} Hz', path


def write(path: Path, encoder: str, size_wh: tuple[int, int], frames: int) -> None:
    """Photographs that slide by, with a sensor's grain: BT.709, as HD is, and reordered."""
    whole = picture(*size_wh)
    with av.open(str(path), 'w') as output:
        stream = output.add_stream(encoder, rate=RATE_HZ)
        stream.width, stream.height = size_wh
        stream.pix_fmt = 'yuv420p'
        stream.options = {
            'preset': 'veryfast',
            'crf': '20',
            'x265-params': 'log-level=none:crf=20',
        }
        context = stream.codec_context
        context.colorspace, context.color_range = 1, 1
        rng = np.random.default_rng(0)
        grain = [rng.normal(0, 6, whole.shape).astype(np.int8) for _ in range(8)]
        for number in range(frames):
            moved = np.roll(whole, 4 * number, axis=1)
            bgr = cv2.add(moved, grain[number % len(grain)], dtype=cv2.CV_8U)
            frame = av.VideoFrame.from_ndarray(bgr, 'bgr24').reformat(
                format='yuv420p', dst_colorspace=1, dst_color_range=1
            )
            frame.pts, frame.time_base = number, Fraction(1, RATE_HZ)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def report(
    name: str, path: Path, model: Model[Any, Any], ways: dict[str, str], rounds: int
) -> None:
    """Print a video's table."""
    print(f'\n{name}')
    print(
        f'{"":10}{"reading, frames a second":>28}{"CPU ms":>8}'
        f'{"with the model":>26}{"CPU ms":>8}{"results":>24}'
    )
    alone: dict[str, list[Run]] = {way: [] for way in ways}
    together: dict[str, list[Run]] = {way: [] for way in ways}
    for number in range(rounds + 1):  # in turn, so that other load affects all; the first warms up
        for way, decoder in ways.items():
            runs = read(path, way, decoder), run(path, way, decoder, model)
            if number:
                alone[way].append(runs[0])
                together[way].append(runs[1])
    expected = together['cpu'][0]
    for way in ways:
        cells = [each for runs in (alone[way], together[way]) for each in columns(runs)]
        found = together[way][0]
        likeness = '' if way == 'cpu' else compared(found.results, expected.results)
        print(f'{way:10}{cells[0]:>28}{cells[1]:>8}{cells[2]:>26}{cells[3]:>8}{likeness:>24}')
        if found.frames != expected.frames:
            sys.exit(f'{way}: {found.frames} frames; {expected.frames} by the CPU')


def columns(runs: list[Run]) -> tuple[str, str]:
    """Frames a second with their range, and the processor time of a frame."""
    rates = [each.rate_hz for each in runs]
    cpu_ms = statistics.median(each.cpu_ms for each in runs)
    middle, least, most = statistics.median(rates), min(rates), max(rates)
    return f'{middle:.1f} ({least:.1f} to {most:.1f})', f'{cpu_ms:.2f}'


def captured(path: Path, decoder: str) -> Iterator[CapturedFrame]:
    """Every frame of a file, as a node gets it."""
    with closing(
        open_source(f'file://{path}', frame_rate=0, native=True, video_decoder=decoder)
    ) as source:
        source.open()
        while True:
            try:
                frame = source.read()
            except EndOfStream:
                return
            if decoder == 'gpu' and frame.on_device is None:
                sys.exit(f'{path} is not decoded on the GPU; the log says why (-v)')
            yield frame


def read(path: Path, way: str, decoder: str) -> Run:
    """Read alone; on the GPU, to the end of its work."""
    begun_s, begun_cpu_s, frames, last = time.perf_counter(), time.process_time(), 0, None
    for frame in captured(path, decoder):
        if way == 'copied':
            frame.pixels  # noqa: B018 - the copy
        frames, last = frames + 1, frame.on_device
    if last is not None:
        with last.device.pushed():
            last.ready.synchronize()
    return measured(begun_s, begun_cpu_s, frames, [])


def run(path: Path, way: str, decoder: str, model: Model[Any, Any]) -> Run:
    """Read and find, frame after frame, none left out: the pipeline of the nodes."""
    results: dict[int, Any] = {}
    done = threading.Semaphore(0)

    def keep(frame: Frame, result: Any) -> None:
        results[frame.index - 1] = result
        done.release()

    lane = make_lane('model', model, keep, on_error=lambda error: sys.exit(str(error)))
    pipeline = Pipeline([lane])
    pipeline.start()
    try:
        begun_s, begun_cpu_s, frames = time.perf_counter(), time.process_time(), 0
        for each in captured(path, decoder):
            if not lane.slot.wait_until_taken(_STALLED_S):
                sys.exit(f'the engine has taken no frame for {_STALLED_S} s')
            pipeline.offer(made(each, way))
            frames += 1
        for number in range(frames):
            if not done.acquire(timeout=_STALLED_S):
                sys.exit(f'{way}: {number} results of {frames} frames')
        return measured(begun_s, begun_cpu_s, frames, [results.get(at) for at in range(frames)])
    finally:
        pipeline.close(patience_s=_STALLED_S)


def made(each: CapturedFrame, way: str) -> Frame:
    """What a node makes of a captured frame."""
    if way == 'in place':
        return Frame(lambda: to_bgr(each.pixels, each.encoding), picture=each.on_device)
    pixels, encoding = each.pixels, each.encoding
    raw = RawImage(pixels, encoding, *each.size_wh)
    return Frame(lambda: to_bgr(pixels, encoding), raw=raw)


def measured(begun_s: float, begun_cpu_s: float, frames: int, results: list[Any]) -> Run:
    """A run that ends now."""
    took_s, took_cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    return Run(frames / took_s, 1e3 * took_cpu_s / max(frames, 1), frames, results)


def compared(found: list[Any], expected: list[Any]) -> str:
    """How many frames have as many objects, and how far boxes are from each other there."""
    same, apart = 0, 0.0
    for ours, others in zip(found, expected, strict=False):
        if ours is None or others is None or len(ours) != len(others):
            continue
        same += 1
        if len(ours):
            order, other_order = (np.lexsort(each.xyxy.round().T) for each in (ours, others))
            far = np.abs(ours.xyxy[order] - others.xyxy[other_order])
            apart = max(apart, float(np.median(far)))
    return f'{same} of {len(expected)}, {apart:.1f} px'


if __name__ == '__main__':
    main()
