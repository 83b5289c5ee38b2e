"""One model for several images at a time on CUDA: a graph for each of some widths.

::

    images      1   2   3   4   5   6
    in a graph      2   4   4   6   6     of a model that takes up to 6; one runs as always

All of them read the first places of one input, and write those of the outputs, so whoever fills a
place and reads it need not know in which of them it runs. What stands in a place that is left over
is computed too, for nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.cuda.binding import BINDING
from jetson_perception.cuda.buffers import BufferPart, DeviceBuffer
from jetson_perception.cuda.release import Resources
from jetson_perception.engines.image_input import require_tensor
from jetson_perception.engines.onnxruntime.candidate import Tensors
from jetson_perception.engines.onnxruntime.candidates import for_several
from jetson_perception.engines.onnxruntime.starting import begin
from jetson_perception.engines.onnxruntime.trial import Staging, Trial
from jetson_perception.engines.tensor_memory import check_tensor_memory
from jetson_perception.errors import ModelError
from jetson_perception.printable import counted, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jetson_perception.engines.base import CudaEngine, TensorSpec
    from jetson_perception.engines.onnxruntime.candidates import Candidates
    from jetson_perception.engines.onnxruntime.tuner import Tuner
    from jetson_perception.model_info import ModelInfo

_log = logging.getLogger('jetson_perception')


def widths(most: int) -> tuple[int, ...]:
    """How many images the graphs take, for up to `most`, at least 2: powers of two, and `most`."""
    found: list[int] = []
    while (width := 2 << len(found)) < most:
        found.append(width)
    return (*found, most)


class WideEngines:
    """The graphs of one model for several images. Made with the CUDA context current.

    Parameters
    ----------
    candidates : Candidates
        Those of the engine for one image, which is open.
    single : CudaEngine
        That engine. All work is on its stream, which must outlive this.
    tuner : Tuner
        Finds the fastest variant of each width.
    most : int
        The most images, at least 2.

    Attributes
    ----------
    info : ModelInfo
    device : CudaDevice
    stream : Stream
        All inferences run on it.
    most : int
    widths : tuple of int
        How many images each graph takes.
    input_buffer : DeviceBuffer
        `most` images along the first axis.
    output_buffers : tuple of DeviceBuffer
        Likewise, in the order of the model's outputs.

    Raises
    ------
    ModelError
        When the model's batch is not open, or an output is not of the images one by one.
    CudaError
        When the GPU fails, or its memory is full.
    """

    def __init__(
        self, candidates: Candidates, single: CudaEngine, tuner: Tuner, most: int
    ) -> None:
        self.info, self.device, self.stream = single.info, single.device, single.stream
        self.most, self.widths = most, widths(most)
        self._begun_s = time.monotonic()
        self._free_before, _ = self.device.memory_info()
        self._resources = Resources()
        self._engines: list[_WideEngine] = []
        inputs = _widened(self.info, single.inputs, most)
        outputs = _widened(self.info, single.outputs, most)
        if 'batch' not in single.inputs[0].open_dimensions:
            raise ModelError(f'{self.info.path}: its batch is fixed at 1')
        check_tensor_memory(Path(self.info.path), (*inputs, *outputs))
        with self._resources.closed_on_error():
            self.input_buffer = self._buffer(inputs[0])
            self.output_buffers = tuple(self._buffer(each) for each in outputs)
            for width in self.widths:
                tensors = Tensors(
                    _widened(self.info, single.inputs, width),
                    _widened(self.info, single.outputs, width),
                    BufferPart(self.input_buffer, 0, width),
                    tuple(BufferPart(each, 0, width) for each in self.output_buffers),
                )
                engine = _WideEngine(for_several(candidates, width), single, tuner, tensors)
                self._engines.append(self._resources.add(engine))

    def bind_thread(self) -> None:
        """Warm up and capture each graph, in the thread that will call `enqueue`; once is enough.

        The log says how much memory all of them take, and how long it took to make them.

        Raises
        ------
        ModelError, CudaError
            When the runtime or the GPU fails.
        """
        unbound = [each for each in self._engines if not each.may_enqueue]
        for each in unbound:
            with BINDING, self.device.pushed():
                each.bind_thread()
        if not unbound:
            return
        with self.device.pushed():
            free, _ = self.device.memory_info()
        _log.info(
            '%s: graphs for %s images take about %.0f MiB of the GPU, and took %.1f s to make',
            Path(self.info.path).name,
            listed([str(width) for width in self.widths], len(self.widths)),
            max(self._free_before - free, 0) / 2**20,
            time.monotonic() - self._begun_s,
        )

    def enqueue(self, count: int) -> None:
        """Enqueue the inference of the first `count` places; see `CudaEngine.enqueue`.

        Raises
        ------
        ModelError
            When there is no room for so many, no thread was bound, or the runtime fails.
        CudaError
            When the GPU fails.
        """
        self._engine_for(count).enqueue()

    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        """Outputs for up to `most` images, on the host, without a graph; see `Engine.infer`."""
        with BINDING.loading(), self.device.pushed():
            return self._engine_for(len(tensor)).infer(tensor)

    def close(self) -> None:
        """Release all of it; may be called twice. No work may be under way."""
        with self.device.pushed():
            self._resources.close()

    def _engine_for(self, count: int) -> _WideEngine:
        for width, engine in zip(self.widths, self._engines, strict=True):
            if count <= width:
                return engine
        raise ModelError(
            f'{self.info.path}: {counted(count, "image")} were given, at most {self.most} fit'
        )

    def _buffer(self, spec: TensorSpec) -> DeviceBuffer:
        buffer = self._resources.add(DeviceBuffer(self.device, spec.shape, spec.dtype))
        buffer.clear_and_wait()  # places that nobody has filled yet are computed, too
        return buffer


class _WideEngine:
    """The graph for one width."""

    def __init__(
        self, candidates: Candidates, single: CudaEngine, tuner: Tuner, tensors: Tensors
    ) -> None:
        self._candidates, self._tuner, self._tensors = candidates, tuner, tensors
        self._path, self._stream = single.info.path, single.stream
        self._run: Callable[[], None] | None = None
        self._thread: int | None = None  # the only one that may enqueue; None for any
        self._staging: Staging | None = None
        try:
            candidates.open_for(single.info, tensors)
        except BaseException:
            candidates.drop()
            raise

    @property
    def may_enqueue(self) -> bool:
        """Whether this thread may."""
        return self._run is not None and self._thread in (None, threading.get_ident())

    def bind_thread(self) -> None:
        self._run = None
        trial = Trial(self._staged(), self._stream, self._tensors.inputs[0], self._tensors.outputs)
        way = begin(self._candidates, self._tuner, self._candidates.choices.modes, trial)
        self._run = way.run
        self._thread = threading.get_ident() if way.is_of_thread else None
        self._drop_staging()  # as large as all tensors, and page-locked
        count = self._tensors.inputs[0].shape[0]
        shown = f'{way.mode.replace("_", " ")}, {self._candidates.variant}'
        _log.info('%s: %d images run as %s', Path(self._path).name, count, shown)

    def enqueue(self) -> None:
        run = self._run
        if run is None or not self.may_enqueue:
            raise ModelError(
                f'{self._path}: a batch was enqueued in a thread that did not call bind_thread()'
            )
        run()

    def infer(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        count = self._tensors.inputs[0].shape[0]
        require_tensor(self._path, self._tensors.inputs[0], tensor, count)
        given = len(tensor)
        if given < count:
            tensor = np.concatenate((tensor, np.repeat(tensor[-1:], count - given, axis=0)))
        assert self._candidates.in_use is not None
        outputs = self._staged().run(tensor, self._candidates.in_use.run_plainly, self._stream)
        return [each[:given] for each in outputs]

    def close(self) -> None:
        self._run = None
        try:
            self._candidates.drop()
        finally:
            self._drop_staging()

    def _staged(self) -> Staging:
        if self._staging is None:
            self._staging = Staging(self._tensors.input_buffer, self._tensors.output_buffers)
        return self._staging

    def _drop_staging(self) -> None:
        staging, self._staging = self._staging, None
        if staging is not None:
            staging.close()


def _widened(info: ModelInfo, specs: Sequence[TensorSpec], count: int) -> tuple[TensorSpec, ...]:
    """Tensors of one image, for several."""
    for spec in specs:
        if spec.shape[:1] != (1,):
            raise ModelError(
                f'{info.path}: {quoted(spec.name)} has the shape {spec.shape} for one image, so '
                'it does not belong to each of several'
            )
    return tuple(replace(spec, shape=(count, *spec.shape[1:])) for spec in specs)
