"""Messages of results as records, with the names that `jetson-perception run --json` has for them.

What they say is foreign: it is finite, and as long as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rclpy.serialization import deserialize_message
from vision_msgs.msg import Classification, Detection2DArray

from jetson_perception.msg import KeypointDetection2DArray, SegmentationSummary
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.viewing.facts import finite
from jetson_perception.ros.viewing.topics import CLASSIFICATION, DETECTIONS, KEYPOINTS, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Callable


def record_of(topic: str, kind: str, message: bytes) -> dict[str, Any]:
    """A message, as it came, in JSON's types: where it was sent, its stamp, and what it says."""
    recorded = RECORDED[kind]
    msg = deserialize_message(message, recorded.message_type)
    return {
        'topic': topic,
        'stamp_ns': stamp_ns(msg.header),
        recorded.key: recorded.convert(msg),
    }


def _detections(msg: Any) -> list[dict[str, Any]]:
    return [
        {**_best([result.hypothesis for result in each.results]), **_placed(each)}
        for each in msg.detections
    ]


def _keypoints(msg: Any) -> list[dict[str, Any]]:
    return [
        {
            **_best([each.hypothesis]),
            **_placed(each),
            'keypoints': [
                {
                    'name': point.name,
                    'x': finite(point.x, 2),
                    'y': finite(point.y, 2),
                    'score': finite(point.score, 5),
                }
                for point in each.keypoints
            ],
        }
        for each in msg.detections
    ]


def _classes(msg: Any) -> list[dict[str, Any]]:
    return [
        {
            'class_id': each.class_id,
            'class_name': each.class_name,
            'pixels': each.pixels,
            'ratio': finite(each.ratio, 6),
        }
        for each in msg.classes
    ]


def _classification(msg: Any) -> list[dict[str, Any]]:
    return [_hypothesis(each) for each in msg.results]


def _best(hypotheses: list[Any]) -> dict[str, Any]:
    best = max(hypotheses, key=lambda each: each.score, default=None)
    return {} if best is None else _hypothesis(best)


def _hypothesis(each: Any) -> dict[str, Any]:
    return {'class_name': each.class_id, 'score': finite(each.score, 5)}


def _placed(each: Any) -> dict[str, Any]:
    """Where an object is, and which one it is."""
    x, y = each.bbox.center.position.x, each.bbox.center.position.y
    width, height, theta = each.bbox.size_x, each.bbox.size_y, each.bbox.center.theta
    placed: dict[str, Any] = {}
    if theta:
        values = {'x': x, 'y': y, 'width': width, 'height': height, 'theta': theta}
        placed['oriented'] = {name: finite(value) for name, value in values.items()}
    else:
        corners = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        placed['xyxy'] = [finite(value, 2) for value in corners]
    if each.id:
        placed['track_id'] = int(each.id) if each.id.isdecimal() else each.id
    return placed


class _Recorded(NamedTuple):
    message_type: Any
    key: str
    convert: Callable[[Any], list[dict[str, Any]]]


RECORDED = {
    DETECTIONS: _Recorded(Detection2DArray, 'detections', _detections),
    KEYPOINTS: _Recorded(KeypointDetection2DArray, 'detections', _keypoints),
    SUMMARY: _Recorded(SegmentationSummary, 'classes', _classes),
    CLASSIFICATION: _Recorded(Classification, 'classification', _classification),
}
"""What is recorded of each type of messages, by the type's name."""
