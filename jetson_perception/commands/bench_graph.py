"""`jetson-perception bench --ros`: a running graph, measured from outside."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from rich.console import Console

from jetson_perception.benchmark.graph.report import print_graph_report
from jetson_perception.benchmark.graph.session import measure_graph
from jetson_perception.benchmark.graph.settings import GraphSettings
from jetson_perception.commands.figures import typed_command, write_figures
from jetson_perception.commands.options import positive
from jetson_perception.commands.version import package_version
from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted

if TYPE_CHECKING:
    import argparse

_RATES_HZ = (30.0,)
_SECONDS = 5.0
_SIZE_WH = (1280, 720)
_PATIENCE_S = 30.0
#: Options that say how a graph is measured.
_GRAPH_OPTIONS = ('answer_type', 'rates', 'reliable', 'pid', 'patience', 'senders', 'no_search')
#: Options of `bench` that say how models are run, which the measured nodes know themselves.
_MODEL_OPTIONS = (
    'models', 'device', 'frames', 'draw', 'profile', 'baseline', 'plot', 'set', 'threads',
)  # fmt: skip


def add_graph_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that measure a graph."""
    group = parser.add_argument_group(
        'a running graph',
        'Nodes that run already, ours or others: images are sent to them, and what they publish '
        'is heard. Needs ROS 2.',
    )
    group.add_argument(
        '--ros',
        nargs=2,
        metavar=('IMAGES', 'ANSWERS'),
        help='topic of the images that they take, raw or compressed, and of what they publish for '
        "each, any message with a header that has the image's stamp",
    )
    group.add_argument(
        '--answer-type',
        metavar='TYPE',
        help='type of the answers, where the topic has several: vision_msgs/msg/Detection2DArray',
    )
    group.add_argument(
        '--rates',
        type=float,
        nargs='+',
        metavar='HZ',
        help='rates to measure at (default: 30); then the highest rate with a loss of less than '
        '5 %% is looked for',
    )
    group.add_argument('--no-search', action='store_true', help='do not look for the highest rate')
    group.add_argument(
        '--reliable',
        action='store_true',
        help='send reliable images; most cameras send best effort',
    )
    group.add_argument(
        '--pid',
        type=positive,
        nargs='+',
        metavar='PID',
        help='processes whose CPU time and memory are measured, with those that they started '
        '(default: the one that answers, where it can be told)',
    )
    group.add_argument(
        '--senders',
        type=positive,
        metavar='N',
        help='the most processes that send (default: 8); there are no more than it takes',
    )
    group.add_argument(
        '--patience',
        type=float,
        metavar='S',
        help=f'how long to wait for the topics and for the first answer (default: '
        f'{_PATIENCE_S:g} s)',
    )


def refuse_graph_options(arguments: argparse.Namespace) -> None:
    """Refuse what is meant for a graph, where none is named.

    Raises
    ------
    ParameterError
        Which names the option.
    """
    for name in _GRAPH_OPTIONS:
        if getattr(arguments, name):
            raise ParameterError(
                f'{_option(name)} is for a running graph; name its topics by --ros'
            )


def bench_graph(arguments: argparse.Namespace) -> int:
    """Measure the graph that --ros names."""
    _refuse_model_options(arguments)
    settings = _settings(arguments)
    console = Console(stderr=True)
    record = measure_graph(
        settings, lambda text: console.print(f'{text} …', highlight=False, markup=False)
    )
    record = {
        'command': typed_command(),
        'version': package_version(),
        'time': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        **record,
    }
    print_graph_report(Console(), record)
    write_figures(arguments.json, record, indent=1)
    return 0


def _settings(arguments: argparse.Namespace) -> GraphSettings:
    sizes = arguments.size or [_SIZE_WH]
    if len(sizes) > 1:
        raise ParameterError(
            f'--size has {counted(len(sizes), "size")}; expected one with --ros: run it again for '
            'another'
        )
    images, answers = arguments.ros
    return GraphSettings(
        images=images,
        answers=answers,
        answer_type=arguments.answer_type or '',
        rates_hz=tuple(arguments.rates or _RATES_HZ),
        search=not arguments.no_search,
        seconds=_SECONDS if arguments.seconds is None else arguments.seconds,
        size_wh=sizes[0],
        source=arguments.images,
        reliable=arguments.reliable,
        senders=arguments.senders or GraphSettings.senders,
        patience_s=_PATIENCE_S if arguments.patience is None else arguments.patience,
        pids=tuple(arguments.pid or ()),
    )


def _refuse_model_options(arguments: argparse.Namespace) -> None:
    for name in _MODEL_OPTIONS:
        if getattr(arguments, name):
            what = 'a model' if name == 'models' else _option(name)
            raise ParameterError(
                f'{what} is given beside --ros, which measures nodes as they were started; give '
                'one of them'
            )
    if arguments.runtime != 'auto':
        raise ParameterError(
            '--runtime is given beside --ros, which measures nodes as they were started'
        )


def _option(name: str) -> str:
    return f'--{name.replace("_", "-")}'
