"""Results drawn on BGR images, in place."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.drawing.colors import WHITE, folded, vivid
from jetson_perception.drawing.masks import color_mask, draw_instances
from jetson_perception.drawing.overlay import Overlay, whole_corners
from jetson_perception.drawing.sizes import Sizes
from jetson_perception.drawing.text import drawn_name
from jetson_perception.model_info import class_name_of
from jetson_perception.tasks.results import oriented_corners

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.drawing.colors import Color
    from jetson_perception.tasks.results import Classification, Detections, Segmentation


def draw_segmentation(
    canvas: NDArray[np.uint8],
    segmentation: Segmentation,
    colors: NDArray[np.uint8],
    blend: float = 0.6,
    class_names: Sequence[str] = (),
) -> None:
    """Tint the pixels of every class except 0, the background.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    segmentation : Segmentation
        Its mask is resized if it does not have the canvas's size.
    colors : ndarray, shape (classes, 3), uint8
        BGR of each class.
    blend : float
        Share of the image that remains, 0 to 1.
    class_names : sequence of str
        If given, the legend is drawn too.
    """
    height, width = canvas.shape[:2]
    mask = segmentation.mask
    if mask.shape != (height, width):
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    left, top, box_w, box_h = cv2.boundingRect(mask)
    if box_w:
        inside = np.s_[top : top + box_h, left : left + box_w]
        part, part_mask = canvas[inside], mask[inside]
        tinted = color_mask(part_mask, colors)
        cv2.addWeighted(part, blend, tinted, 1 - blend, 0, dst=tinted)
        cv2.copyTo(tinted, part_mask, part)
    if class_names:
        draw_legend(canvas, segmentation, colors, class_names)


@contextmanager
def _taken_by(overlay: Overlay | None, canvas: NDArray[np.uint8]) -> Iterator[Overlay]:
    """The caller's overlay, or a new one that is drawn at the end."""
    if overlay is not None:
        yield overlay
        return
    own = Overlay()
    yield own
    own.draw(canvas)


def draw_legend(
    canvas: NDArray[np.uint8],
    segmentation: Segmentation,
    colors: NDArray[np.uint8],
    class_names: Sequence[str],
    overlay: Overlay | None = None,
) -> None:
    """Draw a panel in the lower left corner: color, name and share of each class in the image.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    segmentation : Segmentation
        Only its pixel counts are used.
    colors : ndarray, shape (classes, 3), uint8
        BGR of each class; the background and classes without a color are left out.
    class_names : sequence of str
        Name of class i at index i.
    overlay : Overlay, optional
        Takes the rows, for the caller to draw.
    """
    with _taken_by(overlay, canvas) as rows:
        for i in np.flatnonzero(segmentation.pixels[: len(colors)]).tolist():
            if i:
                blue, green, red = colors[i].tolist()
                share = f'{100 * segmentation.ratio[i]:.1f}%'
                rows.add_row((blue, green, red), drawn_name(class_names, i), share)


def draw_classification(
    canvas: NDArray[np.uint8],
    classification: Classification,
    class_names: Sequence[str],
    overlay: Overlay | None = None,
) -> None:
    """Draw a panel in the lower left corner: the classes with their scores, best on top.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    classification : Classification
        What the image shows.
    class_names : sequence of str
        Name of class i at index i; 'class_<i>' for a class beyond them.
    overlay : Overlay, optional
        Takes the rows, for the caller to draw.
    """
    found = zip(classification.class_id.tolist(), classification.score.tolist(), strict=True)
    with _taken_by(overlay, canvas) as rows:
        for i, score in found:
            rows.add_row(vivid(i + 1), drawn_name(class_names, i), f'{score:.2f}')


def draw_detections(
    canvas: NDArray[np.uint8],
    detections: Detections,
    class_names: Sequence[str],
    *,
    skeleton: Sequence[tuple[int, int]] = (),
    keypoint_score_threshold: float = 0.5,
    overlay: Overlay | None = None,
) -> None:
    """Draw boxes with class, score and id, keypoints joined by the skeleton, and instance masks.

    A box has the color of its class, or that of its instance where there are masks; with a tracker
    its id has a color of its own, which box and trail keep from frame to frame.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    detections : Detections
        In the canvas's pixels. The best is drawn last, on top. Masks are resized if they do not
        have the canvas's size.
    class_names : sequence of str
        Name of class i at index i; 'class_<i>' for a class beyond them.
    skeleton : sequence of (int, int)
        Pairs of keypoint indices, from 0, to join with lines.
    keypoint_score_threshold : float
        Keypoints that score less are left out, with their lines.
    overlay : Overlay, optional
        Takes boxes and labels, for the caller to draw.
    """
    sizes = Sizes.for_image(canvas)
    if detections.instance_ids is not None:
        draw_instances(canvas, detections.instance_ids, sizes.line)
    if detections.keypoints is not None:
        for points in detections.keypoints[::-1]:
            _draw_keypoints(canvas, points, skeleton, keypoint_score_threshold, sizes.line)
    colors = object_colors(detections)
    if detections.trails is not None:
        _draw_trails(canvas, detections, colors, sizes.line)
    class_ids = detections.class_id.tolist()
    with _taken_by(overlay, canvas) as boxes:
        boxes.add_boxes(
            detections.xyxy,
            [class_name_of(class_names, class_id) for class_id in class_ids],
            [drawn_name(class_names, class_id) for class_id in class_ids],
            object_values(detections),
            colors,
            None if detections.oriented is None else oriented_corners(detections.oriented),
        )


def count_rows(detections: Detections, class_names: Sequence[str]) -> list[tuple[Color, str, str]]:
    """How many objects there are of each class, for `Overlay.add_row`: color, name, number.

    The color is that of the class's boxes; white where each object has its own.

    Parameters
    ----------
    detections : Detections
        Of one image.
    class_names : sequence of str
        Name of class i at index i; 'class_<i>' for a class beyond them.
    """
    by_class = detections.instance_ids is None and detections.track_id is None
    class_ids, counts = np.unique(detections.class_id, return_counts=True)
    return [
        (vivid(class_id + 1) if by_class else WHITE, drawn_name(class_names, class_id), str(count))
        for class_id, count in zip(class_ids.tolist(), counts.tolist(), strict=True)
    ]


def object_values(detections: Detections) -> list[str]:
    """Score and id of each object, as the second part of its label."""
    scored = zip(detections.score.tolist(), detections.track_names(), strict=True)
    return [f'{score:.2f}' + (f' #{name.lstrip("#")}' if name else '') for score, name in scored]


def object_colors(detections: Detections) -> list[Color]:
    """BGR of each object: of its class, of its instance where there are masks, or of its id."""
    if detections.instance_ids is not None:
        return [vivid(folded(row + 1)) for row in range(len(detections))]
    classes = detections.class_id.tolist()
    if detections.track_id is None:
        return [vivid(class_id + 1) for class_id in classes]
    tracks = zip(detections.track_id.tolist(), classes, strict=True)
    return [vivid(folded(track + 1) if track >= 0 else class_id + 1) for track, class_id in tracks]


def _draw_trails(
    canvas: NDArray[np.uint8], detections: Detections, colors: list[Color], line_px: int
) -> None:
    """Draw the ways of objects with ids, the best on top."""
    assert detections.trails is not None
    for way, color in zip(detections.trails[::-1], reversed(colors), strict=True):
        if (way != way[-1]).any():
            points = np.array(whole_corners(way), np.int32)
            cv2.polylines(canvas, [points], False, color, line_px + 1, cv2.LINE_AA)


def draw_frame_rate(canvas: NDArray[np.uint8], hz: float) -> None:
    """Write the frame rate into the upper left corner, in place."""
    overlay = Overlay()
    overlay.add_frame_rate(hz)
    overlay.draw(canvas)


def _draw_keypoints(
    canvas: NDArray[np.uint8],
    points: NDArray[np.float32],
    skeleton: Sequence[tuple[int, int]],
    score_threshold: float,
    line_px: int,
) -> None:
    at = whole_corners(points[:, :2])
    shown = [score >= score_threshold for score in points[:, 2]]
    for first, second in skeleton:
        if max(first, second) < len(at) and shown[first] and shown[second]:
            shade = vivid(second + 1)
            cv2.line(canvas, at[first], at[second], shade, line_px, cv2.LINE_AA)
    radius = line_px + 1
    for index, (point, visible) in enumerate(zip(at, shown, strict=True)):
        if visible:
            cv2.circle(canvas, point, radius + 1, WHITE, -1, cv2.LINE_AA)
            cv2.circle(canvas, point, radius, vivid(index + 1), -1, cv2.LINE_AA)
