"""Objects found tile by tile on a GPU: the tiles of a frame one after another, without a wait."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, GrowingBuffer
from jetson_perception.models.cuda import CudaPath
from jetson_perception.models.tiling import TiledTransform
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.results import Detections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.cuda import CudaDevice, Stream
    from jetson_perception.cuda.preprocess import DeviceImage
    from jetson_perception.engines.base import CudaEngine
    from jetson_perception.models.cuda import Postprocessor, Work
    from jetson_perception.pipeline.device_frames import DeviceInput, DeviceTensor
    from jetson_perception.tasks.preprocess import Preprocessor
    from jetson_perception.tasks.tiles import Tiles


class TiledCudaPath(CudaPath[Detections, DetectionOptions]):
    """The path on the GPU of a model that searches images tile by tile.

    It copies the image, and fits each tile straight into the engine's input when its turn comes,
    so there is no tensor of all tiles. Each tile has a decoder of its own, since all are decoded
    before the host asks for any. Times of inference contain fitting and decoding.

    Parameters
    ----------
    engine, preprocessor, options
        As `CudaPath` takes them.
    decoders : sequence of Postprocessor
        One for each tile; closed with the path.
    tiles : Tiles
        How images are cut.
    """

    takes_batches = False

    def __init__(
        self,
        engine: CudaEngine,
        preprocessor: Preprocessor,
        decoders: Sequence[Postprocessor[Detections, DetectionOptions]],
        options: DetectionOptions,
        tiles: Tiles,
    ) -> None:
        super().__init__(engine, preprocessor, decoders[0], options)
        self._tiles = tiles
        self._decoders = decoders
        self.input_key = self.input_key, tiles
        self._frames: dict[int, _Frame] = {}
        with self._resources.closed_on_error():
            for decoder in decoders[1:]:
                self._resources.add(decoder)
            self._no_tensor = self._resources.add(self.new_tensor())
            for block in range(2):
                self._frames[block] = self._resources.add(_Frame(self.device))

    def new_tensor(self) -> DeviceBuffer:
        """An empty buffer, as there is no tensor of all tiles."""
        return DeviceBuffer(self.device, (0,), np.uint8)

    def preprocess(self, image: DeviceImage, target: DeviceBuffer, stream: Stream) -> Any:
        """How the tiles are fitted to the network, a `TiledTransform`; nothing is enqueued."""
        size_wh = image.width, image.height
        regions = self._tiles.regions(size_wh)
        fitted = self._preprocessor
        transforms = (fit(each.size_wh, fitted.network_wh, fitted.resize) for each in regions)
        return TiledTransform(size_wh, regions, tuple(transforms))

    def _take(
        self, work: Work, tensor: DeviceTensor, taker: DeviceInput, options: DetectionOptions
    ) -> None:
        def keep(image: DeviceImage) -> None:
            self._frames[work.block].keep(image, self._stream)

        tensor.take(taker, self._no_tensor, self._stream, keep)

    def _run(self, work: Work, transform: TiledTransform, options: DetectionOptions) -> None:
        engine, stream, block = self._engine, self._stream, work.block
        frame = self._frames[block]
        frame.transform, frame.options = transform, options
        tiles = zip(self._decoders, transform.regions, transform.transforms, strict=True)
        for decoder, region, of_tile in tiles:
            tile = replace(frame.image, region=region)
            self._preprocessor.enqueue(tile, engine.input_buffer, stream)
            engine.enqueue()
            decoder.prepare(of_tile, options, block)
            decoder.enqueue(engine.output_buffers, stream, block)
        work.inferred.record(stream)

    def _collect(self, work: Work) -> Detections:
        frame = self._frames[work.block]
        found = [decoder.collect(work.block) for decoder in self._decoders]
        return frame.transform.merged(found, frame.options)


class _Frame:
    """One of two frames in flight: its image, and how it is searched."""

    image: DeviceImage
    transform: TiledTransform
    options: DetectionOptions

    def __init__(self, device: CudaDevice) -> None:
        self._pixels = GrowingBuffer(lambda nbytes: DeviceBuffer(device, (nbytes,), np.uint8))

    def keep(self, image: DeviceImage, stream: Stream) -> None:
        """Enqueue a copy of an image, whose memory belongs to another frame soon."""
        pixels = self._pixels.ensure(image.nbytes)
        self.image = image.copied_to(pixels, stream)

    def close(self) -> None:
        """Release its memory; may be called twice."""
        self._pixels.close()
