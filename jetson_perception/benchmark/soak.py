"""Runs a set of models at full rate until stopped; writes a line of figures every second.

    python -m jetson_perception.benchmark.soak people_detect people_pose --size 1280x720

Each line is JSON: seconds since the start, frames done, memory of this process and of the GPU, and
frames that failed. Ctrl-C (SIGINT) ends it cleanly, with a last line that also has `"closed":
true`, and exit code 0.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jetson_perception.benchmark import frames, memory
from jetson_perception.benchmark.end_to_end import FullRate
from jetson_perception.benchmark.session import Settings, model_options, opened_models
from jetson_perception.benchmark.sizes import size_wh
from jetson_perception.engines.base import CudaEngine
from jetson_perception.errors import PerceptionError
from jetson_perception.model_info import RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Sequence

_FRAMES = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT. Returns the exit code: 0 when every frame went well."""
    parser = argparse.ArgumentParser(prog='soak', description=__doc__.splitlines()[0])
    parser.add_argument('models', nargs='+', metavar='MODEL')
    parser.add_argument('--runtime', choices=RUNTIMES, default='auto')
    parser.add_argument('--size', type=size_wh, default=(1280, 720), metavar='WxH')
    parser.add_argument('--images', default=frames.DEFAULT_SOURCE, metavar='SOURCE')
    arguments = parser.parse_args(argv)
    settings = Settings(tuple(arguments.models), runtime=arguments.runtime)
    failed = 0
    memory.keep_to_small_pages()
    # A shell starts background processes with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        pictures = frames.load_frames(arguments.images, arguments.size, _FRAMES)
        with (
            opened_models(settings) as models,
            FullRate(models, options=model_options(settings)) as pipeline,
        ):
            on_device = any(isinstance(one.engine, CudaEngine) for one in models.values())
            with _Teller(pipeline, on_device) as teller, suppress(KeyboardInterrupt):
                pipeline.run_forever(pictures)
            failed = teller.failed()
            last = teller.figures()
    except KeyboardInterrupt:  # before the first frame
        return 130
    except PerceptionError as err:
        sys.stderr.write(f'soak: {err}\n')
        return 1
    _write({**last, 'closed': True})
    return 1 if failed else 0


class _Teller:
    """A thread that writes a line every second while a `with` block runs."""

    def __init__(self, pipeline: FullRate, on_device: bool) -> None:
        self._pipeline = pipeline
        self._on_device = on_device
        self._begun = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tell, name='figures')

    def __enter__(self) -> _Teller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def failed(self) -> int:
        """Frames that failed or were skipped, of all engines."""
        return sum(each.failed + each.skipped for each in self._pipeline.counts().values())

    def figures(self) -> dict[str, Any]:
        """The contents of a line."""
        line: dict[str, Any] = {
            'seconds': round(time.monotonic() - self._begun, 2),
            'frames': self._pipeline.frames_done,
            'failed': self.failed(),
            'host_mb': round(memory.resident_mb(), 2),
        }
        if self._on_device:
            line['device_mb'] = round(memory.device_used_mb(), 2)
        if self._pipeline.errors:
            line['error'] = self._pipeline.errors[-1]
        return line

    def _tell(self) -> None:
        while not self._stop.wait(1.0):
            _write(self.figures())


def _write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + '\n')
    sys.stdout.flush()


if __name__ == '__main__':
    sys.exit(main())
