"""The parameters of models that find objects."""

from __future__ import annotations

from dataclasses import dataclass

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import BOX_FORMATS, LAYOUTS
from jetson_perception.models.scored_params import ScoredParams
from jetson_perception.parameter_fields import param
from jetson_perception.tasks.tiles import DEFAULT_OVERLAP, Tiles
from jetson_perception.tracking import TrackingParams


@dataclass(frozen=True)
class DetectionParams(TrackingParams, ScoredParams):
    """Settings of a YOLO model besides the model."""

    layout: str = param(
        'auto',
        'Output layout: objectness (YOLOv5, v7), anchor_free (v8, 11, 12), end_to_end (v10, 26), '
        'rt_detr (RT-DETR, D-FINE, RF-DETR), detr (DETR, YOLOS), yolox (YOLOX, YOLOv6), '
        'boxes_scores (YOLO-NAS, PP-YOLOE), suppressed (boxes, scores and classes of what a '
        "suppression in the network left), selected (the indices of ONNX's NonMaxSuppression), "
        'nanodet, picodet, centernet, movenet, anchors (raw heads of YOLOv5, v7); auto: inferred '
        'from the outputs.',
        choices=('auto', *LAYOUTS),
        at_configure=True,
    )
    box_format: str = param(
        'auto',
        'How boxes are written: xyxy (left, top, right, bottom), yxyx (top, left, bottom, right) '
        'or cxcywh (center and size); auto: as the layout has them.',
        choices=('auto', *BOX_FORMATS),
        at_configure=True,
    )
    anchors: tuple[float, ...] = param(
        (),
        'Width and height of each anchor of raw heads, in pixels, finest level first.',
        at_configure=True,
        example='[10.0, 13.0, 16.0, 30.0, 33.0, 23.0]',
    )
    keypoint_shape: tuple[int, ...] = param(
        (),
        'Number of keypoints per object and of values per keypoint (2 or 3), for a pose model '
        'without this metadata.',
        at_configure=True,
        example='[17, 3]',
    )
    keypoint_names: tuple[str, ...] = param(
        (),
        'Name of each keypoint; by default the COCO names if there are 17.',
        at_configure=True,
        example='[nose, left_eye, right_eye]',
    )
    iou_threshold: float = param(
        0.7,
        'If boxes overlap (IoU) by more than this, only the best is kept.',
        between=(0.0, 1.0),
    )
    max_detections: int = param(300, 'Maximum number of objects per frame.', between=(1, 10000))
    class_agnostic: bool = param(False, 'Let boxes of different classes suppress each other.')
    tiles: tuple[int, ...] = param(
        (),
        'Columns and rows of tiles that are searched one by one, for objects that are small in a '
        'large image; empty: the image is searched as a whole.',
        at_configure=True,
        example='[2, 2]',
    )
    tile_overlap: float = param(
        DEFAULT_OVERLAP,
        'How much of a tile the next one sees as well, a fraction of its width and height. An '
        'object up to this size is whole in one of them.',
        between=(0.0, 0.5),
        at_configure=True,
    )
    tile_whole_image: bool = param(
        True,
        'With tiles, search the whole image too, for objects larger than a tile.',
        at_configure=True,
    )
    keypoint_score_threshold: float = param(
        0.5, 'Draw keypoints that score at least this; all are published.', between=(0.0, 1.0)
    )

    def problem(self) -> str:
        """What is wrong with the fields or their combination; empty if nothing is."""
        shape = self.keypoint_shape
        if shape and (len(shape) != 2 or shape[0] < 1 or shape[1] not in (2, 3)):
            return f'keypoint_shape is {list(shape)}; expected [keypoints, 2 or 3]'
        try:
            self.tiling()
        except ParameterError as error:
            return str(error)
        return ''

    def tiling(self) -> Tiles | None:
        """How images are cut; None if they are searched as a whole.

        Raises
        ------
        ParameterError
            When the numbers of columns and rows are no such numbers.
        """
        if not self.tiles:
            return None
        if len(self.tiles) != 2:
            raise ParameterError(
                f'tiles is {list(self.tiles)}; expected the numbers of columns and rows, such as '
                '[2, 2]',
                'tiles',
            )
        return Tiles(*self.tiles, self.tile_overlap, self.tile_whole_image)
