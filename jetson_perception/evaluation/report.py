"""Figures as tables for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from jetson_perception.evaluation.average_precision import mean_of_known
from jetson_perception.evaluation.evaluators import PixelEvaluator
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jetson_perception.evaluation.agreement import Agreement, Limit
    from jetson_perception.evaluation.evaluators import ObjectEvaluator

_TITLES = {'boxes': 'box', 'keypoints': 'OKS', 'masks': 'mask'}


def class_table(evaluator: PixelEvaluator | ObjectEvaluator) -> Table:
    """A row a class, and the means."""
    if isinstance(evaluator, PixelEvaluator):
        return _iou_table(evaluator)
    return _precision_table(evaluator)


def _iou_table(evaluator: PixelEvaluator) -> Table:
    table = _table('class', 'IoU')
    values = evaluator.confusion.iou().tolist()
    for name, value in zip(evaluator.class_names, values, strict=True):
        table.add_row(escape(printable(name)), 'absent' if math.isnan(value) else f'{value:.4f}')
    table.add_section()
    table.add_row('mean (mIoU)', f'{evaluator.confusion.mean_iou():.4f}')
    table.add_row('pixels right', f'{evaluator.confusion.accuracy():.4f}')
    return table


def _precision_table(evaluator: ObjectEvaluator) -> Table:
    measured = evaluator.measured()
    columns = [f'{_TITLES[kind]} {figure}' for kind in measured for figure in ('AP50-95', 'AP50')]
    table = _table('class', 'objects', *columns, 'best F1', 'at score')
    counts = evaluator.matches.truth_counts()
    f1, score = measured['boxes'].best_f1()
    for i in evaluator.classes.shared:
        if counts[i]:
            values = [v for ap in measured.values() for v in (ap.ap50_95[i], ap.ap50[i])]
            cells = [_cell(value) for value in (*values, f1[i], score[i])]
            table.add_row(escape(printable(evaluator.class_names[i])), str(counts[i]), *cells)
    table.add_section()
    means = [mean_of_known(values) for ap in measured.values() for values in (ap.ap50_95, ap.ap50)]
    total = sum(int(counts[i]) for i in evaluator.classes.shared)
    table.add_row('mean (mAP)', str(total), *map(_cell, means))
    return table


def side_by_side(
    names: Sequence[str], evaluators: Sequence[PixelEvaluator | ObjectEvaluator]
) -> Table:
    """The means of several models, a row each."""
    columns: list[str] = []
    rows = []
    for evaluator in evaluators:
        means = dict(_means(evaluator))
        columns += [column for column in means if column not in columns]
        rows.append(means)
    table = _table('model', *columns)
    for name, means in zip(names, rows, strict=True):
        table.add_row(
            escape(printable(name)), *(_cell(means.get(column, math.nan)) for column in columns)
        )
    return table


def _means(evaluator: PixelEvaluator | ObjectEvaluator) -> Iterator[tuple[str, float]]:
    if isinstance(evaluator, PixelEvaluator):
        yield 'mIoU', evaluator.confusion.mean_iou()
        yield 'pixels right', evaluator.confusion.accuracy()
        return
    for kind, ap in evaluator.measured().items():
        yield f'{_TITLES[kind]} mAP50-95', mean_of_known(ap.ap50_95)
        yield f'{_TITLES[kind]} mAP50', mean_of_known(ap.ap50)


def agreement_table(agreement: Agreement, limits: Sequence[Limit]) -> Table:
    """What two engines agree on, and whether that is enough."""
    table = _table('figure', 'median', 'p99', 'largest', 'limit', '')
    by_figure = {limit.figure: limit for limit in limits}
    for figure, drift in agreement.drifts().items():
        limit = by_figure.pop(figure, None)
        cells = [f'{value:.4f}' for value in (drift.median, drift.p99, drift.largest)]
        table.add_row(figure, *cells, *_verdict(limit))
    table.add_section()
    for figure, value in agreement.shares().items():
        table.add_row(figure, f'{value:.4f}', '', '', *_verdict(by_figure.pop(figure, None)))
    return table


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


def _cell(value: float) -> str:
    return '' if math.isnan(value) else f'{value:.4f}'
