"""What a part finds: figures, the bars that they must clear, and what to look at later."""

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
        What it is of.
    value : float or str
        What was found.
    bar : str
        What is asked for, as '≤ 0.15'; empty where nothing is.
    kept : bool or None
        Whether the bar is kept; None where there is none.
    """

    name: str
    value: float | str
    bar: str = ''
    kept: bool | None = None

    def line(self) -> str:
        """For people."""
        value = self.value if isinstance(self.value, str) else f'{self.value:.4g}'
        mark = {True: 'ok  ', False: 'MISS', None: '    '}[self.kept]
        return f'  {mark}  {self.name}: {value}' + (f'   (asked: {self.bar})' if self.bar else '')


class Checks:
    """Collects figures of one part, says each at once, and keeps them in a file.

    Parameters
    ----------
    file : Path
        Written after every figure, so that what was found is there when the part is ended.
    judge : bool
        Whether bars are judged: on a CPU the figures are only rehearsed.
    """

    def __init__(self, file: Path, *, judge: bool = True) -> None:
        self._file = file
        self._judge = judge
        self.checks: list[Check] = []
        self.records: dict[str, Any] = {}

    def note(self, name: str, value: float | str) -> None:
        """A figure that nothing is asked of."""
        self._add(Check(name, value))

    def at_most(self, name: str, value: float, bar: float) -> None:
        """A figure that is to be no larger."""
        self._add(Check(name, value, f'≤ {bar:g}', value <= bar if self._judge else None))

    def at_least(self, name: str, value: float, bar: float) -> None:
        """A figure that is to be no smaller."""
        self._add(Check(name, value, f'≥ {bar:g}', value >= bar if self._judge else None))

    def holds(self, name: str, kept: bool, found: str = '') -> None:
        """Something that is to be so, on a CPU too."""
        self._add(Check(name, found or ('yes' if kept else 'no'), 'yes', kept))

    def record(self, name: str, content: Any) -> None:
        """Keep something larger in the file."""
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
    """Tell what happens next."""
    print(f'  … {text}', flush=True)


@dataclass(frozen=True)
class Options:
    """What the parts are told, as `check_gpu.py` takes it."""

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
        """Whether this is the real thing."""
        return self.device == 'cuda'

    @property
    def runtime(self) -> str:
        """Runtime of every engine, as `open_engine` takes it."""
        return {'cuda': 'onnxruntime_cuda', 'cpu': 'onnxruntime_cpu'}.get(self.device, self.device)

    def count(self, usual: int) -> int:
        """How many frames, where so many are usual; fewer in a rehearsal."""
        return min(usual, self.frames) if self.frames else usual


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options that every part is told."""
    parser.add_argument(
        '--device',
        default='cuda',
        choices=['cuda', 'cpu', 'tensorrt'],
        help='cpu rehearses everything without judging it (default: cuda)',
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
        help='engines that take 8 ms or more together (default: the models with convolutions in '
        'front, as many as it takes)',
    )
    parser.add_argument(
        '--size', type=size_wh, nargs='+', default=[(640, 480), (1280, 720)], metavar='WxH'
    )
    parser.add_argument(
        '--frames', type=int, default=0, metavar='N', help='at most so many frames of anything'
    )
    parser.add_argument('--seconds', type=float, default=2.0, help='length of each timed run')
    parser.add_argument('--soak-seconds', type=float, default=300.0)
    parser.add_argument('--node-seconds', type=float, default=10.0)


def read_options(arguments: argparse.Namespace) -> Options:
    """The options that were given; model files by their absolute paths."""
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
