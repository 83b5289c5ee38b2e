"""Cameras in one process, as fast as they are served: together, in turn, and inference alone."""

from __future__ import annotations

import logging
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from open_batch import open_batch

from jetson_perception import open_model
from jetson_perception.engines.base import CudaEngine
from jetson_perception.images.encodings import to_bgr
from jetson_perception.models.batching import most_together
from jetson_perception.models.cuda_batching import open_batches
from jetson_perception.pipeline import Batching, Frame, Pipeline, RawImage, make_lane
from jetson_perception.resources import model_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from jetson_perception.models import Model

LEAST_SHARE = 0.9
WARM_UP_S = 1.0
#: Frames of a camera between its offer and its result: one in each of two inferences, one waits.
UNDER_WAY = 3
_ALONE_S = 2.0


@dataclass(frozen=True)
class Served:
    """What all cameras got together.

    Attributes
    ----------
    hz : float
        Results a second, of all.
    of_each : list of int
        Results of each camera.
    latencies_ms : list of float
        From offer to result.
    errors : list of str
        Why frames failed.
    """

    hz: float
    of_each: list[int]
    latencies_ms: list[float]
    errors: list[str]


def measure(arguments: argparse.Namespace) -> int:
    """Measure each number of cameras and print the table; returns how many bars were missed."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    with tempfile.TemporaryDirectory() as folder:
        source = Path(arguments.model or model_path('people_detect'))
        path = open_batch(source, Path(folder, source.name))
        begun = time.monotonic()
        model = open_model(
            path, runtime=arguments.runtime, precision=arguments.precision, threads=0
        )
        with model:
            most = max(arguments.cameras)
            if model.device_path is None:
                model.batch = most_together(model, most)
            open_batches(model, most)
            print(f'{source.name} opened in {time.monotonic() - begun:.1f} s')
            if model.batch < most:
                print(f'the model takes {model.batch} images together: see the log')
                return 1
            return sum(_measure(model, count, arguments) for count in arguments.cameras)


def _measure(model: Model[Any, Any], cameras: int, arguments: argparse.Namespace) -> int:
    """Measure a number of cameras; 1 if the bar is missed."""
    together = _served(model, cameras, cameras, arguments)
    in_turn = _served(model, cameras, 1, arguments)
    alone_hz = _alone_hz(model, cameras)  # last, as lanes have bound the engine
    share = together.hz / alone_hz
    print(
        f'\n{cameras} cameras of {arguments.size} ({arguments.encoding}) in one process, ', end=''
    )
    print(f'{model.engine.description}')
    print('\n| | results a second | of inference alone | median | 99 % | a camera |')
    print('| --- | --- | --- | --- | --- | --- |')
    print(f'| inference of {cameras} alone | {alone_hz:.0f} | 1.00 | | | |')
    for name, served in (('together', together), ('in turn', in_turn)):
        times = np.percentile(served.latencies_ms or [0.0], (50, 99))
        least, largest = min(served.of_each), max(served.of_each)
        print(
            f'| {name} | {served.hz:.0f} | {served.hz / alone_hz:.2f} | {times[0]:.1f} ms | '
            f'{times[1]:.1f} ms | {least} to {largest} |'
        )
    errors = {*together.errors, *in_turn.errors}
    for error in sorted(errors):
        print(f'a frame failed: {error}')
    gain = together.hz / in_turn.hz if in_turn.hz else float('inf')
    is_kept = share >= LEAST_SHARE and not errors
    print(
        f'\ntogether gives {gain:.2f} times what in turn gives; '
        f'at least {LEAST_SHARE} of inference alone: {share:.2f}, '
        f'{"kept" if is_kept else "missed"}'
    )
    return int(not is_kept)


def seconds_of(arguments: argparse.Namespace) -> float:
    """How long each way is measured, seconds."""
    return arguments.seconds or 4


def _served(
    model: Model[Any, Any], cameras: int, max_batch: int, arguments: argparse.Namespace
) -> Served:
    """Serve cameras that always have an image, for the seconds that were asked for."""
    sent = _Cameras(model, cameras, max_batch, arguments)
    sent.start()
    try:
        time.sleep(WARM_UP_S)
        before = sent.results()
        begun = time.monotonic()
        time.sleep(seconds_of(arguments))
        took_s, after = time.monotonic() - begun, sent.results()
    finally:
        sent.close()
    of_each = [len(b) - len(a) for a, b in zip(before, after, strict=True)]
    latencies = [ms for a, b in zip(before, after, strict=True) for ms in b[len(a) :]]
    return Served(sum(of_each) / took_s, of_each, latencies, sent.errors)


class _Wanted:
    """What is wanted of batches."""

    batch_wait_ms = 0.0

    def __init__(self, max_batch: int) -> None:
        self.max_batch = max_batch


class _Cameras:
    """Threads that offer frames of each camera, as soon as the ones before have results."""

    def __init__(
        self, model: Model[Any, Any], cameras: int, max_batch: int, arguments: argparse.Namespace
    ) -> None:
        self.errors: list[str] = []
        wanted = _Wanted(max_batch)
        lane = make_lane('det', model, self._publish, on_error=self._fail)
        lane.batching = Batching(model.batch, lambda: wanted)
        self._lane = lane
        self._pipeline = Pipeline([lane], inputs=cameras)
        self._ended = False
        self._changed = [threading.Condition() for _ in range(cameras)]
        self._results: list[list[float]] = [[] for _ in range(cameras)]
        self._threads = [
            threading.Thread(target=self._send, args=(index, arguments), daemon=True)
            for index in range(cameras)
        ]

    def start(self) -> None:
        """Begin."""
        self._pipeline.start()
        for each in self._threads:
            each.start()

    def results(self) -> list[list[float]]:
        """The latency of each result so far, of each camera, ms."""
        return [list(each) for each in self._results]

    def close(self) -> None:
        """End."""
        self._ended = True
        for each in self._threads:
            each.join()
        self._pipeline.close()

    def _send(self, camera: int, arguments: argparse.Namespace) -> None:
        images = [_image(10 * camera + number, arguments) for number in range(UNDER_WAY)]
        offered, changed = 0, self._changed[camera]
        while not self._ended:
            raw = images[offered % UNDER_WAY]
            frame = Frame(partial(to_bgr, raw.pixels, raw.encoding), raw=raw)
            frame.input_index = camera
            self._pipeline.offer(frame)
            offered += 1
            with changed:
                changed.wait_for(partial(self._may_offer, camera, offered), 0.5)

    def _may_offer(self, camera: int, offered: int) -> bool:
        """Whether few enough of the offered frames of a camera are under way."""
        counts = self._lane.records[camera].counts
        done = len(self._results[camera]) + counts.skipped + counts.failed
        return self._ended or offered - done < UNDER_WAY

    def _publish(self, frame: Frame, _: Any) -> None:
        camera = frame.input_index
        with self._changed[camera]:
            self._results[camera].append((time.monotonic_ns() - frame.received_ns) / 1e6)
            self._changed[camera].notify()

    def _fail(self, error: Exception) -> None:
        self.errors.append(str(error))


def _image(seed: int, arguments: argparse.Namespace) -> RawImage:
    width, height = map(int, arguments.size.split('x'))
    shape = {'bgr8': (height, width, 3), 'nv12': (height * 3 // 2, width)}[arguments.encoding]
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return RawImage(pixels, arguments.encoding, width, height)


def _alone_hz(model: Model[Any, Any], count: int) -> float:
    """Images a second of inferences of `count` images, one after another, and nothing else."""
    engine, path = model.engine, model.device_path
    if path is None or not isinstance(engine, CudaEngine):
        tensor = np.random.default_rng(0).random((count, *engine.inputs[0].shape[1:]), np.float32)
        return count * _rate(lambda: engine.infer(tensor), lambda: None)
    path.bind_thread()
    batches = path.batches
    assert batches is not None
    with engine.device.pushed():
        return count * _rate(lambda: batches.engine.enqueue(count), engine.stream.synchronize)


def _rate(run: Callable[[], Any], wait: Callable[[], Any]) -> float:
    """Runs a second, the median of three rounds."""
    rates = []
    for _ in range(3):
        runs, begun = 0, time.monotonic()
        while time.monotonic() - begun < _ALONE_S / 3:
            for _ in range(4):  # some may be enqueued before the last one is done
                run()
            wait()
            runs += 4
        rates.append(runs / (time.monotonic() - begun))
    return statistics.median(rates)
