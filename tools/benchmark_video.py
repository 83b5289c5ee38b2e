#!/usr/bin/env python3
"""Time the decoding of video packets into BGR, on photographs that slide by.

python3 tools/benchmark_video.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from benchmark_jpeg import SIZES_WH, photographs

from jetson_perception.images.video_stream import VideoPacket, VideoStream

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENCODERS = {'h264': 'libx264', 'hevc': 'libx265'}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--frames', type=int, default=120, help='of each video (120)')
    arguments = parser.parse_args()
    print(
        f'PyAV {av.__version__}; {arguments.frames} frames, a keyframe in 30; '
        'median (lowest) in ms'
    )
    print(f'{"":24}{"kB a frame":>12}{"packet to BGR":>20}{"PSNR, dB":>12}')
    for width, height in SIZES_WH:
        bgr = photographs(width, height)
        originals = [np.roll(bgr, 4 * number, axis=1) for number in range(arguments.frames)]
        for codec in ENCODERS:
            report(f'{width}×{height} {codec}', codec, originals)


def report(name: str, codec: str, originals: list[NDArray[np.uint8]]) -> None:
    """Print a row."""
    packets = encode(originals, codec)
    height, width = originals[0].shape[:2]
    stream = VideoStream(codec, width * height)
    times, likeness = [], []
    for number, packet in enumerate(packets):
        begun = time.perf_counter()
        ((decoded, _),) = stream.decode(VideoPacket(packet, codec))
        times.append(1e3 * (time.perf_counter() - begun))
        likeness.append(cv2.PSNR(decoded, originals[number]))
    kilobytes = statistics.mean(map(len, packets)) / 1e3
    took = f'{statistics.median(times):.2f} ({min(times):.2f})'
    print(f'{name:24}{kilobytes:12.0f}{took:>20}{statistics.mean(likeness):12.1f}')


def encode(bgrs: list[NDArray[np.uint8]], codec: str) -> list[bytes]:
    """The packets, as camera drivers send them: without delay."""
    context: Any = av.CodecContext.create(ENCODERS[codec], 'w')
    context.height, context.width = bgrs[0].shape[:2]
    context.pix_fmt, context.time_base, context.gop_size = 'yuv420p', Fraction(1, 30), 30
    context.options = {
        'preset': 'ultrafast',
        'tune': 'zerolatency',
        'crf': '23',
        'x265-params': 'log-level=none',
    }
    packets: list[Any] = []
    for number, bgr in enumerate(bgrs):
        frame = av.VideoFrame.from_ndarray(bgr, format='bgr24')
        frame.pts = number
        packets += context.encode(frame)
    return [bytes(packet) for packet in [*packets, *context.encode(None)]]


if __name__ == '__main__':
    main()
