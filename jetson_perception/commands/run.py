"""`jetson-perception run`: a model on pictures, folders, videos or cameras."""

from __future__ import annotations

import itertools
import json
import logging
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from jetson_perception.camera.named_frames import named_frames, require_pictures
from jetson_perception.camera.shown import shown
from jetson_perception.commands.argument_order import require_model_first
from jetson_perception.commands.frame_times import FrameTimes
from jetson_perception.commands.opening import open_asked
from jetson_perception.commands.options import add_model_options, add_precision_option, positive
from jetson_perception.commands.progress import add_open_end, progress_bar
from jetson_perception.commands.result_folder import (
    ResultFolder,
    refuse_sources_in,
    result_record,
)
from jetson_perception.commands.terminal import say
from jetson_perception.commands.trace_output import write_trace
from jetson_perception.errors import ParameterError, SourceError
from jetson_perception.models.describing import counted
from jetson_perception.models.registry import tasks
from jetson_perception.printable import printable_line
from jetson_perception.process.executable import INTERRUPTED
from jetson_perception.process.interrupts import interrupted_after
from jetson_perception.process.tables import print_table
from jetson_perception.tracking import TRACKERS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from jetson_perception.camera.named_frames import NamedFrame
    from jetson_perception.commands.frame_times import Span
    from jetson_perception.models import Model

_PICTURES_HZ = 30  # as a folder of them says nothing of time

_log = logging.getLogger('jetson_perception')


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _run.__doc__
    add_model_options(parser)
    add_precision_option(parser)
    parser.add_argument(
        'model', metavar='MODEL', help='ONNX or engine file, or name of a shipped model'
    )
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='picture, folder of pictures, video, bag, or a source URI such as scene://oranges',
    )
    parser.add_argument(
        '--output',
        type=Path,
        metavar='DIR',
        help='write annotated pictures and videos, masks, and results.jsonl there',
    )
    parser.add_argument(
        '--json', action='store_true', help='print one JSON object per frame to standard output'
    )
    parser.add_argument(
        '--frames', type=positive, metavar='N', help='read at most N frames from each source'
    )
    parser.add_argument(
        '--score-threshold',
        type=float,
        metavar='S',
        help='drop objects, and classes of a classifier, that score less, 0 to 1 (default: 0.25)',
    )
    parser.add_argument(
        '--iou-threshold',
        type=float,
        metavar='T',
        help='drop a box that overlaps a better one by more than this IoU, 0 to 1, for detectors '
        '(default: 0.7)',
    )
    parser.add_argument(
        '--classes',
        type=lambda text: text.split(','),
        metavar='NAME,…',
        help='only objects, or classes of a classifier, with these names (default: all)',
    )
    parser.add_argument(
        '--tracker',
        choices=TRACKERS,
        help='give objects ids that they keep from frame to frame, and draw their ways; pictures '
        'of a folder count as 30 a second (default: none)',
    )
    parser.add_argument(
        '--trace',
        type=Path,
        metavar='FILE',
        help='write what was done with each frame, moment by moment, as JSON for ui.perfetto.dev',
    )
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Run a model on pictures, folders, videos or cameras; print what is found and the times.

    A picture that cannot be read is left out with a warning, and the exit code is then 1.
    """
    unreadable = 0
    interrupted = False
    console = Console(stderr=True)
    require_model_first('jetson-perception run', arguments.model, arguments.sources)
    if arguments.output:
        refuse_sources_in(arguments.output, arguments.sources)
    require_pictures(arguments.sources)  # before a long run rather than after it
    with ExitStack() as stack:
        times = stack.enter_context(closing(FrameTimes(traced=arguments.trace is not None)))
        model = stack.enter_context(closing(open_asked(arguments)))
        params = _task_params(model, arguments)
        options = model.task.options(model, params)
        folder = None
        if arguments.output:
            folder = stack.enter_context(closing(ResultFolder(arguments.output)))
        progress = stack.enter_context(progress_bar(console))
        counter = add_open_end(progress, 'frames')
        try:
            for source in arguments.sources:
                refine = _refiner(model, params)
                for frame in times.timed_reads(named_frames(source, arguments.frames)):
                    progress.advance(counter)
                    if isinstance(frame, SourceError):
                        _log.warning('%s', frame)
                        unreadable += 1
                        continue
                    result, spans = _timed(model, frame, options, refine, times)
                    # Ctrl-C comes at any time: the summary counts the frames that are written.
                    with interrupted_after(), times.writing():
                        times.add(spans)
                        if arguments.json:
                            progress.print_line(json.dumps(result_record(frame, model, result)))
                        elif not folder:
                            progress.print_line(_found(frame, model, result))
                        if folder:
                            folder.write(frame, model, result)
        except KeyboardInterrupt:  # the way to stop a camera: report what there is so far
            interrupted = True
    if interrupted and not times.ms:
        return INTERRUPTED
    if not times.ms:
        raise SourceError(
            f'not one frame could be read of {", ".join(map(shown, arguments.sources))}'
        )
    _print_times(console, times.ms)
    if arguments.trace:
        write_trace(arguments.trace, [times.trace('jetson-perception run')])
    if folder:
        say(console, f'results are in {folder.path}')
    if interrupted:
        return INTERRUPTED
    return 1 if unreadable else 0


def _found(frame: NamedFrame, model: Model[Any, Any], result: Any) -> str:
    """What was found in a frame, as a line for people."""
    return printable_line(f'{frame.label}: {model.task.found(model, result) or "nothing"}')


def _task_params(model: Model[Any, Any], arguments: argparse.Namespace) -> Any:
    task = model.task
    given = {
        'score_threshold': arguments.score_threshold,
        'iou_threshold': arguments.iou_threshold,
        'classes': tuple(arguments.classes) if arguments.classes else None,
        'tracker': arguments.tracker,
    }
    for name, value in given.items():
        if value is not None and name not in task.settings:
            takers = (each.noun for each in tasks() if name in each.settings)
            raise ParameterError(
                f'--{name.replace("_", "-")} has no effect on {model.info.path}, which is '
                f'{task.noun}; it is for {", ".join(takers)}',
                name,
            )
    return task.params_with(**given)


def _refiner(model: Model[Any, Any], params: Any) -> Callable[[NamedFrame, Any], Any] | None:
    """What gives the objects of a source ids; None if nothing does."""
    track = model.task.refiner(model, lambda: params)
    if track is None:
        return None
    pictures = itertools.count()

    def refine(frame: NamedFrame, result: Any) -> Any:
        time_ns = frame.offset_ns if frame.stamp_ns is None else frame.stamp_ns
        if not frame.rate_hz:
            time_ns = next(pictures) * 1_000_000_000 // _PICTURES_HZ
        height, width = frame.bgr.shape[:2]
        return track(result, time_ns, (width, height))

    return refine


def _timed(
    model: Model[Any, Any],
    frame: NamedFrame,
    options: Any,
    refine: Callable[[NamedFrame, Any], Any] | None,
    times: FrameTimes,
) -> tuple[Any, list[Span]]:
    """Result for a picture, and when each stage of it began and ended."""
    begun = times.now()
    tensor, transform = model.preprocess(frame.bgr)
    preprocessed = times.now()
    outputs = model.infer(tensor)
    inferred = times.now()
    result = model.postprocess(outputs, transform, options)
    postprocessed = times.now()
    if refine is not None:
        result = refine(frame, result)
    ended = times.now()
    spans = [
        ('preprocess', begun, preprocessed),
        ('inference', preprocessed, inferred),
        ('postprocess', inferred, postprocessed),
    ]
    if refine is not None:
        spans.append(('refine', postprocessed, ended))
    return result, [*spans, ('total', begun, ended)]


def _print_times(console: Console, times: dict[str, list[float]]) -> None:
    console.print(
        f'{counted(len(times["total"]), "frame")}, milliseconds a frame', highlight=False
    )
    table = Table()
    table.add_column('stage')
    table.add_column('median', justify='right')
    table.add_column('p99', justify='right')
    for stage, values in times.items():
        median, p99 = np.percentile(values, (50, 99))
        table.add_row(stage, f'{median:.2f}', f'{p99:.2f}')
    print_table(console, table)
