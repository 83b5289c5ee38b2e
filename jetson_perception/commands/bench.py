"""`jetson-perception bench`: how fast models run together, and how fast a running graph is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from jetson_perception.benchmark.frames import DEFAULT_SOURCE
from jetson_perception.benchmark.plot import write_plot
from jetson_perception.benchmark.report import print_report
from jetson_perception.benchmark.session import BASELINES, Settings, measure
from jetson_perception.benchmark.sizes import size_wh
from jetson_perception.commands.bench_graph import (
    add_graph_options,
    bench_graph,
    refuse_graph_options,
)
from jetson_perception.commands.figures import tell_written, typed_command, write_figures
from jetson_perception.commands.opening import make_lacking_twins
from jetson_perception.commands.options import add_model_options, add_precision_option, positive
from jetson_perception.commands.overrides import read_overrides
from jetson_perception.engines.opening import check_file
from jetson_perception.errors import ParameterError
from jetson_perception.evaluation.plot import require_plot
from jetson_perception.files.output_files import require_writable
from jetson_perception.models import resolve_model

if TYPE_CHECKING:
    import argparse


_SIZES = ((640, 480), (1280, 720))
_DEVICES = {'cpu': 'onnxruntime_cpu', 'cuda': 'onnxruntime_cuda'}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _bench.__doc__
    add_model_options(parser)
    add_precision_option(parser)
    parser.add_argument(
        'models',
        nargs='*',
        metavar='MODEL',
        help='ONNX file, or name of a shipped model; name one twice to run two engines',
    )
    parser.add_argument(
        '--device',
        choices=_DEVICES,
        help=f'short for --runtime: {", ".join(f"{k} is {v}" for k, v in _DEVICES.items())}',
    )
    parser.add_argument(
        '--size',
        type=size_wh,
        nargs='+',
        metavar='WxH',
        help='sizes of the images (default: 640x480 1280x720; one, 1280x720, with --ros)',
    )
    parser.add_argument(
        '--images',
        default=DEFAULT_SOURCE,
        metavar='SOURCE',
        help=f'a scene, or a folder of pictures or a video (default: {DEFAULT_SOURCE})',
    )
    parser.add_argument(
        '--frames',
        type=positive,
        default=0,
        metavar='N',
        help='run for N frames instead of --seconds',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        metavar='S',
        help='length of each run (default: 3; 5 with --ros)',
    )
    parser.add_argument(
        '--draw', action='store_true', help='also measure with annotated images drawn'
    )
    parser.add_argument(
        '--profile',
        action='store_true',
        help='run once more and sample where each thread spends its time',
    )
    parser.add_argument(
        '--baseline',
        choices=BASELINES,
        nargs='+',
        default=(),
        help='also measure the loop that tutorials show, around the same models: one thread, '
        'NumPy and Python lists. seed uses the runtime as it comes; streams uses our engines, '
        'all enqueued on their streams before it waits for the first',
    )
    parser.add_argument(
        '--score-threshold',
        type=float,
        default=0.25,
        metavar='S',
        help='drop boxes that score less (default: 0.25)',
    )
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help='also write the figures to this file'
    )
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='draw bars: a PNG, PDF or SVG file'
    )
    add_graph_options(parser)
    parser.set_defaults(command=_bench)


def _bench(arguments: argparse.Namespace) -> int:
    """Measure models that run together: engines alone, and from image to messages.

    Every image goes through all models. Inference alone is the most that could be reached; the
    pipeline around it is that of the nodes, without topics. With --ros instead: measure nodes
    that run already, ours or others, by images on a topic and what they publish for them.
    """
    require_writable(arguments.json, parameter='json')
    if arguments.ros:
        return bench_graph(arguments)
    refuse_graph_options(arguments)
    if not arguments.models:
        raise ParameterError('no model is named; name one or more, or measure a graph by --ros')
    require_plot(arguments.plot)
    seconds = 3.0 if arguments.seconds is None else arguments.seconds
    if not 0 < seconds < math.inf:  # nor NaN
        raise ParameterError(f'--seconds is {seconds:g}; expected more than 0')
    make_lacking_twins(*arguments.models)
    for path in arguments.models:
        check_file(resolve_model(path))  # images take seconds to read
    settings = Settings(
        models=tuple(arguments.models),
        runtime=_runtime(arguments),
        threads=arguments.threads,
        precision=arguments.precision,
        dla_core=arguments.dla_core,
        overrides=read_overrides(arguments.set),
        sizes=tuple(arguments.size or _SIZES),
        source=arguments.images,
        frames=arguments.frames,
        seconds=seconds,
        draw=arguments.draw,
        profile=arguments.profile,
        baselines=tuple(arguments.baseline),
        score_threshold=arguments.score_threshold,
    )
    console = Console(stderr=True)
    record = measure(
        settings, lambda text: console.print(f'{text} …', highlight=False, soft_wrap=True)
    )
    record = {'command': typed_command(), **record}
    print_report(Console(), record)
    write_figures(arguments.json, record, indent=1)
    if arguments.plot:
        write_plot(arguments.plot, record)
        tell_written('plots', arguments.plot)
    return 0


def _runtime(arguments: argparse.Namespace) -> str:
    if arguments.device is None:
        return str(arguments.runtime)
    runtime = _DEVICES[arguments.device]
    if arguments.runtime not in ('auto', runtime):
        raise ParameterError(
            f'--device {arguments.device} is --runtime {runtime}, and --runtime says '
            f'{arguments.runtime}; give one of them'
        )
    return runtime
