"""Several engines at once take less than 0.6 of the time that they take one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpu_checks.checks import say
from jetson_perception.benchmark import inference
from jetson_perception.benchmark.session import Settings, opened_engines

if TYPE_CHECKING:
    from gpu_checks.checks import Checks, Options


def run(options: Options, checks: Checks) -> None:
    """Measure both ways, waiting for every frame, so that only the overlap of engines differs."""
    settings = Settings(options.models, runtime=options.runtime)
    say('one after another')
    with opened_engines(settings) as engines:
        turn, each = inference.in_turn(engines, options.frames, options.seconds)
        for name, one in zip(settings.names(), each, strict=True):
            checks.note(f'{name} alone, ms per frame', one.mean_ms)
    checks.note('one after another, ms per frame', turn.mean_ms)
    say('all at once')
    with opened_engines(settings) as engines:
        all_, _ = inference.together(engines, options.frames, options.seconds, in_flight=1)
        checks.note('together, ms per frame', all_.mean_ms)
    with opened_engines(settings) as engines:
        ahead, _ = inference.together(engines, options.frames, options.seconds, in_flight=2)
        checks.note('together, two frames in flight, ms per frame', ahead.mean_ms)
    checks.at_most('together, ratio to one after another', all_.mean_ms / turn.mean_ms, 0.6)
