"""Results drawn on BGR images, in place: masks, boxes, keypoints, classes, the frame rate.

Line width and text grow with the image, so that a drawing reads the same at 320×240 and 4K.
Colors are those of `jetson_perception.palette` unless the caller gives others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.palette import color
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.results import Classification, Detections, Segmentation

    Color = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)
_INSTANCE_BLEND = 0.6  # share of the image that remains under an instance's tint
_NAME_CHARACTERS = 60  # of a class that are drawn
_FAR_PX = 1_000_000  # beyond any image, within what OpenCV's drawing takes


def color_mask(
    mask: NDArray[np.uint8], colors: NDArray[np.uint8], out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """The mask with a color for each class.

    Parameters
    ----------
    mask : ndarray, shape (h, w), uint8
        Class ids.
    colors : ndarray, shape (classes, 3), uint8
        BGR of each class; ids beyond them become black.
    out : ndarray, shape (h, w, 3), uint8, optional
        Where to put the result.

    Returns
    -------
    ndarray, shape (h, w, 3), uint8
        `out`, or a new array.
    """
    # Looked up as one 32-bit number a pixel: four times as fast as three channels of bytes.
    table = np.zeros((256, 4), np.uint8)
    table[: len(colors), :3] = colors[:256]
    colored = cv2.LUT(mask, table.view(np.int32).reshape(1, 256))
    bgra = colored.view(np.uint8).reshape(*mask.shape, 4)
    return cv2.cvtColor(bgra, cv2.COLOR_BGRA2BGR, dst=out)


def draw_segmentation(
    canvas: NDArray[np.uint8],
    segmentation: Segmentation,
    colors: NDArray[np.uint8],
    blend: float = 0.6,
    class_names: Sequence[str] = (),
) -> None:
    """Tint the pixels of every class but 0, the background, which stays as it is.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    segmentation : Segmentation
        Its mask is enlarged when it has another size than the canvas.
    colors : ndarray, shape (classes, 3), uint8
        BGR of each class.
    blend : float
        Share of the image that remains, 0 to 1.
    class_names : sequence of str
        When given, `draw_legend` follows.
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


def draw_legend(
    canvas: NDArray[np.uint8],
    segmentation: Segmentation,
    colors: NDArray[np.uint8],
    class_names: Sequence[str],
) -> None:
    """Draw a panel in the lower left corner: name, color and share of each class that is there.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    segmentation : Segmentation
        Only its counts are looked at.
    colors : ndarray, shape (classes, 3), uint8
        BGR of each class.
    class_names : sequence of str
        Name of class i at index i; classes beyond them, and the background, are left out.
    """
    rows = [
        (
            tuple(int(channel) for channel in colors[i]),
            f'{_shown(class_names[i])} {100 * segmentation.ratio[i]:.1f}%',
        )
        for i in range(1, min(len(class_names), len(segmentation.pixels)))
        if segmentation.pixels[i]
    ]
    _draw_panel(canvas, rows)


def draw_classification(
    canvas: NDArray[np.uint8], classification: Classification, class_names: Sequence[str]
) -> None:
    """Draw a panel in the lower left corner: the classes with their scores, the best on top.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    classification : Classification
        What the image shows.
    class_names : sequence of str
        Name of class i at index i; a class beyond them is shown by its number.
    """
    found = zip(classification.class_id.tolist(), classification.score.tolist(), strict=True)
    rows = [
        (_vivid(i + 1), f'{_shown(class_names[i]) if i < len(class_names) else i} {score:.2f}')
        for i, score in found
    ]
    _draw_panel(canvas, rows)


def draw_detections(
    canvas: NDArray[np.uint8],
    detections: Detections,
    class_names: Sequence[str],
    *,
    skeleton: Sequence[tuple[int, int]] = (),
    keypoint_score_threshold: float = 0.5,
) -> None:
    """Draw boxes with class, score and id, keypoints joined by the skeleton, and instance masks.

    A box has the color of its class, or that of its instance where there are masks.

    Parameters
    ----------
    canvas : ndarray, shape (h, w, 3), uint8
        BGR; changed in place.
    detections : Detections
        In the canvas's pixels. The best is drawn last, on top. Its masks are enlarged when they
        have another size than the canvas.
    class_names : sequence of str
        Name of class i at index i; a class beyond them is shown by its number.
    skeleton : sequence of (int, int)
        Pairs of keypoint indices, from 0, to join by lines.
    keypoint_score_threshold : float
        Keypoints that score less are left out, with their lines.
    """
    pen = _Pen.for_image(canvas)
    if detections.instance_ids is not None:
        _draw_instances(canvas, detections.instance_ids, pen)
    labels = []
    tracks = detections.track_names()
    for i in range(len(detections) - 1, -1, -1):
        class_id = int(detections.class_id[i])
        known = 0 <= class_id < len(class_names)
        name = _shown(class_names[class_id]) if known else str(class_id)
        box = _whole(detections.xyxy[i])
        shade = _vivid(class_id + 1 if detections.instance_ids is None else _folded(i + 1))
        cv2.rectangle(canvas, box[:2], box[2:], shade, pen.line_px, cv2.LINE_AA)
        if detections.keypoints is not None:
            points = detections.keypoints[i]
            _draw_keypoints(canvas, points, skeleton, keypoint_score_threshold, pen)
        track = f' #{tracks[i]}' if tracks[i] else ''
        labels.append((f'{name} {detections.score[i]:.2f}{track}', box, shade))
    for text, box, shade in labels:  # over all boxes, so that each can be read
        _draw_label(canvas, text, box, shade, pen)


def draw_frame_rate(canvas: NDArray[np.uint8], hz: float) -> None:
    """Write the frame rate into the upper left corner, in place."""
    pen = _Pen.for_image(canvas)
    text = f'{hz:.1f} FPS'
    (text_w, text_h), below = cv2.getTextSize(text, _FONT, pen.font_scale, pen.text_px)
    margin = pen.margin_px
    _darken(canvas[: text_h + below + 2 * margin, : text_w + 4 * margin])
    at = (2 * margin, margin + text_h)
    cv2.putText(canvas, text, at, _FONT, pen.font_scale, _WHITE, pen.text_px, cv2.LINE_AA)


@dataclass(frozen=True, slots=True)
class _Pen:
    """Sizes that suit an image."""

    line_px: int
    text_px: int
    margin_px: int
    font_scale: float

    @classmethod
    def for_image(cls, canvas: NDArray[np.uint8]) -> _Pen:
        side = (canvas.shape[0] + canvas.shape[1]) / 2
        return cls(
            line_px=max(round(side * 0.0025), 1),
            text_px=max(round(side * 0.0012), 1),
            margin_px=max(round(side * 0.005), 2),
            font_scale=max(side * 0.00055, 0.35),
        )


def _whole(values: NDArray[np.float32]) -> tuple[int, ...]:
    return tuple(np.clip(np.rint(values), -_FAR_PX, _FAR_PX).astype(int).tolist())


@cache
def _vivid(index: int) -> Color:
    """The palette's color at full brightness, as its dark ones are hard to see as thin lines.

    What differs in brightness alone then differs in its share of white.
    """
    bgr = color(index)
    highest = max(*bgr, 1)
    white = {64: 0.25, 192: 0.5}.get(highest, 0.0)
    blue, green, red = (round(255 * (channel / highest * (1 - white) + white)) for channel in bgr)
    return blue, green, red


def _folded(ids: Any) -> Any:
    """Ids above 255 as smaller ones, so that a byte holds them; colors repeat from there."""
    return (ids - 1) % 255 + 1


@cache
def _instance_colors() -> NDArray[np.uint8]:
    return np.array([_BLACK, *(_vivid(index) for index in range(1, 256))], np.uint8)


def _draw_instances(
    canvas: NDArray[np.uint8], ids: NDArray[np.uint8] | NDArray[np.uint16], pen: _Pen
) -> None:
    """Tint each instance with a color of its own, and outline it inside its edge."""
    if ids.shape != canvas.shape[:2]:
        ids = cv2.resize(ids, canvas.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    if ids.dtype != np.uint8:
        ids = np.where(ids, _folded(ids), 0)
    small_ids = np.asarray(ids, np.uint8)
    left, top, box_w, box_h = cv2.boundingRect(small_ids)
    if not box_w:
        return
    reach = pen.line_px
    inside = np.s_[
        max(top - reach, 0) : top + box_h + reach, max(left - reach, 0) : left + box_w + reach
    ]
    part, part_ids = canvas[inside], small_ids[inside]
    colors = color_mask(part_ids, _instance_colors())
    tinted = cv2.addWeighted(part, _INSTANCE_BLEND, colors, 1 - _INSTANCE_BLEND, 0)
    cv2.copyTo(tinted, part_ids, part)
    # Where another id is near; the border of the image is none.
    around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    edge = cv2.morphologyEx(part_ids, cv2.MORPH_GRADIENT, around)
    cv2.copyTo(colors, cv2.min(edge, part_ids), part)


def _darken(part: NDArray[np.uint8]) -> None:
    """Make a background for white text."""
    np.multiply(part, 0.35, out=part, casting='unsafe')


def _shown(name: str) -> str:
    """A class name that can be drawn: OpenCV crashes on half of a surrogate pair."""
    if len(name) <= _NAME_CHARACTERS and name.isprintable():
        return name
    return printable(name, _NAME_CHARACTERS)


def _ink(background: Color) -> Color:
    """Black or white, whichever reads better on the background."""
    blue, green, red = background
    return _BLACK if 0.114 * blue + 0.587 * green + 0.299 * red > 128 else _WHITE


def _draw_panel(canvas: NDArray[np.uint8], rows: Sequence[tuple[tuple[int, ...], str]]) -> None:
    """Draw a color and a text a row into the lower left corner; nothing for no rows."""
    if not rows:
        return
    pen = _Pen.for_image(canvas)
    sizes = [cv2.getTextSize(text, _FONT, pen.font_scale, pen.text_px)[0] for _, text in rows]
    swatch = max(text_h for _, text_h in sizes)
    row_h = swatch + 2 * pen.margin_px
    panel_w = 4 * pen.margin_px + swatch + max(text_w for text_w, _ in sizes)
    panel_h = row_h * len(rows) + pen.margin_px
    margin = 2 * pen.margin_px
    top = max(canvas.shape[0] - margin - panel_h, 0)
    _darken(canvas[top : top + panel_h, margin : margin + panel_w])
    for row, (shade, text) in enumerate(rows):
        x, y = margin + pen.margin_px, top + pen.margin_px + row * row_h + pen.margin_px // 2
        cv2.rectangle(canvas, (x, y), (x + swatch, y + swatch), shade, -1)
        at = (x + swatch + pen.margin_px, y + swatch)
        cv2.putText(canvas, text, at, _FONT, pen.font_scale, _WHITE, pen.text_px, cv2.LINE_AA)


def _draw_label(
    canvas: NDArray[np.uint8], text: str, box: tuple[int, ...], background: Color, pen: _Pen
) -> None:
    """Write above the box, or inside its top edge where there is no room, always in the image."""
    height, width = canvas.shape[:2]
    (text_w, text_h), below = cv2.getTextSize(text, _FONT, pen.font_scale, pen.text_px)
    label_w, label_h = text_w + 2 * pen.margin_px, text_h + below + pen.margin_px
    left = max(min(box[0], width - label_w), 0)
    top = box[1] - label_h if box[1] >= label_h else box[1]
    top = max(min(top, height - label_h), 0)
    cv2.rectangle(canvas, (left, top), (left + label_w - 1, top + label_h - 1), background, -1)
    at = (left + pen.margin_px, top + label_h - below - pen.margin_px // 2)
    cv2.putText(
        canvas, text, at, _FONT, pen.font_scale, _ink(background), pen.text_px, cv2.LINE_AA
    )


def _draw_keypoints(
    canvas: NDArray[np.uint8],
    points: NDArray[np.float32],
    skeleton: Sequence[tuple[int, int]],
    score_threshold: float,
    pen: _Pen,
) -> None:
    at = [_whole(point[:2]) for point in points]
    shown = [score >= score_threshold for score in points[:, 2]]
    for first, second in skeleton:
        if max(first, second) < len(at) and shown[first] and shown[second]:
            shade = _vivid(second + 1)
            cv2.line(canvas, at[first], at[second], shade, pen.line_px, cv2.LINE_AA)
    radius = pen.line_px + 1
    for index, (point, visible) in enumerate(zip(at, shown, strict=True)):
        if visible:
            cv2.circle(canvas, point, radius + 1, _WHITE, -1, cv2.LINE_AA)
            cv2.circle(canvas, point, radius, _vivid(index + 1), -1, cv2.LINE_AA)
