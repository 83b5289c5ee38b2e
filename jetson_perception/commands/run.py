"""`jetson-perception run`: a model on pictures, folders, videos or cameras."""

from __future__ import annotations

import json
import logging
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from jetson_perception.camera.named_frames import require_sources
from jetson_perception.camera.pace import Pace
from jetson_perception.camera.shown import shown
from jetson_perception.commands.argument_order import require_model_first
from jetson_perception.commands.frame_stages import FrameStages, shared_threads, undivided
from jetson_perception.commands.frame_times import FrameTimes
from jetson_perception.commands.opening import open_asked
from jetson_perception.commands.options import add_model_options, add_precision_option, positive
from jetson_perception.commands.progress import FrameBar, progress_bar
from jetson_perception.commands.result_folder import (
    ResultFolder,
    refuse_sources_in,
    result_record,
)
from jetson_perception.commands.terminal import say
from jetson_perception.commands.tile_options import add_tile_options, use_tiles
from jetson_perception.commands.trace_output import write_trace
from jetson_perception.commands.window import Window
from jetson_perception.engines.onnxruntime.cpu import available_cores
from jetson_perception.errors import ParameterError, SourceError
from jetson_perception.files.output_files import require_writable
from jetson_perception.models.describing import counted
from jetson_perception.models.registry import tasks
from jetson_perception.pipeline.ahead import Overlap
from jetson_perception.printable import printable_line
from jetson_perception.process.executable import INTERRUPTED
from jetson_perception.process.interrupts import interrupted_after
from jetson_perception.process.tables import print_table
from jetson_perception.tracking import TRACKERS

if TYPE_CHECKING:
    import argparse

    from jetson_perception.camera.named_frames import NamedFrame
    from jetson_perception.commands.frame_stages import FoundFrame
    from jetson_perception.commands.progress import TerminalProgress
    from jetson_perception.models import Model

_TITLE = 'jetson-perception run'

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
        help='picture, folder of pictures, video, bag, camera such as /dev/video0, or a source '
        'URI such as scene://oranges',
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
        '--show',
        action='store_true',
        help='show annotated frames in a window: videos at their own rate, or slower where the '
        'model is, and each picture until a key is pressed; q, Esc or the close button ends it. '
        'Needs an OpenCV with windows (opencv-python, or that of the distribution)',
    )
    parser.add_argument(
        '--counts',
        action='store_true',
        help='draw into annotated frames how many objects of each class there are, and into '
        'those of videos and cameras how many are done a second (--show does so anyway)',
    )
    parser.add_argument(
        '--sequential',
        action='store_true',
        help='read, run, draw and write one frame after another, which by default overlap; the '
        'results are the same',
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
    add_tile_options(parser)
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
    console = Console(stderr=True)
    require_model_first('jetson-perception run', arguments.model, arguments.sources)
    if arguments.counts and not (arguments.output or arguments.show):
        raise ParameterError(
            '--counts draws into annotated frames, which are made only for --output DIR and --show'
            '; add one of them',
            'counts',
        )
    if arguments.output:
        refuse_sources_in(arguments.output, arguments.sources)
    # Before a long run rather than after it.
    require_sources(arguments.sources)
    require_writable(arguments.trace, parameter='trace')
    with ExitStack() as stack:
        times = stack.enter_context(closing(FrameTimes(traced=arguments.trace is not None)))
        window = stack.enter_context(Window(_TITLE)) if arguments.show else None
        at_once, threads = 1, arguments.threads
        if not arguments.sequential:
            at_once, threads = shared_threads(arguments.sources, threads)
        if at_once > 1:
            stack.enter_context(undivided())
        model = stack.enter_context(closing(open_asked(arguments, threads=threads)))
        use_tiles(model, arguments)
        params = _task_params(model, arguments)
        stages = FrameStages(
            model,
            params,
            times,
            draws=arguments.output is not None or window is not None,
            counts=arguments.counts or window is not None,
        )
        folder = None
        if arguments.output:
            # Side by side with other frames, what threads cost that share a picture is lost.
            encoders = max(available_cores() // 2, 1) if at_once > 1 else 0
            folder = stack.enter_context(closing(ResultFolder(arguments.output, encoders)))
        progress = stack.enter_context(progress_bar(console))
        overlap = stack.enter_context(Overlap(on=not arguments.sequential))
        frames = stages.run(
            arguments.sources,
            overlap,
            most=arguments.frames,
            pace=Pace.EVERY_FRAME if window else Pace.OFFLINE,
            at_once=at_once,
        )
        outlet = _Outlet(model, times, progress, as_json=arguments.json, folder=folder)
        begun_s = time.monotonic()
        interrupted = False
        try:
            for item in frames:
                if isinstance(item, SourceError):
                    outlet.unreadable(item)
                    continue
                outlet.take(item, quiet=window is not None)
                if window is not None and not _shown(window, item):
                    break
        except KeyboardInterrupt:  # the way to stop a camera: report what there is so far
            interrupted = True
        took_s = time.monotonic() - begun_s
    if interrupted and not times.ms:
        return INTERRUPTED
    if not times.ms:
        raise SourceError(
            f'not one frame could be read of {", ".join(map(shown, arguments.sources))}'
        )
    _print_times(console, times.ms, took_s)
    if arguments.trace:
        write_trace(arguments.trace, [times.trace('jetson-perception run')])
    if folder:
        say(console, f'results are in {folder.path}')
    if interrupted:
        return INTERRUPTED
    return 1 if outlet.unreadable_count else 0


class _Outlet:
    """Where frames go once they are done: lines, files, and the progress bar."""

    def __init__(
        self,
        model: Model[Any, Any],
        times: FrameTimes,
        progress: TerminalProgress,
        *,
        as_json: bool,
        folder: ResultFolder | None,
    ) -> None:
        self._model = model
        self._times = times
        self._progress = progress
        self._bar = FrameBar(progress)
        self._as_json = as_json
        self._folder = folder
        self.unreadable_count = 0

    def unreadable(self, error: SourceError) -> None:
        """Tell of a picture that cannot be read."""
        _log.warning('%s', error)
        self.unreadable_count += 1

    def take(self, item: FoundFrame, *, quiet: bool) -> None:
        """Print and write a frame; a quiet one is printed only as JSON."""
        frame, model = item.frame, self._model
        self._bar.count(item.source_number, frame.name, frame.count)
        # Ctrl-C comes at any time: the summary counts the frames that are written.
        with interrupted_after(), self._times.writing(item.number):
            self._times.add(item.spans)
            if self._as_json:
                line = json.dumps(result_record(frame, model, item.result))
                self._progress.print_line(line)
            elif not (self._folder or quiet):
                self._progress.print_line(_found(frame, model, item.result))
            if self._folder and item.canvas is not None:
                self._folder.write(frame, model, item.result, item.canvas)


def _shown(window: Window, item: FoundFrame) -> bool:
    """Show a frame; pictures stay until a key is pressed. False where the user ends it."""
    return item.canvas is None or window.show(item.canvas, until_key=not item.frame.rate_hz)


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


def _print_times(console: Console, times: dict[str, list[float]], took_s: float) -> None:
    frames = counted(len(times['total']), 'frame')
    rate = len(times['total']) / took_s if took_s > 0 else 0.0
    console.print(f'{frames} in {took_s:.1f} s, {rate:.1f} frames a second', highlight=False)
    console.print(f'{frames}, milliseconds a frame', highlight=False)
    table = Table()
    table.add_column('stage')
    table.add_column('median', justify='right')
    table.add_column('p99', justify='right')
    for stage, values in times.items():
        median, p99 = np.percentile(values, (50, 99))
        table.add_row(stage, f'{median:.2f}', f'{p99:.2f}')
    print_table(console, table)
