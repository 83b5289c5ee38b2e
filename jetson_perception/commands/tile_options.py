"""Options of commands that can search images tile by tile."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ParameterError
from jetson_perception.models.yolo import YoloModel
from jetson_perception.tasks.tiles import DEFAULT_OVERLAP, Tiles

if TYPE_CHECKING:
    from jetson_perception.models import Model


def add_tile_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `use_tiles` reads."""
    parser.add_argument(
        '--tiles',
        type=_columns_and_rows,
        metavar='COLUMNSxROWS',
        help='search images tile by tile, for detectors of small objects, as 3x2: three columns '
        'in two rows',
    )
    parser.add_argument(
        '--tile-overlap',
        type=float,
        metavar='F',
        help='how much of a tile the next one sees as well, 0 to 0.5 (default: '
        f'{DEFAULT_OVERLAP:g})',
    )
    parser.add_argument(
        '--tiles-only',
        action='store_true',
        help='do not search the whole image besides its tiles, for larger objects',
    )


def use_tiles(model: Model[Any, Any], arguments: argparse.Namespace) -> None:
    """Make a model search tile by tile, if the arguments say so.

    Raises
    ------
    ParameterError
        When it finds no objects, a value is out of range, or there is an option of tiles alone.
    """
    if arguments.tiles is None:
        for option, given in (
            ('--tile-overlap', arguments.tile_overlap is not None),
            ('--tiles-only', arguments.tiles_only),
        ):
            if given:
                raise ParameterError(
                    f'{option} has no effect without --tiles; give that too, such as --tiles 2x2',
                    'tiles',
                )
        return
    if not isinstance(model, YoloModel):
        raise ParameterError(
            f'--tiles has no effect on {model.info.path}, which is {model.task.noun}; it is for '
            'models that find objects',
            'tiles',
        )
    columns, rows = arguments.tiles
    overlap = DEFAULT_OVERLAP if arguments.tile_overlap is None else arguments.tile_overlap
    model.use_tiles(Tiles(columns, rows, overlap, whole_image=not arguments.tiles_only))


def _columns_and_rows(text: str) -> tuple[int, int]:
    found = re.fullmatch(r'(\d{1,4})\s*[x×,]\s*(\d{1,4})', text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f'{text!r} is not COLUMNSxROWS, such as 2x2')
    return int(found[1]), int(found[2])
