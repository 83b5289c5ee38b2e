"""Plots figures: a bar per class, and precision over recall."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.evaluation.depth_errors import DepthEvaluator
from jetson_perception.evaluation.evaluators import ObjectEvaluator, PixelEvaluator
from jetson_perception.files.output_files import require_writable, write_output
from jetson_perception.installing import pip_install
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jetson_perception.evaluation.average_precision import AveragePrecision
    from jetson_perception.evaluation.evaluators import ClassEvaluator, Evaluator

_MOST_BARS = 40
_MOST_CURVES = 10
_TITLES = {
    'boxes': 'boxes',
    'oriented_boxes': 'oriented boxes',
    'keypoints': 'keypoints (OKS)',
    'masks': 'instance masks',
}


def require_matplotlib() -> None:
    """Fail early if matplotlib is missing, and say how to install it.

    Raises
    ------
    PerceptionError
        When matplotlib cannot be imported.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as err:
        raise PerceptionError(
            f'plots need matplotlib, which cannot be imported ({err}): {pip_install("matplotlib")}'
        ) from err


def require_plot(path: Path | None) -> None:
    """Fail early where a plot could not be written there; None is no error.

    Raises
    ------
    PerceptionError
        When matplotlib cannot be imported.
    ParameterError
        When it knows no such format, or the file cannot be written.
    """
    if path is None:
        return
    require_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    file = _with_suffix(path)
    formats = FigureCanvasBase.get_supported_filetypes()
    if file.suffix[1:].lower() not in formats:
        raise ParameterError(
            f'{printable(path)} cannot be written: matplotlib makes no {printable(file.suffix)}; '
            f'it makes {", ".join(sorted(formats))}',
            'plot',
        )
    require_writable(file, parameter='plot')


def write_plot(
    path: Path,
    title: str,
    names: Sequence[str],
    evaluators: Sequence[Evaluator],
) -> None:
    """Write a PNG, PDF or SVG file with a row of plots for each model and kind of result.

    Raises
    ------
    PerceptionError
        When matplotlib is missing.
    ParameterError
        When the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    rows: list[tuple[str, Any, str]] = []
    for path_of_model, evaluator in zip(names, evaluators, strict=True):
        name = printable(path_of_model)
        if isinstance(evaluator, PixelEvaluator):
            rows.append((name, evaluator, 'pixels'))
        elif isinstance(evaluator, DepthEvaluator):
            rows.append((name, evaluator, 'depth'))
        elif isinstance(evaluator, ObjectEvaluator):
            rows += [(name, evaluator, kind) for kind in evaluator.measured()]
        else:
            rows.append((name, evaluator, 'classes'))
    heights = [max(3.2, 0.9 + 0.24 * _bar_count(evaluator)) for _, evaluator, _ in rows]
    figure = Figure(figsize=(11, sum(heights) + 0.5), layout='constrained')
    figure.suptitle(printable(title), fontsize=10, wrap=True)
    axes = figure.subplots(len(rows), 2, squeeze=False, height_ratios=heights)
    for (bars, right), (name, evaluator, kind) in zip(axes, rows, strict=True):
        if kind == 'pixels':
            _draw_iou(bars, name, evaluator)
            _draw_confusion(right, evaluator)
        elif kind == 'depth':
            _draw_depth(bars, right, name, evaluator)
        elif kind == 'classes':
            _draw_accuracy(bars, right, name, evaluator)
        else:
            _draw_precision(bars, right, name, evaluator, kind)
    save_figure(figure, path)


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure to a file.

    Raises
    ------
    ParameterError
        When the file cannot be written.
    """
    path = _with_suffix(path)
    content = io.BytesIO()
    try:
        figure.savefig(content, format=path.suffix[1:], dpi=120)
    except ValueError as err:  # matplotlib does not know the file's extension
        raise ParameterError(f'{path} cannot be written: {err}', 'plot') from err
    write_output(path, content.getvalue(), parameter='plot')


def _with_suffix(path: Path) -> Path:
    return path if path.suffix else path.with_name(f'{path.name}.png')


def _bar_count(evaluator: Any) -> int:
    if isinstance(evaluator, PixelEvaluator):
        return len(evaluator.class_names)
    if isinstance(evaluator, DepthEvaluator):
        return len(evaluator.mean().within)
    return min(len(evaluator.classes.shared), _MOST_BARS)


def _draw_iou(axes: Any, name: str, evaluator: PixelEvaluator) -> None:
    iou = evaluator.confusion.iou()
    _bars(axes, evaluator.class_names, {'IoU': iou})
    axes.set_title(f'{name}: mIoU {evaluator.confusion.mean_iou():.3f}', fontsize=9)


def _draw_accuracy(bars: Any, right: Any, name: str, evaluator: ClassEvaluator) -> None:
    shares, counts = evaluator.by_class(), evaluator.counts[:, 0]
    known = [i for i in evaluator.classes.shared if counts[i]]
    known.sort(key=lambda i: -float(shares[i, 0]))
    shown = known[:_MOST_BARS]
    _bars(
        bars,
        [evaluator.class_names[i] for i in shown],
        {'top-5': shares[shown, 1], 'top-1': shares[shown, 0]},
    )
    more = f', best {_MOST_BARS} of {len(known)} classes' if len(known) > _MOST_BARS else ''
    top1, top5 = evaluator.accuracy()
    bars.set_title(f'{name}: top-1 {top1:.3f}, top-5 {top5:.3f}{more}', fontsize=9)
    right.hist(shares[known, 0], bins=np.linspace(0, 1, 21), color='#1f4e79')
    right.set_title('classes by their share of right pictures (top-1)', fontsize=9)
    right.set_xlabel('top-1', fontsize=8)
    right.set_ylabel('classes', fontsize=8)
    right.tick_params(labelsize=8)


def _draw_depth(bars: Any, right: Any, name: str, evaluator: DepthEvaluator) -> None:
    mean = evaluator.mean()
    _bars(bars, ['< 1.25', '< 1.5625', '< 1.9531'], {'share of pixels': np.array(mean.within)})
    bars.set_title(f'{name}: abs rel {mean.abs_rel:.3f}, RMSE {mean.rmse_m:.3f} m', fontsize=9)
    right.hist([each.abs_rel for each in evaluator.errors], bins=20, color='#1f4e79')
    right.set_title('pictures by their relative error (abs rel)', fontsize=9)
    right.set_xlabel('abs rel', fontsize=8)
    right.set_ylabel('pictures', fontsize=8)
    right.tick_params(labelsize=8)


def _draw_confusion(axes: Any, evaluator: PixelEvaluator) -> None:
    counts = evaluator.confusion.counts.astype(float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Squares would leave a third of the width white.
    axes.imshow(shares, cmap='Blues', vmin=0, vmax=1, aspect='auto')
    ticks = range(len(counts))
    axes.set_xticks(ticks, evaluator.class_names, rotation=30, ha='right', fontsize=8)
    axes.set_yticks(ticks, evaluator.class_names, fontsize=8)
    axes.set_xlabel('found', fontsize=8)
    axes.set_ylabel('true', fontsize=8)
    axes.set_title('share of the true pixels', fontsize=9)
    if len(counts) <= _MOST_CURVES:
        for (row, column), share in np.ndenumerate(shares):
            color = 'white' if share > 0.5 else 'black'
            axes.text(
                column, row, f'{share:.3f}', ha='center', va='center', fontsize=8, color=color
            )


def _draw_precision(
    bars: Any, right: Any, name: str, evaluator: ObjectEvaluator, kind: str
) -> None:
    ap: AveragePrecision = evaluator.measured()[kind]
    known = [i for i in evaluator.classes.shared if not np.isnan(ap.ap50[i])]
    known.sort(key=lambda i: -float(ap.ap50_95[i]))
    shown = known[:_MOST_BARS]
    _bars(
        bars,
        [evaluator.class_names[i] for i in shown],
        {'AP50': ap.ap50[shown], 'AP50-95': ap.ap50_95[shown]},
    )
    more = f', best {_MOST_BARS} of {len(known)} classes' if len(known) > _MOST_BARS else ''
    bars.set_title(f'{name}: {_TITLES[kind]}{more}', fontsize=9)
    few = known if len(known) <= _MOST_CURVES else []
    for i in known:
        label = evaluator.class_names[i] if few else None
        right.plot(
            ap.recall,
            ap.precision[:, i],
            linewidth=1,
            alpha=0.8 if few else 0.2,
            color=None if few else 'gray',
            label=label,
        )
    if known:
        mean = ap.precision[:, known].mean(axis=1)
        label = f'mean: mAP50 {ap.ap50[known].mean():.3f}, mAP50-95 {ap.ap50_95[known].mean():.3f}'
        right.plot(ap.recall, mean, color='black', linewidth=2, label=label)
        right.legend(fontsize=7, loc='lower left')
    threshold = 'OKS' if kind == 'keypoints' else 'IoU'
    right.set_title(f'precision over recall at {threshold} 0.50', fontsize=9)
    right.set_xlabel('recall', fontsize=8)
    right.set_ylabel('precision', fontsize=8)
    right.tick_params(labelsize=8)
    right.set_xlim(0, 1)
    right.set_ylim(0, 1.02)
    right.grid(alpha=0.3)


def _bars(axes: Any, names: Sequence[str], values: dict[str, Any]) -> None:
    """Horizontal bars; those of one class overlap, the later ones darker and narrower."""
    positions = np.arange(len(names))
    styles = (('#9dc3e6', 0.8), ('#1f4e79', 0.45)) if len(values) > 1 else (('#1f4e79', 0.6),)
    for (label, each), (color, height) in zip(values.items(), styles, strict=True):
        axes.barh(positions, np.nan_to_num(each), height=height, color=color, label=label)
    for position, value in zip(positions, list(values.values())[-1], strict=True):
        text = 'absent' if np.isnan(value) else f'{value:.3f}'
        axes.text(1.01, position, text, va='center', fontsize=7)
    axes.set_yticks(positions, names, fontsize=8)
    axes.set_ylim(
        max(len(names), 4) - 0.5, -0.5
    )  # the first on top; a few bars are as thin as many
    axes.set_xlim(0, 1.12)
    axes.tick_params(axis='x', labelsize=8)
    axes.set_axisbelow(True)
    axes.grid(axis='x', alpha=0.3)
    if len(values) > 1:
        axes.legend(fontsize=7, ncols=2, loc='upper center', bbox_to_anchor=(0.5, -0.07))
