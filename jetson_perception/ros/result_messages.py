"""Results to messages. Every message gets the header of its image, unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from jetson_perception.model_info import class_name_of
from jetson_perception.msg import (
    ClassArea,
    Keypoint2D,
    KeypointDetection2D,
    KeypointDetection2DArray,
    PipelineStats,
    SegmentationSummary,
    StageLatency,
)
from jetson_perception.ros.image_messages import ImageMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sensor_msgs.msg import Image

    from jetson_perception.pipeline import Lane, StageTimes
    from jetson_perception.tasks.results import ClassifiedObjects, Detections, Segmentation


def box_rows(detections: Detections) -> NDArray[np.float64]:
    """Center x and y, angle, width and height of each box, as messages have them; (n, 5)."""
    if detections.oriented is not None:
        return detections.oriented[:, [0, 1, 4, 2, 3]].astype(np.float64)
    corners = detections.xyxy.astype(np.float64)
    rows = np.zeros((len(corners), 5))
    rows[:, :2] = (corners[:, :2] + corners[:, 2:]) / 2
    rows[:, 3:] = corners[:, 2:] - corners[:, :2]
    return rows


def _set_box(box: Any, row: Sequence[float]) -> None:
    center = box.center
    center.position.x, center.position.y, center.theta, box.size_x, box.size_y = row


class DetectionMessage:
    """A Detection2DArray that is filled again and again: making its parts costs more than filling.

    Parameters
    ----------
    class_names : sequence of str
        Name of class i at index i; `class_id` carries it.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self._class_names = class_names
        self._msg = Detection2DArray()
        self._spare: list[Detection2D] = []

    def fill(self, detections: Detections, header: Any) -> Detection2DArray:
        """The message for one frame, empty when nothing was found; valid until the next call."""
        while len(self._spare) < len(detections):
            self._spare.append(Detection2D(results=[ObjectHypothesisWithPose()]))
        used = self._spare[: len(detections)]
        rows = zip(
            used,
            box_rows(detections).tolist(),
            detections.score.tolist(),
            detections.class_id.tolist(),
            detections.track_names(),
            strict=True,
        )
        for msg, box, score, class_id, track in rows:
            msg.header = header
            msg.id = track
            _set_box(msg.bbox, box)
            hypothesis = msg.results[0].hypothesis
            hypothesis.class_id = class_name_of(self._class_names, class_id)
            hypothesis.score = score
        self._msg.header = header
        self._msg.detections = used
        return self._msg


class KeypointMessage:
    """A KeypointDetection2DArray that is filled again and again.

    Parameters
    ----------
    class_names, keypoint_names : sequence of str
        Name of class or keypoint i at index i.
    """

    def __init__(self, class_names: Sequence[str], keypoint_names: Sequence[str]) -> None:
        self._class_names = class_names
        self._keypoint_names = keypoint_names
        self._msg = KeypointDetection2DArray()
        self._spare: list[KeypointDetection2D] = []

    def fill(self, detections: Detections, header: Any) -> KeypointDetection2DArray:
        """The message for one frame: every keypoint of every object; valid until the next call."""
        while len(self._spare) < len(detections):
            points = [Keypoint2D(name=name) for name in self._keypoint_names]
            self._spare.append(KeypointDetection2D(keypoints=points))
        used = self._spare[: len(detections)]
        keypoints, tracks = detections.keypoints, detections.track_names()
        boxes = box_rows(detections).tolist()
        for row, msg in enumerate(used):
            msg.id = tracks[row]
            _set_box(msg.bbox, boxes[row])
            msg.hypothesis.class_id = class_name_of(
                self._class_names, int(detections.class_id[row])
            )
            msg.hypothesis.score = float(detections.score[row])
            if keypoints is None:
                continue
            for point, (x, y, score) in zip(msg.keypoints, keypoints[row].tolist(), strict=True):
                point.x, point.y, point.score = x, y, score
        self._msg.header = header
        self._msg.detections = used
        return self._msg


class InstanceMessage:
    """An Image of the instances' ids that is filled again and again."""

    def __init__(self) -> None:
        self._message = ImageMessage()

    def fill(self, detections: Detections, header: Any) -> Image:
        """The message for one frame; valid until the next call.

        A pixel is the index of its object in the Detection2DArray of this frame plus 1, or 0:
        mono8, or 16UC1 for more than 255 objects. So the object of a pixel i, its id included, is
        `detections[i - 1]`. `detections` have `instance_ids`.
        """
        ids = detections.instance_ids
        assert ids is not None, 'only of a model that has masks'
        encoding = 'mono8' if ids.dtype == np.uint8 else '16UC1'
        return self._message.fill(ids, encoding, header)


def classified_objects_message(
    result: ClassifiedObjects, class_names: Sequence[str], header: Any
) -> Detection2DArray:
    """The boxes and ids of a detector's objects, with what a classifier says of each.

    An object has a hypothesis for each class, best first; none where no class scored enough.
    """
    rows = zip(
        box_rows(result.objects).tolist(),
        result.objects.track_names(),
        result.classes,
        strict=True,
    )
    detections = []
    for box, id_, classes in rows:
        msg = Detection2D(header=header, id=id_)
        _set_box(msg.bbox, box)
        for class_id, score in zip(classes.class_id.tolist(), classes.score.tolist(), strict=True):
            result_msg = ObjectHypothesisWithPose()
            result_msg.hypothesis.class_id = class_name_of(class_names, class_id)
            result_msg.hypothesis.score = score
            msg.results.append(result_msg)
        detections.append(msg)
    return Detection2DArray(header=header, detections=detections)


def summary_message(
    segmentation: Segmentation, class_names: Sequence[str], header: Any
) -> SegmentationSummary:
    """Pixels and share of each class, in the order of the class ids."""
    areas = zip(segmentation.pixels.tolist(), segmentation.ratio.tolist(), strict=True)
    return SegmentationSummary(
        header=header,
        classes=[
            ClassArea(
                class_id=i, class_name=class_name_of(class_names, i), pixels=pixels, ratio=ratio
            )
            for i, (pixels, ratio) in enumerate(areas)
        ],
    )


def label_info_message(class_names: Sequence[str], threshold: float, header: Any) -> LabelInfo:
    """Names of the class ids; `threshold` is the score that a result must reach, 0 for masks."""
    return LabelInfo(
        header=header,
        class_map=[VisionClass(class_id=i, class_name=name) for i, name in enumerate(class_names)],
        threshold=threshold,
    )


def stats_message(
    lane: Lane,
    rejected: int,
    header: Any,
    input_name: str = '',
    lost: int = 0,
    *,
    input_index: int = 0,
) -> PipelineStats:
    """How a lane does with the frames of an input.

    Parameters
    ----------
    lane : Lane
        Whose counts and times.
    rejected : int
        Messages that were no usable image and so never became a frame; counted as received and
        failed.
    header : std_msgs Header
        The header of the last image received.
    input_name : str
        Where the images come from.
    lost : int
        Messages that were sent and never taken.
    input_index : int
        Which of the lane's inputs it is.
    """
    record = lane.records[input_index]
    counts = record.counts
    return PipelineStats(
        header=header,
        engine=lane.name,
        runtime=lane.runtime,
        input=input_name,
        frame_rate=record.frame_rate(),
        frames_received=counts.received + rejected,
        frames_processed=counts.processed,
        frames_skipped=counts.skipped,
        frames_left_out=counts.left_out,
        frames_failed=counts.failed + rejected,
        frames_lost=lost,
        stages=stage_messages(record.times),
    )


def stage_messages(times: StageTimes) -> list[StageLatency]:
    """One message a stage that has any time, in stage order."""
    return [
        StageLatency(
            name=name, median_ms=stage.median_ms, p99_ms=stage.p99_ms, samples=stage.samples
        )
        for name, stage in times.summary().items()
    ]
