"""Messages as JSON for the page. What they say is foreign: limited in length, and finite."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from vision_msgs.msg import Detection2DArray, LabelInfo

from jetson_perception.msg import PipelineStats, SegmentationSummary
from jetson_perception.printable import printable
from jetson_perception.ros.viewing.class_changes import MOST_CLASSES
from jetson_perception.ros.viewing.topics import (
    DETECTIONS,
    DIAGNOSTICS,
    LABELS,
    STATS,
    SUMMARY,
    engine_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_OBJECTS = 50
_MOST_CLASSES = 1000
_MOST_STAGES = 20
_MOST_STATUSES = 200
_NAME = 100
_TEXT = 400
_LEVELS = {b'\x00': 'ok', b'\x01': 'warning', b'\x02': 'error', b'\x03': 'stale'}


def finite(value: float, digits: int = 4) -> float | None:
    """A number that JSON has; None for another one."""
    return round(float(value), digits) if math.isfinite(value) else None


def _detections(topic: str, msg: Any) -> dict[str, Any]:
    return {
        'engine': printable(engine_of(topic), _NAME),
        'count': len(msg.detections),
        'objects': [_object(each) for each in msg.detections[:_MOST_OBJECTS]],
    }


def _object(detection: Any) -> dict[str, Any]:
    best = max(detection.results, key=lambda each: each.hypothesis.score, default=None)
    center = detection.bbox.center.position
    return {
        'id': printable(detection.id, _NAME),
        'class': printable(best.hypothesis.class_id, _NAME) if best else '',
        'score': finite(best.hypothesis.score, 2) if best else None,
        'center': [finite(center.x, 0), finite(center.y, 0)],
        'size': [finite(detection.bbox.size_x, 0), finite(detection.bbox.size_y, 0)],
    }


def _stats(topic: str, msg: Any) -> dict[str, Any]:
    return {
        'engine': printable(engine_of(topic), _NAME),
        'runtime': printable(msg.runtime, _TEXT),
        'input': printable(msg.input, _TEXT),
        'rate': finite(msg.frame_rate, 1),
        'processed': msg.frames_processed,
        'skipped': msg.frames_skipped,
        'failed': msg.frames_failed,
        'lost': msg.frames_lost,
        'stages': [
            {
                'name': printable(each.name, _NAME),
                'median': finite(each.median_ms, 2),
                'p99': finite(each.p99_ms, 2),
            }
            for each in msg.stages[:_MOST_STAGES]
            if each.samples
        ],
    }


def _summary(topic: str, msg: Any) -> dict[str, Any]:
    return {
        'engine': printable(engine_of(topic), _NAME),
        'classes': [
            {'name': printable(each.class_name, _NAME), 'ratio': finite(each.ratio)}
            for each in msg.classes[:_MOST_CLASSES]
        ],
    }


def _labels(topic: str, msg: Any) -> list[str]:
    """All names as they are, by which classes are chosen: one that is left out could not be."""
    names = msg.class_map if len(msg.class_map) <= MOST_CLASSES else []
    return [each.class_name for each in names]


def diagnosis(status: Any) -> dict[str, Any]:
    """A DiagnosticStatus."""
    level = status.level if isinstance(status.level, bytes) else bytes([status.level])
    return {
        'name': printable(status.name, _TEXT),
        'level': _LEVELS.get(level, 'stale'),
        'message': printable(status.message, _TEXT),
    }


def _diagnostics(topic: str, msg: Any) -> list[dict[str, Any]]:
    return [diagnosis(each) for each in msg.status[:_MOST_STATUSES]]


class Conversion(NamedTuple):
    """How a type of messages gets into the state: its class, under which key, and as what."""

    message_type: Any
    key: str
    convert: Callable[[str, Any], Any]


CONVERSIONS = {
    DETECTIONS: Conversion(Detection2DArray, 'detections', _detections),
    STATS: Conversion(PipelineStats, 'engines', _stats),
    SUMMARY: Conversion(SegmentationSummary, 'areas', _summary),
    LABELS: Conversion(LabelInfo, 'labels', _labels),
    DIAGNOSTICS: Conversion(DiagnosticArray, 'diagnostics', _diagnostics),
}
