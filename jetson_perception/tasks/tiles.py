"""Tiles: a large image searched part by part, so that small objects are not reduced to nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from jetson_perception.errors import ParameterError
from jetson_perception.images.regions import Region
from jetson_perception.tasks.numbers import is_number, is_whole_number

MOST_TILES = 64
DEFAULT_OVERLAP = 0.2


@dataclass(frozen=True, slots=True)
class Tiles:
    """How images are cut into tiles.

    Attributes
    ----------
    columns, rows : int
        How many tiles side by side, and one below another.
    overlap : float
        How much of a tile's width and height the next one sees as well, 0 to 0.5. An object that
        is no larger than that is whole in one of them.
    whole_image : bool
        Search the whole image too, for objects that are larger than a tile.

    Raises
    ------
    ParameterError
        When a value is out of range.
    """

    columns: int
    rows: int
    overlap: float = DEFAULT_OVERLAP
    whole_image: bool = True

    def __post_init__(self) -> None:
        counts = self.columns, self.rows
        if not all(is_whole_number(count) and count >= 1 for count in counts):
            raise ParameterError(
                f'tiles are {list(counts)}; expected the numbers of columns and rows, such as '
                '[2, 2]',
                'tiles',
            )
        if self.columns * self.rows > MOST_TILES:
            raise ParameterError(
                f'tiles are {list(counts)}, which is {self.columns * self.rows}; at most '
                f'{MOST_TILES} are taken',
                'tiles',
            )
        if not (is_number(self.overlap) and 0 <= self.overlap <= 0.5):
            raise ParameterError(
                f'tile_overlap is {self.overlap!r}; give a fraction of a tile, 0 to 0.5',
                'tile_overlap',
            )

    @property
    def count(self) -> int:
        """How many regions an image has."""
        return self.columns * self.rows + (1 if self._adds_whole else 0)

    def regions(self, size_wh: tuple[int, int]) -> tuple[Region, ...]:
        """The parts of an image of this size, row by row, the whole image last."""
        return _regions(self, size_wh)

    @property
    def _adds_whole(self) -> bool:
        return self.whole_image and self.columns * self.rows > 1


@lru_cache(maxsize=64)
def _regions(tiles: Tiles, size_wh: tuple[int, int]) -> tuple[Region, ...]:
    across = _spans(size_wh[0], tiles.columns, tiles.overlap)
    down = _spans(size_wh[1], tiles.rows, tiles.overlap)
    found = [Region(left, top, width, height) for top, height in down for left, width in across]
    return (*found, Region.whole(size_wh)) if tiles._adds_whole else tuple(found)


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    """Begin and length of tiles of equal length that cover an axis."""
    tile = min(math.ceil(length / (count - (count - 1) * overlap)), length)
    step = (length - tile) / max(count - 1, 1)
    return [(round(index * step), tile) for index in range(count)]
