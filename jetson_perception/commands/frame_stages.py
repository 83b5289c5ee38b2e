"""What `run` does with each frame before it is shown or written: read, find, draw."""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.camera.frame_buffers import FrameBuffers
from jetson_perception.camera.named_frames import is_live, named_frames
from jetson_perception.camera.pace import Pace
from jetson_perception.drawing import Overlay
from jetson_perception.engines.onnxruntime.cpu import available_cores
from jetson_perception.errors import SourceError
from jetson_perception.pipeline.timing import RateMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.camera.named_frames import NamedFrame
    from jetson_perception.camera.source import FrameSource
    from jetson_perception.commands.frame_times import FrameTimes, Span
    from jetson_perception.models import Model
    from jetson_perception.pipeline.ahead import Overlap

    Refine = Callable[[NamedFrame, Any], Any]

_PICTURES_HZ = 30  # as a folder of them says nothing of time
_CORES_FOR_TWO = 2  # from which on two frames at a time are faster than one on all of them


@dataclass(eq=False, slots=True)
class FoundFrame:
    """A frame, and what was found in it.

    Attributes
    ----------
    number : int
        Which frame of all sources together it is, from 1.
    source_number : int
        Which source it is of, from 0.
    frame : NamedFrame
        The picture.
    fitted : tuple of (ndarray, ImageTransform), or None
        The input tensor that is made of it, and how, until the model has run.
    result : object
        What the model's `postprocess` gave for it, with ids where there is a tracker.
    canvas : ndarray, shape (h, w, 3), uint8, or None
        The picture with the result drawn on it, where that is wanted.
    spans : list
        When each stage began and ended.
    """

    number: int
    source_number: int
    frame: NamedFrame
    fitted: tuple[NDArray[Any], Any] | None = None
    result: Any = None
    canvas: NDArray[np.uint8] | None = None
    spans: list[Span] = field(default_factory=list)


def shared_threads(sources: Sequence[str], threads: int) -> tuple[int, int]:
    """How many frames a model on the CPU runs at once, and by how many threads each.

    Two frames are done sooner side by side than one after another on twice the threads, which
    wait for each other at every layer. A camera's frame is to be done soon, so it gets all.

    Parameters
    ----------
    sources : sequence of str
        What `jetson_perception.camera.open_source` takes.
    threads : int
        Threads in all; 0 for the cores that this process may run on.
    """
    threads = threads or available_cores()
    if threads < _CORES_FOR_TWO or any(map(is_live, sources)):
        return 1, threads
    return 2, threads // 2


@contextmanager
def undivided() -> Iterator[None]:
    """Have OpenCV use one thread for each call, where frames side by side keep the cores busy."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


class FrameStages:
    """Reads frames, finds what they show, and draws it: three stages, which may overlap.

    Parameters
    ----------
    model : Model
        Runs in the threads of its stage.
    params : object
        An instance of the task's `params`.
    times : FrameTimes
        What the stages took is recorded there, and listed with each frame.
    draws : bool
        Whether frames get a canvas.
    counts : bool
        Whether the canvas also says how many objects of each class there are, and, of a video or
        camera, how many frames are done a second.
    """

    def __init__(
        self,
        model: Model[Any, Any],
        params: Any,
        times: FrameTimes,
        *,
        draws: bool = True,
        counts: bool = False,
    ) -> None:
        self._model = model
        self._params = params
        self._options = model.task.options(model, params)
        self._times = times
        self._draws = draws
        self._counts = counts
        self._source: FrameSource | None = None
        self._refine: Refine | None = None
        self._refined_source = -1
        self._canvases = FrameBuffers()
        self._rate = RateMeter()

    def run(
        self,
        sources: Sequence[str],
        overlap: Overlap,
        *,
        most: int | None = None,
        pace: Pace = Pace.OFFLINE,
        at_once: int = 1,
    ) -> Iterator[FoundFrame | SourceError]:
        """Every frame of the sources, in order.

        Parameters
        ----------
        sources : sequence of str
            What `jetson_perception.camera.open_source` takes.
        overlap : Overlap
            Has the threads of the stages.
        most : int, optional
            Frames of each source to stop at.
        pace : Pace
            See `named_frames`.
        at_once : int
            How many frames the model runs at once, where its engine can and stages overlap.

        Yields
        ------
        FoundFrame or SourceError
            The error stands for a picture that cannot be read.

        Raises
        ------
        PerceptionError
            When a source cannot be opened or is lost, or a frame cannot be run; it comes after
            the frames before it.
        """
        overlap.on_stop(self._interrupt)
        items = self._read(sources, most, pace)
        # A camera captures in a thread of its own. What the engine is to run next is the newest
        # frame as it becomes free, and not one that was read before.
        if not any(map(is_live, sources)):
            items = overlap.ahead(items, 'reading')
        workers = at_once if getattr(self._model.engine, 'shareable', False) else 1
        items = overlap.each(items, self._found, 'engine', workers)
        return overlap.each(items, self._finished, 'drawing')

    def _read(
        self, sources: Sequence[str], most: int | None, pace: Pace
    ) -> Iterator[FoundFrame | SourceError]:
        """The frames, with tensors: fitting takes little time, and one thread at a time."""
        number = 0
        for source_number, source in enumerate(sources):
            frames = named_frames(source, most, pace=pace, on_open=self._opens)
            while True:
                begun = self._times.now()
                frame = next(frames, None)
                if frame is None:
                    break
                number += 1
                self._times.record(number, [('read', begun, self._times.now())])
                if isinstance(frame, SourceError):
                    yield frame
                    continue
                item = FoundFrame(number, source_number, frame)
                with self._timed(item, 'preprocess'):
                    item.fitted = self._model.preprocess(frame.bgr)
                yield item

    def _found(self, item: FoundFrame | SourceError) -> FoundFrame | SourceError:
        """Find what a frame shows."""
        if isinstance(item, SourceError) or item.fitted is None:
            return item
        tensor, transform = item.fitted
        item.fitted = None
        self._model.bind_thread()
        with self._timed(item, 'inference'):
            outputs = self._model.infer(tensor)
        with self._timed(item, 'postprocess'):
            item.result = self._model.postprocess(outputs, transform, self._options)
        return item

    def _finished(self, item: FoundFrame | SourceError) -> FoundFrame | SourceError:
        """What needs the frames in order: ids, the canvas with its frame rate."""
        if isinstance(item, SourceError):
            return item
        if item.source_number != self._refined_source:
            self._refined_source = item.source_number
            self._refine = self._refiner()
        if self._refine is not None:
            with self._timed(item, 'refine'):
                item.result = self._refine(item.frame, item.result)
        whole = 'total', item.spans[0][1], item.spans[-1][2]
        self._times.record(item.number, [whole], 'frames')
        if self._draws:
            begun = self._times.now()
            item.canvas = self._drawn(item.frame, item.result)
            self._times.record(item.number, [('draw', begun, self._times.now())])
        return item

    @contextmanager
    def _timed(self, item: FoundFrame, stage: str) -> Iterator[None]:
        """Time a stage of a frame."""
        begun = self._times.now()
        yield
        span = stage, begun, self._times.now()
        self._times.record(item.number, [span])
        item.spans.append(span)

    def _refiner(self) -> Refine | None:
        """What gives the objects of a source ids; None if nothing does."""
        track = self._model.task.refiner(self._model, lambda: self._params)
        if track is None:
            return None
        pictures = itertools.count()

        def refine(frame: NamedFrame, result: Any) -> Any:
            time_ns = frame.offset_ns if frame.stamp_ns is None else frame.stamp_ns
            if not frame.rate_hz:
                time_ns = next(pictures) * 1_000_000_000 // _PICTURES_HZ
            height, width = frame.bgr.shape[:2]
            return track(result, time_ns, (width, height))

        return refine

    def _drawn(self, frame: NamedFrame, result: Any) -> NDArray[np.uint8]:
        model = self._model
        canvas = self._canvases.take(frame.bgr.shape)
        np.copyto(canvas, frame.bgr)
        overlay = Overlay()
        model.task.draw(canvas, model, result, overlay=overlay)
        if self._counts:
            for row in model.task.count_rows(model, result):
                overlay.add_row(*row)
            now_ns = time.monotonic_ns()
            self._rate.tick(now_ns)
            if frame.rate_hz:
                overlay.add_frame_rate(self._rate.rate(now_ns))
        overlay.draw(canvas)
        return canvas

    def _opens(self, source: FrameSource) -> None:
        self._source = source

    def _interrupt(self) -> None:
        """Make what the stages are waiting for end soon."""
        self._model.interrupt()
        if self._source is not None:
            self._source.close()
