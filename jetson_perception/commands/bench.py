"""`jetson-perception bench`: what it takes, and its run."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from jetson_perception.benchmark.frames import DEFAULT_SOURCE
from jetson_perception.benchmark.plot import write_plot
from jetson_perception.benchmark.report import print_report
from jetson_perception.benchmark.session import BASELINES, Settings, measure
from jetson_perception.errors import ParameterError
from jetson_perception.evaluation.plot import require_matplotlib
from jetson_perception.files.output_files import write_output

if TYPE_CHECKING:
    import argparse

    from jetson_perception.model_info import ModelInfo

_DEVICES = {'cpu': 'onnxruntime_cpu', 'cuda': 'onnxruntime_cuda'}


def add_bench(commands: Any, *model: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the command to a parser's commands; `model` has the options that commands share."""
    bench: argparse.ArgumentParser = commands.add_parser(
        'bench',
        parents=model,
        help='measure how fast models run together',
        description=run_bench.__doc__,
    )
    bench.add_argument(
        'models',
        nargs='+',
        metavar='MODEL',
        help='ONNX file, or name of a shipped model; one named twice runs in two engines',
    )
    bench.add_argument(
        '--device',
        choices=_DEVICES,
        help=f'short for --runtime: {", ".join(f"{k} is {v}" for k, v in _DEVICES.items())}',
    )
    bench.add_argument(
        '--size',
        type=size_wh,
        nargs='+',
        default=[(640, 480), (1280, 720)],
        metavar='WxH',
        help='sizes of the images (default: 640x480 1280x720)',
    )
    bench.add_argument(
        '--images',
        default=DEFAULT_SOURCE,
        metavar='SOURCE',
        help=f'a scene, or a folder of pictures or a video (default: {DEFAULT_SOURCE})',
    )
    bench.add_argument(
        '--frames',
        type=_whole,
        default=0,
        metavar='N',
        help='frames of each run, not time',
    )
    bench.add_argument(
        '--seconds', type=float, default=3.0, metavar='S', help='length of each run (default: 3)'
    )
    bench.add_argument(
        '--draw', action='store_true', help='measure with annotated images drawn too'
    )
    bench.add_argument(
        '--profile',
        action='store_true',
        help="run once more and sample where each thread's time goes",
    )
    bench.add_argument(
        '--baseline',
        choices=BASELINES,
        nargs='+',
        default=(),
        help='measure a loop as tutorials write it too, one thread, NumPy and Python lists '
        'around the same models: seed as their runtime comes, streams with our engines, all '
        'enqueued on their streams before the first is waited for',
    )
    bench.add_argument(
        '--score-threshold', type=float, default=0.25, metavar='S', help='of boxes (default: 0.25)'
    )
    bench.add_argument('--json', type=Path, metavar='FILE', help='write the figures there too')
    bench.add_argument(
        '--plot', type=Path, metavar='FILE', help='draw bars: a PNG, PDF or SVG file'
    )
    return bench


def run_bench(arguments: argparse.Namespace, overrides: ModelInfo | None = None) -> int:
    """Measure models that run together: engines alone, and from image to messages.

    Every image goes through all models. Inference alone is the most that could be reached; the
    pipeline around it is that of the nodes, without topics.
    """
    if arguments.plot:
        require_matplotlib()
    if arguments.seconds <= 0:
        raise ParameterError(f'--seconds is {arguments.seconds:g}; expected more than 0')
    settings = Settings(
        models=tuple(arguments.models),
        runtime=_runtime(arguments),
        threads=arguments.threads,
        precision=arguments.precision,
        overrides=overrides,
        sizes=tuple(arguments.size),
        source=arguments.images,
        frames=arguments.frames,
        seconds=arguments.seconds,
        draw=arguments.draw,
        profile=arguments.profile,
        baselines=tuple(arguments.baseline),
        score_threshold=arguments.score_threshold,
    )
    console = Console(stderr=True)
    record = measure(
        settings, lambda text: console.print(f'{text} …', highlight=False, soft_wrap=True)
    )
    record = {'command': shlex.join(['jetson-perception', *sys.argv[1:]]), **record}
    print_report(Console(), record)
    if arguments.json:
        write_output(arguments.json, json.dumps(record, indent=1) + '\n', parameter='json')
    if arguments.plot:
        write_plot(arguments.plot, record)
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


def size_wh(text: str) -> tuple[int, int]:
    """Width and height from a text as 1280x720, for argparse."""
    width, separator, height = text.lower().partition('x')
    if not separator or not width.isdecimal() or not height.isdecimal():
        raise _bad(f'{text} is no size; expected width and height, as 1280x720')
    if int(width) < 16 or int(height) < 16:
        raise _bad(f'{text} is too small; expected 16x16 or more')
    return int(width), int(height)


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise _bad(f'{text} is not 1 or more')
    return value


def _bad(text: str) -> Exception:
    from argparse import ArgumentTypeError

    return ArgumentTypeError(text)
