"""A model on the boxes of a detector: an image and its objects in, a result about each out.

::

    cars, plates = open_model('cars.onnx'), CropModel(open_model('plates.onnx'))
    found = cars('street.jpg')
    result = plates('street.jpg', found)

Each box is cut out and fitted to the network in one step, from the image in its full size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.images.arrays import as_bgr
from jetson_perception.models.batching import most_together
from jetson_perception.models.on_crops import require_on_crops
from jetson_perception.tasks.crops import CropOptions, cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.images.arrays import ImageLike
    from jetson_perception.models.base import Model
    from jetson_perception.tasks.crops import Crops
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.results import Detections

_MOST_TOGETHER = 16
#: Of all crops of a batch: larger networks are no faster in batches, and take more memory.
_MOST_PIXELS = 1 << 20


class CropModel:
    """A model that looks at the boxes of a detector, each by itself, many at a time.

    Parameters
    ----------
    model : Model
        A classifier or a model that finds objects, keypoints or masks. Not closed with this.
    together : int, optional
        How many crops it takes in one inference; tried out by default.

    Attributes
    ----------
    task : TaskOnCrops
        What is done with its results.

    Raises
    ------
    ParameterError
        When the model is of a task that cannot look at crops, or `together` is no such number.
    """

    def __init__(self, model: Model[Any, Any], together: int | None = None) -> None:
        self.model = model
        self.task = require_on_crops(model)
        if together is not None and together < 1:
            raise ParameterError(f'together is {together}; expected at least 1', 'together')
        self.together = crops_together(model) if together is None else together
        self._kept: NDArray[Any] | None = None

    def __call__(
        self, image: ImageLike, found: Detections, options: CropOptions | None = None
    ) -> Any:
        """What the model says of each object: `ClassifiedObjects`, or `Detections`.

        Parameters
        ----------
        image : ndarray, uint8, str or PathLike
            As the model itself takes it.
        found : Detections
            What a detector found in this image.
        options : CropOptions, optional
            Which objects are cut out; of poses and masks, one is kept for each, if not given.

        Raises
        ------
        ImageError
            When the image is anything else.
        ModelError
            When the runtime fails, or the network's output is not finite.
        """
        bgr = as_bgr(image)
        if options is None:
            options = self.task.crop_options(self.model, CropOptions(), 'auto')
        crops = self.cut(found, (bgr.shape[1], bgr.shape[0]), options)
        results: list[Any] = []
        for indices in self.batches(crops, self.together):
            tensor, transforms = self.fit(bgr, crops, indices)
            results += self.decode(self.model.infer(tensor), transforms)
        return self.joined(crops, results, options)

    def cut(self, found: Detections, size_wh: tuple[int, int], options: CropOptions) -> Crops:
        """The parts of an image that the model looks at."""
        return cut(found, size_wh, options)

    @staticmethod
    def batches(crops: Crops, together: int) -> Iterator[range]:
        """The indices of the crops of each inference."""
        for first in range(0, len(crops), together):
            yield range(first, min(first + together, len(crops)))

    def fit(
        self, bgr: NDArray[np.uint8], crops: Crops, indices: range
    ) -> tuple[NDArray[Any], list[ImageTransform]]:
        """One tensor for these crops, valid until the next call, and how each was fitted."""
        shape, dtype = self.model.preprocessor.shape, self.model.preprocessor.dtype
        if self._kept is None or len(self._kept) < len(indices):
            self._kept = np.empty((len(indices), *shape[1:]), dtype)
        tensor = self._kept[: len(indices)]
        transforms = [
            self.model.preprocess(crops.regions[index].of(bgr), tensor[row : row + 1])[1]
            for row, index in enumerate(indices)
        ]
        return tensor, transforms

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        transforms: Sequence[ImageTransform],
        options: Any = None,
    ) -> list[Any]:
        """The result of each crop, in its own pixels."""
        if len(transforms) == 1:  # the outputs of some networks have no batch
            return [self.model.postprocess(outputs, transforms[0], options)]
        return [
            self.model.postprocess([each[row : row + 1] for each in outputs], transform, options)
            for row, transform in enumerate(transforms)
        ]

    def joined(self, crops: Crops, results: Sequence[Any], options: CropOptions) -> Any:
        """One result of the image."""
        return self.task.joined(self.model, crops, results, options)


def most_crops(model: Model[Any, Any]) -> int:
    """How many crops are worth one inference at most, by the size of the network's input."""
    width, height = model.network_wh
    return min(max(_MOST_PIXELS // (width * height), 1), _MOST_TOGETHER)


def crops_together(model: Model[Any, Any]) -> int:
    """How many crops a model takes in one inference, as tried out."""
    return most_together(model, most_crops(model), 'crops')
