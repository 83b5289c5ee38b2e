"""Print the figures of a run of `check_gpu.py` as tables for docs/performance.md.

python tools/gpu_checks/markdown.py check_gpu.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def tables(report: dict[str, Any]) -> Iterator[str]:
    """Lines of Markdown for the parts in the report."""
    parts = report['parts']
    yield f'`{report["command"]}`'
    yield ''
    records = parts.get('bench', {}).get('records', {})
    if records:
        yield from _machine(next(iter(records.values())))
        yield from _rates(records)
    if 'node' in parts:
        yield from _node(parts['node'].get('records', {}).get('engines', {}))
    for name in ('kernels', 'concurrency', 'parity', 'soak'):
        if name in parts:
            yield from _checks(name, parts[name])


def _machine(record: dict[str, Any]) -> Iterator[str]:
    machine = record['machine']
    yield ', '.join(f'{key} {value}' for key, value in machine.items() if value)
    yield f'Results become: {record["built"]}.'
    yield ''


def _rates(records: dict[str, Any]) -> Iterator[str]:
    columns = (
        'engines',
        'image',
        'inference alone',
        'image in to messages out',
        'of inference',
        'drawn',
        'usual loop',
        'times that',
        'usual loop, on streams',
        'times that',
    )
    yield from _head(columns)
    for name, record in records.items():
        alone = record['inference']['together']
        for size in record['sizes']:
            drawn, loop, streams = size.get('drawn'), size.get('seed'), size.get('streams')
            yield _row(
                (
                    f'{name}, {len(record["runtimes"])}',
                    f'{size["width"]}×{size["height"]}',
                    _rate(alone),
                    _rate(size['end_to_end']),
                    f'{size["of_inference"]:.3f}',
                    _rate(drawn) if drawn else '',
                    _rate(loop) if loop else '',
                    f'{size["of_seed"]:.1f}' if loop else '',
                    _rate(streams) if streams else '',
                    f'{size["of_streams"]:.1f}' if streams else '',
                )
            )
    yield ''
    for name, record in records.items():
        for size in record['sizes']:
            cpu = ', '.join(
                f'{thread} {ms:.3f}' for thread, ms in size['end_to_end']['cpu_ms'].items()
            )
            yield f'{name}, {size["width"]}×{size["height"]}, CPU ms per frame: {cpu}'
    yield ''


def _rate(figures: dict[str, Any]) -> str:
    return f'{figures["rate_hz"]:.0f} Hz ({figures["mean_ms"]:.2f} ms)'


def _node(engines: dict[str, Any]) -> Iterator[str]:
    if not engines:
        return
    names = list(dict.fromkeys(name for one in engines.values() for name in one['stages']))
    yield from _head(('stage, median (99 %) ms', *engines))
    for name in names:
        cells = [one['stages'].get(name) for one in engines.values()]
        texts = (f'{one["median_ms"]:.2f} ({one["p99_ms"]:.2f})' if one else '' for one in cells)
        yield _row((name, *texts))
    yield _row(
        (
            'stamp to received message',
            *(
                f'{one["heard_median_ms"]:.2f} ({one["heard_p99_ms"]:.2f})'
                for one in engines.values()
            ),
        )
    )
    yield _row(('results per second', *(f'{one["rate_hz"]:.1f}' for one in engines.values())))
    yield _row(
        ('lost / skipped', *(f'{one["lost"]} / {one["skipped"]}' for one in engines.values()))
    )
    yield ''


def _checks(part: str, found: dict[str, Any]) -> Iterator[str]:
    yield from _head((part, 'found', 'required'))
    for each in found['checks']:
        value = each['value'] if isinstance(each['value'], str) else f'{each["value"]:.4g}'
        missed = ' **missed**' if each['kept'] is False else ''
        yield _row((each['name'], value, each['bar'] + missed))
    if found['problem']:
        yield _row((found['problem'], '', '**broke**'))
    yield ''


def _head(columns: Iterable[str]) -> Iterator[str]:
    columns = list(columns)
    yield _row(columns)
    yield _row(['---'] * len(columns))


def _row(cells: Iterable[str]) -> str:
    return f'| {" | ".join(cells)} |'


if __name__ == '__main__':
    for line in tables(json.loads(Path(sys.argv[1]).read_text(encoding='utf-8'))):
        print(line)
