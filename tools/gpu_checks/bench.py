"""End to end compared with inference alone, and with the usual loop, in one process."""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gpu_checks.checks import DEFAULT_MODELS, say
from gpu_checks.heavy import slowed
from jetson_perception.benchmark import inference
from jetson_perception.benchmark.report import print_report
from jetson_perception.benchmark.session import BASELINES, Settings, measure
from jetson_perception.engines import open_engine
from jetson_perception.models import resolve_model

if TYPE_CHECKING:
    from gpu_checks.checks import Checks, Options

#: Four engines that each take this long take 8 ms or more together, including their overlap.
_HEAVY_MS = 4.5
_LEAST_TOGETHER_MS = 8.0
#: A frame of one small engine takes less than 1 ms, so other work on the host affects a round.
_ROUNDS = 3


def run(options: Options, checks: Checks) -> None:
    """Measure the models, a set that finds people, single engines, and a slow set."""
    record = _measure(
        checks,
        options,
        'set',
        Settings(**_common(options), baselines=BASELINES, draw=True, profile=True),
    )
    for size in record['sizes']:
        name = f'{len(options.models)} engines, {size["width"]}×{size["height"]}'
        checks.at_least(f'{name}: ratio to the usual loop', size['of_seed'], 10)
        checks.note(f'{name}: ratio to that loop on our streams', size['of_streams'])
        checks.note(f'{name}: ratio to inference alone', size['of_inference'])
        checks.note(f'{name}: ratio to inference alone, drawing', size['drawn_of_inference'])
    _finding_set(checks, options)
    _one_engine(checks, options)
    _heavy_set(checks, options)


def _finding_set(checks: Checks, options: Options) -> None:
    """Shipped models on the people that they were trained for: random weights find nothing."""
    if options.models == DEFAULT_MODELS:
        return
    settings = Settings(
        **{**_common(options), 'models': DEFAULT_MODELS}, baselines=('seed', 'streams')
    )
    record = _measure(checks, options, 'finding people', settings)
    for size in record['sizes']:
        name = f'finding people, {size["width"]}×{size["height"]}'
        checks.note(f'{name}: ratio to the usual loop', size['of_seed'])
        checks.note(f'{name}: ratio to that loop on our streams', size['of_streams'])
        checks.note(f'{name}: ratio to inference alone', size['of_inference'])


def _one_engine(checks: Checks, options: Options) -> None:
    for model in dict.fromkeys(options.models):
        settings = Settings(**{**_common(options), 'models': (model,)})
        records = [
            _measure(checks, options, f'one: {Path(model).stem}, round {number + 1}', settings)
            for number in range(_ROUNDS)
        ]
        for sizes in zip(*(record['sizes'] for record in records), strict=True):
            name = f'{Path(model).stem} alone, {sizes[0]["width"]}×{sizes[0]["height"]}'
            shares = [size['of_inference'] for size in sizes]
            for number, share in enumerate(shares, 1):
                checks.note(f'{name}: ratio to inference alone, round {number}', share)
            checks.at_least(f'{name}: ratio to inference alone, median', median(shares), 0.85)


def _heavy_set(checks: Checks, options: Options) -> None:
    with tempfile.TemporaryDirectory() as folder:
        layers = 0
        models = options.heavy_models
        if not models:
            layers = _layers_for(options, Path(folder))
            models = _slowed_set(options, Path(folder), layers)
        settings = Settings(**{**_common(options), 'models': models})
        record = _measure(checks, options, 'heavy set', settings)
        if not options.heavy_models and options.on_gpu:
            together_ms = record['inference']['together']['mean_ms']
            if together_ms < _LEAST_TOGETHER_MS:
                layers = round(1.3 * layers * _LEAST_TOGETHER_MS / together_ms) + 1
                settings = Settings(
                    **{**_common(options), 'models': _slowed_set(options, Path(folder), layers)}
                )
                record = _measure(checks, options, 'heavy set', settings)
    checks.note('heavy set: convolutions in front of each model', layers)
    checks.at_least(
        'heavy set: inference alone, ms per frame',
        record['inference']['together']['mean_ms'],
        _LEAST_TOGETHER_MS,
    )
    for size in record['sizes']:
        checks.at_least(
            f'heavy set, {size["width"]}×{size["height"]}: ratio to inference alone',
            size['of_inference'],
            0.9,
        )


def _slowed_set(options: Options, folder: Path, layers: int) -> tuple[str, ...]:
    made = {}
    for model in options.models:
        path = resolve_model(model)
        made[model] = slowed(path, folder / f'{path.stem}_{layers}.onnx', layers)
    return tuple(str(made[model]) for model in options.models)


def _layers_for(options: Options, folder: Path) -> int:
    """How many convolutions make one engine take `_HEAVY_MS`, from two measurements."""
    if not options.on_gpu:
        return 1
    say('finding how many convolutions make a model slow enough')
    times = {}
    for layers in (4, 36):
        model = _slowed_set(options, folder, layers)[0]
        with closing(open_engine(model, runtime=options.runtime)) as engine:
            times[layers] = inference.together([engine], seconds=0.5)[0].mean_ms
    a_layer = max((times[36] - times[4]) / 32, 1e-3)
    return max(1, min(round(4 + (_HEAVY_MS - times[4]) / a_layer), 400))


def _common(options: Options) -> dict[str, Any]:
    return {
        'models': options.models,
        'runtime': options.runtime,
        'sizes': options.sizes,
        'frames': options.frames,
        'seconds': options.seconds,
        'in_turn': False,
    }


def _measure(checks: Checks, options: Options, name: str, settings: Settings) -> dict[str, Any]:
    say(f'bench, {name}: {", ".join(settings.names())}')
    record = json.loads(json.dumps(measure(settings, say)))
    checks.record(name, record)
    print_report(Console(width=110), record)
    for size in record['sizes']:
        for run_name in ('end_to_end', 'drawn'):
            for engine, counts in size.get(run_name, {}).get('counts', {}).items():
                if counts['failed'] or counts['skipped']:
                    checks.holds(
                        f'{name}, {engine}: no frame failed or skipped', False, str(counts)
                    )
    return record
