"""GPU time of enqueued work, without the host's part in it."""

from __future__ import annotations

from contextlib import closing
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.cuda.device import CudaDevice


class GraphTimer:
    """Times work on its own stream, with events around a graph of many repetitions."""

    def __init__(self, device: CudaDevice, repeats: int, runs: int) -> None:
        self.device = device
        self._repeats, self._runs = repeats, runs
        self.stream = device.new_stream()
        self._begun = device.new_event(timing=True)
        self._done = device.new_event(timing=True)

    def milliseconds(self, work: Callable[[], object]) -> float:
        """GPU time of what `work` enqueues on `stream`; the median of all runs."""
        from jetson_perception.cuda.graphs import capture

        for _ in range(2):  # it compiles and allocates first
            work()
        self.stream.synchronize()

        def many() -> None:
            for _ in range(self._repeats):
                work()

        times = []
        with closing(capture(self.stream, many)) as graph:
            for _ in range(self._runs):
                self._begun.record(self.stream)
                graph.launch(self.stream)
                self._done.record(self.stream)
                self._done.synchronize()
                times.append(self._done.elapsed_ms(self._begun))
        return median(times) / self._repeats

    def close(self) -> None:
        """Release stream and events."""
        for each in (self._begun, self._done, self.stream):
            each.close()
