"""The figure of tools/soak.py; needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.evaluation.plot import require_matplotlib, save_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from soaking.samples import Sample


def write(path: Path, samples: Mapping[str, Sequence[Sample]]) -> None:
    """Draw memory, threads, handles, latency and dropped frames of each node over time."""
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 12), layout='constrained')
    axes = figure.subplots(5, 1, sharex=True)
    for node, taken in samples.items():
        minutes = [each.at_s / 60 for each in taken]
        axes[0].plot(minutes, [each.own_kb / 1000 for each in taken], label=node)
        axes[1].plot(minutes, [each.threads for each in taken], label=node)
        axes[2].plot(minutes, [each.handles for each in taken], label=node)
        for engine in taken[-1].latency_ms:
            latency_ms = [each.latency_ms.get(engine, float('nan')) for each in taken]
            axes[3].plot(minutes, latency_ms, label=f'{node} {engine}')
            dropped = [each.dropped.get(engine, 0) / 1000 for each in taken]
            axes[4].plot(minutes, dropped, label=f'{node} {engine}')
    titles = ('own memory (MB)', 'threads', 'file handles', 'latency (ms)', 'dropped (thousands)')
    for axis, title in zip(axes, titles, strict=True):
        axis.set_ylabel(title)
        axis.legend(fontsize='small')
    axes[-1].set_xlabel('minutes')
    save_figure(figure, path)
