"""`jetson-perception trace`: what running nodes do with frames, moment by moment."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from jetson_perception.benchmark.graph.traces import take_traces
from jetson_perception.commands.trace_output import print_summary, write_trace
from jetson_perception.errors import ParameterError
from jetson_perception.files.output_files import require_writable
from jetson_perception.tracing.joining import join_traces
from jetson_perception.tracing.recorder import LONGEST_S

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = (
        'Have running nodes record what they do with each frame, and show where the time goes and '
        'what the slowest frame waited for. Needs ROS 2.'
    )
    parser.add_argument(
        'nodes',
        nargs='*',
        metavar='NODE',
        help='camera_node, seg_node or yolo_node by its name in the graph, such as /yolo_node '
        '(default: all that are found)',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        metavar='S',
        help=f'how long to record, up to {LONGEST_S:g} s (default: 5); Ctrl-C ends it early',
    )
    parser.add_argument(
        '--past',
        action='store_true',
        help='show what nodes with keep_trace:=true have recorded already, all or the last '
        '--seconds of it',
    )
    parser.add_argument(
        '-o',
        '--output',
        type=Path,
        metavar='FILE',
        help='write all events as JSON, which ui.perfetto.dev and chrome://tracing open',
    )
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Trace nodes of the graph."""
    seconds = arguments.seconds
    if seconds is not None and not 0 < seconds <= LONGEST_S:
        found = f'{seconds:g}' if math.isfinite(seconds) else 'no number'
        raise ParameterError(
            f'--seconds is {found}; expected more than 0 and at most {LONGEST_S:g}', 'seconds'
        )
    require_writable(arguments.output, parameter='output')
    messages = Console(stderr=True)
    taken = take_traces(
        arguments.nodes,
        seconds,
        past=arguments.past,
        say=lambda text: messages.print(f'{text} …', highlight=False, markup=False),
    )
    join_traces(taken.traces)
    print_summary(Console(), taken.traces)
    for problem in taken.problems:
        messages.print(problem, highlight=False, markup=False)
    write_trace(arguments.output, taken.traces)
    return 1 if taken.problems else 0
