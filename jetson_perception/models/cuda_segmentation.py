"""Semantic segmentation on a GPU: the mask; pictures of it, and its confidence, on request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jetson_perception.cuda.confidence import CudaConfidence
from jetson_perception.cuda.pictures import CudaPictures
from jetson_perception.cuda.segmentation import CudaSegmenter
from jetson_perception.models.cuda import CudaPath
from jetson_perception.tasks.results import Segmentation
from jetson_perception.tasks.segmentation import SegmentationOptions

if TYPE_CHECKING:
    from jetson_perception.cuda.preprocess import DeviceImage
    from jetson_perception.engines.base import CudaEngine
    from jetson_perception.models.cuda import Work
    from jetson_perception.pipeline.device_frames import DeviceInput, DeviceTensor
    from jetson_perception.tasks.preprocess import ImageTransform, Preprocessor
    from jetson_perception.tasks.segmentation import SegmentationLayout


class CudaSegmentation(CudaPath[Segmentation, SegmentationOptions]):
    """A semantic segmentation model's path on the GPU, with the pictures that its options request.

    Parameters
    ----------
    engine : CudaEngine
        Not closed with the path; close it later.
    preprocessor : Preprocessor
        The preprocessing that the GPU has to reproduce.
    layout : SegmentationLayout
        What the engine's output holds.
    options : SegmentationOptions
        For frames that come without options.
    """

    def __init__(
        self,
        engine: CudaEngine,
        preprocessor: Preprocessor,
        layout: SegmentationLayout,
        options: SegmentationOptions,
    ) -> None:
        output = engine.output_buffers[0]
        segmenter = CudaSegmenter(engine.device, layout, output.shape, output.dtype)
        super().__init__(engine, preprocessor, segmenter, options)
        self._segmenter = segmenter
        self._confidence: CudaConfidence | None = None
        with self._resources.closed_on_error():
            self._pictures = self._resources.add(CudaPictures(engine.device, engine.info.path))
            if layout.output != 'class_ids':  # which come without scores
                likely = CudaConfidence(engine.device, layout, output.shape, output.dtype)
                self._confidence = self._resources.add(likely)

    def _take(
        self, work: Work, tensor: DeviceTensor, taker: DeviceInput, options: SegmentationOptions
    ) -> None:
        # A mask of the network's size does not fit over the image.
        wanted = options.pictures if options.mask_size == 'image' else None

        def begin_pictures(image: DeviceImage) -> None:
            self._pictures.begin(image, wanted, self._stream, work.block)

        tensor.take(taker, self._engine.input_buffer, self._stream, begin_pictures)

    def _enqueue_postprocess(
        self, work: Work, transform: ImageTransform, options: SegmentationOptions
    ) -> None:
        super()._enqueue_postprocess(work, transform, options)
        mask_address = self._segmenter.mask_address(work.block)
        self._pictures.enqueue(mask_address, self._stream, work.block)
        self._enqueue_confidence(mask_address, work.block, transform, options)

    def _enqueue_confidence(
        self,
        mask_address: int,
        block: int,
        transform: ImageTransform,
        options: SegmentationOptions,
    ) -> None:
        """Enqueue what computes the confidence, which comes and goes with subscribers.

        So it is not a part of the graph.
        """
        if self._confidence is None:
            return
        self._confidence.forget(block)
        if options.confidence:
            output = self._engine.output_buffers[0]
            frame = output, mask_address, transform, options
            self._confidence.enqueue(*frame, self._stream, block)

    def _collect(self, work: Work) -> Segmentation:
        found = super()._collect(work)
        pictures = self._pictures.collect(work.block)
        likely = None if self._confidence is None else self._confidence.collect(work.block)
        return replace(found, colored=pictures.colored, tinted=pictures.tinted, confidence=likely)
