"""Detections, keypoints and masks from camera topics, on NVIDIA Jetson and on any Linux.

In Python::

    from jetson_perception import open_model

    model = open_model('my.onnx')
    result = model('photo.jpg')  # or an array, as cv2.imread gives it

These names are imported when they are first asked for: importing the package alone imports
neither NumPy nor a runtime.
"""

from __future__ import annotations

import os
from pkgutil import extend_path

TYPE_CHECKING = False  # `typing` itself takes milliseconds to import
if TYPE_CHECKING:
    from jetson_perception.errors import (
        BuildCanceled,
        CudaError,
        EndOfStream,
        ImageError,
        ModelError,
        ParameterError,
        PerceptionError,
        SourceError,
    )
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.models import (
        ClassificationModel,
        CropModel,
        DepthModel,
        SegmentationModel,
        YoloModel,
        open_model,
    )
    from jetson_perception.tasks.classification import ClassificationOptions
    from jetson_perception.tasks.crops import CropOptions
    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.results import (
        Classification,
        ClassifiedObjects,
        DepthMap,
        Detections,
        Segmentation,
    )
    from jetson_perception.tasks.segmentation import SegmentationOptions
    from jetson_perception.tasks.tiles import Tiles

# Python started in a checkout imports the modules from there; the generated messages are in the
# installed package of the same name.
__path__ = extend_path(__path__, __name__)

# From 1.29 on, ONNX Runtime reports names and hashes of models to its maker and keeps a database
# of that under ~/.cache, unless this is set when it is imported. Whoever wants that sets it to 0.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')

__all__ = [
    'BuildCanceled',
    'Classification',
    'ClassificationModel',
    'ClassificationOptions',
    'ClassifiedObjects',
    'CropModel',
    'CropOptions',
    'CudaError',
    'DepthMap',
    'DepthModel',
    'DetectionOptions',
    'Detections',
    'EndOfStream',
    'ImageError',
    'ModelError',
    'ModelInfo',
    'ParameterError',
    'PerceptionError',
    'Segmentation',
    'SegmentationModel',
    'SegmentationOptions',
    'SourceError',
    'Tiles',
    'YoloModel',
    'open_model',
]

_MODULES = {
    'Classification': 'tasks.results',
    'ClassificationModel': 'models',
    'ClassificationOptions': 'tasks.classification',
    'ClassifiedObjects': 'tasks.results',
    'CropModel': 'models',
    'CropOptions': 'tasks.crops',
    'DepthMap': 'tasks.results',
    'DepthModel': 'models',
    'DetectionOptions': 'tasks.detection_options',
    'Detections': 'tasks.results',
    'ModelInfo': 'model_info',
    'Segmentation': 'tasks.results',
    'SegmentationModel': 'models',
    'SegmentationOptions': 'tasks.segmentation',
    'Tiles': 'tasks.tiles',
    'YoloModel': 'models',
    'open_model': 'models',
}

if not TYPE_CHECKING:  # else every name would be one to type checkers

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        from importlib import import_module

        module = import_module(f'{__name__}.{_MODULES.get(name, "errors")}')
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
