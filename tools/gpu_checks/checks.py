"""What a part finds: figures, the bars for them, and records for later analysis."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.benchmark.sizes import size_wh

if TYPE_CHECKING:
    import argparse

DEFAULT_MODELS = ('people_detect', 'people_detect', 'people_pose', 'people_pose')


@dataclass(frozen=True)
class Check:
    """One figure.

    Attributes
    ----------
    name : str
        What it measures.
    value : float or str
        What was found.
    bar : str
        What is required, such as '≤ 0.15'; empty if nothing is.
    kept : bool or None
        Whether the bar is met; None if there is none, or it is not checked.
    """

    name: str
    value: float | str
    bar: str = ''
    kept: bool | None = None

    def line(self) -> str:
        """The figure as a line of text."""
        value = self.value if isinstance(self.value, str) else f'{self.value:.4g}'
        mark = {True: 'ok  ', False: 'MISS', None: '    '}[self.kept]
        return f'  {mark}  {self.name}: {value}' + (
            f'   (required: {self.bar})' if self.bar else ''
        )


class Checks:
    """Collects the figures of one part, prints each at once, and keeps them in a file.

    Parameters
    ----------
    file : Path
        Written after every figure, so that nothing is lost if the part is stopped.
    judge : bool
        Whether bars are checked; a CPU only rehearses the figures.
    """

    def __init__(self, file: Path, *, judge: bool = True) -> None:
        self._file = file
        self._judge = judge
        self.checks: list[Check] = []
        self.records: dict[str, Any] = {}

    def note(self, name: str, value: float | str) -> None:
        """Add a figure without a bar."""
        self._add(Check(name, value))

    def at_most(self, name: str, value: float, bar: float) -> None:
        """Add a figure that must not be above the bar."""
        self._add(Check(name, value, f'≤ {bar:g}', value <= bar if self._judge else None))

    def at_least(self, name: str, value: float, bar: float) -> None:
        """Add a figure that must not be below the bar."""
        self._add(Check(name, value, f'≥ {bar:g}', value >= bar if self._judge else None))

    def holds(self, name: str, kept: bool, found: str = '') -> None:
        """Add something that must be true, even on a CPU."""
        self._add(Check(name, found or ('yes' if kept else 'no'), 'yes', kept))

    def record(self, name: str, content: Any) -> None:
        """Keep a larger record in the file."""
        self.records[name] = content
        self._save()

    def _add(self, check: Check) -> None:
        self.checks.append(check)
        print(check.line(), flush=True)
        self._save()

    def _save(self) -> None:
        content = {'checks': [asdict(each) for each in self.checks], 'records': self.records}
        self._file.write_text(json.dumps(content, indent=1, default=str), encoding='utf-8')


def say(text: str) -> None:
    """Print what happens next."""
    print(f'  … {text}', flush=True)


@dataclass(frozen=True)
class Options:
    """Options of all parts, from the command line of `check_gpu.py`."""

    device: str
    models: tuple[str, ...]
    heavy_models: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    frames: int
    seconds: float
    soak_seconds: float
    node_seconds: float

    @property
    def on_gpu(self) -> bool:
        """Whether this is a real run, and not a rehearsal."""
        return self.device == 'cuda'

    @property
    def runtime(self) -> str:
        """Runtime of every engine, as `open_engine` takes it."""
        return {'cuda': 'onnxruntime_cuda', 'cpu': 'onnxruntime_cpu'}.get(self.device, self.device)

    def count(self, usual: int) -> int:
        """The number of frames: the usual one, or fewer in a rehearsal."""
        return min(usual, self.frames) if self.frames else usual


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all parts share."""
    parser.add_argument(
        '--device',
        default='cuda',
        choices=['cuda', 'cpu', 'tensorrt'],
        help='cpu rehearses everything without checking the bars (default: cuda)',
    )
    parser.add_argument(
        '--models',
        nargs='+',
        default=DEFAULT_MODELS,
        metavar='MODEL',
        help='the engines that run together: ONNX files or names of shipped models (default: '
        'people_detect and people_pose, twice each; the bars are meant for four YOLOv8n)',
    )
    parser.add_argument(
        '--heavy-models',
        nargs='+',
        default=(),
        metavar='MODEL',
        help='engines that take 8 ms or more together (default: the models with enough '
        'convolutions in front)',
    )
    parser.add_argument(
        '--size', type=size_wh, nargs='+', default=[(640, 480), (1280, 720)], metavar='WxH'
    )
    parser.add_argument(
        '--frames', type=int, default=0, metavar='N', help='use at most this many frames'
    )
    parser.add_argument('--seconds', type=float, default=2.0, help='length of each timed run')
    parser.add_argument('--soak-seconds', type=float, default=300.0)
    parser.add_argument('--node-seconds', type=float, default=10.0)


def read_options(arguments: argparse.Namespace) -> Options:
    """The options that were given; model files become absolute paths."""
    return Options(
        device=arguments.device,
        models=tuple(map(_absolute, arguments.models)),
        heavy_models=tuple(map(_absolute, arguments.heavy_models)),
        sizes=tuple(arguments.size),
        frames=arguments.frames,
        seconds=arguments.seconds,
        soak_seconds=arguments.soak_seconds,
        node_seconds=arguments.node_seconds,
    )


def _absolute(model: str) -> str:
    return str(Path(model).resolve()) if Path(model).suffix else model
