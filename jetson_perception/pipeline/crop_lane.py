"""A lane that looks at the boxes of another lane's result: it begins a frame when that is there.

::

    det    │ frame 1 │ frame 2 │ frame 3 │ …
    plate            │ boxes of 1 │      │ boxes of 3 │ …

The other lane waits for nothing: a frame whose boxes come while this lane is busy replaces the one
that waits, so whole frames are skipped.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from jetson_perception.errors import ModelError
from jetson_perception.pipeline.batching import Batching
from jetson_perception.pipeline.lane import Lane
from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.errors import PerceptionError
    from jetson_perception.images.regions import Region
    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.lane import Model

log = logging.getLogger(__name__)

_STAGES = ('preprocess', 'inference', 'postprocess')


class Crops(Protocol):
    """The parts of an image that a model looks at.

    Attributes
    ----------
    regions : sequence of Region
        Where they are.
    left_out : int
        How many more there would be.
    """

    @property
    def regions(self) -> Sequence[Region]:
        """See above."""
        ...

    @property
    def left_out(self) -> int:
        """See above."""
        ...

    def __len__(self) -> int: ...


class CropModel(Protocol):
    """What such a lane runs; the implementation is in `jetson_perception.models.crop_model`."""

    @property
    def model(self) -> Model:
        """What looks at each box."""
        ...

    def cut(self, found: Any, size_wh: tuple[int, int], options: Any) -> Any:
        """The `Crops` of an image."""
        ...

    def batches(self, crops: Any, together: int) -> Iterable[range]:
        """The indices of the crops of each inference."""
        ...

    def fit(
        self, bgr: NDArray[np.uint8], crops: Any, indices: range
    ) -> tuple[NDArray[Any], Sequence[Any]]:
        """One tensor for these crops, and how each was fitted."""
        ...

    def decode(
        self, outputs: Sequence[NDArray[Any]], transforms: Sequence[Any], options: Any = None
    ) -> list[Any]:
        """The result of each crop."""
        ...

    def joined(self, crops: Any, results: Sequence[Any], options: Any) -> Any:
        """One result of the image; also of no crop."""
        ...


class CropLane(Lane):
    """A lane that looks at the boxes of another lane's result.

    Parameters
    ----------
    name, publish, options, on_error
        See `Lane`.
    crops : CropModel
        What the lane runs; it does not close it.
    follows : str
        Name of the lane whose results have the boxes.
    crop_options : callable
        Returns the options for `crops.cut`; called once per frame.
    """

    def __init__(
        self,
        name: str,
        crops: CropModel,
        publish: Callable[[Frame, Any], None],
        options: Callable[[], Any] = lambda: None,
        on_error: Callable[[PerceptionError], None] = lambda error: log.warning('%s', error),
        *,
        follows: str,
        crop_options: Callable[[], Any],
    ) -> None:
        super().__init__(name, crops.model, publish, options, on_error)
        self.follows = follows
        self.crops = crops
        self._crop_options = crop_options
        self._one = Batching()

    def _take(self) -> list[Frame]:
        """The next frame; its crops fill the batches, not other frames."""
        rhythms = [record.rhythm for record in self.records]
        return self._one.take(self.slot, rhythms, self.succession.is_due)

    def become(self, other: Lane) -> None:
        """Go on with the model of another lane that looks at boxes; see `Lane.become`."""
        if not isinstance(other, CropLane) or type(other) is not type(self):
            raise ModelError('a lane that looks at boxes cannot move to another device')
        super().become(other)
        self.crops, self._crop_options = other.crops, other._crop_options

    def process(self, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Any]]:
        """Look at the boxes of each frame; see `Lane.process`."""
        for frame in frames:
            begun = time.monotonic_ns()
            frame.begun.add(self.name)
            self.activity.begin('looking at boxes', begun)
            result = None
            try:
                result = self._look(frame, begun)
            except Exception as error:  # noqa: BLE001 - no frame may end its lane
                self.fail(error, frame)
            frame.release()
            self.activity.end(begun)
            yield frame, result

    def _look(self, frame: Frame, begun_ns: int) -> Any:
        """The result of a frame, and its times."""
        crop_options, options = self._crop_options(), self._options()
        found = frame.found[self.follows]
        crops: Crops = self.crops.cut(found, self._size_wh(frame), crop_options)
        results, stages_ms = self._results(frame, crops, options)
        result = self.crops.joined(crops, results, crop_options)
        record = self._record(frame)
        record.begun(frame, begun_ns)
        record.crops += len(crops)
        record.crops_left_out += crops.left_out
        if len(crops):
            for stage, elapsed_ms in stages_ms.items():
                record.times.record(stage, elapsed_ms)
        return result

    def _size_wh(self, frame: Frame) -> tuple[int, int]:
        """The size of an image."""
        height, width = frame.bgr().shape[:2]
        return width, height

    def _results(
        self, frame: Frame, crops: Crops, options: Any
    ) -> tuple[list[Any], dict[str, float]]:
        """The result of each crop, and how long each stage took for all, ms."""
        bgr, stages = frame.bgr(), _Stages(frame)
        results: list[Any] = []
        for indices in self.crops.batches(crops, self.batching.most):
            self.activity.begin('an inference')  # each: many boxes may take long together
            tensor, transforms = self.crops.fit(bgr, crops, indices)
            stages.done('preprocess')
            outputs = self.model.infer(tensor)
            stages.done('inference')
            results += self.crops.decode(outputs, transforms, options)
            stages.done('postprocess')
        return results, stages.ms


class _Stages:
    """The times of a frame's stages, each the sum of all batches."""

    def __init__(self, frame: Frame) -> None:
        self.ms = dict.fromkeys(_STAGES, 0.0)
        self._trace_id = frame.trace_id
        self._since_ns = time.monotonic_ns()

    def done(self, stage: str) -> None:
        """Add the time since the last call to a stage, also to a trace."""
        now_ns = time.monotonic_ns()
        self.ms[stage] += (now_ns - self._since_ns) / 1e6
        if RECORDER.on:
            RECORDER.span(stage, self._since_ns, now_ns, self._trace_id)
        self._since_ns = now_ns
