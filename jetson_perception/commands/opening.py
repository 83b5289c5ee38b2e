"""The models that a command is asked to open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.commands.build_status import BuildStatus
from jetson_perception.commands.overrides import read_overrides
from jetson_perception.commands.terminal import say
from jetson_perception.models import open_model
from jetson_perception.resources import INT8_TWINS

if TYPE_CHECKING:
    import argparse

    from jetson_perception.models import Model


def open_asked(
    arguments: argparse.Namespace,
    path: str | None = None,
    runtime: str | None = None,
    precision: str | None = None,
    dla_core: int | None = None,
    *,
    threads: int | None = None,
    tell_assumptions: bool = True,
) -> Model[Any, Any]:
    """Open the model that the arguments name, and show the progress of a build.

    Parameters
    ----------
    arguments : Namespace
        With what `add_model_options` adds.
    path, runtime, precision, dla_core, threads : optional
        Used instead of what the arguments say.
    tell_assumptions : bool
        Whether to print what is assumed of the model; with `--verbose` the log has it.

    Raises
    ------
    PerceptionError
        When the model cannot be opened.
    """
    path = path or arguments.model
    make_lacking_twins(path)
    with BuildStatus(Path(path).stem) as progress:
        model = open_model(
            path,
            runtime=runtime or arguments.runtime,
            threads=arguments.threads if threads is None else threads,
            overrides=read_overrides(arguments.set),
            precision=precision or arguments.precision,
            dla_core=arguments.dla_core if dla_core is None else dla_core,
            progress=progress,
        )
    if tell_assumptions and model.assumed and not arguments.verbose:
        from rich.console import Console

        say(Console(stderr=True), f'{model.assumption_text} (here: --set NAME=VALUE)')
    return model


def make_lacking_twins(*models: str) -> None:
    """Make those of the models that are INT8 twins of demo models and are not made yet.

    Raises
    ------
    PerceptionError
        When one cannot be made.
    """
    for name in models:
        if name in INT8_TWINS and not os.path.exists(name):  # a file of the user comes first
            from jetson_perception.commands.int8_twins import make_int8_twin

            make_int8_twin(name)
