"""Measures a set of models: engines alone, image in to messages out, the usual loop."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.benchmark import baseline, frames, inference, memory
from jetson_perception.benchmark.end_to_end import FullRate
from jetson_perception.benchmark.machine import describe_machine, load, load_note
from jetson_perception.benchmark.messages import what_is_built
from jetson_perception.benchmark.profiling import Sampler
from jetson_perception.camera.shown import shown
from jetson_perception.engines import open_engine
from jetson_perception.engines.base import CudaEngine
from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine
from jetson_perception.engines.onnxruntime.cuda import OnnxRuntimeCudaEngine
from jetson_perception.errors import ParameterError
from jetson_perception.models import open_model, resolve_model
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.benchmark.end_to_end import EndToEnd
    from jetson_perception.benchmark.timing import Timing
    from jetson_perception.engines import Engine
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.models import Model

BASELINES = ('seed', 'streams')
"""Loops to compare with: as in tutorials, and the fastest that such a loop can be."""

_MOST_FRAMES_IN_MEMORY = 50


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes
    ----------
    models : tuple of str
        ONNX files, or names of shipped models; a model may occur more than once.
    runtime : str
        As in `open_engine`.
    threads : int
        CPU threads of each engine; 0 for one per core.
    overrides : ModelInfo or None
        What the user sets for the models.
    precision : str
        Precision of engine files, as in `open_engine`.
    dla_core : int
        The DLA core that runs the engines, as in `open_engine`; -1 for the GPU alone.
    sizes : tuple of (int, int)
        Width and height of the images.
    source : str
        Where images come from, as in `frames.load_frames`.
    frames : int
        Frames of each run; 0 for as many as take about `seconds`.
    seconds : float
        Length of each run if `frames` is 0.
    draw : bool
        Also measure with drawing.
    profile : bool
        Run once more, and sample where each thread spends its time.
    baselines : tuple of str
        'seed' for the loop of `jetson_perception.benchmark.baseline` with the same models in plain
        runtimes: ONNX Runtime sessions one after another, TensorRT engines on their streams.
        'streams' for that loop with our engines, all enqueued on their streams from page-locked
        memory before it waits for the first.
    in_turn : bool
        Also time the engines one after another.
    score_threshold : float
        For boxes.
    """

    models: tuple[str, ...]
    runtime: str = 'auto'
    threads: int = 0
    overrides: ModelInfo | None = None
    precision: str = 'fp16'
    dla_core: int = -1
    sizes: tuple[tuple[int, int], ...] = ((640, 480), (1280, 720))
    source: str = frames.DEFAULT_SOURCE
    frames: int = 0
    seconds: float = 3.0
    draw: bool = False
    profile: bool = False
    baselines: tuple[str, ...] = ()
    in_turn: bool = True
    score_threshold: float = 0.25

    def __post_init__(self) -> None:
        if not self.models:
            raise ParameterError('no models to measure; name at least one', 'models')
        for name in self.baselines:
            if name not in BASELINES:
                raise ParameterError(
                    f'baseline is {quoted(name)}; there is {" and ".join(BASELINES)}', 'baselines'
                )

    def opening(self) -> dict[str, Any]:
        """Arguments of `open_engine` and `open_model` besides the path."""
        return {
            'runtime': self.runtime,
            'threads': self.threads,
            'overrides': self.overrides,
            'precision': self.precision,
            'dla_core': self.dla_core,
        }

    def names(self) -> list[str]:
        """A name for each engine, numbered if a model occurs twice."""
        stems = [Path(path).stem for path in self.models]
        return [
            f'{stem} {stems[:index].count(stem) + 1}' if stems.count(stem) > 1 else stem
            for index, stem in enumerate(stems)
        ]


@contextmanager
def opened_engines(settings: Settings) -> Iterator[list[Engine]]:
    """New engines of the set, without models; closed at the end."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(open_engine(resolve_model(path), **settings.opening())))
            for path in settings.models
        ]


@contextmanager
def opened_models(settings: Settings) -> Iterator[dict[str, Model[Any, Any]]]:
    """New models of the set, by the names of their engines; closed at the end."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(closing(open_model(path, **settings.opening())))
            for name, path in zip(settings.names(), settings.models, strict=True)
        }


def model_options(settings: Settings) -> Callable[[Model[Any, Any]], Any]:
    """Options of each model's `postprocess`."""

    def options(model: Model[Any, Any]) -> Any:
        params = model.task.params_with(score_threshold=settings.score_threshold)
        return model.task.options(model, params)

    return options


def measure(settings: Settings, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Run everything that the settings ask for, one after another, in this process.

    Parameters
    ----------
    settings : Settings
        What to measure.
    say : callable
        Called with the name of the next measurement.

    Returns
    -------
    dict
        Ready for JSON: `machine`, `settings`, `runtimes`, `inference` (`together` and each engine,
        `in_turn`), `sizes` (for each: `end_to_end`, `drawn`, `profile`, each baseline by its
        name, and the ratios `of_inference` and `of_` each baseline), `memory`, `load` (the
        machine's, before it began) and `notes` (what to know as the figures are read). Times are
        milliseconds.

    Raises
    ------
    PerceptionError
        When a model cannot be used, or a run fails.
    """
    load_before = load()
    say('reading images')
    pictures = {size: _load(settings, size) for size in settings.sizes}
    # The first engine loads the runtime's libraries, which do not count as memory of the set.
    with opened_engines(replace(settings, models=settings.models[:1])) as engines:
        on_device = isinstance(engines[0], CudaEngine)
        engines[0].infer(inference.input_tensor(engines[0]))
    before = _memory(on_device)
    say('engines alone')
    with opened_engines(settings) as engines:
        all_, each = inference.together(engines, settings.frames, settings.seconds)
        described = [engine.description for engine in engines]  # now they say how they run
        alone: dict[str, Any] = {
            'together': _figures(all_),
            'engines': dict(zip(settings.names(), map(_figures, each), strict=True)),
        }
    if settings.in_turn and len(settings.models) > 1:
        say('engines one after another')
        with opened_engines(settings) as engines:
            total, _ = inference.in_turn(engines, settings.frames, settings.seconds)
        alone['in_turn'] = _figures(total)
        alone['together_of_in_turn'] = all_.mean_ms / total.mean_ms
    sizes: dict[tuple[int, int], dict[str, Any]] = {
        size: {'width': size[0], 'height': size[1]} for size in settings.sizes
    }
    used = _run_pipelines(settings, pictures, sizes, on_device, say)
    for name in settings.baselines:
        _run_baseline(name, settings, pictures, sizes, say)
    for figures in sizes.values():
        _add_ratios(figures, all_)
    busy = load_note(load_before, 'anything was measured')
    return {
        'machine': describe_machine(gpu=on_device),
        'device': 'cuda' if on_device else 'cpu',
        'settings': _settings(settings),
        'built': what_is_built(),
        'runtimes': dict(zip(settings.names(), described, strict=True)),
        'inference': alone,
        'sizes': list(sizes.values()),
        'memory': {'before': before, 'open': used},
        'load': load_before,
        'notes': [busy] if busy else [],
    }


def _load(settings: Settings, size_wh: tuple[int, int]) -> list[NDArray[np.uint8]]:
    count = min(settings.frames or _MOST_FRAMES_IN_MEMORY, _MOST_FRAMES_IN_MEMORY)
    return frames.load_frames(settings.source, size_wh, count)


def _run_pipelines(
    settings: Settings,
    pictures: dict[tuple[int, int], list[NDArray[np.uint8]]],
    sizes: dict[tuple[int, int], dict[str, Any]],
    on_device: bool,
    say: Callable[[str], None],
) -> dict[str, float]:
    """The pipeline at every size, without and with drawing. Returns the memory in use."""
    with (
        opened_models(settings) as models,
        FullRate(models, options=model_options(settings)) as pipeline,
    ):
        for draw in (False, True) if settings.draw else (False,):
            for size, figures in sizes.items():
                what = 'image in to messages out' + (', drawn' if draw else '')
                say(f'{what}, {size[0]}×{size[1]}')
                run = pipeline.run(pictures[size], settings.frames, settings.seconds, draw=draw)
                figures['drawn' if draw else 'end_to_end'] = _run_figures(run)
            if not draw:
                used = _memory(on_device)
        if settings.profile:
            for size, figures in sizes.items():
                say(f'profile, {size[0]}×{size[1]}')
                with Sampler() as sampler:
                    run = pipeline.run(pictures[size], settings.frames, settings.seconds)
                shares = sampler.shares()
                figures['profile'] = {'rate_hz': run.timing.rate_hz, 'threads': shares}
    return used


def _run_baseline(
    name: str,
    settings: Settings,
    pictures: dict[tuple[int, int], list[NDArray[np.uint8]]],
    sizes: dict[tuple[int, int], dict[str, Any]],
    say: Callable[[str], None],
) -> None:
    with opened_models(settings) as models, ExitStack() as stack:
        run_all = _loop_inference(name, list(models.values()), stack)
        for size, figures in sizes.items():
            say(f'the usual loop ({name}), {size[0]}×{size[1]}')
            count = settings.frames or 1_000_000
            run, stages = baseline.run_baseline(
                list(models.values()), pictures[size], count, settings.seconds, run_all
            )
            figures[name] = {**_figures(run), 'stages': stages}


def _loop_inference(
    name: str, models: list[Model[Any, Any]], stack: ExitStack
) -> Callable[[Any], Any]:
    """The `run_all` of a loop for these models; the stack closes it."""
    engines = [model.engine for model in models]
    runtimes = (OnnxRuntimeEngine, OnnxRuntimeCudaEngine)
    if name == 'seed' and all(isinstance(engine, runtimes) for engine in engines):
        return baseline.InTurn([baseline.plain_session(model) for model in models])
    on_device = [engine for engine in engines if isinstance(engine, CudaEngine)]
    if len(on_device) == len(engines):
        return stack.enter_context(closing(baseline.OnStreams(on_device)))
    return baseline.InTurn([engine.infer for engine in engines])


def _add_ratios(figures: dict[str, Any], alone: Timing) -> None:
    rate = figures['end_to_end']['rate_hz']
    figures['of_inference'] = rate / alone.rate_hz
    if 'drawn' in figures:
        figures['drawn_of_inference'] = figures['drawn']['rate_hz'] / alone.rate_hz
    for name in BASELINES:
        if name in figures:
            figures[f'of_{name}'] = rate / figures[name]['rate_hz']


def _figures(timing: Timing) -> dict[str, Any]:
    return {**asdict(timing), 'mean_ms': timing.mean_ms}


def _run_figures(run: EndToEnd) -> dict[str, Any]:
    stages = {
        engine: {
            name: {'median_ms': one.median_ms, 'p99_ms': one.p99_ms} for name, one in of.items()
        }
        for engine, of in run.stages.items()
    }
    counts = {engine: asdict(one) for engine, one in run.counts.items()}
    return {
        **_figures(run.timing),
        'stages': stages,
        'counts': counts,
        'drawn_frames': run.drawn,
        'cpu_ms': run.cpu_ms,
        'errors': run.errors,
    }


def _memory(on_device: bool) -> dict[str, float]:
    used = {'host_mb': memory.resident_mb()}
    if on_device:
        used['device_mb'] = memory.device_used_mb()
    return used


def _settings(settings: Settings) -> dict[str, Any]:
    """The figures as JSON types, without those that are None."""
    told = asdict(settings) | {'source': shown(settings.source)}
    return {
        name: str(value) if name == 'overrides' else value
        for name, value in told.items()
        if value is not None
    }
