"""Options of commands that count boxes: which boxes count, and how many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.commands.options import positive
from jetson_perception.tasks.detection_options import DetectionOptions

if TYPE_CHECKING:
    import argparse


def add_thresholds(parser: argparse.ArgumentParser, defaults: DetectionOptions) -> None:
    """Add the options that `detection_options` reads."""
    parser.add_argument(
        '--score-threshold',
        type=float,
        default=defaults.score_threshold,
        metavar='S',
        help=f'ignore boxes that score less, 0 to 1 (default: {defaults.score_threshold:g})',
    )
    parser.add_argument(
        '--iou-threshold',
        type=float,
        default=defaults.iou_threshold,
        metavar='T',
        help='drop a box that overlaps a better one by more than this IoU, 0 to 1 '
        f'(default: {defaults.iou_threshold:g})',
    )
    parser.add_argument(
        '--max-detections',
        type=positive,
        default=defaults.max_detections,
        metavar='N',
        help=f'keep at most N boxes per picture (default: {defaults.max_detections})',
    )


def detection_options(arguments: argparse.Namespace) -> DetectionOptions:
    """What the arguments say of the boxes that count."""
    return DetectionOptions(
        score_threshold=arguments.score_threshold,
        iou_threshold=arguments.iou_threshold,
        max_detections=arguments.max_detections,
    )
