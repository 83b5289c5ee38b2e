"""Plots a measurement: rates, and where the time of a frame goes.

    python -m jetson_perception.benchmark.plot bench.json bench.png

plots the figures of an earlier run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import PerceptionError
from jetson_perception.evaluation.plot import require_matplotlib, save_figure
from jetson_perception.files.foreign_data import Limits, read_json

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROWS = (
    ('end_to_end', 'image in to messages out', '#1f4e79'),
    ('drawn', 'the same, drawn', '#9dc3e6'),
    ('seed', 'the usual loop', '#c55a11'),
    ('streams', 'the usual loop, on streams', '#f4b183'),
)
_STAGE_COLORS = {
    'upload': '#a9d18e',
    'preprocess': '#70ad47',
    'inference': '#1f4e79',
    'postprocess': '#ed7d31',
    'publish': '#ffc000',
}


def write_plot(path: Path, record: dict[str, Any]) -> None:
    """Plot the figures of `session.measure` into a PNG, PDF or SVG file.

    Raises
    ------
    PerceptionError
        When matplotlib is missing.
    ParameterError
        When the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    sizes = record['sizes']
    height = 2.0 + 1.1 * len(sizes) * max(1, len(record['runtimes']) / 3)
    figure = Figure(figsize=(11, max(3.4, height)), layout='constrained')
    machine = record['machine']
    names = ', '.join(record['runtimes'])
    figure.suptitle(f'{names} · {machine.get("gpu") or machine["processor"]}', fontsize=10)
    rates, stages = figure.subplots(1, 2)
    _draw_rates(rates, record)
    _draw_stages(stages, sizes)
    save_figure(figure, path)


def _draw_rates(axes: Any, record: dict[str, Any]) -> None:
    """A bar for each way of running a frame through all engines."""
    alone = record['inference']['together']['rate_hz']
    bars: list[tuple[str, float, str]] = [('inference alone', alone, '#7f7f7f')]
    for figures in record['sizes']:
        size = f'{figures["width"]}×{figures["height"]}'
        bars += [
            (f'{label}, {size}', figures[key]['rate_hz'], color)
            for key, label, color in _ROWS
            if key in figures
        ]
    for position, (_, rate, color) in enumerate(bars):
        axes.barh(position, rate, color=color, height=0.7)
        axes.text(rate, position, f' {rate:.1f}', va='center', fontsize=8)
    axes.set_yticks(range(len(bars)), [label for label, _, _ in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max(rate for _, rate, _ in bars))
    axes.set_xlabel('frames a second through all engines', fontsize=8)


def _draw_stages(axes: Any, sizes: Sequence[dict[str, Any]]) -> None:
    """A bar for each engine and size, stacked from the medians of its stages."""
    labels: list[str] = []
    for figures in sizes:
        for engine, stages in figures['end_to_end']['stages'].items():
            left = 0.0
            for name, color in _STAGE_COLORS.items():
                if name in stages:
                    width = stages[name]['median_ms']
                    axes.barh(len(labels), width, left=left, color=color, height=0.7)
                    left += width
            labels.append(f'{engine}, {figures["width"]}×{figures["height"]}')
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel('median ms of a stage, while all engines run', fontsize=8)
    used = [
        name
        for name in _STAGE_COLORS
        if any(name in of for size in sizes for of in size['end_to_end']['stages'].values())
    ]
    patches = [axes.barh(0, 0, color=_STAGE_COLORS[name]) for name in used]
    axes.legend(
        patches,
        used,
        fontsize=7,
        ncols=len(used),
        columnspacing=1,
        handlelength=1,
        loc='lower center',  # above: below, it would cover the label of the axis
        bbox_to_anchor=(0.4, 1.0),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Draw a file of figures. Returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 2:
        sys.stderr.write(str(__doc__))
        return 2
    try:
        record = read_json(
            arguments[0], what='figures', error=PerceptionError, limits=Limits(64 << 20)
        )
        write_plot(Path(arguments[1]), record)
    except (OSError, LookupError, TypeError, ValueError, PerceptionError) as err:
        sys.stderr.write(f'{arguments[0]} cannot be drawn: {err}\n')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
