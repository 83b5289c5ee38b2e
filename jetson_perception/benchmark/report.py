"""Prints a measurement as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from jetson_perception.benchmark.machine import one_line
from jetson_perception.printable import counted
from jetson_perception.process.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

_BASELINES = (('seed', 'the usual loop'), ('streams', 'the same, on streams'))


def print_report(console: Console, record: dict[str, Any]) -> None:
    """Print the figures of `session.measure`."""
    _say(console, one_line(record['machine']))
    for name, description in record['runtimes'].items():
        _say(console, f'{name}: {description}')
    _say(console, f'built from each result: {record["built"]}')
    print_table(console, _inference_table(record['inference']))
    if 'in_turn' in record['inference']:
        share = record['inference']['together_of_in_turn']
        _say(console, f'together takes {share:.2f} of one after another')
    _say(console, 'image in to messages out: median and p99 of the latency at full rate')
    for figures in record['sizes']:
        print_table(console, _size_table(figures, record['inference']['together']))
        for line in _ratios(figures):
            _say(console, line)
        print_table(console, _stage_table(figures))
        cpu_ms = figures['end_to_end']['cpu_ms'].items()
        if cpu_ms:
            parts = ' · '.join(f'{name} {ms:.3f}' for name, ms in cpu_ms)
            _say(console, f'CPU time of threads, ms per frame: {parts}')
        for line in _profile(figures):
            _say(console, line)
        for line in _troubles(figures):
            _say(console, line)
    before, used = record['memory']['before'], record['memory']['open']
    names = {'host_mb': 'host', 'device_mb': 'GPU'}
    memory = (
        f'{names[key]} {used[key]:.0f} MB, {used[key] - before[key]:.0f} MB more than with the '
        'runtime alone'
        for key in used
    )
    _say(console, f'memory with all engines open: {"; ".join(memory)}')
    for note in record['notes']:
        _say(console, f'{note[0].upper()}{note[1:]}.')


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _inference_table(inference: dict[str, Any]) -> Table:
    table = _table('inference alone', 'a second', 'ms a frame', 'median ms', 'p99 ms')
    for name, figures in inference['engines'].items():
        table.add_row(f'{name}, with the others', *_cells(figures))
    table.rows[-1].end_section = True  # rich before 12.6 has no add_section
    table.add_row('all together', *_cells(inference['together']))
    if 'in_turn' in inference:
        table.add_row('one after another', *_cells(inference['in_turn']))
    return table


def _size_table(figures: dict[str, Any], alone: dict[str, Any]) -> Table:
    size = f'{figures["width"]}×{figures["height"]}'
    table = _table(size, 'a second', 'ms a frame', 'median ms', 'p99 ms', 'of inference')
    table.add_row('inference alone', *_cells(alone), '')
    table.add_row(
        'image in to messages out',
        *_cells(figures['end_to_end']),
        f'{figures["of_inference"]:.3f}',
    )
    if 'drawn' in figures:
        drawn = figures['drawn']
        share = drawn['drawn_frames'] / max(drawn['frames'], 1)
        table.add_row(
            f'the same, {share:.0%} drawn', *_cells(drawn), f'{figures["drawn_of_inference"]:.3f}'
        )
    for key, label in _BASELINES:
        if key in figures:
            slow = figures[key]
            of_inference = slow['rate_hz'] / alone['rate_hz']
            table.add_row(label, *_cells(slow), f'{of_inference:.3f}')
    return table


def _ratios(figures: dict[str, Any]) -> Iterator[str]:
    """How many times the rate of each baseline there is."""
    for key, label in _BASELINES:
        if key in figures:
            parts = ', '.join(f'{name} {ms:.1f}' for name, ms in figures[key]['stages'].items())
            yield f'{figures[f"of_{key}"]:.1f} times the rate of {label} ({parts} ms)'


def _stage_table(figures: dict[str, Any]) -> Table:
    """Medians of each stage; columns are engines."""
    engines = figures['end_to_end']['stages']
    names = list(dict.fromkeys(name for stages in engines.values() for name in stages))
    table = _table('stage, median (p99) ms', *engines)
    for name in names:
        cells = (stages.get(name) for stages in engines.values())
        table.add_row(
            name,
            *(f'{one["median_ms"]:.3f} ({one["p99_ms"]:.3f})' if one else '' for one in cells),
        )
    return table


def _profile(figures: dict[str, Any]) -> list[str]:
    lines = []
    for name, places in figures.get('profile', {}).get('threads', {}).items():
        lines.append(f'where {name} was seen:')
        lines += [f'  {share:6.1%}  {place}' for place, share in places.items()]
    return lines


def _troubles(figures: dict[str, Any]) -> list[str]:
    lines = []
    for run in ('end_to_end', 'drawn'):
        for engine, counts in figures.get(run, {}).get('counts', {}).items():
            if counts['failed'] or counts['skipped']:
                lines.append(
                    f'{engine}: {counted(counts["failed"], "frame")} failed, '
                    f'{counts["skipped"]} skipped'
                )
        lines += figures.get(run, {}).get('errors', [])[:3]
    return lines


def _table(first: str, *columns: str) -> Table:
    table = Table()  # without a caption, which would be padded with spaces
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify='right')
    return table


def _cells(figures: dict[str, Any]) -> tuple[str, ...]:
    return (
        f'{figures["rate_hz"]:.1f}',
        f'{figures["mean_ms"]:.3f}',
        f'{figures["median_ms"]:.3f}',
        f'{figures["p99_ms"]:.3f}',
    )
