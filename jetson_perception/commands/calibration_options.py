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
    """Options for what the model does not say, and for what is told besides."""
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='what the model does not say, in the words of the YAML file beside it; repeatable',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help=f'write {written} there too')
    parser.add_argument('-v', '--verbose', action='store_true', help='say more on the way')


def add_picture_options(parser: argparse.ArgumentParser, name: str, *, required: bool) -> None:
    """Options that say which pictures to calibrate on."""
    parser.add_argument(
        name,
        required=required,
        default='',
        metavar='SOURCE',
        help='pictures as the camera will see them: a folder, a video, a bag, a camera, '
        'scene://oranges or scene://people',
    )
    parser.add_argument(
        '--count',
        type=int,
        default=DEFAULT_COUNT,
        metavar='N',
        help=f'calibrate on at most so many (default: {DEFAULT_COUNT})',
    )
    parser.add_argument(
        '--every',
        type=int,
        default=0,
        metavar='N',
        help='only each Nth picture (default: all of a folder, two a second of a video or camera, '
        'each 15th of a bag)',
    )
    parser.add_argument('--topic', default='', metavar='TOPIC', help='of a bag with several')


def check_counts(arguments: argparse.Namespace) -> None:
    """Refuse numbers of pictures that are none."""
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
