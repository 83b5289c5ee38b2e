"""Objects found tile by tile: a frame is several inputs, and its result what is found in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.images.arrays import as_bgr
from jetson_perception.tasks.object_layouts import decode_objects
from jetson_perception.tasks.tile_merging import merge_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.engines import Engine
    from jetson_perception.images.arrays import ImageLike
    from jetson_perception.images.regions import Region
    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.object_layouts import ObjectLayout
    from jetson_perception.tasks.preprocess import ImageTransform, Preprocessor
    from jetson_perception.tasks.results import Detections
    from jetson_perception.tasks.tiles import Tiles


@dataclass(frozen=True, slots=True)
class TiledTransform:
    """Where the tiles of a frame lie, and how each is fitted to the network.

    Attributes
    ----------
    source_wh : tuple of int
        Size of the frame, pixels.
    regions : tuple of Region
        The tiles.
    transforms : tuple of ImageTransform
        Of each tile, to the tile's pixels.
    """

    source_wh: tuple[int, int]
    regions: tuple[Region, ...]
    transforms: tuple[ImageTransform, ...]

    def merged(self, found: Sequence[Detections], options: DetectionOptions) -> Detections:
        """What was found in each tile, as objects of the frame."""
        return merge_tiles(found, self.regions, self.transforms, self.source_wh, options)


class TiledSearch:
    """The stages of a model that searches images tile by tile.

    One thread at a time may fit images, and as many as the engine takes may call `infer`.

    Parameters
    ----------
    engine : Engine
        Runs the network; not closed.
    preprocessor : Preprocessor
        Fits each tile to the network.
    layout : ObjectLayout
        What the outputs hold.
    tiles : Tiles
        How images are cut.
    together : int
        How many tiles the engine takes in one inference.
    """

    def __init__(
        self,
        engine: Engine,
        preprocessor: Preprocessor,
        layout: ObjectLayout,
        tiles: Tiles,
        together: int = 1,
    ) -> None:
        self.tiles = tiles
        self.together = together
        self._engine = engine
        self._preprocessor = preprocessor
        self._layout = layout
        # An engine that several threads may call gives each call arrays of its own.
        self._reuses_outputs = not getattr(engine, 'shareable', False)
        self._kept: list[list[NDArray[Any]]] = [[] for _ in range(tiles.count)]

    def preprocess(
        self, image: ImageLike, out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], TiledTransform]:
        """The tensors of all tiles, along the first axis, and how each was fitted."""
        bgr, made_by = as_bgr(image), self._preprocessor
        size_wh = bgr.shape[1], bgr.shape[0]
        shape = self.tiles.count, *made_by.shape[1:]
        tensor = np.empty(shape, made_by.dtype) if out is None else out
        regions = self.tiles.regions(size_wh)
        # Each region is resized straight into its place: no tile is an image of its own.
        transforms = tuple(
            made_by(region.of(bgr), tensor[index : index + 1])[1]
            for index, region in enumerate(regions)
        )
        return tensor, TiledTransform(size_wh, regions, transforms)

    def infer(self, tensor: NDArray[Any]) -> list[NDArray[Any]]:
        """All outputs of the first tile, then those of the second, and so on."""
        outputs: list[NDArray[Any]] = []
        for first in range(0, len(tensor), self.together):
            some = tensor[first : first + self.together]
            given = self._engine.infer(some)
            if len(some) > 1:
                of_tiles = [
                    [output[row : row + 1] for output in given] for row in range(len(some))
                ]
            else:
                of_tiles = [list(given)]
            if self._reuses_outputs and first + len(some) < len(tensor):
                of_tiles = [self._keep(first + row, each) for row, each in enumerate(of_tiles)]
            for each in of_tiles:
                outputs += each
        return outputs

    def postprocess(
        self,
        outputs: Sequence[NDArray[Any]],
        transform: TiledTransform,
        options: DetectionOptions,
    ) -> Detections:
        """The objects of the frame."""
        count = len(outputs) // len(transform.regions)
        found = [
            decode_objects(
                outputs[index * count : (index + 1) * count], self._layout, of_tile, options
            )
            for index, of_tile in enumerate(transform.transforms)
        ]
        return transform.merged(found, options)

    def _keep(self, tile: int, outputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Copies in memory of the last frame's: fresh memory costs a page fault every 4 KiB."""
        kept = self._kept[tile]
        alike = len(kept) == len(outputs) and all(
            mine.shape == output.shape and mine.dtype == output.dtype
            for mine, output in zip(kept, outputs, strict=True)
        )
        if not alike:
            kept = self._kept[tile] = [np.empty_like(output) for output in outputs]
        for mine, output in zip(kept, outputs, strict=True):
            np.copyto(mine, output)
        return kept
