"""Prints what was measured of a running graph."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from jetson_perception.benchmark.graph.rate_search import MOST_LOSS
from jetson_perception.benchmark.machine import one_line
from jetson_perception.printable import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

_LABELS_WIDTH, _RUN_WIDTH = 20, 13


def print_graph_report(console: Console, record: dict[str, Any]) -> None:
    """Print the figures of `session.measure_graph`, in tables as wide as the terminal allows."""
    machine = record['machine']
    _say(console, f'{one_line(machine)} · ROS 2 {machine["ros"]}, {machine["rmw"]}')
    for line in _what_was_measured(record):
        _say(console, line)
    runs = [(f'{run["asked_hz"]:.4g} Hz', run) for run in record['rates']]
    highest = record['highest']
    if highest and highest['run']:
        runs.append(('highest rate', highest['run']))
    remaining = iter(runs)
    most = max(1, (console.width - _LABELS_WIDTH) // _RUN_WIDTH)
    while chunk := list(islice(remaining, most)):
        console.print(_table(chunk))
    for line in _conclusions(record):
        console.print(Text(line), soft_wrap=False)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)


def _what_was_measured(record: dict[str, Any]) -> Iterator[str]:
    settings, picture, graph = record['settings'], record['picture'], record['graph']
    reliability = 'reliable' if settings['reliable'] else 'best effort'
    yield (
        f'{settings["images"]}: {picture["width"]}×{picture["height"]} {picture["encoding"]}, '
        f'{picture["bytes"] / 1e6:.2f} MB, {reliability}, taken by {_nodes(graph["taken_by"])}'
    )
    yield (
        f'{settings["answers"]}: {settings["answer_type"]} by {_nodes(graph["answered_by"])}'
        f'{_processes(record["processes"])}'
    )


def _nodes(endpoints: list[dict[str, Any]]) -> str:
    return listed(list(dict.fromkeys(each['node'] for each in endpoints)), 3)


def _processes(processes: list[dict[str, Any]]) -> str:
    pids = ', '.join(str(each['pid']) for each in processes)
    return f' (process{"es" if len(processes) > 1 else ""} {pids})' if pids else ''


def _table(runs: list[tuple[str, dict[str, Any]]]) -> Table:
    table = Table()
    table.add_column('', no_wrap=True)
    for name, _ in runs:
        table.add_column(name, justify='right', no_wrap=True)
    for label, key, form in (
        ('sent a second', 'sent_hz', '{:.1f}'),
        ('answers a second', 'answers_hz', '{:.1f}'),
    ):
        table.add_row(label, *(form.format(run[key]) for _, run in runs))
    table.add_row('lost', *(_lost(run) for _, run in runs), end_section=True)
    for label, key in (
        ('latency, median', 'median_ms'),
        ('90 %', 'p90_ms'),
        ('99 %', 'p99_ms'),
        ('longest', 'max_ms'),
        ('jitter', 'jitter_ms'),
    ):
        cells = (_cell(run[key], '{:.2f} ms') for _, run in runs)
        table.add_row(label, *cells, end_section=key == 'jitter_ms')
    for label, key, form in (
        ('CPU', 'cpu_percent', '{:.0f} %'),
        ('memory, RSS', 'rss_mb', '{:.0f} MB'),
        ('PSS', 'pss_mb', '{:.0f} MB'),
        ('of the GPU', 'gpu_mb', '{:.0f} MB'),
    ):
        values = [(run['usage'] or {}).get(key) for _, run in runs]
        if any(value is not None for value in values):
            table.add_row(label, *(_cell(value, form) for value in values))
    return table


def _lost(run: dict[str, Any]) -> Text:
    lost = run['sent'] - run['answered']
    text = f'{100 * run["loss"]:.1f} %' if lost else '0'
    return Text(text, 'red' if run['loss'] >= MOST_LOSS else '')


def _cell(value: float | None, form: str) -> str:
    return '–' if value is None else form.format(value)


def _conclusions(record: dict[str, Any]) -> Iterator[str]:
    highest = record['highest']
    if highest is not None:
        yield _highest(highest)
    for run in record['rates']:
        if run['limited_by_sender']:
            yield (
                f'At {run["asked_hz"]:.4g} Hz the sender was the limit: '
                f'{counted(run["senders"], "process")} sent {run["sent_hz"]:.1f} images a second.'
            )
    yield from (f'{note[0].upper()}{note[1:]}.' for note in record['notes'])


def _highest(highest: dict[str, Any]) -> str:
    run, most = highest['run'], f'{100 * MOST_LOSS:.0f} %'
    if run is None:
        lowest = min(probe['asked_hz'] for probe in highest['probes'])
        return f'No rate down to {lowest:.2g} Hz had a loss of less than {most}.'
    beyond = (
        f' The sender was the limit, with {counted(run["senders"], "process")}: the graph may '
        'keep up with more.'
        if highest['limited_by_sender']
        else ''
    )
    return (
        f'Highest rate with a loss of less than {most}: {run["answers_hz"]:.1f} answers a '
        f'second.{beyond}'
    )
