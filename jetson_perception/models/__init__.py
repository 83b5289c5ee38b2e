"""Models: an engine and a task put together, image in and result out."""

from jetson_perception.models.models import (
    SegmentationModel,
    YoloModel,
    open_model,
    resolve_model,
)

__all__ = ['SegmentationModel', 'YoloModel', 'open_model', 'resolve_model']
