"""Markers of objects in space."""

from __future__ import annotations

import colorsys
import math
import zlib
from typing import TYPE_CHECKING, Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Pose, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

if TYPE_CHECKING:
    from vision_msgs.msg import Detection3D, Detection3DArray

SMALLEST_M = 0.01
"""rviz2 warns of markers without an extent."""


def markers_of(msg: Detection3DArray, shown_for_s: float, text_height: float) -> MarkerArray:
    """A box and a text for each object, after one that removes those of the last message.

    Parameters
    ----------
    msg : Detection3DArray
        Objects; those whose position or size is no number are left out.
    shown_for_s : float
        Markers vanish by themselves after so long, when no more messages come.
    text_height : float
        Meters.
    """
    markers = [Marker(header=msg.header, action=Marker.DELETEALL)]
    for number, detection in enumerate(filter(_is_finite, msg.detections)):
        box = detection.bbox
        name, text = _texts(detection)
        pose = Pose(position=box.center.position, orientation=box.center.orientation)
        if not _norm(pose.orientation):  # never set
            pose.orientation.w = 1.0
        sizes = [max(size, SMALLEST_M) for size in (box.size.x, box.size.y, box.size.z)]
        common = {
            'header': msg.header,
            'id': number,
            'action': Marker.ADD,
            'pose': pose,
            'lifetime': _duration(shown_for_s),
        }
        scale = Vector3(x=sizes[0], y=sizes[1], z=sizes[2])
        color = color_of(name, 0.4)
        markers.append(Marker(ns='boxes', type=Marker.CUBE, scale=scale, color=color, **common))
        markers.append(
            Marker(
                ns='texts',
                type=Marker.TEXT_VIEW_FACING,
                text=text,
                scale=Vector3(z=text_height),
                color=color_of(name, 1.0),
                **common,
            )
        )
    return MarkerArray(markers=markers)


def color_of(class_name: str, opacity: float) -> ColorRGBA:
    """A bright color for a class, always the same."""
    hue = zlib.crc32(class_name.encode()) % 360 / 360
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.8, 1.0)
    return ColorRGBA(r=red, g=green, b=blue, a=opacity)


def _texts(detection: Detection3D) -> tuple[str, str]:
    """The class, and what stands beside the box."""
    if not detection.results:
        return '', detection.id
    best = max(detection.results, key=lambda result: result.hypothesis.score).hypothesis
    identity = f' #{detection.id}' if detection.id else ''
    return best.class_id, f'{best.class_id} {best.score:.0%}{identity}'


def _is_finite(detection: Detection3D) -> bool:
    position, size = detection.bbox.center.position, detection.bbox.size
    values = (position.x, position.y, position.z, size.x, size.y, size.z)
    return all(map(math.isfinite, (*values, _norm(detection.bbox.center.orientation))))


def _norm(orientation: Any) -> float:
    return math.hypot(orientation.x, orientation.y, orientation.z, orientation.w)


def _duration(seconds: float) -> Duration:
    return Duration(sec=int(seconds), nanosec=int(seconds % 1 * 1e9))
