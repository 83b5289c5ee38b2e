"""`jetson-perception cache`: look at the engines that are kept, and remove them."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jetson_perception.commands.parser import CommandParser
from jetson_perception.engines.onnxruntime.kept import kept_findings, kept_models
from jetson_perception.engines.tensorrt.cache import EngineCache
from jetson_perception.printable import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from jetson_perception.engines.tensorrt.cache import CacheEntry


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = (
        'Engines are built once and kept. A changed model, or another TensorRT version, GPU or '
        'precision, gets an engine of its own. When the folder is full, those unused longest are '
        'removed.'
    )
    actions = parser.add_subparsers(
        title='actions', required=True, metavar='ACTION', parser_class=CommandParser
    )
    ls = actions.add_parser('ls', help='list them', description=_ls.__doc__)
    ls.add_argument('--json', action='store_true', help='print JSON instead of a table')
    ls.set_defaults(command=_ls)
    clear = actions.add_parser('clear', help='remove them', description=_clear.__doc__)
    clear.add_argument(
        'model', nargs='?', default='', metavar='MODEL', help='only those built from this file'
    )
    clear.set_defaults(command=_clear)


def _ls(arguments: argparse.Namespace) -> int:
    """List the engines that are kept, the one used last first, and check each."""
    cache = EngineCache()
    entries = cache.entries()
    console = Console(soft_wrap=True, highlight=False)
    if arguments.json:
        records = [{**asdict(entry), 'options': dict(entry.options)} for entry in entries]
        console.out(
            json.dumps({'folder': str(cache.folder), 'engines': records}, indent=2),
            highlight=False,
        )
        return 0
    if entries:
        console.print(engine_table(entries), soft_wrap=False)
    for entry in entries:
        if entry.problem:
            console.out(f'built again when needed: {entry.problem}', highlight=False)
    total = sum(entry.size_bytes for entry in entries)
    console.out(
        f'{counted(len(entries), "engine")} in {cache.folder}, {_megabytes(total)} of '
        f'{_megabytes(cache.max_bytes)}',
        highlight=False,
    )
    return 0


def _clear(arguments: argparse.Namespace) -> int:
    """Remove engines; they are built again when they are asked for.

    Without MODEL, also what ONNX Runtime on CUDA keeps: it tries and converts again.
    """
    cache = EngineCache()
    removed, busy = cache.clear(arguments.model)
    total = sum(entry.size_bytes for entry in removed)
    Console().out(
        f'removed {counted(len(removed), "engine")}, {_megabytes(total)}, from {cache.folder}',
        highlight=False,
    )
    if not arguments.model:
        _clear_what_starts_keep()
    if busy:
        Console(stderr=True).out(
            f'left {counted(busy, "engine")}: being built, or not to be locked', highlight=False
        )
    return 1 if busy else 0


def _clear_what_starts_keep() -> None:
    """Remove what ONNX Runtime's engines on CUDA keep, where there is something."""
    models, findings = kept_models().clear(), kept_findings().clear()
    count = models[0] + findings[0]
    if count:
        what = f'{counted(models[0], "converted model")}, {counted(findings[0], "finding")}'
        total = _megabytes(models[1] + findings[1])
        Console().out(f'removed {what}, {total}', highlight=False)


def engine_table(entries: Sequence[CacheEntry]) -> Table:
    """Engines as people read them."""
    table = Table()
    for name in ('model', 'how it is built', 'for'):
        table.add_column(name, overflow='fold')
    table.add_column('size', justify='right', no_wrap=True)
    table.add_column('last used', no_wrap=True)
    table.add_column('state', no_wrap=True)
    for entry in entries:
        used = datetime.fromtimestamp(entry.last_used)
        table.add_row(
            escape(Path(entry.model).name or entry.digest),
            escape(_options(entry.options)),
            escape('\n'.join(part for part in (entry.runtime, entry.gpu) if part)),
            _megabytes(entry.size_bytes),
            f'{used:%Y-%m-%d %H:%M}',
            '[red]damaged[/]' if entry.problem else 'good',
        )
    return table


def _options(options: Mapping[str, Any]) -> str:
    """Options as 'precision fp16, batch 1'; what is not set is left out."""
    return ', '.join(
        f'{name} {_text(value)}'
        for name, value in options.items()
        if value not in (None, False, '', [], {})
    )


def _text(value: object) -> str:
    if isinstance(value, list) and not any(isinstance(each, (list, dict)) for each in value):
        return '×'.join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def _megabytes(size: int) -> str:
    return f'{size / 2**20:.1f} MB'
