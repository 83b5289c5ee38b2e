"""Results drawn on BGR images, in place: masks, boxes, keypoints, classes, depth, frame rate.

Lines and text grow with the image, so that a drawing looks the same at 320×240 and in 4K. Colors
are those of `jetson_perception.palette` unless the caller gives others.
"""

from jetson_perception.drawing.depth import color_depth, draw_depth
from jetson_perception.drawing.masks import color_mask
from jetson_perception.drawing.overlay import Overlay
from jetson_perception.drawing.results import (
    count_rows,
    draw_classification,
    draw_detections,
    draw_frame_rate,
    draw_legend,
    draw_segmentation,
)

__all__ = [
    'Overlay',
    'color_depth',
    'color_mask',
    'count_rows',
    'draw_classification',
    'draw_depth',
    'draw_detections',
    'draw_frame_rate',
    'draw_legend',
    'draw_segmentation',
]
