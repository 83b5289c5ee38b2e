"""What is drawn over a picture last: boxes, labels, panel and frame rate.

Several engines may have results for one picture. A box on which they agree is drawn once, with the
names of these engines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.drawing.placing import Places
from jetson_perception.drawing.sizes import Sizes
from jetson_perception.drawing.text import on_ground, put_light, put_line, rendered, text_height
from jetson_perception.tasks.box_overlap import box_ious

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.drawing.colors import Color

EQUAL_IOU = 0.8
"""Overlap (IoU) from which boxes of one class by different engines are drawn as one."""

_FAR_PX = 1_000_000  # beyond any image, but within OpenCV's limits for drawing
_DARKENED = 0.35  # share of the image that remains under white text


@dataclass(slots=True)
class _Box:
    xyxy: NDArray[np.float32]
    class_name: str
    name: str
    value: str
    color: Color
    outline: NDArray[np.float32] | None = None
    engines: list[str] = field(default_factory=list)


def whole_corners(values: NDArray[np.float32]) -> list[tuple[int, ...]]:
    """Rows of coordinates as whole pixels, within OpenCV's limits."""
    return [*map(tuple, np.clip(np.rint(values), -_FAR_PX, _FAR_PX).astype(int).tolist())]


class Overlay:
    """Boxes and texts of one picture.

    Parameters
    ----------
    name_engines : bool
        Whether labels say which engine they come from, for pictures with several engines.

    Attributes
    ----------
    engine : str
        The engine whose boxes and rows are added from now on.
    """

    def __init__(self, *, name_engines: bool = False) -> None:
        self.engine = ''
        self._name_engines = name_engines
        self._boxes: list[_Box] = []
        self._rows: list[tuple[Color, str]] = []
        self._frame_rates: list[tuple[str, float]] = []

    def add_boxes(
        self,
        xyxy: NDArray[np.float32],
        class_names: Sequence[str],
        names: Sequence[str],
        values: Sequence[str],
        colors: Sequence[Color],
        outlines: NDArray[np.float32] | None = None,
    ) -> None:
        """Add the engine's boxes, best first.

        Parameters
        ----------
        xyxy : ndarray, shape (n, 4)
            Left, top, right, bottom, in the picture's pixels.
        class_names : sequence of str
            Class of each box. Different classes may be drawn as the same name.
        names, values : sequence of str
            The two parts of each label: the name of the class, and the object's score and id.
        colors : sequence of tuple of int
            BGR of each box.
        outlines : ndarray, shape (n, 4, 2), optional
            Corners to draw in place of those of `xyxy`, which labels still go by.
        """
        others = list(self._boxes)
        overlaps = box_ious(xyxy, np.array([box.xyxy for box in others])) if others else None
        labels = zip(class_names, names, values, colors, strict=True)
        for row, (class_name, name, value, color) in enumerate(labels):
            twin = None if overlaps is None else self._twin(others, overlaps[row], class_name)
            if twin is None:
                outline = None if outlines is None else outlines[row]
                engines = [self.engine]
                box = _Box(xyxy[row], class_name, name, value, color, outline, engines)
                self._boxes.append(box)
            else:
                twin.engines.append(self.engine)

    def add_row(self, color: Color, name: str, value: str) -> None:
        """Add a row to the panel in the lower left corner: a color, a name, a value."""
        prefix = f'{self.engine}: ' if self._name_engines else ''
        self._rows.append((color, f'{prefix}{name} {value}'))

    def add_frame_rate(self, hz: float) -> None:
        """Show how many results a second the engine gives, in the upper left corner.

        0 means that it is not known, and is not shown.
        """
        if hz > 0:
            self._frame_rates.append((f'{self.engine}: ' if self._name_engines else '', hz))

    def draw(self, canvas: NDArray[np.uint8]) -> None:
        """Draw everything, in place: the best boxes on top, labels over all boxes."""
        sizes = Sizes.for_image(canvas)
        places = Places((canvas.shape[1], canvas.shape[0]), text_height(sizes.text))
        corners = whole_corners(np.array([box.xyxy for box in self._boxes]).reshape(-1, 4))
        for box, at in zip(reversed(self._boxes), reversed(corners), strict=True):
            if box.outline is not None:
                outline = np.array(whole_corners(box.outline), np.int32)
                cv2.polylines(canvas, [outline], True, box.color, sizes.line, cv2.LINE_AA)
                continue
            # Straight lines need no anti-aliasing, which takes twice as long.
            cv2.rectangle(canvas, at[:2], at[2:], box.color, sizes.line)
        self._draw_frame_rate(canvas, sizes, places)
        self._draw_panel(canvas, sizes, places)
        labels = []
        for box, at in zip(self._boxes, corners, strict=True):
            pieces = self._label(box, sizes)
            labels.append((places.place(at, sum(piece.shape[1] for piece in pieces)), pieces))
        for place, pieces in reversed(labels):
            put_line(canvas, place, pieces)

    def _label(self, box: _Box, sizes: Sizes) -> list[NDArray[np.uint8]]:
        px, margin = sizes.text, sizes.margin
        label = [
            on_ground(box.name, px, box.color, left=margin),
            on_ground(f' {box.value}', px, box.color, right=margin),
        ]
        if self._name_engines:
            engines = f'{", ".join(box.engines)}: '
            label.insert(0, on_ground(engines, px, box.color, left=margin))
            label[1] = on_ground(box.name, px, box.color)
        return label

    def _twin(
        self, others: list[_Box], overlaps: NDArray[np.float32], class_name: str
    ) -> _Box | None:
        """The box of another engine that equals this one and has no twin of this engine yet."""
        for index in np.argsort(-overlaps):
            if overlaps[index] < EQUAL_IOU:
                return None
            box = others[index]
            if box.class_name == class_name and self.engine not in box.engines:
                return box
        return None

    def _draw_frame_rate(self, canvas: NDArray[np.uint8], sizes: Sizes, places: Places) -> None:
        if not self._frame_rates:
            return
        px, margin = sizes.text, sizes.margin
        left, lefts, texts = 2 * margin, [], []
        for name, hz in self._frame_rates:
            for text in (name, f'{hz:.1f} FPS'):  # in two, as each is kept once it is rendered
                lefts.append(left)
                texts.append(text)
                left += rendered(text, px).shape[1] if text else 0
            left += 2 * margin
        height = text_height(px) + margin
        _darken(canvas[:height, :left])
        for at, text in zip(lefts, texts, strict=True):
            if text:
                put_light(canvas, (at, margin // 2), text, px)
        places.take(0, 0, left, height)

    def _draw_panel(self, canvas: NDArray[np.uint8], sizes: Sizes, places: Places) -> None:
        if not self._rows:
            return
        px, margin = sizes.text, sizes.margin
        row_h = text_height(px) + margin // 2
        panel_w = 4 * margin + px + max(rendered(text, px).shape[1] for _, text in self._rows)
        panel_h = row_h * len(self._rows) + margin
        left, top = 2 * margin, max(canvas.shape[0] - 2 * margin - panel_h, 0)
        _darken(canvas[top : top + panel_h, left : left + panel_w])
        places.take(left, top, panel_w, panel_h)
        for row, (color, text) in enumerate(self._rows):
            x, y = left + margin, top + margin // 2 + row * row_h
            below = y + (row_h - px) // 2
            cv2.rectangle(canvas, (x, below), (x + px, below + px), color, -1)
            put_light(canvas, (x + px + margin, y), text, px)


def _darken(part: NDArray[np.uint8]) -> None:
    """Make a background for white text."""
    if part.size:
        part[:] = cv2.convertScaleAbs(part, alpha=_DARKENED)
