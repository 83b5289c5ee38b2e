"""Shows figures as tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.evaluation.agreement import Agreement, Limit
    from jetson_perception.evaluation.evaluators import Evaluator


def class_table(evaluator: Evaluator) -> Table:
    """A table with a row for each class, and the means."""
    figures = evaluator.table()
    table = _table(*figures.columns)
    for rows in (figures.classes, figures.totals):
        for name, cells in rows:
            table.add_row(escape(printable(name)), *map(_cell, cells))
        _end_section(table)
    return table


def side_by_side(names: Sequence[str], evaluators: Sequence[Evaluator]) -> Table:
    """A table with the means of several models, one row each."""
    columns: list[str] = []
    rows = []
    for evaluator in evaluators:
        means = evaluator.means()
        columns += [column for column in means if column not in columns]
        rows.append(means)
    table = _table('model', *columns)
    for name, means in zip(names, rows, strict=True):
        table.add_row(
            escape(printable(name)), *(_cell(means.get(column, math.nan)) for column in columns)
        )
    return table


def agreement_table(agreement: Agreement, limits: Sequence[Limit]) -> Table:
    """How far two engines agree, and whether that is enough."""
    table = _table('figure', 'median', 'p99', 'largest', 'limit', '')
    by_figure = {limit.figure: limit for limit in limits}
    for figure, drift in agreement.drifts().items():
        limit = by_figure.pop(figure, None)
        cells = [f'{value:.4f}' for value in (drift.median, drift.p99, drift.largest)]
        table.add_row(figure, *cells, *_verdict(limit))
    _end_section(table)
    for figure, value in agreement.shares().items():
        table.add_row(figure, f'{value:.4f}', '', '', *_verdict(by_figure.pop(figure, None)))
    return table


def _end_section(table: Table) -> None:
    """Draw a line below the rows so far; rich before 12.6 has no `add_section`."""
    if table.rows:
        table.rows[-1].end_section = True


def _verdict(limit: Limit | None) -> tuple[str, str]:
    if limit is None:
        return '', ''
    return str(limit), 'kept' if limit.kept else 'past'


def _table(first: str, *columns: str) -> Table:
    table = Table()
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify='right')
    return table


def _cell(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return '' if math.isnan(value) else f'{value:.4f}'
