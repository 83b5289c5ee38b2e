"""Where labels go: inside the image, and not over each other while there is room."""

from __future__ import annotations

from collections import defaultdict


class Places:
    """The parts of an image that labels occupy.

    Parameters
    ----------
    size_wh : tuple of int
        Width and height of the image.
    label_h : int
        Height of a label. Parts are kept in strips of this height, so that few are compared.
    """

    def __init__(self, size_wh: tuple[int, int], label_h: int) -> None:
        self._width, self._height = size_wh
        self._label_h = label_h
        self._strips: defaultdict[int, list[tuple[int, int, int, int]]] = defaultdict(list)

    def take(self, left: int, top: int, width: int, height: int) -> None:
        """Reserve a part, so that no label is placed there."""
        part = left, top, left + width, top + height
        for strip in range(top // self._label_h, (top + height - 1) // self._label_h + 1):
            self._strips[strip].append(part)

    def place(self, box: tuple[int, ...], width: int) -> tuple[int, int]:
        """Reserve a place for the label of a box; returns its left and top.

        Above the box is best, then inside its upper edge, below it, inside its lower edge, further
        above, and further inside. If all are occupied, labels overlap.
        """
        height = self._label_h
        left = self._within(box[0], width, self._width)
        first: tuple[int, int] | None = None
        near = box[1] - height, box[1], box[3] + 1, box[3] - height
        inside = max(box[1], 0)
        above = box[1] - 2 * height, box[1] - 3 * height
        for top in (*near, *above, inside, inside + height, inside + 2 * height):
            if not 0 <= top <= self._height - height:
                continue
            first = first or (left, top)
            if self._is_free(left, top, left + width, top + height):
                self.take(left, top, width, height)
                return left, top
        return first or (left, self._within(box[1], height, self._height))

    @staticmethod
    def _within(start: int, length: int, whole: int) -> int:
        return max(min(start, whole - length), 0)

    def _is_free(self, left: int, top: int, right: int, bottom: int) -> bool:
        strip = top // self._label_h
        return not any(
            part[0] < right and left < part[2] and part[1] < bottom and top < part[3]
            for near in (strip, strip + 1)
            for part in self._strips.get(near, ())
        )
