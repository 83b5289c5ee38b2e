"""A lane that looks at boxes with an engine on a GPU: pixels never come back to the host.

The boxes are known on the host, where they are published, and where a tracker works. What goes to
the GPU is where each of them is: a launch fits the part of the frame, which is there already,
straight to the engine's input. As many crops as the engine takes run together, each in a place of
its own; the next ones are enqueued before the last are waited for.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.errors import ModelError
from jetson_perception.pipeline.crop_lane import CropLane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jetson_perception.cuda import CudaDevice
    from jetson_perception.errors import PerceptionError
    from jetson_perception.images.regions import Region
    from jetson_perception.pipeline.crop_lane import CropModel, Crops
    from jetson_perception.pipeline.device_frames import DeviceFrames, DeviceSlot
    from jetson_perception.pipeline.device_path import DevicePath, InFlight
    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.lane import Deliver, Lane

log = logging.getLogger(__name__)

#: Frames on the GPU that one of these lanes keeps longer than others would: two that the lane
#: before it has in flight, and the one that it looks at. One more of each input waits for it.
_KEPT = 3


class CropCudaLane(CropLane):
    """A lane that looks at boxes with an engine on a GPU.

    Parameters
    ----------
    name, crops, publish, options, on_error, follows, crop_options
        See `CropLane`.
    path : DevicePath
        What the lane runs; it does not close it.
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
        path: DevicePath,
    ) -> None:
        run = name, crops, publish, options, on_error
        super().__init__(*run, follows=follows, crop_options=crop_options)
        self.path = path
        #: The frames on the device; set by `share_with_crop_lanes`.
        self.frames: DeviceFrames | None = None

    def run(self, line_up: Callable[[], None], deliver: Deliver) -> None:
        """Process frames until the slot is closed; see `Lane.run`."""
        with self.path.device.pushed():
            super().run(line_up, deliver)

    def begin_first_run(self) -> None:
        """Begin in the calling thread, which runs batches too; see `Lane.begin_first_run`."""
        super().begin_first_run()
        self.path.bind_thread()

    def become(self, other: Lane) -> None:
        """Go on with the model of another lane on the same GPU; see `Lane.become`."""
        if not isinstance(other, CropCudaLane) or other.path.device is not self.path.device:
            raise ModelError('a lane cannot move to another device')
        other.path.bind_thread()
        super().become(other)
        self.path = other.path

    def _look(self, frame: Frame, begun_ns: int) -> Any:
        from jetson_perception.cuda.binding import BINDING, Turn

        turn = Turn(BINDING)
        turn.begin()
        try:
            return super()._look(frame, begun_ns)
        except Exception:
            # What was enqueued for the boxes before reads the frame, whatever is wrong with this
            # one; and errors do not say whether the GPU still works.
            self.fatal = self.fatal or self.path.fatal_problem()
            raise
        finally:
            turn.end()  # nothing of the frame is under way any more

    def _size_wh(self, frame: Frame) -> tuple[int, int]:
        return frame.size_wh()

    def _results(
        self, frame: Frame, crops: Crops, options: Any
    ) -> tuple[list[Any], dict[str, float]]:
        ms = {'inference': 0.0, 'postprocess': 0.0}
        results: list[Any] = []
        if not crops.regions:
            return results, ms
        assert self.frames is not None, 'share_with_crop_lanes comes first'
        slot = frame.device_slot(self.frames)
        under_way: list[_Begun] = []
        for indices in self.crops.batches(crops, self._together()):
            self.activity.begin('an inference')
            begun = self._begin(slot, [crops.regions[index] for index in indices], options)
            results += _finished(under_way, ms)
            under_way = begun
        results += _finished(under_way, ms)
        return results, ms

    def _together(self) -> int:
        batches = self.path.batches
        return 1 if batches is None else min(batches.most, self.batching.most)

    def _begin(self, slot: DeviceSlot, regions: Sequence[Region], options: Any) -> list[_Begun]:
        """Enqueue one inference for all of these parts of a frame."""
        if len(regions) > 1:
            assert self.path.batches is not None, 'else crops come one by one'
            begun = self.path.batches.begin_regions(slot, regions, options)
            return [_Begun(each, each.finish, index == 0) for index, each in enumerate(begun)]
        work = self.path.begin_region(slot, regions[0], options)
        return [_Begun(work, partial(self.path.finish, work), True)]


class _Begun(NamedTuple):
    """The work for a crop."""

    work: InFlight
    finish: Callable[[], Any]
    #: Whether it is the first of its inference, whose time all of its crops have.
    is_first: bool


def _finished(under_way: Sequence[_Begun], ms: dict[str, float]) -> list[Any]:
    """Wait for the crops of an inference; returns their results, and adds up the times."""
    results = []
    for each in under_way:
        results.append(each.finish())
        if each.is_first:
            ms['inference'] += each.work.inference_ms
        ms['postprocess'] += each.work.postprocess_ms
    return results


def make_crop_lane(
    name: str,
    crops: CropModel,
    publish: Callable[[Frame, Any], None],
    options: Callable[[], Any],
    on_error: Callable[[PerceptionError], None],
    *,
    follows: str,
    crop_options: Callable[[], Any],
) -> CropLane:
    """A lane that looks at boxes: on a GPU if the model has a `device_path`."""
    path = crops.model.device_path
    run = name, crops, publish, options, on_error
    if path is None:
        return CropLane(*run, follows=follows, crop_options=crop_options)
    return CropCudaLane(*run, follows=follows, crop_options=crop_options, path=path)


def share_with_crop_lanes(
    lanes: Iterable[Lane], shared: dict[CudaDevice, DeviceFrames], jpeg_decoder: str
) -> None:
    """Let lanes that look at boxes share the frames on their devices, with room for theirs."""
    for lane in lanes:
        if isinstance(lane, CropCudaLane) and lane.path.device not in shared:
            from jetson_perception.pipeline.device_frames import DeviceFrames

            shared[lane.path.device] = DeviceFrames(lane.path.device, jpeg_decoder)
        if isinstance(lane, CropLane):
            for frames in shared.values():  # one on the CPU keeps frames all the same
                frames.keep_more(_KEPT + len(lane.records))
        if isinstance(lane, CropCudaLane):
            lane.frames = shared[lane.path.device]
