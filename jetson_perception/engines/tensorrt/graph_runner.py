"""Runs an engine: the first run warms up, the second is captured, later ones launch the graph."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jetson_perception.cuda.binding import BINDING
from jetson_perception.cuda.graphs import capture
from jetson_perception.engines.tensorrt.api import collect_errors
from jetson_perception.errors import CudaError, ModelError

if TYPE_CHECKING:
    from jetson_perception.cuda import DeviceBuffer
    from jetson_perception.cuda.graphs import Graph
    from jetson_perception.engines.tensorrt.context import InferenceContext

_log = logging.getLogger('jetson_perception')


class GraphRunner:
    """Launches an engine's graph, or the engine itself if no graph can be captured.

    Parameters
    ----------
    context : InferenceContext
        What to run. The GPU's context must be current for every call.
    use_graph : bool
        Whether to capture a CUDA graph.

    Attributes
    ----------
    graph : Graph or None
        One captured run; None before `prepare`, or if no run can be captured.
    """

    def __init__(self, context: InferenceContext, *, use_graph: bool) -> None:
        self.graph: Graph | None = None
        self._context = context
        self._use_graph = use_graph
        self._is_warm = False

    def prepare(self, input_buffer: DeviceBuffer) -> None:
        """Run once on zeros, and capture the next run; does nothing once that is done.

        Raises
        ------
        ModelError
            When TensorRT cannot run the engine; the message has what it logged.
        CudaError
            When the GPU fails.
        """
        with BINDING:
            if self._is_warm:
                return
            input_buffer.clear(self._context.stream)
            # Not captured: the first run allocates, which would break a capture.
            self._context.execute_first()
            self.graph = self._capture() if self._use_graph else None
            self._is_warm = True

    def launch(self) -> None:
        """Enqueue one run on the stream, without waiting for it."""
        if self.graph is not None:
            self.graph.launch(self._context.stream)
        else:
            self._context.execute()

    def close(self) -> None:
        """Drop the graph; it must not be running."""
        graph, self.graph = self.graph, None
        if graph is not None:
            graph.close()

    def _capture(self) -> Graph | None:
        """A graph of one run; None if that does not work, which is logged."""
        if not self._context.is_capturable():
            self._log_without_graph('this engine cannot be captured')
            return None
        try:
            with collect_errors():
                return capture(self._context.stream, self._context.execute)
        except (ModelError, CudaError) as err:
            if err.fatal:
                raise
            self._log_without_graph(str(err))
            return None

    def _log_without_graph(self, reason: str) -> None:
        _log.info(
            '%s: runs without a CUDA graph, so each launch takes longer: %s',
            self._context.path.name,
            reason,
        )
