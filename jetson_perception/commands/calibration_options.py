"""What `quantize` and `build-engine` share: options for the pictures, and tensors of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.commands.calibration_pictures import DEFAULT_COUNT
from jetson_perception.errors import ParameterError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.commands.calibration_pictures import Pictures
    from jetson_perception.models import Model


def add_written_options(parser: argparse.ArgumentParser, written: str) -> None:
    """Add options for what the model leaves out, and for more output."""
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='what the model file leaves out, with the keys of its YAML file; repeatable',
    )
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help=f'also write {written} to this file'
    )
    parser.add_argument('-v', '--verbose', action='store_true', help='print more messages')


def add_picture_options(parser: argparse.ArgumentParser, name: str, *, required: bool) -> None:
    """Add options that choose the pictures to calibrate on."""
    parser.add_argument(
        name,
        required=required,
        default='',
        metavar='SOURCE',
        help='pictures like those that the camera will see: a folder, video, bag or camera, '
        'scene://oranges or scene://people',
    )
    parser.add_argument(
        '--count',
        type=int,
        default=DEFAULT_COUNT,
        metavar='N',
        help=f'calibrate on at most N pictures (default: {DEFAULT_COUNT})',
    )
    parser.add_argument(
        '--every',
        type=int,
        default=0,
        metavar='N',
        help='use every Nth picture only (default: all of a folder, two per second of a video or '
        'camera, every 15th of a bag)',
    )
    parser.add_argument(
        '--topic', default='', metavar='TOPIC', help='image topic of a bag that has several'
    )


def check_counts(arguments: argparse.Namespace) -> None:
    """Refuse counts that make no sense."""
    if arguments.count < 1:
        raise ParameterError(f'--count is {arguments.count}; expected 1 or more', 'count')
    if arguments.every < 0:
        raise ParameterError(f'--every is {arguments.every}; expected 1 or more', 'every')


def prepared(
    model: Model[Any, Any], pictures: Pictures, taken: Callable[[], None]
) -> Iterator[NDArray[np.generic]]:
    """Input tensors of pictures, as the model's nodes would make them."""
    for _, bgr in pictures:
        tensor, _ = model.preprocess(bgr)
        taken()
        yield tensor
