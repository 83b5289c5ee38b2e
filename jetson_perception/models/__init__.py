"""Models: an engine combined with a task, image in and result out."""

from jetson_perception.models.base import Model
from jetson_perception.models.classification import ClassificationModel
from jetson_perception.models.crop_model import CropModel
from jetson_perception.models.depth import DepthModel
from jetson_perception.models.model_file import resolve_model
from jetson_perception.models.opening import open_model
from jetson_perception.models.segmentation import SegmentationModel
from jetson_perception.models.yolo import YoloModel

__all__ = [
    'ClassificationModel',
    'CropModel',
    'DepthModel',
    'Model',
    'SegmentationModel',
    'YoloModel',
    'open_model',
    'resolve_model',
]
