"""`jetson-perception evaluate`: how good models are on a dataset."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from jetson_perception.commands.figures import tell_written, write_figures
from jetson_perception.commands.opening import open_asked
from jetson_perception.commands.options import add_model_options, add_precision_option
from jetson_perception.commands.progress import progress_bar
from jetson_perception.commands.terminal import say
from jetson_perception.commands.thresholds import add_thresholds, detection_options
from jetson_perception.commands.tile_options import add_tile_options, use_tiles
from jetson_perception.errors import ParameterError
from jetson_perception.evaluation.average_precision import require_pycocotools
from jetson_perception.evaluation.datasets import ObjectDataset, PixelDataset
from jetson_perception.evaluation.depth_folder import DepthFolder
from jetson_perception.evaluation.evaluators import (
    EVALUATION_OPTIONS,
    PixelEvaluator,
    make_evaluator,
)
from jetson_perception.evaluation.opening import open_dataset
from jetson_perception.evaluation.plot import require_plot, write_plot
from jetson_perception.evaluation.report import class_table, side_by_side
from jetson_perception.evaluation.yolo_folder import SPLITS
from jetson_perception.files.output_files import require_writable
from jetson_perception.models.describing import counted, listed
from jetson_perception.process.tables import print_table

if TYPE_CHECKING:
    import argparse

    from jetson_perception.evaluation.datasets import Dataset

_MOST_ID = 255  # of a mask's pixel


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _evaluate.__doc__
    add_model_options(parser)
    add_precision_option(parser)
    parser.add_argument(
        '--model',
        required=True,
        nargs='+',
        metavar='MODEL',
        help='ONNX or engine file, or name of a shipped model; several are shown side by side',
    )
    parser.add_argument(
        '--dataset',
        required=True,
        metavar='DATASET',
        help="a JSON file in COCO's format, a data.yaml as YOLO trainers read it, or a folder "
        'with one of them; a folder with images/ and masks/, or images/ and depth/, or with a '
        'folder of pictures for each class; scene://oranges?count=200',
    )
    parser.add_argument(
        '--images',
        type=Path,
        metavar='DIR',
        help='folder with the pictures that a JSON file lists',
    )
    parser.add_argument(
        '--split', choices=SPLITS, help='split of a data.yaml (default: the first one in it)'
    )
    parser.add_argument(
        '--ignore',
        type=int,
        metavar='ID',
        help='class id whose pixels are not counted, such as 255 in many datasets',
    )
    parser.add_argument(
        '--depth-unit',
        type=float,
        metavar='METRES',
        help="what 1 is in depth's PNGs (default: 0.001; KITTI's have 0.00390625)",
    )
    parser.add_argument(
        '--max-depth',
        type=float,
        metavar='METRES',
        help='pixels that are farther do not count (default: 80; 10 is usual indoors)',
    )
    add_thresholds(parser, EVALUATION_OPTIONS)
    add_tile_options(parser)
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help='also write the figures to this file'
    )
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='draw bars and curves: a PNG, PDF or SVG file'
    )
    parser.set_defaults(command=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    """Measure how good models are: precision of objects, IoU of masks, right classes, depth."""
    require_writable(arguments.json, parameter='json')
    require_plot(arguments.plot)
    dataset = open_dataset(
        arguments.dataset,
        images=arguments.images,
        split=arguments.split,
        depth=_depth(arguments),
    )
    _check_ignore(arguments, dataset)
    if isinstance(dataset, ObjectDataset):
        require_pycocotools()
    with ExitStack() as stack:
        evaluators = []
        for path in arguments.model:
            model = stack.enter_context(closing(open_asked(arguments, path)))
            use_tiles(model, arguments)
            options = detection_options(arguments)
            evaluators.append(make_evaluator(model, dataset, options, arguments.ignore))
        errors = Console(stderr=True)
        say(errors, f'{counted(dataset.count, "picture")} of {arguments.dataset}')
        progress = stack.enter_context(progress_bar(errors))
        pictures: Any = progress.track(
            dataset.pictures, total=dataset.count, description='pictures'
        )
        for picture in pictures:
            for evaluator in evaluators:
                evaluator.add(picture)
    of_pixels = [each for each in evaluators if isinstance(each, PixelEvaluator)]
    if arguments.ignore is not None and not any(each.ignored_pixels for each in of_pixels):
        say(errors, f'no pixel of the masks has the id {arguments.ignore} of --ignore')
    console = Console()
    for path, evaluator in zip(arguments.model, evaluators, strict=True):
        say(console, f'{path} on {counted(dataset.count, "picture")} of {arguments.dataset}')
        print_table(console, class_table(evaluator))
        left_out = evaluator.classes_left_out()
        if left_out:
            say(console, f'classes that the model does not know, left out: {listed(left_out)}')
    if len(evaluators) > 1:
        print_table(console, side_by_side(arguments.model, evaluators))
    records = [
        {'model': path, 'dataset': arguments.dataset, **evaluator.figures()}
        for path, evaluator in zip(arguments.model, evaluators, strict=True)
    ]
    write_figures(arguments.json, records[0] if len(records) == 1 else records)
    if arguments.plot:
        title = f'{arguments.dataset}, {counted(dataset.count, "picture")}'
        write_plot(arguments.plot, title, arguments.model, evaluators)
        tell_written('plots', arguments.plot)
    return 0


def _depth(arguments: argparse.Namespace) -> DepthFolder | None:
    """How depth is read, if the arguments say so."""
    given = {'unit_m': arguments.depth_unit, 'most_m': arguments.max_depth}
    given = {name: value for name, value in given.items() if value is not None}
    return DepthFolder(**given) if given else None


def _check_ignore(arguments: argparse.Namespace, dataset: Dataset) -> None:
    """Refuse --ignore where no pixel can have that id."""
    if arguments.ignore is None:
        return
    if not isinstance(dataset, PixelDataset):
        raise ParameterError(
            f'--ignore has no effect on {arguments.dataset}, which has no class masks', 'ignore'
        )
    if not 0 <= arguments.ignore <= _MOST_ID:
        raise ParameterError(
            f'--ignore is {arguments.ignore}; expected an id that masks of 8 bits can have, 0 to '
            f'{_MOST_ID}',
            'ignore',
        )
