"""Traces for people: tables and sentences in the terminal, and the file for a viewer."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from jetson_perception.commands.figures import tell_written, typed_command
from jetson_perception.files.output_files import write_output
from jetson_perception.printable import counted
from jetson_perception.process.tables import print_table
from jetson_perception.tracing.causes import explain, explain_slowest
from jetson_perception.tracing.summary import cpu_waits, stage_rows, ways
from jetson_perception.tracing.trace_file import trace_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from jetson_perception.tracing.summary import StageRow, Ways
    from jetson_perception.tracing.traces import ProcessTrace

#: A thread that waits for a CPU for a smaller share of the time is not worth a word.
_CPU_WAIT = 0.02


def write_trace(path: Path | None, traces: Sequence[ProcessTrace]) -> None:
    """Write the file, where a path is given.

    Raises
    ------
    ParameterError
        When it cannot be written.
    """
    if path is None:
        return
    text = json.dumps(trace_document(traces, typed_command()), separators=(',', ':'))
    write_output(path, text + '\n', parameter='output')
    tell_written('the events, for ui.perfetto.dev,', path)


def print_summary(console: Console, traces: Sequence[ProcessTrace]) -> None:
    """Print how long stages take, and what the slowest frames waited for."""
    for node, rows in groupby(stage_rows(traces), key=lambda row: row.process):
        # As a column, names in deep namespaces would leave no room for the others.
        console.print(Text(node), soft_wrap=True)
        print_table(console, _stage_table(rows))
    for line in _lines(traces):
        console.print(Text(line), soft_wrap=True)


def _stage_table(rows: Iterable[StageRow]) -> Table:
    table = Table()
    for title in ('track', 'stage'):
        table.add_column(title)
    for title in ('count', 'median ms', '99 %', 'worst'):
        table.add_column(title, justify='right')
    for row in rows:
        count, *times_ms = row.figures
        names = map(Text, (row.track, row.stage))
        table.add_row(*names, str(count), *(f'{each:.2f}' for each in times_ms))
    return table


def _lines(traces: Sequence[ProcessTrace]) -> Iterator[str]:
    for each in ways(traces):
        yield from _way_lines(each)
    for trace in traces:
        yield from _notes(trace)
    if len({trace.clock for trace in traces}) > 1:
        hosts = ', '.join(sorted({trace.host for trace in traces}))
        yield (
            f'These nodes run on several hosts ({hosts}), whose clocks cannot be compared: each '
            'host begins at 0, and no frame is followed from one to another.'
        )


def _way_lines(each: Ways) -> Iterator[str]:
    name = f'{each.process} {each.engine}'.strip()
    total = each.total
    skipped = f', {each.skipped} skipped for a newer one' if each.skipped else ''
    yield (
        f'{name}: {counted(total.frames, "frame")}{skipped}; from stamp to result '
        f'{total.median_ms:.1f} ms (median), {total.p99_ms:.1f} (99 %), {total.worst_ms:.1f} '
        f'(worst); 99 % is {total.p99_ms / max(total.median_ms, 1e-3):.1f} times the median.'
    )
    if total.frames < 2:
        return
    slowest = each.slowest[0]
    causes = explain(slowest)
    if causes:
        yield f'  The slowest frame took {slowest.excess_ms:.1f} ms longer than the median:'
        yield from (f'  - {cause}' for cause in causes)
    common = explain_slowest(each)
    if len(each.slowest) > 1 and common:
        yield f'  What took longest, in the slowest percent of frames: {common}.'


def _notes(trace: ProcessTrace) -> Iterator[str]:
    if not any(span.frame for span in trace.spans):
        yield f'{trace.name} had no frame in this time: is it active, and do images come?'
    if not trace.is_whole:
        yield f'{trace.name} recorded more than it keeps: the beginning is missing.'
    waits = [
        f'{track} {share:.0%}' for track, share in cpu_waits(trace).items() if share >= _CPU_WAIT
    ]
    if waits:
        yield (
            f'{trace.name}: for this share of the time, threads were ready to run and had no CPU: '
            f'{", ".join(waits)}.'
        )
