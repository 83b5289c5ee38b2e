"""`jetson-perception compare`: how far two runtimes or files of one model differ."""

from __future__ import annotations

import itertools
from contextlib import ExitStack, closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from jetson_perception.camera.named_frames import readable_frames
from jetson_perception.camera.shown import shown
from jetson_perception.commands.figures import write_figures
from jetson_perception.commands.opening import open_asked
from jetson_perception.commands.options import (
    add_model_options,
    add_precision_option,
    number,
    positive,
)
from jetson_perception.commands.progress import add_open_end, progress_bar
from jetson_perception.commands.terminal import say
from jetson_perception.commands.thresholds import add_thresholds, detection_options
from jetson_perception.evaluation.agreement import Limits, make_agreement
from jetson_perception.evaluation.report import agreement_table
from jetson_perception.evaluation.scenes import open_scene
from jetson_perception.files.output_files import require_writable
from jetson_perception.models.describing import counted
from jetson_perception.process.tables import print_table
from jetson_perception.tasks.detection_options import DetectionOptions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _compare.__doc__
    add_model_options(parser, ('--runtime-a', '--runtime-b'))
    add_precision_option(parser, ('--precision-a', '--precision-b'))
    limits = Limits()
    for name in ('a', 'b'):
        parser.add_argument(
            name, metavar=name.upper(), help='ONNX or engine file, or name of a shipped model'
        )
    parser.add_argument(
        '--images',
        required=True,
        metavar='SOURCE',
        help='folder of pictures, picture, video, bag, or scene://oranges?count=200',
    )
    parser.add_argument('--frames', type=positive, metavar='N', help='use at most N pictures')
    add_thresholds(parser, DetectionOptions())
    parser.add_argument(
        '--match-iou',
        type=number,
        default=0.5,
        metavar='T',
        help='IoU from which two boxes count as the same object (default: 0.5)',
    )
    for option, field, text in (
        ('--min-matched', 'matched', 'share of boxes that both must find'),
        ('--max-score-drift', 'score_drift', '99th percentile of score differences'),
        (
            '--max-corner-drift',
            'corner_drift',
            '99th percentile of corner differences, pixels of the picture',
        ),
        (
            '--max-keypoint-drift',
            'keypoint_drift',
            '99th percentile of keypoint differences, pixels',
        ),
        (
            '--min-mask-agreement',
            'mask_agreement',
            'share of equal pixels for class masks, mean IoU for instance masks',
        ),
    ):
        default = getattr(limits, field)
        parser.add_argument(
            option,
            dest=field,
            type=number,
            default=default,
            metavar='X',
            help=f'{text} (default: {default:g})',
        )
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help='also write the figures to this file'
    )
    parser.set_defaults(command=_compare, error_code=2)


def _compare(arguments: argparse.Namespace) -> int:
    """Compare two runtimes or files of one model; exit with 1 if a limit is exceeded."""
    limits = Limits(**{field.name: getattr(arguments, field.name) for field in fields(Limits)})
    require_writable(arguments.json, parameter='json')
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(closing(open_asked(arguments, *how)))
            for how in (
                (arguments.a, arguments.runtime_a, arguments.precision_a, arguments.dla_core_a),
                (arguments.b, arguments.runtime_b, arguments.precision_b, arguments.dla_core_b),
            )
        )
        options = detection_options(arguments)
        agreement = make_agreement(one, other, options, arguments.match_iou)
        progress = stack.enter_context(progress_bar(Console(stderr=True)))
        counter = add_open_end(progress, 'pictures')
        for name, bgr in itertools.islice(_pictures(arguments.images), arguments.frames):
            agreement.add(name, bgr)
            progress.advance(counter)
        runtimes = [model.engine.description for model in (one, other)]
    checked = agreement.check(limits)
    console = Console()
    say(console, f'A  {arguments.a}: {runtimes[0]}')
    say(console, f'B  {arguments.b}: {runtimes[1]}')
    say(console, f'{counted(agreement.picture_count, "picture")} of {shown(arguments.images)}')
    print_table(console, agreement_table(agreement, checked))
    for figure, drift in agreement.drifts().items():
        say(console, f'largest {figure}: {drift.largest:.4f} in {drift.where}')
    past = [limit for limit in checked if not limit.kept]
    figures = {
        'a': {'model': arguments.a, 'runtime': runtimes[0]},
        'b': {'model': arguments.b, 'runtime': runtimes[1]},
        'images': shown(arguments.images),
        'past': [limit.figure for limit in past],
        **agreement.figures(),
    }
    write_figures(arguments.json, figures)
    for limit in past:
        say(console, f'past the limit: {limit.figure} is {limit.value:.4f}, limit {limit}')
    return 1 if past else 0


def _pictures(source: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Names and pictures: a scene's evaluation stills, or the frames of any other source."""
    if source.startswith('scene://'):
        for picture in open_scene(source).pictures:
            yield picture.name, picture.bgr
        return
    for frame in readable_frames(source):
        yield frame.label, frame.bgr
