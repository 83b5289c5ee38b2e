"""Objects in space to messages; filled again and again, as those of the image are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from jetson_perception.model_info import class_name_of
from jetson_perception.msg import Keypoint3D, KeypointDetection3D, KeypointDetection3DArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.depth import SpatialObjects


def _set_box(
    box: Any, center: Sequence[float], size: Sequence[float], turned: Sequence[float]
) -> None:
    position, orientation = box.center.position, box.center.orientation
    position.x, position.y, position.z = center
    orientation.x, orientation.y, orientation.z, orientation.w = turned
    box.size.x, box.size.y, box.size.z = size


class SpatialDetectionMessage:
    """Makes a Detection3DArray for one frame after the other.

    Parameters
    ----------
    class_names : sequence of str
        Name of class i at index i; `class_id` carries it.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self._class_names = class_names
        self._msg = Detection3DArray()
        self._spare: list[Detection3D] = []

    def fill(self, objects: SpatialObjects, header: Any) -> Detection3DArray:
        """The message for one frame, empty when nothing has depth; valid until the next call."""
        while len(self._spare) < len(objects):
            self._spare.append(Detection3D(results=[ObjectHypothesisWithPose()]))
        used = self._spare[: len(objects)]
        found, turned = objects.detections, objects.orientation
        rows = zip(
            used,
            objects.center.tolist(),
            objects.size.tolist(),
            found.score.tolist(),
            found.class_id.tolist(),
            found.track_names(),
            strict=True,
        )
        for msg, center, size, score, class_id, track in rows:
            msg.header = header
            msg.id = track
            _set_box(msg.bbox, center, size, turned)
            result = msg.results[0]
            result.hypothesis.class_id = class_name_of(self._class_names, class_id)
            result.hypothesis.score = score
            result.pose.pose = msg.bbox.center
        self._msg.header = header
        self._msg.detections = used
        return self._msg


class SpatialKeypointMessage:
    """Makes a KeypointDetection3DArray for one frame after the other.

    Parameters
    ----------
    class_names, keypoint_names : sequence of str
        Name of class or keypoint i at index i.
    """

    def __init__(self, class_names: Sequence[str], keypoint_names: Sequence[str]) -> None:
        self._class_names = class_names
        self._keypoint_names = keypoint_names
        self._msg = KeypointDetection3DArray()
        self._spare: list[KeypointDetection3D] = []

    def fill(self, objects: SpatialObjects, header: Any) -> KeypointDetection3DArray:
        """The message for one frame: every keypoint of every object; valid until the next call."""
        while len(self._spare) < len(objects):
            blank = [Keypoint3D(name=name) for name in self._keypoint_names]
            self._spare.append(KeypointDetection3D(keypoints=blank))
        used = self._spare[: len(objects)]
        found, points = objects.detections, objects.keypoints
        assert points is not None, 'only of a pose model'
        assert found.keypoints is not None, 'as they are located'
        scores, tracks = found.keypoints[..., 2].tolist(), found.track_names()
        for row, msg in enumerate(used):
            msg.id = tracks[row]
            box = objects.center[row].tolist(), objects.size[row].tolist()
            _set_box(msg.bbox, *box, objects.orientation)
            msg.hypothesis.class_id = class_name_of(self._class_names, int(found.class_id[row]))
            msg.hypothesis.score = float(found.score[row])
            values = zip(msg.keypoints, points[row].tolist(), scores[row], strict=True)
            for point, (x, y, z), score in values:
                point.x, point.y, point.z, point.score = x, y, z, score
        self._msg.header = header
        self._msg.detections = used
        return self._msg
